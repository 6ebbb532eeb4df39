"""Cohort sizes against published tables."""

import pytest
from scipy import stats

from protocore.cohorts.statistics.sizes import (
    size_for_mean_pairs,
    size_for_means,
    size_for_pairs,
    size_for_proportions,
    size_to_tell,
)


@pytest.mark.parametrize(
    ("a", "b", "power", "size"),
    # Fleiss, Levin, Paik, "Statistical Methods for Rates and Proportions", table A.4
    [(0.1, 0.2, 0.8, 219), (0.2, 0.1, 0.8, 219), (0.1, 0.2, 0.9, 286)],
)
def test_two_proportions(a, b, power, size):
    assert size_for_proportions(a, b, power=power) == size


def test_two_proportions_have_that_power_in_fishers_test():
    size = size_for_proportions(0.9, 0.6)
    shares = [stats.binom.pmf(range(size + 1), size, share) for share in (0.9, 0.6)]
    power = sum(
        shares[0][x] * shares[1][y]
        for x in range(size + 1)
        for y in range(size + 1)
        if shares[0][x] * shares[1][y] > 1e-7
        and stats.fisher_exact([[x, size - x], [y, size - y]]).pvalue < 0.05
    )
    assert 0.78 < power < 0.86


@pytest.mark.parametrize(
    ("only_a", "only_b", "size"),
    # Connor 1987; as two public calculators of that formula give it
    [(0.45, 0.05, 23), (0.05, 0.45, 23), (0.30, 0.15, 155)],
)
def test_pairs(only_a, only_b, size):
    assert size_for_pairs(only_a, only_b) == size


@pytest.mark.parametrize(("d", "size"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_means(d, size):
    """Cohen 1988, table 2.4.1, a2 = .05, power .80 (393 there for .2, by his approximation)."""
    assert size_for_means(d, 1.0) == size_for_means(-3 * d, 3.0) == size


def test_pairs_of_means():
    assert size_for_mean_pairs(0.5, 1.0) == 34  # by the noncentral t distribution
    critical = stats.t.ppf(0.975, 33)
    assert 1 - stats.nct.cdf(critical, 33, 0.5 * 34**0.5) > 0.8


def test_no_difference_has_no_size_and_a_certain_one_the_smallest():
    assert size_for_proportions(0.5, 0.5) is None
    assert size_for_pairs(0.1, 0.1) is size_for_pairs(0.0, 0.0) is None
    assert size_for_means(0.0, 1.0) is size_for_mean_pairs(0.0, 0.0) is None
    assert size_for_means(1.0, 0.0) == 2
    assert size_for_proportions(1.0, 0.0) >= 2
    assert size_for_pairs(1.0, 0.0) >= 2


def test_four_times_the_images_halve_an_interval():
    assert size_to_tell(100, 0.2, 0.1, power=0.5) == 400
    assert size_to_tell(100, 0.2, 0.1) == 818  # times (2.80 / 1.96) squared
    assert size_to_tell(100, 0.2, 0.0) is None
