"""Two shares of images: intervals, exact tests and effect sizes.

Everything here takes counts. Intervals are two-sided; `alternative` is SciPy's word for the
direction of a test: "greater" (the first share is larger), "less" or "two-sided".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from protocore.errors import ReviewError

Interval = tuple[float, float]
ALTERNATIVES = ("greater", "less", "two-sided")


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """How many pairs were right in both cohorts, in one of them, in none."""

    both: int
    only_a: int
    only_b: int
    neither: int

    def __post_init__(self) -> None:
        counts = (self.both, self.only_a, self.only_b, self.neither)
        if min(counts) < 0 or sum(counts) == 0:
            raise ReviewError(f"pairs are counted in whole numbers >= 0, got {counts}")

    @classmethod
    def count(cls, a: np.ndarray, b: np.ndarray) -> PairTable:
        """From two boolean arrays `(N,)`, one entry per pair."""
        a, b = np.asarray(a, bool), np.asarray(b, bool)
        return cls(
            both=int((a & b).sum()),
            only_a=int((a & ~b).sum()),
            only_b=int((~a & b).sum()),
            neither=int((~a & ~b).sum()),
        )

    @property
    def total(self) -> int:
        """Number of pairs."""
        return self.both + self.only_a + self.only_b + self.neither


@dataclass(frozen=True, kw_only=True)
class OddsRatio:
    """Odds in A divided by odds in B; `corrected` where 0.5 was added because a count is 0."""

    value: float
    corrected: bool


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Score interval of a share (Wilson 1927), within [0, 1]."""
    _check_count(successes, total)
    found = stats.binomtest(successes, total).proportion_ci(confidence, method="wilson")
    return (float(found.low), float(found.high))


def newcombe_interval(
    successes_a: int, total_a: int, successes_b: int, total_b: int, confidence: float = 0.95
) -> Interval:
    """Hybrid score interval of the difference A - B of two independent shares.

    Newcombe, "Interval estimation for the difference between independent proportions", Statistics
    in Medicine 17 (1998) 873-890, method 10. Within [-1, 1].
    """
    a, b = successes_a / total_a, successes_b / total_b
    low_a, high_a = wilson_interval(successes_a, total_a, confidence)
    low_b, high_b = wilson_interval(successes_b, total_b, confidence)
    low = a - b - math.hypot(a - low_a, high_b - b)
    high = a - b + math.hypot(high_a - a, b - low_b)
    return (max(low, -1.0), min(high, 1.0))


def newcombe_paired_interval(pairs: PairTable, confidence: float = 0.95) -> Interval:
    """Hybrid score interval of the difference A - B of two shares of the same pairs.

    Newcombe, "Improved confidence intervals for the difference between binomial proportions based
    on paired data", Statistics in Medicine 17 (1998) 2635-2650, method 10. Within [-1, 1].
    """
    total = pairs.total
    in_a, in_b = pairs.both + pairs.only_a, pairs.both + pairs.only_b
    a, b = in_a / total, in_b / total
    low_a, high_a = wilson_interval(in_a, total, confidence)
    low_b, high_b = wilson_interval(in_b, total, confidence)
    phi = _corrected_phi(pairs)
    difference = (pairs.only_a - pairs.only_b) / total
    low = difference - _joined(a - low_a, high_b - b, phi)
    high = difference + _joined(high_a - a, b - low_b, phi)
    return (max(low, -1.0), min(high, 1.0))


def fisher_p(
    successes_a: int, total_a: int, successes_b: int, total_b: int, alternative: str = "two-sided"
) -> float:
    """Fisher's exact test of two independent shares: p value."""
    table = _table(successes_a, total_a, successes_b, total_b)
    return float(stats.fisher_exact(table, alternative=_known(alternative)).pvalue)


def mcnemar_p(pairs: PairTable, alternative: str = "two-sided") -> float:
    """McNemar's exact test: the binomial test on the pairs that are right in one cohort alone."""
    discordant = pairs.only_a + pairs.only_b
    if discordant == 0:
        return 1.0
    found = stats.binomtest(pairs.only_a, discordant, 0.5, alternative=_known(alternative))
    return float(found.pvalue)


def odds_ratio(successes_a: int, total_a: int, successes_b: int, total_b: int) -> OddsRatio:
    """Sample odds ratio of two independent shares.

    Where one of the four counts is 0, 0.5 is added to all of them (Haldane 1956, Anscombe 1956).
    """
    (hit_a, miss_a), (hit_b, miss_b) = _table(successes_a, total_a, successes_b, total_b)
    corrected = 0 in (hit_a, miss_a, hit_b, miss_b)
    add = 0.5 if corrected else 0.0
    value = (hit_a + add) * (miss_b + add) / ((miss_a + add) * (hit_b + add))
    return OddsRatio(value=value, corrected=corrected)


def paired_odds_ratio(pairs: PairTable) -> OddsRatio:
    """Conditional odds ratio of pairs: right in A alone over right in B alone, 0.5 added as above.

    1 where no pair is right in one cohort alone.
    """
    corrected = 0 in (pairs.only_a, pairs.only_b)
    add = 0.5 if corrected else 0.0
    return OddsRatio(value=(pairs.only_a + add) / (pairs.only_b + add), corrected=corrected)


def cohens_h(share_a: float, share_b: float) -> float:
    """Difference of two shares after the arcsine transformation, -pi..pi.

    0.2 is called small, 0.5 medium, 0.8 large (Cohen, "Statistical Power Analysis for the
    Behavioral Sciences", 2nd edition 1988, chapter 6).
    """
    return 2 * math.asin(math.sqrt(share_a)) - 2 * math.asin(math.sqrt(share_b))


def _corrected_phi(pairs: PairTable) -> float:
    """Correlation of the two answers, corrected for continuity where it is positive."""
    total = pairs.total
    in_a, in_b = pairs.both + pairs.only_a, pairs.both + pairs.only_b
    margins = in_a * (total - in_a) * in_b * (total - in_b)
    if margins == 0:
        return 0.0
    product = pairs.both * pairs.neither - pairs.only_a * pairs.only_b
    if product > 0:
        product = max(product - total / 2, 0)
    return product / math.sqrt(margins)


def _joined(first: float, second: float, phi: float) -> float:
    # Rounding can take the sum of squares below 0 where phi is 1 and both distances are equal.
    return math.sqrt(max(first**2 - 2 * phi * first * second + second**2, 0.0))


def _table(
    successes_a: int, total_a: int, successes_b: int, total_b: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    _check_count(successes_a, total_a)
    _check_count(successes_b, total_b)
    return (successes_a, total_a - successes_a), (successes_b, total_b - successes_b)


def _check_count(successes: int, total: int) -> None:
    if not 0 <= successes <= total or total < 1:
        raise ReviewError(
            f"a share needs 0 <= successes <= total and a total >= 1, got {successes} of {total}"
        )


def _known(alternative: str) -> str:
    if alternative not in ALTERNATIVES:
        raise ReviewError(
            f"alternative must be one of {', '.join(ALTERNATIVES)}, got {alternative!r}"
        )
    return alternative
