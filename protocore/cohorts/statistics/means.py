"""Means of scores over images: bootstrap intervals, permutation tests, effect sizes.

All that is drawn is drawn with a seed: the same values give the same numbers. Arrays `(N,)` are
float64 and finite. `alternative` is SciPy's word: "greater" (A's mean is larger), "less",
"two-sided".
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from scipy import special, stats

from protocore.cohorts.statistics.proportions import ALTERNATIVES, Interval
from protocore.errors import ReviewError

RESAMPLES = 9_999  # SciPy's default; p values down to 1 / (RESAMPLES + 1)
# A resample never leaves the range of the values, in which the mean of 2 lies every second time:
# the mean of fewer values than these is given Student's interval. Measured for normal values:
# 0.87 instead of 0.95 at 5.
BOOTSTRAP_FROM = 10
EXACT_LIMIT = 2**14  # so many arrangements are counted one by one instead of being drawn
_FILTERS = threading.Lock()
_AT_ONCE = 500  # resamples in memory at a time: 8 MB for 2000 values


def mean_interval(values: np.ndarray, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Bootstrap interval of a mean (BCa; Efron, "Better bootstrap confidence intervals", 1987).

    Student's below BOOTSTRAP_FROM values; no width where all values are the same.
    """
    return _bootstrap((_checked(values),), _mean, confidence, seed)


