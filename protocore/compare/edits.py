"""What if this part were not there? Covering regions of an image and asking the model again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from pydantic import Field

from protocore.errors import SettingsError
from protocore.generation.recording import image_logits
from protocore.models.classifier import Classifier
from protocore.schema import checked, dump, items, load, number

COVERS = ("mean", "blur", "grey", "black")
BLUR_SHARE = 0.06  # radius as a share of the width: outlines go, colours stay
MAX_POINTS = 10_000  # of one brush stroke


Share = Annotated[float, number(0, 1)]


@checked(SettingsError)
class Box:
    """A rectangle, in shares of width and height from the top left corner."""

    left: Share
    top: Share
    right: Share
    bottom: Share
    kind: Literal["box"] = "box"

    def __post_init__(self) -> None:
        if self.left >= self.right or self.top >= self.bottom:
            raise SettingsError(
                "a box needs left < right and top < bottom, got "
                f"left {self.left}, top {self.top}, right {self.right}, bottom {self.bottom}"
            )


@checked(SettingsError)
class Stroke:
    """A line drawn with a round brush, in shares of width and height."""

    points: Annotated[
        tuple[Annotated[tuple[Share, Share], items(2)], ...], items(MAX_POINTS, 1)
    ]  # (x, y)
    radius: Annotated[float, Field(gt=0, le=0.5)]  # share of the width
    kind: Literal["brush"] = "brush"


Shape = Annotated[Box | Stroke, Field(discriminator="kind")]


def shape_to_dict(shape: Box | Stroke) -> dict[str, Any]:
    """Plain values for JSON and for the browser."""
    return dump(shape)


def shape_from_dict(content: Any) -> Box | Stroke:
    """The inverse of `shape_to_dict`; raises SettingsError for what is no region."""
    return load(Shape, content, SettingsError, "the drawn region")


@dataclass(frozen=True, kw_only=True, eq=False)
class WhatIf:
    """What the model says before and after an edit."""

    image: np.ndarray  # (H, W, 3) uint8, edited
    before: np.ndarray  # (K,) logits
    after: np.ndarray  # (K,) logits
    probabilities_before: np.ndarray  # (K,)
    probabilities_after: np.ndarray  # (K,)
    share: float  # of the pixels that were covered, 0..1


def region_mask(shapes: Sequence[Box | Stroke], height: int, width: int) -> np.ndarray:
    """Which pixels `(H, W)` bool lie in any of the shapes; every shape covers at least one."""
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    for shape in shapes:
        if isinstance(shape, Box):
            left, top = int(shape.left * width), int(shape.top * height)
            right = max(left, round(shape.right * width) - 1)
            bottom = max(top, round(shape.bottom * height) - 1)
            draw.rectangle((left, top, right, bottom), fill=1)
        else:
            _draw_stroke(draw, shape, height, width)
    return np.asarray(canvas)


def _draw_stroke(draw: ImageDraw.ImageDraw, stroke: Stroke, height: int, width: int) -> None:
    radius = stroke.radius * width
    points = [(x * width - 0.5, y * height - 0.5) for x, y in stroke.points]
    if len(points) > 1:
        draw.line(points, fill=1, width=max(1, round(2 * radius)))
    for x, y in points:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)


def cover(image: np.ndarray, mask: np.ndarray, how: str) -> np.ndarray:
    """A copy of an 8-bit image `(H, W, 3)` with the pixels of `mask` `(H, W)` replaced.

    "mean": the image's mean colour; "blur": the image itself without detail; "grey" and "black":
    as they say. Raises SettingsError for another way.
    """
    if how == "mean":
        filling = image.mean(axis=(0, 1)).round().astype(np.uint8)
    elif how == "blur":
        radius = BLUR_SHARE * image.shape[1]
        filling = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
    elif how in ("grey", "black"):
        filling = np.uint8(128 if how == "grey" else 0)
    else:
        raise SettingsError(f"cover must be one of {', '.join(COVERS)}, got {how!r}")
    return np.where(mask[:, :, None], filling, image)


def what_if(
    classifier: Classifier, image: np.ndarray, shapes: Sequence[Box | Stroke], how: str = "mean"
) -> WhatIf:
    """Cover the shapes in an 8-bit image `(H, W, 3)` and ask the model before and after."""
    mask = region_mask(shapes, *image.shape[:2])
    edited = cover(image, mask, how)
    logits = image_logits(classifier, np.stack([image, edited])).double()
    probabilities = classifier.probabilities(logits).numpy()
    return WhatIf(
        image=edited,
        before=logits[0].numpy(),
        after=logits[1].numpy(),
        probabilities_before=probabilities[0],
        probabilities_after=probabilities[1],
        share=float(mask.mean()),
    )
