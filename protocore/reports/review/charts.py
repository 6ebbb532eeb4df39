"""Small charts of a cohort test as SVG: they print in black and white and follow the page's ink."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protocore.cohorts.analysis import CohortAnalysis, Estimate
from protocore.cohorts.outcomes import interval_text, number_text
from protocore.reports.markup import Html, joined, markup

WIDTH = 800  # units of the drawing
LEFT, RIGHT = 180, 230  # margins, for names and numbers
ROW, TOP, FOOT = 40, 6, 24
APART = 9  # of the two cohorts from the middle of their row
HALF = 4  # size of a mark
_LONGEST = 24  # characters of a name; the whole of it is the tooltip
_TICKS = 5  # about so many on an axis


@dataclass(frozen=True, kw_only=True)
class _Axis:
    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value lies, in units; beyond the ends: at them."""
        share = (value - self.low) / (self.high - self.low)
        return LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT)

    @property
    def ticks(self) -> list[float]:
        """Some round values within."""
        step = _round_step((self.high - self.low) / _TICKS)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]

    @classmethod
    def around(cls, values: Iterable[float]) -> _Axis:
        """An axis with all of the values and some room beside them."""
        found = list(values)
        low, high = min(found), max(found)
        room = 0.08 * (high - low) or max(1.0, abs(high)) * 0.1
        return cls(low=low - room, high=high + room)


def cohort_chart(analysis: CohortAnalysis) -> Html:
    """Every measure of both cohorts with its interval: shares above, logits below."""
    a, b = analysis.rows
    shares = [("accuracy", "accuracy", a.accuracy, b.accuracy)]
    logits = []
    for place, name in enumerate(analysis.class_names):
        both = a.probabilities[place], b.probabilities[place]
        shares.append(("probability", f"P({name})", *both))
        logits.append(("logit", f"logit({name})", a.logits[place], b.logits[place]))
    ends = [end for *_, one, other in logits for end in (*one.interval, *other.interval)]
    return joined(
        [
            _panel(shares, _Axis(low=0.0, high=1.0), "Shares and mean probabilities"),
            _panel(logits, _Axis.around(ends), "Mean logits"),
        ]
    )


def difference_chart(analysis: CohortAnalysis) -> Html:
    """The difference that was predicted: interval, zero, and the zone that supports the claim."""
    plan, found = analysis.plan, analysis.primary
    border = plan.smallest_effect
    axis = _Axis.around([*found.interval, 0.0, border, -border])
    above, below = (border, axis.high), (axis.low, -border)
    zones = {"a > b": [above], "a < b": [below], "a != b": [below, above]}[plan.direction]
    middle = TOP + ROW / 2
    estimate = Estimate(value=found.difference, interval=found.interval)
    value = number_text(found.measure, found.difference, signed=True)
    interval = interval_text(found.measure, found.interval, signed=True)
    parts = [
        *(_zone(axis, low, high) for low, high in zones),
        _upright(axis.at(0.0), TOP + ROW, "zero"),
        _name(f"{found.measure}, A − B", middle),
        _mark(axis, estimate, middle, hollow=False),
        _number(f"{value} ({interval})", middle),
    ]
    title = "The predicted difference; an interval wholly within the grey zone supports the claim"
    return _drawing(parts, axis, 1, title)


def _panel(rows: Sequence[tuple[str, str, Estimate, Estimate]], axis: _Axis, title: str) -> Html:
    parts = []
    for place, (measure, name, *both) in enumerate(rows):
        middle = TOP + ROW * (place + 0.5)
        parts.append(_name(name, middle))
        for letter, estimate, shift in zip("AB", both, (-APART, APART), strict=True):
            value = number_text(measure, estimate.value)
            interval = interval_text(measure, estimate.interval)
            parts.append(_mark(axis, estimate, middle + shift, hollow=letter == "B"))
            parts.append(_number(f"{letter}  {value} ({interval})", middle + shift))
    return _drawing(parts, axis, len(rows), title)


def _drawing(parts: Iterable[Html], axis: _Axis, rows: int, title: str) -> Html:
    bottom = TOP + ROW * rows
    grid = joined(
        markup(
            '{}<text class="tick" x="{}" y="{}">{}</text>',
            _upright(axis.at(tick), bottom, "grid"),
            _units(axis.at(tick)),
            bottom + 16,
            f"{tick:.4g}",
        )
        for tick in axis.ticks
    )
    return markup(
        '<figure class="chart"><figcaption>{0}</figcaption><svg viewBox="0 0 {1} {2}" role="img" '
        'aria-label="{0}">{3}{4}</svg></figure>',
        title,
        WIDTH,
        bottom + FOOT,
        grid,
        joined(parts),
    )


def _mark(axis: _Axis, estimate: Estimate, y: float, *, hollow: bool) -> Html:
    """An interval with a dot (A) or a hollow square (B): told apart without colours."""
    low, high = (axis.at(end) for end in estimate.interval)
    x = axis.at(estimate.value)
    line = _level(low, high, y)
    if hollow:
        square = '<rect class="b" x="{}" y="{}" width="{}" height="{}"/>'
        return joined(
            [line, markup(square, _units(x - HALF), _units(y - HALF), 2 * HALF, 2 * HALF)]
        )
    return joined(
        [line, markup('<circle class="a" cx="{}" cy="{}" r="{}"/>', _units(x), _units(y), HALF)]
    )


def _level(low: float, high: float, y: float) -> Html:
    return markup(
        '<line class="interval" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>',
        *map(_units, (low, high, y)),
    )


def _upright(x: float, bottom: float, kind: str) -> Html:
    return markup(
        '<line class="{0}" x1="{1}" x2="{1}" y1="{2}" y2="{3}"/>', kind, _units(x), TOP, bottom
    )


def _zone(axis: _Axis, low: float, high: float) -> Html:
    left, right = axis.at(low), axis.at(high)
    return markup(
        '<rect class="zone" x="{}" y="{}" width="{}" height="{}"/>',
        _units(left),
        TOP,
        _units(max(0.0, right - left)),
        ROW,
    )


def _name(text: str, y: float) -> Html:
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return markup(
        '<text class="name" x="{}" y="{}">{}<title>{}</title></text>',
        LEFT - 12,
        _units(y + 4),
        short,
        text,
    )


def _number(text: str, y: float) -> Html:
    return markup(
        '<text class="value" x="{}" y="{}">{}</text>', WIDTH - RIGHT + 12, _units(y + 4), text
    )


def _units(value: float) -> str:
    return f"{value:.1f}"


def _round_step(wanted: float) -> float:
    """The smallest of 1, 2, 5, 10, ... times a power of ten that is at least `wanted`."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * 0.999)
