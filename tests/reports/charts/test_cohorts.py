"""The charts put marks where the numbers are, and cut off no extreme."""

import re
from dataclasses import replace

import pytest

from protocore.cohorts.plan import TestPlan
from protocore.reports.charts.cohorts import LEFT, RIGHT, WIDTH, cohort_charts, difference_chart
from tests.review.results_samples import PLAN, result, side

PLOT = WIDTH - LEFT - RIGHT


def shares(analysis):
    return cohort_charts(analysis)[0][1]


def numbers(chart, element, attribute):
    """The values of an attribute; `element` may name a class: "rect b"."""
    tag, _, kind = element.partition(" ")
    found = re.findall(rf"<{tag} [^>]*>", chart)
    return [
        float(re.search(rf' {attribute}="([-0-9.]+)"', one)[1])
        for one in found
        if not kind or f'class="{kind}"' in one
    ]


def test_shares_lie_between_zero_and_one():
    analysis = result().analysis
    chart = shares(analysis)
    dots, squares = numbers(chart, "circle", "cx"), numbers(chart, "rect b", "x")
    assert dots[0] == pytest.approx(LEFT + PLOT)  # accuracy of A is 1
    assert squares[0] + 4 == pytest.approx(LEFT + PLOT / 2)  # of B 0.5
    low, high = analysis.rows[1].accuracy.interval
    starts, ends = (numbers(chart, "line interval", name) for name in ("x1", "x2"))
    assert (starts[1], ends[1]) == pytest.approx((LEFT + low * PLOT, LEFT + high * PLOT), abs=0.01)
    assert "A  100.0 % (75.8 to 100.0 %)" in chart


@pytest.mark.parametrize(("direction", "zones"), [("a > b", 1), ("a < b", 1), ("a != b", 2)])
def test_the_zone_that_supports_the_claim(direction, zones):
    plan = replace(PLAN, direction=direction, smallest_effect=0.5)
    _, chart = difference_chart(result(plan=plan).analysis)
    starts = numbers(chart, "rect zone", "x")
    assert len(starts) == zones
    zero, dot = numbers(chart, "line zero", "x1")[0], numbers(chart, "circle", "cx")[0]
    unit = (dot - zero) / 3.0  # the difference is 3
    assert (starts[0] == LEFT) == (direction != "a > b")
    assert starts[-1] == pytest.approx(LEFT if direction == "a < b" else zero + 0.5 * unit, abs=0.2)


def test_names_are_shortened_and_whole_in_the_tooltip():
    name = "<" + "x" * 60
    chart = shares(result(class_names=(name, "b")).analysis)
    assert f"<title>P(&lt;{'x' * 60})</title>" in chart
    assert f"P(&lt;{'x' * 20}…<title>" in chart


@pytest.mark.parametrize("mean", [0.0, 1e6 - 1, -1e5])
def test_extremes_can_be_drawn(mean):
    plan = TestPlan(target=1, rivals=(2,), measure="logit", smallest_effect=0.0)
    drawn = result(plan=plan, a=side("a", mean), b=side("b", mean)).analysis
    for _, chart in (*cohort_charts(drawn), difference_chart(drawn)):
        assert "nan" not in chart and "inf" not in chart
