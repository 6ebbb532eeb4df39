"""Agreement of a round is that of the reviewers who have finished it."""

import pytest

from protocore.compare.edits import Box
from protocore.review.events import Revealed
from protocore.review.round_agreement import round_agreement
from tests.review.results_samples import ROUND, observed, round_opened, session_of, started

LEFT = Box(left=0, top=0, right=0.5, bottom=1)
WHOLE = Box(left=0, top=0, right=1, bottom=1)


def agreed(*actions):
    return round_agreement(session_of(started(), round_opened(), *actions).rounds[0])


def test_two_reviewers():
    found = agreed(
        observed(1, "Grass", regions=(LEFT,)),
        observed(2, "grass"),
        ("Bob", observed(1, "grass ", regions=(WHOLE,))),
        ("Bob", observed(3, "sky")),
        Revealed(round=ROUND),
        ("Bob", Revealed(round=ROUND)),
    )
    assert (found.observers, found.pictures) == (("Ada", "Bob"), 3)
    # grass: both, Ada, none; sky: none, none, Bob. Four of six agree; chance 1/9 + 4/9 = 5/9.
    assert found.kappa.value == pytest.approx((4 / 6 - 5 / 9) / (4 / 9))
    assert found.shared == pytest.approx(1 / 3)  # of picture 1 all, of 2 and 3 none
    assert found.overlap == pytest.approx(0.5)


def test_who_has_not_finished_is_left_out():
    found = agreed(observed(1, "x"), Revealed(round=ROUND), ("Bob", observed(1, "x")))
    assert found.observers == ("Ada",)
    assert (found.kappa.value, found.shared, found.overlap) == (None, None, None)
    assert found.kappa.reason == "it takes two reviewers"


def test_a_round_that_nobody_has_looked_at():
    found = agreed()
    assert (found.observers, found.kappa.value, found.shared) == ((), None, None)