def mean_difference_interval(
    a: np.ndarray, b: np.ndarray, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Bootstrap interval of mean(a) - mean(b), each cohort resampled on its own (BCa).

    Welch's where one of them has fewer than BOOTSTRAP_FROM values.
    """
    return _bootstrap((_checked(a), _checked(b)), _difference, confidence, seed)


def paired_difference_interval(
    a: np.ndarray, b: np.ndarray, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Bootstrap interval of the mean of a - b, pairs resampled (BCa); as `mean_interval`."""
    return mean_interval(_pair_differences(a, b), confidence, seed)


def permutation_p(
    a: np.ndarray, b: np.ndarray, alternative: str = "two-sided", seed: int = 0
) -> float:
    """Permutation test of the difference of two means: images change cohorts.

    Exact where there are at most EXACT_LIMIT ways to part them, else from RESAMPLES random ones
    with the observed one counted in (Phipson and Smyth 2010), so that p is never 0.
    """
    return _permute((_checked(a), _checked(b)), _difference, "independent", alternative, seed)


def paired_permutation_p(
    a: np.ndarray, b: np.ndarray, alternative: str = "two-sided", seed: int = 0
) -> float:
    """Permutation test of the mean difference of pairs: each pair may change its sign.

    Exact up to EXACT_LIMIT sign patterns (14 pairs), else as `permutation_p`.
    """
    return _permute((_pair_differences(a, b),), _mean, "samples", alternative, seed)


def interval_name(fewest: int) -> str:
    """How intervals of means are made for cohorts (or pairs) of so many values."""
    return "bootstrap" if fewest >= BOOTSTRAP_FROM else "Student"


def cohens_d(a: np.ndarray, b: np.ndarray) -> float | None:
    """Difference of two means in pooled standard deviations (Cohen 1988, chapter 2).

    0 where the means are equal; None where they differ and nothing varies.
    """
    return _standardised(float(np.mean(a) - np.mean(b)), pooled_deviation(a, b))


def cohens_dz(a: np.ndarray, b: np.ndarray) -> float | None:
    """Mean difference of pairs in standard deviations of the differences (Cohen 1988, 2.3.5).

    0 where it is 0; None where all differences are one and the same other number.
    """
    differences = _pair_differences(a, b)
    return _standardised(float(differences.mean()), deviation(differences))


def pooled_deviation(a: np.ndarray, b: np.ndarray) -> float:
    """Standard deviation within two cohorts, pooled, with n - 1."""
    a, b = _checked(a), _checked(b)
    squares = (len(a) - 1) * deviation(a) ** 2 + (len(b) - 1) * deviation(b) ** 2
    return float(np.sqrt(squares / (len(a) + len(b) - 2)))


def deviation(values: np.ndarray) -> float:
    """Standard deviation with n - 1; exactly 0 where all values are the same."""
    values = _checked(values)
    return 0.0 if _is_constant(values) else float(np.std(values, ddof=1))


def expanded(confidence: float, count: int) -> float:
    """The level to ask of a bootstrap of `count` values so that it covers with `confidence`.

    Bootstrap intervals are too narrow for few values: they use the normal quantile where Student's
    belongs, and a variance with n where n - 1 belongs. (Hesterberg, "What teachers should know
    about the bootstrap", The American Statistician 69 (2015) 371-386, section 5.3.) 0.95 becomes
    0.954 for 100 values, 0.962 for 30, 0.983 for 10.
    """
    quantile = stats.t.ppf((1 + confidence) / 2, count - 1) * np.sqrt(count / (count - 1))
    return float(2 * stats.norm.cdf(quantile) - 1)


def _mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.mean(values, axis=axis)


def _difference(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.mean(a, axis=axis) - np.mean(b, axis=axis)


def _bootstrap(
    samples: tuple[np.ndarray, ...], statistic: Callable, confidence: float, seed: int
) -> Interval:
    if all(_is_constant(values) for values in samples):
        value = float(statistic(*samples))
        return (value, value)
    fewest = min(len(values) for values in samples)
    if fewest < BOOTSTRAP_FROM:
        return _student(samples, confidence)
    level = expanded(confidence, fewest)
    low, high = _bootstrap_once(samples, statistic, level, seed, "BCa")
    if not (np.isfinite(low) and np.isfinite(high)):  # BCa's correction is not defined everywhere
        low, high = _bootstrap_once(samples, statistic, level, seed, "percentile")
    return (low, high)


@contextmanager
def _quiet(category: type[Warning]) -> Iterator[None]:
    """Without these warnings. The filters belong to the process: one thread at a time sets them."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield


def _student(samples: tuple[np.ndarray, ...], confidence: float) -> Interval:
    with _quiet(RuntimeWarning):  # nearly equal values: rounding only
        if len(samples) == 1:
            test = stats.ttest_1samp(samples[0], 0.0)
        else:
            test = stats.ttest_ind(*samples, equal_var=False)
        found = test.confidence_interval(confidence)
    return (float(found.low), float(found.high))


def _bootstrap_once(
    samples: tuple[np.ndarray, ...], statistic: Callable, confidence: float, seed: int, method: str
) -> Interval:
    # A degenerate sample is answered by the percentiles.
    with np.errstate(all="ignore"), _quiet(stats.DegenerateDataWarning):
        found = stats.bootstrap(
            samples,
            statistic,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=_AT_ONCE,
            confidence_level=confidence,
            method=method,
            random_state=np.random.default_rng(seed),
        ).confidence_interval
    return (float(found.low), float(found.high))


def _permute(
    samples: tuple[np.ndarray, ...], statistic: Callable, kind: str, alternative: str, seed: int
) -> float:
    if alternative not in ALTERNATIVES:
        raise ReviewError(
            f"alternative must be one of {', '.join(ALTERNATIVES)}, got {alternative!r}"
        )
    resamples = EXACT_LIMIT if _arrangements(samples, kind) <= EXACT_LIMIT else RESAMPLES
    found = stats.permutation_test(
        samples,
        statistic,
        permutation_type=kind,
        vectorized=True,
        n_resamples=resamples,
        batch=_AT_ONCE,
        alternative=alternative,
        random_state=np.random.default_rng(seed),
    )
    return float(min(found.pvalue, 1.0))


def _arrangements(samples: tuple[np.ndarray, ...], kind: str) -> float:
    if kind == "samples":
        return 2.0 ** min(len(samples[0]), 100)
    return float(special.comb(sum(map(len, samples)), len(samples[0])))


def _pair_differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = _checked(a), _checked(b)
    if len(a) != len(b):
        raise ReviewError(f"pairs need as many values in A as in B, got {len(a)} and {len(b)}")
    return a - b


def _checked(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ReviewError(f"at least 2 values in a row are needed, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ReviewError("the scores must be finite numbers")
    return values


def _is_constant(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


def _standardised(difference: float, deviation: float) -> float | None:
    if difference == 0:
        return 0.0
    return difference / deviation if deviation > 0 else None
