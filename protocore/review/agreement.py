"""How far reviewers agree who looked at the same images without knowing of each other.

Where a figure is not defined (nobody marked anything, everybody said the same of everything), it is
None and says why: 1 or 0 would claim something that was not measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from protocore.compare.edits import Box, Stroke, region_mask
from protocore.errors import ReviewError

GRID = 64  # cells each way on which regions are laid over each other

Region = Sequence[Box | Stroke]


@dataclass(frozen=True, kw_only=True)
class Kappa:
    """Agreement beyond chance: 1 full, 0 as by chance, below 0 less; None: not defined."""

    value: float | None
    name: str  # "Cohen's kappa" or "Fleiss' kappa"
    items: int  # what was rated
    raters: int
    observed: float | None = None  # share of agreeing pairs of ratings, 0..1
    reason: str = ""  # why there is no value


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> Kappa:
    """Kappa of two raters who put the same items into categories.

    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 20 (1960) 37-46. Raises ReviewError when they rated different numbers of items.
    """
    if len(first) != len(second):
        raise ReviewError(
            f"both reviewers must rate the same items, got {len(first)} and {len(second)} ratings"
        )
    count = len(first)
    if count == 0:
        return _undefined("Cohen's kappa", 0, 2, None, "nothing was rated by both")
    observed = sum(one == other for one, other in zip(first, second, strict=True)) / count
    of_first, of_second = Counter(first), Counter(second)
    chance = sum(of_first[category] * of_second[category] for category in of_first) / count**2
    if chance == 1:
        return _undefined("Cohen's kappa", count, 2, observed, _ONE_CATEGORY)
    value = (observed - chance) / (1 - chance)
    return Kappa(value=value, name="Cohen's kappa", items=count, raters=2, observed=observed)


def fleiss_kappa(counts: np.ndarray) -> Kappa:
    """Kappa of many raters, from `counts` `(items, categories)`: how many chose which.

    Every item has the same number of ratings, not necessarily by the same people. Fleiss,
    "Measuring nominal scale agreement among many raters", Psychological Bulletin 76 (1971) 378-382.
    Raises ReviewError for counts that are not such.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or not np.issubdtype(counts.dtype, np.integer) or (counts < 0).any():
        raise ReviewError(
            f"ratings are whole counts >= 0 of items by categories, got shape {counts.shape}"
        )
    if counts.size == 0:
        return _undefined("Fleiss' kappa", len(counts), 0, None, "nothing was rated by all")
    raters = int(counts[0].sum())
    if raters < 2 or (counts.sum(axis=1) != raters).any():
        raise ReviewError("every item needs the same number of ratings, at least 2")
    agreeing = (counts * (counts - 1)).sum() / (len(counts) * raters * (raters - 1))
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    if np.count_nonzero(counts.sum(axis=0)) == 1:
        return _undefined("Fleiss' kappa", len(counts), raters, float(agreeing), _ONE_CATEGORY)
    return Kappa(
        value=float((agreeing - chance) / (1 - chance)),
        name="Fleiss' kappa",
        items=len(counts),
        raters=raters,
        observed=float(agreeing),
    )


def tag_agreement(reviews: Sequence[Mapping[str, Collection[str]]]) -> Kappa:
    """Kappa of reviewers on tags: for each item that all have seen and each tag, present or absent.

    One mapping per reviewer, item -> tags. The tags are those that anybody used for these items,
    compared without regard to case and outer spaces: tags that nobody thought of would only add
    agreement on absence. Cohen's for two reviewers, Fleiss' for more.
    """
    if len(reviews) < 2:
        return _undefined("Cohen's kappa", 0, len(reviews), None, "it takes two reviewers")
    items = sorted(set.intersection(*(set(review) for review in reviews)))
    sets = [[_clean(review[item]) for item in items] for review in reviews]
    tags = sorted(set().union(*(tags for review in sets for tags in review)))
    ratings = np.array([[[t in s for t in tags] for s in review] for review in sets], dtype=int)
    ratings = ratings.reshape(len(reviews), len(items) * len(tags))
    if len(reviews) == 2:
        return cohen_kappa(*ratings.tolist())
    present = ratings.sum(axis=0)
    return fleiss_kappa(np.stack([present, len(reviews) - present], axis=1))


def shared_marks(marks: Sequence[Collection[str]]) -> float | None:
    """Share of the tags used for an item that at least two reviewers used; None without any."""
    counts = Counter(tag for reviewer in marks for tag in _clean(reviewer))
    if not counts:
        return None
    return sum(count >= 2 for count in counts.values()) / len(counts)


def region_overlap(first: Region, second: Region) -> float | None:
    """Intersection over union of two reviewers' regions in one image, 0..1; None without any."""
    one, other = (region_mask(region, GRID, GRID) for region in (first, second))
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else None


def mean_overlap(first: Sequence[Region], second: Sequence[Region]) -> float | None:
    """Mean `region_overlap` over the images that at least one of two reviewers marked.

    None where neither marked anything. Raises ReviewError for different numbers of images.
    """
    if len(first) != len(second):
        raise ReviewError(
            f"both reviewers must see the same images, got {len(first)} and {len(second)}"
        )
    found = [region_overlap(one, other) for one, other in zip(first, second, strict=True)]
    marked = [overlap for overlap in found if overlap is not None]
    return float(np.mean(marked)) if marked else None


_ONE_CATEGORY = "all ratings are the same, so that agreement and chance cannot be told apart"


def _undefined(name: str, items: int, raters: int, observed: float | None, reason: str) -> Kappa:
    return Kappa(
        value=None, name=name, items=items, raters=raters, observed=observed, reason=reason
    )


def _clean(tags: Collection[str]) -> set[str]:
    return {tag.strip().casefold() for tag in tags} - {""}
