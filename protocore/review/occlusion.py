"""Does the marked region matter? Covering it in the prototype, against the same shape elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protocore.compare.edits import Box, Stroke, cover, region_mask
from protocore.errors import SettingsError
from protocore.generation.recording import image_logits
from protocore.models.classifier import Classifier

CONTROLS = 24  # places that the region is compared with
EXCEEDED = 0.9  # share of the controls that a region that matters must exceed


@dataclass(frozen=True, kw_only=True)
class OcclusionEffect:
    """How far a logit falls when a region is covered, and when others of its shape are."""

    drop: float
    control_drops: tuple[float, ...]
    share: float  # of the image that the region covers, 0..1

    @property
    def exceeded(self) -> float:
        """Share of the controls whose drop is smaller, 0..1; 0 without controls."""
        if not self.control_drops:
            return 0.0
        return sum(self.drop > other for other in self.control_drops) / len(self.control_drops)

    @property
    def matters(self) -> bool:
        """Whether the logit falls, and by more than it does nearly everywhere else."""
        return self.drop > 0 and self.exceeded >= EXCEEDED


def occlusion_effect(
    classifier: Classifier,
    image: np.ndarray,
    regions: Sequence[Box | Stroke],
    class_index: int,
    *,
    how: str = "blur",
    controls: int = CONTROLS,
    seed: int = 0,
) -> OcclusionEffect:
    """Cover the regions of an 8-bit image `(H, W, 3)`, then their shape at `controls` places.

    A smaller drop elsewhere is what tells a region that matters from the fact that covering
    anything lowers a logit. "blur" keeps the colours, so that only what is to be seen there goes.
    The places are drawn with `seed` on a torus, so that every shape fits everywhere. Raises
    SettingsError when nothing is marked.
    """
    if not regions:
        raise SettingsError("mark a region on the picture first: there is nothing to cover")
    chosen = classifier.find_class(class_index)
    mask = region_mask(regions, *image.shape[:2])
    masks = [mask, *_elsewhere(mask, controls, np.random.default_rng(seed))]
    covered = np.stack([image, *(cover(image, one, how) for one in masks)])
    logits = image_logits(classifier, covered)[:, chosen].double().numpy()
    drops = logits[0] - logits[1:]
    return OcclusionEffect(
        drop=float(drops[0]),
        control_drops=tuple(float(value) for value in drops[1:]),
        share=float(mask.mean()),
    )


def _elsewhere(mask: np.ndarray, count: int, generator: np.random.Generator) -> list[np.ndarray]:
    """The mask moved to random places, each with at most half of it where it was, if possible."""
    height, width = mask.shape
    size = mask.sum()
    found: list[np.ndarray] = []
    spare: list[np.ndarray] = []
    for _ in range(20 * count):
        if len(found) == count:
            break
        shift = int(generator.integers(height)), int(generator.integers(width))
        moved = np.roll(mask, shift, axis=(0, 1))
        overlaps = (moved & mask).sum() > size / 2
        (spare if overlaps else found).append(moved)
    return found + spare[: count - len(found)]
