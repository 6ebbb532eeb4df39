import pytest

from protocore.cohorts.statistics.multiplicity import holm
from protocore.errors import ReviewError


def test_holm_by_hand():
    """Smallest times 4, next times 3, and so on; never below the one before, never above 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([0.04]) == (0.04,)
    assert holm([]) == ()


def test_one_claim_is_not_changed_by_equal_ones_in_another_order():
    assert holm([0.02, 0.02, 0.5]) == pytest.approx((0.06, 0.06, 0.5))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value(p):
    with pytest.raises(ReviewError, match="p values must be between 0 and 1"):
        holm([0.5, p])
