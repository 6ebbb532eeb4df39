"""The arithmetic of the paper's Tables 1 and 2 (section 4).

The paper tells percentages and "two different sets of 50 images", not counts. But 72.5, 92.3 and
70.5 are no multiples of 2 %, so that not all sets can have had 50 images. The counts below are
those that give the percentages; where several do, all are tried.
"""

import pytest

from protocore.cohorts.statistics.proportions import (
    fisher_p,
    newcombe_interval,
    wilson_interval,
)
from protocore.cohorts.statistics.sizes import size_for_proportions

LIGHT, DARK = [(29, 40)], [(24, 40), (30, 50)]  # 72.5 %, 60 %
WITHOUT_FACE, WITH_FACE = [(36, 39), (48, 52)], [(31, 44)]  # 92.3 %, 70.5 %


def counts(percent: float, most: int = 50) -> list[tuple[int, int]]:
    """Which counts of at most `most` images round to a percentage with one decimal."""
    return [
        (hits, total)
        for total in range(1, most + 1)
        for hits in range(total + 1)
        if abs(100 * hits / total - percent) <= 0.05 + 1e-9
    ]


def test_which_counts_of_50_images_or_fewer_give_the_percentages():
    assert counts(72.5) == [(29, 40)]
    assert counts(92.3) == [(12, 13), (24, 26), (36, 39)]
    assert counts(70.5) == [(31, 44)]
    assert (24, 40) in counts(60) and (30, 50) in counts(60)


@pytest.mark.parametrize("light", LIGHT)
@pytest.mark.parametrize("dark", DARK)
def test_table_1_is_no_significant_difference(light, dark):
    low, high = newcombe_interval(*light, *dark)
    assert low < 0 < 0.125 < high
    assert fisher_p(*light, *dark) > 0.25
    assert fisher_p(*light, *dark, "greater") > 0.1
    assert size_for_proportions(0.725, 0.6) == 240  # five to six times what there was


@pytest.mark.parametrize("without", WITHOUT_FACE)
def test_table_2_is_one(without):
    low, high = newcombe_interval(*without, *WITH_FACE[0])
    assert 0.04 < low < 0.218 < high
    assert fisher_p(*without, *WITH_FACE[0]) < 0.02
    assert size_for_proportions(0.923, 0.705) == 58


def test_but_not_if_there_were_13_images():
    """92.3 % might be 12 of 13, which the paper's percentages do not rule out."""
    assert fisher_p(12, 13, *WITH_FACE[0]) > 0.1
    assert newcombe_interval(12, 13, *WITH_FACE[0])[0] < 0


def test_intervals_of_the_accuracies():
    assert wilson_interval(29, 40) == pytest.approx((0.572, 0.839), abs=5e-4)
    assert wilson_interval(24, 40) == pytest.approx((0.446, 0.737), abs=5e-4)
    assert wilson_interval(36, 39) == pytest.approx((0.797, 0.973), abs=5e-4)
    assert wilson_interval(31, 44) == pytest.approx((0.558, 0.818), abs=5e-4)
