"""How far the reviewers of one blind round agree: tags, shared marks, overlap of regions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from protocore.review.agreement import Kappa, mean_overlap, shared_marks, tag_agreement
from protocore.review.session import Round


@dataclass(frozen=True, kw_only=True)
class RoundAgreement:
    """Figures over what was written blind; None where there is nothing to measure."""

    observers: tuple[str, ...]  # who have finished looking
    pictures: int
    kappa: Kappa  # on tags
    shared: float | None  # mean share of a picture's tags that at least two used, 0..1
    overlap: float | None  # mean over pairs of reviewers: intersection over union, 0..1


def round_agreement(of: Round) -> RoundAgreement:
    """Agreement of those who have finished: they saw every picture, also those without a word.

    Who has not finished is left out: what they write may still change.
    """
    observers = tuple(sorted(of.revealed, key=of.revealed.__getitem__))
    places = [item.id for item in of.items]
    tags = [{place: _said(of, place, name, "tags") for place in places} for name in observers]
    regions = [[_said(of, place, name, "regions") for place in places] for name in observers]
    shares = [shared_marks([one[place] for one in tags]) for place in places]
    return RoundAgreement(
        observers=observers,
        pictures=len(places),
        kappa=tag_agreement(tags),
        shared=_mean(shares) if len(observers) > 1 else None,
        overlap=_mean([mean_overlap(*pair) for pair in combinations(regions, 2)]),
    )


def _said(of: Round, item: str, observer: str, what: str) -> tuple:
    one = of.blind.get((item, observer))
    return getattr(one.said, what) if one else ()


def _mean(values: list[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None
