"""Where in the image does the class sit? Covering a patch and watching the logit.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014), section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from protocore.compare.edits import COVERS, cover
from protocore.errors import ImageError, SettingsError
from protocore.generation.recording import image_logits
from protocore.models.classifier import Classifier

PATCH_SHARE = 1 / 6  # of the image's width; the published maps use about as much
_BATCH = 16  # covered images made at once


@dataclass(frozen=True, kw_only=True, eq=False)
class OcclusionMap:
    """How much each class's logit falls when a patch is covered."""

    classes: tuple[int, ...]
    logits: np.ndarray  # (C,) of the whole image
    drops: np.ndarray  # (C, rows, columns) by patch: logit of the whole minus of the covered image
    heat: np.ndarray  # (C, H, W) mean drop over the patches that cover a pixel
    patch: int  # pixels
    stride: int  # pixels


def occlusion_map(
    classifier: Classifier,
    image: np.ndarray,
    classes: Sequence[int],
    *,
    patch: int | None = None,
    stride: int | None = None,
    how: str = "mean",
    progress: Callable[[int, int], None] | None = None,
) -> OcclusionMap:
    """Cover every patch of an 8-bit image `(H, W, 3)` in turn.

    `patch` and `stride` are in pixels (default: a sixth of the width, half a patch); `how` is one
    of edits.COVERS. `progress(done, total)` is called after each batch of patches; what it raises
    ends the computation. Raises SettingsError and ImageError.
    """
    height, width = _check_image(image)
    patch = patch or max(1, round(width * PATCH_SHARE))
    stride = stride or max(1, patch // 2)
    _check_settings(patch, stride, how, min(height, width))
    chosen = [classifier.find_class(index) for index in classes]
    tops, lefts = _starts(height, patch, stride), _starts(width, patch, stride)
    places = [(top, left) for top in tops for left in lefts]
    whole = image_logits(classifier, np.stack([image]))[0, chosen].numpy()
    rows = []
    for first in range(0, len(places), _BATCH):
        masks = (_patch_mask(image, place, patch) for place in places[first : first + _BATCH])
        covered = [cover(image, mask, how) for mask in masks]
        rows.append(image_logits(classifier, np.stack(covered))[:, chosen].numpy())
        if progress is not None:
            progress(min(first + _BATCH, len(places)), len(places))
    drops = (whole - np.concatenate(rows)).T.reshape(len(chosen), len(tops), len(lefts))
    return OcclusionMap(
        classes=tuple(chosen),
        logits=whole,
        drops=drops,
        heat=_spread(drops, tops, lefts, patch, (height, width)),
        patch=patch,
        stride=stride,
    )


def _check_image(image: np.ndarray) -> tuple[int, int]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f"an image must be uint8 (H, W, 3), got {image.dtype} of shape {image.shape}"
        )
    return image.shape[:2]


def _check_settings(patch: int, stride: int, how: str, side: int) -> None:
    if how not in COVERS:
        raise SettingsError(f"cover must be one of {', '.join(COVERS)}, got {how!r}")
    if not 1 <= patch <= side:
        raise SettingsError(f"the patch must be between 1 and {side} pixels, got {patch}")
    if not 1 <= stride <= patch:
        raise SettingsError(
            f"the stride must be between 1 and the patch's {patch} pixels, so that no pixel is "
            f"left out, got {stride}"
        )


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """Where patches begin, the last one flush with the border."""
    starts = list(range(0, length - patch + 1, stride))
    return starts if starts[-1] == length - patch else [*starts, length - patch]


def _patch_mask(image: np.ndarray, place: tuple[int, int], patch: int) -> np.ndarray:
    mask = np.zeros(image.shape[:2], dtype=bool)
    mask[place[0] : place[0] + patch, place[1] : place[1] + patch] = True
    return mask


def _spread(
    drops: np.ndarray, tops: list[int], lefts: list[int], patch: int, shape: tuple[int, int]
) -> np.ndarray:
    total = np.zeros((len(drops), *shape))
    count = np.zeros(shape)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            place = np.s_[top : top + patch, left : left + patch]
            total[:, *place] += drops[:, row, column, None, None]
            count[place] += 1
    return total / count
