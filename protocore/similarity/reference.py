"""The natural images that a prototype is compared with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from protocore.errors import NaturalReferenceError

MIN_IMAGES = 5  # of each kind: below, the mean is hardly an average, and an interval has no meaning
DEFAULT_IMAGES = 100  # of each kind (paper, section 3.2)


@dataclass(frozen=True, kw_only=True)
class SkippedImage:
    """A file that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReferenceInfo:
    """What is worth telling of a natural reference, without its pixels."""

    key: str  # NaturalReference.key
    class_index: int
    source: str
    seed: int
    same_names: tuple[str, ...]  # one per image
    different_names: tuple[str, ...]
    skipped: tuple[SkippedImage, ...]
    notes: tuple[str, ...] = ()
    preprocessing: str = ""  # how pictures from files were resized and cropped

    @property
    def description(self) -> str:
        """One line for people, such as "100 images of the class, 87 of other classes (demo)"."""
        same, different = len(self.same_names), len(self.different_names)
        said = f"{same} images of the class, {different} of other classes"
        return f"{said} ({self.source})" if self.source else said


@dataclass(frozen=True, kw_only=True, eq=False)
class NaturalReference:
    """Images of one class and of other classes, at the classifier's input size.

    Raises NaturalReferenceError when there are fewer than MIN_IMAGES of either kind.
    """

    class_index: int
    same: np.ndarray  # (N, S, S, 3) uint8, of the class
    different: np.ndarray  # (M, S, S, 3) uint8, of other classes
    same_names: tuple[str, ...] = ()
    different_names: tuple[str, ...] = ()
    source: str = ""  # where the images come from, for people
    seed: int = 0  # of the draw
    skipped: tuple[SkippedImage, ...] = field(default=())
    notes: tuple[str, ...] = ()  # what people should know of how images were read
    preprocessing: str = ""  # how pictures from files were resized and cropped, in words

    def __post_init__(self) -> None:
        for kind, images in (("the class", self.same), ("other classes", self.different)):
            if len(images) < MIN_IMAGES:
                raise NaturalReferenceError(
                    f"a natural reference needs at least {MIN_IMAGES} images of {kind}, got "
                    f"{len(images)}{self._what_was_skipped()}; add images"
                )

    @cached_property
    def key(self) -> str:
        """SHA-256 over class, pixels and the preprocessing that led to them."""
        about = f"{self.class_index} {self.same.shape}{self.preprocessing}"
        digest = hashlib.sha256(about.encode())
        for images in (self.same, self.different):
            digest.update(np.ascontiguousarray(images))
        return digest.hexdigest()

    @property
    def info(self) -> ReferenceInfo:
        """Everything but the pixels; images without a name get their number."""
        return ReferenceInfo(
            key=self.key,
            class_index=self.class_index,
            source=self.source,
            seed=self.seed,
            same_names=self.same_names or tuple(f"image {i}" for i in range(len(self.same))),
            different_names=self.different_names
            or tuple(f"image {i}" for i in range(len(self.different))),
            skipped=self.skipped,
            notes=self.notes,
            preprocessing=self.preprocessing,
        )

    def _what_was_skipped(self) -> str:
        if not self.skipped:
            return ""
        first = self.skipped[0]
        return f" ({len(self.skipped)} were skipped, first {first.name}: {first.reason})"
