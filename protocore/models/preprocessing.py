"""How a picture of any size becomes what a network takes: resize, crop, then mean and std."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from protocore.errors import ModelError

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision.transforms.ImageClassification's default
IMAGENET_STD = (0.229, 0.224, 0.225)
CROP_SHARE = 0.875  # 224 of 256, ImageNet's usual evaluation
WHOLE_BELOW = 128  # pixels; networks for small images (CIFAR's 32) see the picture uncropped
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
MODES = ("crop", "squash", "border")

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Resize, crop and normalisation of one classifier.

    Pictures are resampled with antialiasing, as torchvision's and timm's own transforms do with
    pictures from files. The default for `resize` is the stated rule for networks whose own
    transforms are not known: the shorter side to input size / CROP_SHARE, then the centre square;
    below WHOLE_BELOW pixels the whole centre square. Raises ModelError.
    """

    input_size: int = 224  # pixels, height and width of the crop
    resize: int | None = None  # pixels, see mode; None: the default rule
    mode: str = "crop"  # the shorter side to `resize`; "squash": both sides; "border": the longer
    interpolation: str = "bilinear"  # one of INTERPOLATIONS
    mean: Triple = IMAGENET_MEAN  # per channel, for images in [0, 1]
    std: Triple = IMAGENET_STD
    grey: bool = False  # the network has one channel: pictures become grey (ITU-R 601 luma)

    def __post_init__(self) -> None:
        size = self.input_size
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ModelError(f"input size must be a whole number of pixels >= 1, got {size!r}")
        object.__setattr__(self, "mean", triple(self.mean, "mean"))
        object.__setattr__(self, "std", triple(self.std, "std", positive=True))
        if self.resize is None:
            object.__setattr__(self, "resize", default_resize(size))
        if isinstance(self.resize, bool) or not isinstance(self.resize, int) or self.resize < 1:
            raise ModelError(f"resize must be a whole number of pixels >= 1, got {self.resize!r}")
        if self.mode == "crop" and self.resize < size:
            raise ModelError(
                f"resize must be >= the input size of {size} pixels, got {self.resize}: the crop "
                "would reach beyond the picture"
            )
        for name, known in (("interpolation", INTERPOLATIONS), ("mode", MODES)):
            if getattr(self, name) not in known:
                raise ModelError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                )

    @classmethod
    def whole(cls, size: int) -> Preprocessing:
        """The largest centre square, resampled to `size` pixels, bilinear."""
        return cls(input_size=size, resize=size)

    @classmethod
    def from_torchvision(cls, transforms: Any) -> Preprocessing:
        """Of a weights entry's `transforms()`, a `torchvision.transforms` ImageClassification."""
        return cls(
            input_size=transforms.crop_size[0],
            resize=transforms.resize_size[0],
            interpolation=transforms.interpolation.value,
            mean=tuple(transforms.mean),
            std=tuple(transforms.std),
        )

    def changed(self, **given: Any) -> Preprocessing:
        """With the given values that are not None; another input size scales the resize along."""
        given = {name: value for name, value in given.items() if value is not None}
        size = given.get("input_size", self.input_size)
        if size != self.input_size and "resize" not in given:
            given["resize"] = max(round(self.resize * size / self.input_size), size)
        return replace(self, **given)

    @property
    def text(self) -> str:
        """One line for people: "shorter side to 256 px, centre 224 x 224, bilinear"."""
        size, resize = self.input_size, self.resize
        fitted = {
            "crop": f"shorter side to {resize} px, centre {size} x {size}",
            "squash": f"squashed to {resize} x {resize} px, centre {size} x {size}",
            "border": f"longer side to {resize} px, filled up to {size} x {size}",
        }[self.mode]
        return f"{fitted}, {self.interpolation}" + (", grey (ITU-R 601)" if self.grey else "")

    def fit(self, image: Image.Image) -> np.ndarray:
        """An RGB picture -> the `(S, S, 3)` uint8 that the network sees before normalisation."""
        resample = INTERPOLATIONS[self.interpolation]
        if self.grey:
            image = image.convert("L").convert("RGB")
        width, height = self._resized(*image.size)
        if (width, height) != image.size:
            image = image.resize((width, height), resample)
        size = self.input_size
        if width < size or height < size:
            fill = tuple(round(255 * min(max(value, 0), 1)) for value in self.mean)
            canvas = Image.new("RGB", (max(width, size), max(height, size)), fill)
            canvas.paste(image, ((canvas.width - width) // 2, (canvas.height - height) // 2))
            image = canvas
        # Rounded as torchvision's and timm's centre crops are.
        left, top = round((image.width - size) / 2), round((image.height - size) / 2)
        return np.asarray(image.crop((left, top, left + size, top + size)))

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.mode == "squash":
            return self.resize, self.resize
        if self.mode == "border":
            share = self.resize / max(width, height)
            return max(round(width * share), 1), max(round(height * share), 1)
        if width <= height:
            return self.resize, int(self.resize * height / width)
        return int(self.resize * width / height), self.resize


def default_resize(input_size: int) -> int:
    """Pixels of the shorter side before the crop, for networks that come without a transform."""
    return input_size if input_size < WHOLE_BELOW else round(input_size / CROP_SHARE)


def triple(values: Sequence[float], name: str, *, positive: bool = False) -> Triple:
    """Three finite numbers, one per channel; raises ModelError."""
    kind = "positive " if positive else ""
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(math.isfinite(v) and (v > 0 or not positive) for v in numbers):
        shown = list(values) if isinstance(values, tuple | list) else values
        raise ModelError(
            f"{name} must be three {kind}finite numbers, one per channel, such as "
            f"({'0.5, 0.5, 0.5'}), got {shown}"
        )
    return numbers
