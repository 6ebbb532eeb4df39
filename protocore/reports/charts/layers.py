"""Charts over the layers of a network: what they hold, and how they look as an SVG file.

The same LayerChart becomes a Plotly figure in `reports.figures.layers`; a gap in one is a gap in
the other. Plotly's own export would need Chrome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from protocore.reports.charts.colours import (
    BAND_OPACITY,
    DIFFERENT_COLOUR,
    SAME_COLOUR,
    prototype_colours,
)
from protocore.reports.charts.svg import Drawing, Scale

TAIL = 1.0  # percent of the values at each end that may lie outside the normalised plot
WIDTH, HEIGHT = 1000, 520  # pixels
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 84, 56  # margins
INK, FAINT = "#33333d", "#d9d9e0"
LETTER = 7.2  # pixels, about the width of a letter of the legend


@dataclass(frozen=True, kw_only=True)
class Line:
    """Values over the layers; NaN leaves a gap."""

    label: str
    values: Sequence[float]
    colour: str
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Band:
    """An area between two curves; NaN leaves a gap."""

    label: str
    low: Sequence[float]
    high: Sequence[float]
    colour: str

    @property
    def runs(self) -> list[list[int]]:
        """Consecutive layers in which both edges are known."""
        return runs(np.isfinite(self.low) & np.isfinite(self.high))


@dataclass(frozen=True, kw_only=True)
class LayerChart:
    """A chart over the layers of a network, for the browser and for files."""

    title: str
    y_title: str
    layers: tuple[str, ...]  # one line on each layer, in execution order
    lines: tuple[Line, ...]
    bands: tuple[Band, ...] = ()
    y_range: tuple[float, float] | None = None  # None: all values


def runs(known: np.ndarray) -> list[list[int]]:
    """Consecutive places where `known` holds."""
    groups = groupby(range(len(known)), key=lambda place: bool(known[place]))
    return [list(places) for holds, places in groups if holds]


def raw_chart(
    layers: Sequence[str],
    labels: Sequence[str],
    prototypes: np.ndarray,
    same: tuple[np.ndarray, np.ndarray],
    different: tuple[np.ndarray, np.ndarray],
    *,
    title: str,
    y_title: str,
) -> LayerChart:
    """The three curves as measured (paper, Figure 8).

    `prototypes` is `(P, L)` with one label each; `same` and `different` are mean and standard
    deviation `(L,)` over natural images, drawn as a line in a band.
    """
    natural = (
        ("same-class images", same, SAME_COLOUR),
        ("different-class images", different, DIFFERENT_COLOUR),
    )
    return LayerChart(
        title=title,
        y_title=y_title,
        layers=tuple(layers),
        bands=tuple(
            Band(label=f"{label}, ±1 sd", low=mean - sd, high=mean + sd, colour=colour)
            for label, (mean, sd), colour in natural
        ),
        lines=(
            *(
                Line(label=label, values=mean, colour=colour, dashed=True)
                for label, (mean, _), colour in natural
            ),
            *_prototype_lines(labels, prototypes),
        ),
    )


def normalised_chart(
    layers: Sequence[str], labels: Sequence[str], normalised: np.ndarray, *, title: str
) -> LayerChart:
    """1 is the same class, 0 is a different class (paper, Figures 4 and 7).

    `normalised` is `(P, L)`; masked layers are NaN and leave a gap.
    """
    ones = np.ones(len(layers))
    known = normalised[np.isfinite(normalised)]
    low, high = np.percentile(known, (TAIL, 100 - TAIL)) if len(known) else (0, 1)
    levels = (("same class = 1", ones, SAME_COLOUR), ("different class = 0", 0 * ones,
              DIFFERENT_COLOUR))  # fmt: skip
    return LayerChart(
        title=title,
        y_title="normalised similarity",
        layers=tuple(layers),
        lines=(
            *(Line(label=text, values=v, colour=c, dashed=True) for text, v, c in levels),
            *_prototype_lines(labels, normalised),
        ),
        y_range=(min(float(low), 0.0) - 0.15, max(float(high), 1.0) + 0.15),
    )


def divergence_chart(
    layers: Sequence[str],
    between: Sequence[tuple[str, np.ndarray]],
    within: Sequence[tuple[str, np.ndarray]] = (),
    *,
    title: str,
    y_title: str,
) -> LayerChart:
    """Similarity between groups over the layers, and dashed within a group over seeds."""
    colours = prototype_colours(len(between))
    lines = [
        Line(label=label, values=values, colour=colour)
        for (label, values), colour in zip(between, colours, strict=True)
    ]
    lines += [
        Line(label=label, values=values, colour=colour, dashed=True)
        for (label, values), colour in zip(within, colours, strict=False)
        if np.isfinite(values).any()
    ]
    return LayerChart(title=title, y_title=y_title, layers=tuple(layers), lines=tuple(lines))


def chart_svg(chart: LayerChart) -> str:
    """The chart as an SVG document on white."""
    drawing = Drawing(
        WIDTH, HEIGHT, width=WIDTH, height=HEIGHT, font_family="sans-serif", font_size=13,
        fill=INK, role="img", aria_label=chart.title,
    )  # fmt: skip
    drawing.add("rect", width=WIDTH, height=HEIGHT, fill="white")
    low, high = chart.y_range or _limits(chart)
    y = Scale(low=low, high=high, start=HEIGHT - BOTTOM, end=TOP)
    last = max(len(chart.layers) - 1, 1)
    x = Scale(low=0, high=last, start=LEFT, end=WIDTH - RIGHT)
    _axes(drawing, chart, x, y)
    for band in chart.bands:
        for run in band.runs:
            edges = [(i, band.high[i]) for i in run] + [(i, band.low[i]) for i in run[::-1]]
            points = [(x.at(i), y.at(float(value))) for i, value in edges]
            drawing.path(points, closed=True, fill=band.colour, fill_opacity=BAND_OPACITY)
    for line in chart.lines:
        for run in runs(np.isfinite(line.values)):
            points = [(x.at(i), y.at(float(line.values[i]))) for i in run]
            if len(points) == 1:  # a lone value, visible
                points = [(x.at(run[0] + shift), points[0][1]) for shift in (-0.3, 0.3)]
            drawing.path(points, fill="none", **_pen(line))
    _legend(drawing, chart)
    return f"{drawing.markup()}\n"


def _prototype_lines(labels: Sequence[str], values: np.ndarray) -> tuple[Line, ...]:
    return tuple(
        Line(label=label, values=row, colour=colour)
        for label, row, colour in zip(labels, values, prototype_colours(len(labels)), strict=True)
    )


def _pen(line: Line, width: float = 1.6) -> dict[str, object]:
    dash = {"stroke_dasharray": "6 4"} if line.dashed else {}
    return {"stroke": line.colour, "stroke_width": width, **dash}


def _limits(chart: LayerChart) -> tuple[float, float]:
    rows = [line.values for line in chart.lines]
    rows += [edge for band in chart.bands for edge in (band.low, band.high)]
    known = np.concatenate([np.asarray(row, dtype=float) for row in rows] or [np.zeros(1)])
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _axes(drawing: Drawing, chart: LayerChart, x: Scale, y: Scale) -> None:
    for value in y.ticks():
        drawing.line((x.start, y.at(value)), (x.end, y.at(value)), stroke=FAINT, stroke_width=1)
        drawing.text((LEFT - 8, y.at(value) + 4), f"{value:g}", text_anchor="end")
    for index in x.ticks():
        if index == int(index):
            drawing.text((x.at(index), y.start + 20), f"{int(index)}", text_anchor="middle")
    drawing.text((LEFT, 26), chart.title, font_size=17)
    middle = ((x.start + x.end) / 2, HEIGHT - 12)
    drawing.text(middle, "layer, in execution order", text_anchor="middle")
    centre = (y.start + y.end) / 2
    turned = f"rotate(-90 18 {centre:g})"
    drawing.text((18, centre), chart.y_title, text_anchor="middle", transform=turned)


def _legend(drawing: Drawing, chart: LayerChart) -> None:
    x, y = float(LEFT), 50.0
    for line in chart.lines:
        width = 44 + LETTER * len(line.label)
        if x + width > WIDTH - RIGHT and x > LEFT:
            x, y = float(LEFT), y + 18
        if y > TOP - 10:
            return  # the table beside the chart lists what does not fit
        drawing.path([(x, y - 4), (x + 24, y - 4)], fill="none", **_pen(line, 2.4))
        drawing.text((x + 30, y), line.label)
        x += width
