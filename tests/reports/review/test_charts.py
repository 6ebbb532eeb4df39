"""The charts put marks where the numbers are, and cut off no extreme."""

import re
from dataclasses import replace

import pytest

from protocore.cohorts.plan import TestPlan
from protocore.reports.review.charts import (
    LEFT,
    RIGHT,
    WIDTH,
    _Axis,
    _round_step,
    cohort_chart,
    difference_chart,
)
from tests.review.results_samples import PLAN, result, side

PLOT = WIDTH - LEFT - RIGHT


def numbers(chart, element, attribute):
    return [float(x) for x in re.findall(rf"<{element}[^>]* {attribute}=\"([-0-9.]+)\"", chart)]


def test_an_axis():
    axis = _Axis(low=-1.0, high=3.0)
    assert axis.ticks == [-1, 0, 1, 2, 3]
    assert (axis.at(-1), axis.at(1), axis.at(99)) == (LEFT, LEFT + PLOT / 2, LEFT + PLOT)
    assert _Axis.around([2.0, 2.0]) == _Axis(low=1.8, high=2.2)
    assert _Axis.around([0.0, 10.0]) == _Axis(low=-0.8, high=10.8)


@pytest.mark.parametrize(("wanted", "step"), [(0.2, 0.2), (0.21, 0.5), (7, 10), (1.5e-7, 2e-7)])
def test_steps_are_round(wanted, step):
    assert _round_step(wanted) == pytest.approx(step)


def test_shares_lie_between_zero_and_one():
    analysis = result().analysis
    chart = cohort_chart(analysis)
    dots, squares = numbers(chart, "circle", "cx"), numbers(chart, 'rect class="b"', "x")
    assert dots[0] == pytest.approx(LEFT + PLOT)  # accuracy of A is 1
    assert squares[0] + 4 == pytest.approx(LEFT + PLOT / 2)  # of B 0.5
    low, high = (analysis.rows[1].accuracy.interval[i] for i in (0, 1))
    ends = list(zip(numbers(chart, 'line class="interval"', "x1"),
                    numbers(chart, 'line class="interval"', "x2"), strict=True))  # fmt: skip
    assert ends[1] == pytest.approx((LEFT + low * PLOT, LEFT + high * PLOT), abs=0.06)
    assert "A  100.0 % (75.8 to 100.0 %)" in chart


@pytest.mark.parametrize(("direction", "zones"), [("a > b", 1), ("a < b", 1), ("a != b", 2)])
def test_the_zone_that_supports_the_claim(direction, zones):
    plan = replace(PLAN, direction=direction, smallest_effect=0.5)
    chart = difference_chart(result(plan=plan).analysis)
    starts = numbers(chart, 'rect class="zone"', "x")
    assert len(starts) == zones
    zero, dot = numbers(chart, 'line class="zero"', "x1")[0], numbers(chart, "circle", "cx")[0]
    unit = (dot - zero) / 3.0  # the difference is 3
    assert (starts[0] == LEFT) == (direction != "a > b")
    assert starts[-1] == pytest.approx(LEFT if direction == "a < b" else zero + 0.5 * unit, abs=0.2)


def test_names_are_shortened_and_whole_in_the_tooltip():
    name = "<" + "x" * 60
    chart = cohort_chart(result(class_names=(name, "b")).analysis)
    assert f"<title>P(&lt;{'x' * 60})</title>" in chart
    assert f"P(&lt;{'x' * 20}…<title>" in chart


@pytest.mark.parametrize("mean", [0.0, 1e6 - 1, -1e5])
def test_extremes_can_be_drawn(mean):
    plan = TestPlan(target=1, rivals=(2,), measure="logit", smallest_effect=0.0)
    drawn = result(plan=plan, a=side("a", mean), b=side("b", mean)).analysis
    assert "nan" not in cohort_chart(drawn) + difference_chart(drawn)
