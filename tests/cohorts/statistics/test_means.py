"""Bootstrap and permutation: against SciPy, by counting, and where nothing varies."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from protocore.cohorts.statistics.means import (
    cohens_d,
    cohens_dz,
    deviation,
    expanded,
    interval_name,
    mean_difference_interval,
    mean_interval,
    paired_difference_interval,
    paired_permutation_p,
    permutation_p,
    pooled_deviation,
)
from protocore.errors import ReviewError

A = np.array([2.1, 3.4, 1.9, 5.0, 4.2, 3.3])
B = np.array([1.8, 2.2, 2.0, 3.1, 3.9, 1.5])


def test_the_interval_of_a_mean_is_scipys():
    values = np.concatenate([A, B])
    found = mean_interval(values, seed=4)
    level = expanded(0.95, 12)
    reference = stats.bootstrap(
        (values,), np.mean, confidence_level=level, random_state=np.random.default_rng(4), batch=500
    )
    assert found == pytest.approx(tuple(reference.confidence_interval))
    assert found == mean_interval(values, seed=4)
    assert found != mean_interval(values, seed=5)


def test_few_values_get_students_interval():
    """Two values say next to nothing: 12.7 standard errors each way."""
    half = stats.t.ppf(0.975, 1) * np.std([1, 2], ddof=1) / np.sqrt(2)
    assert mean_interval(np.array([1.0, 2.0])) == pytest.approx((1.5 - half, 1.5 + half))
    welch = stats.ttest_ind(A, B, equal_var=False).confidence_interval(0.9)
    assert mean_difference_interval(A, B, 0.9) == pytest.approx((welch.low, welch.high))
    student = stats.ttest_rel(A, B).confidence_interval()
    assert paired_difference_interval(A, B) == pytest.approx((student.low, student.high))
    assert (interval_name(9), interval_name(10)) == ("Student", "bootstrap")
    low, high = mean_difference_interval(A[:3], np.full(12, 2.0))
    assert low < A[:3].mean() - 2 < high


def test_intervals_of_many_normal_values_are_those_of_theory():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 2, 400), rng.normal(0, 1, 300)
    error = np.sqrt(a.var(ddof=1) / 400 + b.var(ddof=1) / 300)
    middle = a.mean() - b.mean()
    expected = (middle - 1.96 * error, middle + 1.96 * error)
    assert mean_difference_interval(a, b) == pytest.approx(expected, abs=0.1 * error)


def test_the_level_is_raised_for_few_values():
    """So that the interval is about as wide as Student's, which is right for normal values."""
    levels = [round(expanded(0.95, n), 3) for n in (10, 30, 100, 100_000)]
    assert levels == [0.983, 0.962, 0.954, 0.95]
    values = stats.norm.ppf((np.arange(10) + 0.5) / 10)
    low, high = mean_interval(values)
    student = 2 * stats.t.ppf(0.975, 9) * values.std(ddof=1) / np.sqrt(10)
    assert high - low == pytest.approx(student, rel=0.05)


def test_pairs_are_resampled_as_pairs():
    base = np.random.default_rng(1).normal(0, 10, 50)
    low, high = paired_difference_interval(base + 1 + 0.01 * A[0], base)
    assert (low, high) == pytest.approx((1.021, 1.021))
    assert mean_difference_interval(base + 1.021, base)[0] < -2


def test_what_does_not_vary_has_an_interval_of_no_width():
    same = np.full(7, 0.1)
    assert mean_interval(same) == pytest.approx((0.1, 0.1), abs=1e-15)
    low, high = mean_difference_interval(same, np.full(5, 0.4))
    assert low == high == pytest.approx(-0.3)


@pytest.mark.parametrize(
    "values", [[0, 1], [0, 0, 0, 0, 0, 1], [1.0] * 30 + [1 - 1e-16], [1e-300, 0, 0], [1e9, 1, 2]]
)
def test_odd_values_never_give_nan(values):
    low, high = mean_interval(np.array(values, float))
    assert low <= np.mean(values) <= high or low == pytest.approx(high)


def test_the_permutation_test_counts_every_way_to_part_the_images():
    pooled = np.concatenate([A, B])
    observed = A.mean() - B.mean()
    parts = [np.isin(np.arange(12), chosen) for chosen in combinations(range(12), 6)]
    found = np.array([pooled[part].mean() - pooled[~part].mean() for part in parts])
    expected = (found >= observed - 1e-12).mean()
    assert permutation_p(A, B, "greater") == pytest.approx(expected)
    assert permutation_p(B, A, "less") == pytest.approx(expected)
    assert permutation_p(A, B) == pytest.approx(2 * expected)


def test_the_paired_test_counts_every_pattern_of_signs():
    gaps = A - B
    means = np.array([(gaps * signs).mean() for signs in product((1, -1), repeat=6)])
    expected = (means >= gaps.mean() - 1e-12).mean()
    assert expected == 2 / 64  # one gap is negative
    assert paired_permutation_p(A, B, "greater") == pytest.approx(expected)
    assert paired_permutation_p(A, B, "less") == pytest.approx((means <= gaps.mean()).mean())


def test_many_values_are_drawn_with_the_observed_one_counted_in():
    rng = np.random.default_rng(2)
    a, b = rng.normal(3, 1, 60), rng.normal(0, 1, 60)
    assert paired_permutation_p(a, b, "greater") == 1 / 10_000
    assert permutation_p(a, b) == 2 / 10_000
    c = b + 0.25 + rng.normal(0, 1, 60)
    expected = stats.ttest_rel(c, b, alternative="greater").pvalue
    assert paired_permutation_p(c, b, "greater") == pytest.approx(expected, abs=0.01)
    assert paired_permutation_p(c, b, seed=1) == paired_permutation_p(c, b, seed=1)
    expected = stats.ttest_ind(c, b).pvalue
    assert permutation_p(c, b) == pytest.approx(expected, abs=0.02)


def test_equal_cohorts_have_a_p_of_1():
    assert permutation_p(np.ones(9), np.ones(4)) == 1.0
    assert paired_permutation_p(np.ones(20), np.ones(20), "greater") == 1.0


def test_effect_sizes_by_hand():
    a, b = np.array([2.0, 4, 6]), np.array([1.0, 2, 3])
    assert pooled_deviation(a, b) == pytest.approx(np.sqrt((2 * 4 + 2 * 1) / 4))
    assert cohens_d(a, b) == pytest.approx(2 / np.sqrt(2.5))
    assert cohens_dz(a, b) == pytest.approx(2.0)  # differences 1, 2, 3
    assert cohens_d(b, b) == cohens_dz(b, b) == 0.0
    assert cohens_d(np.ones(3), np.zeros(3)) is None
    assert cohens_dz(b + 1, b) is None
    assert deviation(np.full(3, 0.1)) == 0.0


def test_what_cannot_be_tested_is_explained():
    with pytest.raises(ReviewError) as error:
        paired_permutation_p(A, B[:4])
    assert str(error.value) == "pairs need as many values in A as in B, got 6 and 4"
    with pytest.raises(ReviewError) as error:
        mean_interval(np.array([1.0]))
    assert str(error.value) == "at least 2 values in a row are needed, got shape (1,)"
    with pytest.raises(ReviewError) as error:
        permutation_p(A, np.array([1, np.nan]))
    assert str(error.value) == "the scores must be finite numbers"
    with pytest.raises(ReviewError, match="alternative must be one of"):
        permutation_p(A, B, "a > b")
