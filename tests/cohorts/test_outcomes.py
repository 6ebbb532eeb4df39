"""The rule that turns an interval and a p value into an outcome."""

from dataclasses import replace

import pytest

from protocore.cohorts.differences import CohortComparison
from protocore.cohorts.outcomes import (
    comparison_outcome,
    interval_text,
    number_text,
    rounded,
)
from protocore.cohorts.plan import TestPlan
from protocore.errors import ReviewError

PLAN = TestPlan(target=0, measure="logit", smallest_effect=0.1)


def found(low: float, high: float, p: float = 0.001) -> CohortComparison:
    return CohortComparison(
        measure="logit", class_index=0, primary=True, count_a=50, count_b=40, a=1.0, b=0.5,
        difference=(low + high) / 2, interval=(low, high), interval_name="bootstrap",
        test="permutation", alternative="greater", p=p, effects=(), size_needed=9,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "low", "high", "outcome"),
    [
        ("a > b", 0.2, 0.4, "supported"),
        ("a > b", 0.1, 0.4, "undecided"),  # touches the smallest effect
        ("a > b", 0.05, 0.4, "undecided"),
        ("a > b", 0.01, 0.09, "not supported"),  # above 0, but a trifle
        ("a > b", -0.4, -0.2, "not supported"),
        ("a > b", -0.4, 0.4, "undecided"),
        ("a < b", -0.4, -0.2, "supported"),
        ("a < b", -0.09, -0.01, "not supported"),
        ("a < b", -0.2, 0.0, "undecided"),
        ("a < b", 0.2, 0.4, "not supported"),
        ("a != b", 0.2, 0.4, "supported"),
        ("a != b", -0.4, -0.2, "supported"),
        ("a != b", -0.09, 0.09, "not supported"),
        ("a != b", -0.2, 0.05, "undecided"),
        ("a != b", -0.2, 0.2, "undecided"),
    ],
)
def test_the_rule(direction, low, high, outcome):
    assert (
        comparison_outcome(replace(PLAN, direction=direction), found(low, high)).outcome == outcome
    )


def test_no_smallest_effect_asks_only_on_which_side_of_0_it_lies():
    plan = replace(PLAN, smallest_effect=0.0)
    assert comparison_outcome(plan, found(0.01, 0.4)).outcome == "supported"
    assert comparison_outcome(plan, found(-0.4, 0.0)).outcome == "not supported"
    assert comparison_outcome(plan, found(-0.01, 0.4)).outcome == "undecided"


def test_the_adjusted_p_replaces_p():
    outcome = comparison_outcome(PLAN, found(0.2, 0.4, p=0.03), p_adjusted=0.06)
    assert outcome.outcome == "undecided"
    assert outcome.reason == (
        "logit, A - B: +0.300 (95 % interval +0.200 to +0.400), permutation p = 0.06 after Holm's "
        "correction: the interval lies beyond the smallest effect of 0.100, but p is not below "
        "0.05."
    )
    assert comparison_outcome(PLAN, found(0.2, 0.4, p=0.03), p_adjusted=0.04).outcome == "supported"
    not_affected = comparison_outcome(PLAN, found(-0.1, 0.05, p=0.6), p_adjusted=1.0)
    assert not_affected.outcome == "not supported"
    for wrong in (0.01, 1.5, float("nan")):
        with pytest.raises(ReviewError, match=r"an adjusted p must be between p = 0.03 and 1"):
            comparison_outcome(PLAN, found(0.2, 0.4, p=0.03), p_adjusted=wrong)


def test_reasons_are_sentences():
    assert comparison_outcome(PLAN, found(0.2, 0.4)).reason.endswith(
        "the whole interval lies beyond the smallest effect of 0.100 in the predicted direction."
    )
    assert comparison_outcome(PLAN, found(0.0, 0.05)).reason.endswith(
        "the interval rules out a difference of 0.100 or more in the predicted direction."
    )
    assert comparison_outcome(PLAN, found(-0.4, -0.2)).reason.endswith(
        "the whole interval lies on the opposite side of 0 than predicted."
    )


def test_undecided_says_how_many_images_would_tell():
    outcome = comparison_outcome(PLAN, found(0.0, 0.4))
    # half width .2, .1 from the border, times (1.960 + 0.842) / 1.960 squared, of 50 images
    assert outcome.size_needed == 409
    assert "larger cohorts of about 410 images each would tell" in outcome.reason
    pairs = comparison_outcome(replace(PLAN, paired=True), found(0.0, 0.4))
    assert "about 410 pairs would tell" in pairs.reason
    mirrored = comparison_outcome(replace(PLAN, direction="a < b"), found(-0.4, 0.0))
    assert mirrored.size_needed == 409
    both_ways = replace(PLAN, direction="a != b")
    assert comparison_outcome(both_ways, found(-0.4, 0.0)).size_needed == 409
    on_the_border = comparison_outcome(PLAN, found(-0.1, 0.3))
    assert on_the_border.size_needed is None
    assert "so close to it that no cohort would tell" in on_the_border.reason


def test_numbers_for_people():
    assert number_text("accuracy", 0.125, signed=True) == "+12.5 %"
    assert number_text("probability", 0.62) == "0.620"
    assert number_text("probability", -2e-7, signed=True) == "-2e-07"
    assert number_text("logit", 0.0, signed=True) == "+0.000"
    assert interval_text("accuracy", (-0.08, 0.317), signed=True) == "-8.0 to +31.7 %"
    assert [rounded(n) for n in (9, 64, 240, 241, 1234)] == ["9", "64", "240", "250", "1300"]
