"""Cohort B as cohort A after an edit: what differs is the edit and nothing else.

    edits = (Watermark(text="保 carton"), Jpeg(quality=40))
    b = edit_cohort(a, edits)                       # pixel-identical otherwise, pair by pair
    c = control_cohort(a, edits, seed=0)            # the same edits at a random place

An edit at a random place is the control: it tells "this disturbs the model" from "anything does".
Edits of the whole image (grey, JPEG, ...) have no place and no control.
"""

from __future__ import annotations

import base64
import binascii
import colorsys
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from pydantic import Field

from protocore.cohorts.cohort import Cohort
from protocore.compare.edits import COVERS, Box, Share, cover, region_mask
from protocore.errors import ReviewError
from protocore.schema import checked, dump, items, load, one_of, text

__all__ = [
    "Edit", "Edits", "control_cohort", "edit_cohort", "edit_text", "edited_pair", "movable",
    "read_edit",
]  # fmt: skip

FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "arialuni.ttf")
MOST_EDITS = 8
Size = Annotated[float, Field(gt=0, le=1)]
Channel = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[tuple[Channel, Channel, Channel], items(3, 3)]


@checked(ReviewError)
class Watermark:
    """A text centred at (x, y), in shares of the image; `size` is its height."""

    text: Annotated[str, text(200)]
    x: Share = 0.5
    y: Share = 0.5
    size: Size = 0.12
    opacity: Size = 0.6
    colour: Colour = (255, 255, 255)
    kind: Literal["watermark"] = "watermark"

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The edited copy of an 8-bit image `(H, W, 3)`; so with all edits."""
        height, width = image.shape[:2]
        font = _font(self.text, max(4, round(self.size * height)))
        box = font.getbbox(self.text)
        if box[2] - box[0] > width or box[3] - box[1] > height:
            raise ReviewError(
                f"the text is {box[2] - box[0]:g} x {box[3] - box[1]:g} pixels, the image "
                f"{width} x {height}: shorten it or make it smaller"
            )
        mask = Image.new("L", (width, height))
        place = (
            _inside(self.x * width, box[2] - box[0], width) - box[0],
            _inside(self.y * height, box[3] - box[1], height) - box[1],
        )
        ImageDraw.Draw(mask).text(place, self.text, font=font, fill=255)
        return _blend(image, np.array(self.colour), np.asarray(mask) / 255 * self.opacity)


@checked(ReviewError)
class Paste:
    """A picture pasted in: a cut-out of a prototype, a logo. `png` is base64; alpha is kept."""

    png: Annotated[str, text(400_000)]
    x: Share = 0.5
    y: Share = 0.5
    size: Size = 0.3  # width, as a share of the image's
    rotation: Annotated[float, Field(ge=-180, le=180)] = 0.0
    opacity: Size = 1.0
    kind: Literal["paste"] = "paste"

    def apply(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        patch = _picture(self.png)
        across = max(1, round(self.size * width))
        down = max(1, round(across * patch.height / patch.width))
        if down > height:
            raise ReviewError(
                f"the pasted picture is {across} x {down} pixels, the image {width} x {height}: "
                "make it smaller"
            )
        patch = patch.resize((across, down)).rotate(self.rotation, expand=True)
        layer = Image.new("RGBA", (width, height))
        layer.paste(
            patch,
            (
                round(self.x * width - patch.width / 2),
                round(self.y * height - patch.height / 2),
            ),
        )
        pixels = np.asarray(layer)
        return _blend(image, pixels[:, :, :3], pixels[:, :, 3] / 255 * self.opacity)


@checked(ReviewError)
class Cover:
    """A region covered: by the mean colour, blurred, grey or black."""

    box: Box
    how: Annotated[str, one_of(COVERS)] = "blur"
    kind: Literal["cover"] = "cover"

    def apply(self, image: np.ndarray) -> np.ndarray:
        return cover(image, region_mask([self.box], *image.shape[:2]), self.how)


@checked(ReviewError)
class Background:
    """Everything outside of the box covered."""

    box: Box
    how: Annotated[str, one_of(COVERS)] = "blur"
    kind: Literal["background"] = "background"

    def apply(self, image: np.ndarray) -> np.ndarray:
        return cover(image, ~region_mask([self.box], *image.shape[:2]), self.how)


@checked(ReviewError)
class Hue:
    """Hue turned by `degrees` and saturation multiplied, in a box or everywhere."""

    degrees: Annotated[float, Field(ge=-180, le=180)] = 0.0
    saturation: Annotated[float, Field(ge=0, le=4)] = 1.0
    box: Box | None = None
    kind: Literal["hue"] = "hue"

    def apply(self, image: np.ndarray) -> np.ndarray:
        # In YIQ a turn of the two colour axes is a turn of the hue, and brightness stays.
        to_yiq = np.array([colorsys.rgb_to_yiq(*axis) for axis in np.eye(3)]).T
        angle = np.deg2rad(self.degrees)
        turn = np.eye(3)
        turn[1:, 1:] = self.saturation * np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        turned = _bytes(image @ (np.linalg.inv(to_yiq) @ turn @ to_yiq).T)
        if self.box is None:
            return turned
        return np.where(region_mask([self.box], *image.shape[:2])[:, :, None], turned, image)


@checked(ReviewError)
class Grey:
    """No colours."""

    kind: Literal["grey"] = "grey"

    def apply(self, image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


@checked(ReviewError)
class Brightness:
    """Every value multiplied."""

    factor: Annotated[float, Field(gt=0, le=4)]
    kind: Literal["brightness"] = "brightness"

    def apply(self, image: np.ndarray) -> np.ndarray:
        return _bytes(image * self.factor)


@checked(ReviewError)
class Blur:
    """Gaussian blur; `radius` is a share of the width."""

    radius: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    kind: Literal["blur"] = "blur"

    def apply(self, image: np.ndarray) -> np.ndarray:
        radius = self.radius * image.shape[1]
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


@checked(ReviewError)
class Jpeg:
    """Compressed and read again."""

    quality: Annotated[int, Field(ge=1, le=95)] = 30
    kind: Literal["jpeg"] = "jpeg"

    def apply(self, image: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=self.quality)
        return np.asarray(Image.open(file).convert("RGB"))


@checked(ReviewError)
class Crop:
    """The middle `share` of each side, enlarged to the whole."""

    share: Annotated[float, Field(gt=0.05, lt=1)] = 0.8
    kind: Literal["crop"] = "crop"

    def apply(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        down, across = (max(1, round(self.share * side)) for side in (height, width))
        top, left = (height - down) // 2, (width - across) // 2
        part = Image.fromarray(image[top : top + down, left : left + across])
        return np.asarray(part.resize((width, height), Image.Resampling.BICUBIC))


@checked(ReviewError)
class Flip:
    """Mirrored: left and right, or top and bottom."""

    axis: Annotated[str, one_of(("horizontal", "vertical"))] = "horizontal"
    kind: Literal["flip"] = "flip"

    def apply(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[:, ::-1] if self.axis == "horizontal" else image[::-1])


@checked(ReviewError)
class Rotation:
    """Turned about the middle; the corners are filled with the mean colour."""

    degrees: Annotated[float, Field(ge=-180, le=180)]
    kind: Literal["rotation"] = "rotation"

    def apply(self, image: np.ndarray) -> np.ndarray:
        filling = tuple(int(value) for value in image.mean(axis=(0, 1)).round())
        turned = Image.fromarray(image).rotate(
            self.degrees, Image.Resampling.BICUBIC, fillcolor=filling
        )
        return np.asarray(turned)


Edit = Annotated[
    Watermark | Paste | Cover | Background | Hue | Grey | Brightness | Blur | Jpeg | Crop | Flip
    | Rotation,
    Field(discriminator="kind"),
]  # fmt: skip
Edits = Annotated[tuple[Edit, ...], items(MOST_EDITS)]


# --- cohorts ---


def edit_cohort(cohort: Cohort, edits: Sequence[Edit]) -> Cohort:
    """The cohort after the edits, in order.

    Raises ReviewError where an edit does not fit, or changes nothing in any image.
    """
    return _edited(cohort, [tuple(edits)] * len(cohort), "edited")


def edited_pair(cohort: Cohort, edits: Sequence[Edit]) -> tuple[Cohort, Cohort]:
    """The cohort and its edited copy, image by image partners even where names repeat."""
    keys = cohort.pair_keys
    if keys is None or len(set(keys)) < len(keys):
        cohort = replace(cohort, pair_keys=tuple(f"{place:04d}" for place in range(len(cohort))))
    return cohort, edit_cohort(cohort, edits)


def control_cohort(cohort: Cohort, edits: Sequence[Edit], seed: int = 0) -> Cohort | None:
    """The same edits at a place of their own in each image, drawn with `seed`.

    None where no edit has a place.
    """
    if not any(movable(edit) for edit in edits):
        return None
    generator = np.random.default_rng(seed)
    moved = [tuple(_moved(edit, generator) for edit in edits) for _ in range(len(cohort))]
    return _edited(cohort, moved, "control: edited at a random place")


def movable(edit: Edit) -> bool:
    """Whether the edit has a place, so that another place is a control."""
    return isinstance(edit, Watermark | Paste | Cover) or getattr(edit, "box", None) is not None


def edit_text(edits: Sequence[Edit]) -> str:
    """The edits in words: "watermark (text: SALE, x: 0.5), jpeg (quality: 30)"."""
    return ", ".join(_words(edit) for edit in edits)


def read_edit(given: str) -> Edit:
    """An edit from a command line: "watermark:text=SALE,size=0.2", "cover:left=0,top=0,...".

    Raises ReviewError for what is no edit.
    """
    kind, _, rest = given.partition(":")
    values: dict[str, Any] = {}
    for part in re.split(r",(?=\w+=)", rest) if rest else []:
        name, equals, value = part.partition("=")
        if not equals:
            raise ReviewError(f"an edit is given as KIND:name=value,name=value, got {given!r:.80}")
        values[name.strip()] = value if name.strip() in ("text", "png", "how") else _value(value)
    edges = {
        name: values.pop(name) for name in ("left", "top", "right", "bottom") if name in values
    }
    if edges:
        values["box"] = {"kind": "box", **edges}
    return load(Edit, {"kind": kind.strip(), **values}, ReviewError, "the edit")


def _value(written: str) -> Any:
    if re.fullmatch(r"-?\d+", written):
        return int(written)
    if ";" in written:
        return [_value(one) for one in written.split(";")]
    try:
        return float(written)
    except ValueError:
        return written


def _words(edit: Edit) -> str:
    values = {name: value for name, value in dump(edit).items() if name not in ("kind", "png")}
    said = ", ".join(f"{name}: {value}" for name, value in values.items() if value is not None)
    return f"{edit.kind} ({said})" if said else edit.kind


def _edited(cohort: Cohort, edits: Sequence[tuple[Edit, ...]], label: str) -> Cohort:
    pixels = cohort.pixels.copy()
    for place, chain in enumerate(edits):
        for edit in chain:
            pixels[place] = edit.apply(pixels[place])
    changed = (pixels != cohort.pixels).any(axis=(1, 2, 3))
    if not changed.any():
        raise ReviewError(
            f"the edit changes nothing in any of the {len(cohort)} images ({edit_text(edits[0])}): "
            "choose another colour, place or strength"
        )
    notes = cohort.notes
    if not changed.all():
        notes = (*notes, f"{label}: {int((~changed).sum())} of {len(cohort)} images are unchanged")
    return replace(
        cohort,
        label=f"{cohort.label}, {label}"[:300],
        pixels=pixels,
        hashes=tuple(hashlib.sha256(np.ascontiguousarray(one)).hexdigest() for one in pixels),
        notes=notes,
        skipped=(),
    )


def _moved(edit: Edit, generator: np.random.Generator) -> Edit:
    if not movable(edit):
        return edit
    x, y = (float(value) for value in generator.random(2))
    if isinstance(edit, Watermark | Paste):
        return replace(edit, x=x, y=y)
    width, height = edit.box.right - edit.box.left, edit.box.bottom - edit.box.top
    left, top = x * (1 - width), y * (1 - height)
    box = Box(left=left, top=top, right=min(1, left + width), bottom=min(1, top + height))
    return replace(edit, box=box)


# --- pixels ---


def _blend(image: np.ndarray, over: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    share = opacity[:, :, None]
    return _bytes(image * (1 - share) + over * share)


def _bytes(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def _inside(centre: float, extent: float, limit: int) -> float:
    return min(max(centre - extent / 2, 0), limit - extent)


def _picture(png: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(base64.b64decode(png, validate=True))).convert("RGBA")
    except (binascii.Error, OSError, ValueError, Image.DecompressionBombError) as error:
        raise ReviewError(f"the pasted picture cannot be read: {error}") from error


def _font(written: str, size: int) -> ImageFont.FreeTypeFont:
    """The first font that has every letter of the text."""
    missing = ""
    for name in ("", *FONTS):
        try:
            font = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
        except OSError:
            continue
        absent = bytes(font.getmask("\uffff"))  # the box of a letter that a font does not have
        lost = [c for c in written if c.strip() and bytes(font.getmask(c)) == absent]
        if not lost:
            return font
        missing = missing or lost[0]
    raise ReviewError(
        f"no font here has the letter {missing!r}; install one of {', '.join(FONTS)}, or write "
        "the text in another script"
    )
