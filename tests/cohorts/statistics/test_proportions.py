"""Intervals against Newcombe's published tables, tests against counting by hand and SciPy."""

from math import pi

import numpy as np
import pytest

from protocore.cohorts.statistics.proportions import (
    PairTable,
    cohens_h,
    fisher_p,
    mcnemar_p,
    newcombe_interval,
    newcombe_paired_interval,
    odds_ratio,
    paired_odds_ratio,
    wilson_interval,
)
from protocore.errors import ReviewError


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(successes, total, low, high):
    assert wilson_interval(successes, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("a", "n_a", "b", "n_b", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_newcombe_as_published(a, n_a, b, n_b, low, high):
    assert newcombe_interval(a, n_a, b, n_b) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "low", "high", "places"),
    [
        # Altman, Machin, Bryant, Gardner, "Statistics with Confidence" (2000), page 52
        ((14, 5, 0, 22), 0.011, 0.226, 3),
        # Cavo 2012 as in Fagerland, Lydersen, Laake, "Statistical Analysis of Contingency Tables"
        ((59, 6, 16, 80), -0.1186, -0.0046, 4),
    ],
)
def test_newcombe_for_pairs_as_published(counts, low, high, places):
    pairs = PairTable(both=counts[0], only_a=counts[1], only_b=counts[2], neither=counts[3])
    found = newcombe_paired_interval(pairs)
    assert (round(found[0], places), round(found[1], places)) == (low, high)


def test_without_discordant_pairs_the_interval_is_around_0_and_not_nan():
    for both, neither in ((40, 0), (0, 40), (20, 20)):
        pairs = PairTable(both=both, only_a=0, only_b=0, neither=neither)
        low, high = newcombe_paired_interval(pairs)
        assert low == pytest.approx(-high)
        assert 0 < high < 0.1


def test_wider_confidence_wider_interval():
    assert newcombe_interval(9, 10, 3, 10, 0.99)[0] < newcombe_interval(9, 10, 3, 10)[0]
    assert wilson_interval(9, 10, 0.99)[0] < wilson_interval(9, 10)[0]


def test_fisher_counts_the_tables_with_the_same_margins():
    """Tea tasting (Fisher 1935): 3 of 4 right has p 17/70, by counting."""
    assert fisher_p(3, 4, 1, 4, "greater") == pytest.approx(17 / 70)
    assert fisher_p(1, 4, 3, 4, "less") == pytest.approx(17 / 70)
    assert fisher_p(3, 4, 1, 4) == pytest.approx(34 / 70)


def test_mcnemar_is_a_coin_thrown_for_every_discordant_pair():
    pairs = PairTable(both=10, only_a=5, only_b=1, neither=3)
    assert mcnemar_p(pairs, "greater") == pytest.approx((6 + 1) / 2**6)  # 5 or 6 heads of 6
    assert mcnemar_p(pairs) == pytest.approx(14 / 64)
    assert mcnemar_p(pairs, "less") == pytest.approx(63 / 64)
    assert mcnemar_p(PairTable(both=10, only_a=0, only_b=0, neither=3), "greater") == 1.0


def test_pairs_are_counted():
    a, b = [1, 1, 0, 0, 1], [1, 0, 1, 0, 0]
    assert PairTable.count(np.array(a), np.array(b)) == PairTable(
        both=1, only_a=2, only_b=1, neither=1
    )


def test_odds_ratios_and_haldanes_correction():
    found = odds_ratio(3, 4, 1, 4)
    assert (found.value, found.corrected) == (9.0, False)
    found = odds_ratio(4, 4, 1, 4)
    assert (found.value, found.corrected) == (4.5 * 3.5 / (0.5 * 1.5), True)
    pairs = PairTable(both=1, only_a=6, only_b=2, neither=1)
    assert paired_odds_ratio(pairs).value == 3.0
    found = paired_odds_ratio(PairTable(both=1, only_a=6, only_b=0, neither=1))
    assert (found.value, found.corrected) == (13.0, True)


def test_cohens_h():
    assert cohens_h(1, 0) == pytest.approx(pi)
    assert cohens_h(0.75, 0.25) == pytest.approx(pi / 3)
    assert cohens_h(0.21, 0.05) == pytest.approx(0.50, abs=0.005)  # Cohen 1988, table 6.2.2
    assert cohens_h(0.3, 0.3) == 0


def test_impossible_counts_are_explained():
    with pytest.raises(ReviewError) as error:
        wilson_interval(3, 2)
    assert str(error.value) == (
        "a share needs 0 <= successes <= total and a total >= 1, got 3 of 2"
    )
    with pytest.raises(ReviewError, match="got 0 of 0"):
        fisher_p(0, 0, 1, 2)
    with pytest.raises(ReviewError) as error:
        fisher_p(1, 2, 1, 2, "more")
    assert str(error.value) == ("alternative must be one of greater, less, two-sided, got 'more'")
    with pytest.raises(ReviewError, match="pairs are counted in whole numbers"):
        PairTable(both=0, only_a=0, only_b=0, neither=0)
