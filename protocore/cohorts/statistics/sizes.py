"""How large cohorts must be to show a difference, at power 0.8 and a two-sided level of 0.05.

None: the difference is 0, so that no size would show it.
"""

from __future__ import annotations

import math

from scipy import stats

POWER = 0.8  # Cohen's convention (1988, section 2.4): misses one difference in five
ALPHA = 0.05
SMALLEST_COHORT = 2


def size_for_proportions(
    share_a: float, share_b: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Images in each of two independent cohorts, for Fisher's test.

    Fleiss, Tytun and Ury, "A simple approximation for calculating sample sizes for comparing
    independent proportions", Biometrics 36 (1980) 343-346: with continuity correction.
    """
    gap = abs(share_a - share_b)
    if gap == 0:
        return None
    z_alpha, z_power = _quantiles(alpha, power)
    mean = (share_a + share_b) / 2
    spread = share_a * (1 - share_a) + share_b * (1 - share_b)
    plain = (z_alpha * math.sqrt(2 * mean * (1 - mean)) + z_power * math.sqrt(spread)) ** 2
    plain /= gap**2
    return _whole(plain / 4 * (1 + math.sqrt(1 + 4 / (plain * gap))) ** 2)


def size_for_pairs(
    only_a: float, only_b: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Pairs for McNemar's test, from the shares of pairs that are right in one cohort alone.

    Connor, "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 43 (1987) 207-211, equation 1 (Miettinen 1968), without continuity correction.
    """
    gap = abs(only_a - only_b)
    if gap == 0:
        return None
    z_alpha, z_power = _quantiles(alpha, power)
    discordant = only_a + only_b
    root = z_alpha * math.sqrt(discordant) + z_power * math.sqrt(discordant - gap**2)
    return _whole(root**2 / gap**2)


def size_for_means(
    difference: float, deviation: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Images in each of two independent cohorts, from the standard deviation within them.

    Guenther, "Sample size formulas for normal theory t tests", The American Statistician 35 (1981)
    243-244.
    """
    return _from_d(difference, deviation, alpha, power, cohorts=2)


def size_for_mean_pairs(
    difference: float, deviation: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Pairs, from the standard deviation of their differences (Guenther 1981)."""
    return _from_d(difference, deviation, alpha, power, cohorts=1)


def size_to_tell(
    size: int, half_width: float, margin: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """The size at which an interval would clear a border `margin` away, if nothing else changed.

    `half_width` is the interval's at the present `size`, which shrinks with the square root; the
    quantile of the power is added so that the interval does so in 4 of 5 repetitions.
    """
    if margin == 0:
        return None
    z_alpha, z_power = _quantiles(alpha, power)
    return _whole(size * (half_width / margin * (z_alpha + z_power) / z_alpha) ** 2)


def _from_d(
    difference: float, deviation: float, alpha: float, power: float, *, cohorts: int
) -> int | None:
    if difference == 0:
        return None
    z_alpha, z_power = _quantiles(alpha, power)
    ratio = deviation / difference
    return _whole(cohorts * ((z_alpha + z_power) * ratio) ** 2 + z_alpha**2 / (2 * cohorts))


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    return float(stats.norm.ppf(1 - alpha / 2)), float(stats.norm.ppf(power))


def _whole(size: float) -> int:
    return max(SMALLEST_COHORT, math.ceil(size - 1e-9))  # 64.00000000001 is 64
