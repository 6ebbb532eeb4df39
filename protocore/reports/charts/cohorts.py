"""Charts of a cohort test as SVG: they print in black and white and follow the page's ink."""

from __future__ import annotations

from collections.abc import Sequence

from protocore.cohorts.analysis import CohortAnalysis, Estimate
from protocore.cohorts.outcomes import interval_text, number_text
from protocore.reports.charts.svg import Drawing, Scale, shortened
from protocore.reports.html import Markup

WIDTH = 800  # units of the drawing
LEFT, RIGHT = 180, 230  # margins, for names and numbers
ROW, TOP, FOOT = 40, 6, 24
APART = 9  # of the two cohorts from the middle of their row
HALF = 4  # size of a mark
LONGEST = 24  # characters of a name; the whole of it is the tooltip
START, END = LEFT, WIDTH - RIGHT


def cohort_charts(analysis: CohortAnalysis) -> list[tuple[str, Markup]]:
    """Every measure of both cohorts with its interval, as (title, drawing): shares, then logits."""
    a, b = analysis.rows
    shares = [("accuracy", "accuracy", a.accuracy, b.accuracy)]
    logits = []
    for place, name in enumerate(analysis.class_names):
        both = a.probabilities[place], b.probabilities[place]
        shares.append(("probability", f"P({name})", *both))
        logits.append(("logit", f"logit({name})", a.logits[place], b.logits[place]))
    ends = [end for *_, one, other in logits for end in (*one.interval, *other.interval)]
    unit = Scale(low=0.0, high=1.0, start=START, end=END)
    return [
        _panel(shares, unit, "Shares and mean probabilities"),
        _panel(logits, Scale.around(ends, START, END), "Mean logits"),
    ]


def difference_chart(analysis: CohortAnalysis) -> tuple[str, Markup]:
    """The predicted difference, as (title, drawing): interval, zero, and the supporting zone."""
    plan, found = analysis.plan, analysis.primary
    border = plan.smallest_effect
    scale = Scale.around([*found.interval, 0.0, border, -border], START, END)
    above, below = (border, scale.high), (scale.low, -border)
    zones = {"a > b": [above], "a < b": [below], "a != b": [below, above]}[plan.direction]
    title = "Predicted difference; an interval wholly within the grey zone supports the claim"
    drawing = _panel_with_ticks(title, scale, rows=1)
    for low, high in zones:
        left, right = scale.at(low), scale.at(high)
        width = max(0.0, right - left)
        drawing.add("rect", kind="zone", x=left, y=TOP, width=width, height=ROW)
    _upright(drawing, scale.at(0.0), TOP + ROW, "zero")
    middle = TOP + ROW / 2
    _name(drawing, f"{found.measure}, A − B", middle)
    estimate = Estimate(value=found.difference, interval=found.interval)
    _mark(drawing, scale, estimate, middle, hollow=False)
    value = number_text(found.measure, found.difference, signed=True)
    interval = interval_text(found.measure, found.interval, signed=True)
    _value(drawing, f"{value} ({interval})", middle)
    return title, drawing.markup()


def _panel(
    rows: Sequence[tuple[str, str, Estimate, Estimate]], scale: Scale, title: str
) -> tuple[str, Markup]:
    drawing = _panel_with_ticks(title, scale, rows=len(rows))
    for place, (measure, name, *both) in enumerate(rows):
        middle = TOP + ROW * (place + 0.5)
        _name(drawing, name, middle)
        for letter, estimate, shift in zip("AB", both, (-APART, APART), strict=True):
            value = number_text(measure, estimate.value)
            interval = interval_text(measure, estimate.interval)
            _mark(drawing, scale, estimate, middle + shift, hollow=letter == "B")
            _value(drawing, f"{letter}  {value} ({interval})", middle + shift)
    return title, drawing.markup()


def _panel_with_ticks(title: str, scale: Scale, *, rows: int) -> Drawing:
    bottom = TOP + ROW * rows
    drawing = Drawing(WIDTH, bottom + FOOT, role="img", aria_label=title)
    for tick in scale.ticks(5):
        _upright(drawing, scale.at(tick), bottom, "grid")
        drawing.text((scale.at(tick), bottom + 16), f"{tick:.4g}", kind="tick")
    return drawing


def _mark(drawing: Drawing, scale: Scale, estimate: Estimate, y: float, *, hollow: bool) -> None:
    """An interval with a dot (A) or a hollow square (B): told apart without colours."""
    low, high = (scale.at(end) for end in estimate.interval)
    x = scale.at(estimate.value)
    drawing.line((low, y), (high, y), kind="interval")
    if hollow:
        side = 2.0 * HALF
        drawing.add("rect", kind="b", x=x - HALF, y=y - HALF, width=side, height=side)
    else:
        drawing.add("circle", kind="a", cx=x, cy=y, r=HALF)


def _upright(drawing: Drawing, x: float, bottom: float, kind: str) -> None:
    drawing.line((x, TOP), (x, bottom), kind=kind)


def _name(drawing: Drawing, text: str, y: float) -> None:
    drawing.text((LEFT - 12, y + 4), shortened(text, LONGEST), tooltip=text, kind="name")


def _value(drawing: Drawing, text: str, y: float) -> None:
    drawing.text((END + 12, y + 4), text, kind="value")
