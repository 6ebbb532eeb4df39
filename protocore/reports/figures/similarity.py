"""Path similarity: curves over the layers, and the scores of single images in one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from protocore.reports.figures.style import COLOURS, GRID, apply_style

SAME_COLOUR = "#1a936f"
DIFFERENT_COLOUR = "#8a8a99"
BAND_OPACITY = 0.18
# The natural curves have colours of their own, which no prototype takes.
PROTOTYPE_COLOURS = tuple(c for c in COLOURS if c not in (SAME_COLOUR, "#6c757d"))
TAIL = 1.0  # percent of the values at each end that may lie outside the normalised plot


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


@dataclass(frozen=True, kw_only=True)
class LayerChart:
    """A chart over the layers of a network, for the browser and for files."""

    title: str
    y_title: str
    layers: tuple[str, ...]  # one line on each layer, in execution order
    lines: tuple[Line, ...]
    bands: tuple[Band, ...] = ()
    y_range: tuple[float, float] | None = None  # None: all values


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
    layers: Sequence[str],
    labels: Sequence[str],
    normalised: np.ndarray,
    *,
    title: str,
) -> LayerChart:
    """1 is the same class, 0 is a different class (paper, Figures 4 and 7).

    `normalised` is `(P, L)`; masked layers are NaN and leave a gap.
    """
    ones = np.ones(len(layers))
    known = normalised[np.isfinite(normalised)]
    low, high = np.percentile(known, (TAIL, 100 - TAIL)) if len(known) else (0, 1)
    return LayerChart(
        title=title,
        y_title="normalised similarity",
        layers=tuple(layers),
        lines=(
            Line(label="same class = 1", values=ones, colour=SAME_COLOUR, dashed=True),
            Line(
                label="different class = 0", values=0 * ones, colour=DIFFERENT_COLOUR, dashed=True
            ),
            *_prototype_lines(labels, normalised),
        ),
        y_range=(min(float(low), 0.0) - 0.15, max(float(high), 1.0) + 0.15),
    )


def layer_figure(chart: LayerChart, *, height: int = 420) -> go.Figure:
    """The chart for the browser: hover tells the layer, `customdata` of a point its index."""
    figure = go.Figure()
    places = list(range(len(chart.layers)))
    for band in chart.bands:
        _add_band(figure, band, places)
    for line in chart.lines:
        figure.add_scatter(
            x=places,
            y=list(line.values),
            name=line.label,
            mode="lines" if line.dashed else "lines+markers",
            line={"color": line.colour, "width": 1.6, "dash": "dash" if line.dashed else "solid"},
            marker={"size": 4},
            customdata=places,
            text=chart.layers,
            hovertemplate="%{text}<br>%{y:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(title=chart.title)
    apply_style(figure, height=height)
    figure.update_layout(hovermode="closest", clickmode="event+select")
    figure.update_xaxes(title="layer, in execution order")
    figure.update_yaxes(title=chart.y_title, range=chart.y_range)
    return figure


def scores_figure(
    same: Sequence[float],
    different: Sequence[float],
    prototypes: Sequence[float],
    labels: Sequence[str],
    *,
    title: str,
    x_title: str,
) -> go.Figure:
    """How single images score in one layer, with every prototype's place among them."""
    figure = go.Figure()
    natural = (
        ("same-class images", same, SAME_COLOUR),
        ("different-class images", different, DIFFERENT_COLOUR),
    )
    for label, values, colour in natural:
        _add_violin(figure, label, values, colour)
    for label, value, colour in zip(labels, prototypes, _colours(len(labels)), strict=True):
        if np.isfinite(value):
            figure.add_vline(x=float(value), line={"color": colour, "width": 2})
            figure.add_scatter(
                x=[value], y=["same-class images"], name=label, mode="markers",
                marker={"color": colour, "size": 10, "symbol": "diamond"},
                hovertemplate=f"{label} %{{x:.3f}}<extra></extra>",
            )  # fmt: skip
    figure.update_layout(title=title)
    apply_style(figure, height=300)
    figure.update_layout(hovermode="closest", margin={"l": 160})
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(gridcolor=GRID)
    return figure


def _add_violin(figure: go.Figure, label: str, values: Sequence[float], colour: str) -> None:
    """A distribution with every single value below it."""
    figure.add_violin(
        x=list(values),
        y=[label] * len(values),
        name=label,
        orientation="h",
        side="positive",
        points="all",
        pointpos=-0.35,
        jitter=0.4,
        line={"color": colour, "width": 1.2},
        marker={"size": 4, "opacity": 0.6},
        spanmode="hard",
        showlegend=False,
        hovertemplate="%{x:.3f}<extra></extra>",
    )


def _prototype_lines(labels: Sequence[str], values: np.ndarray) -> tuple[Line, ...]:
    return tuple(
        Line(label=label, values=row, colour=colour)
        for label, row, colour in zip(labels, values, _colours(len(labels)), strict=True)
    )


def _colours(count: int) -> list[str]:
    return [PROTOTYPE_COLOURS[i % len(PROTOTYPE_COLOURS)] for i in range(count)]


def _add_band(figure: go.Figure, band: Band, places: list[int]) -> None:
    known = np.isfinite(band.low) & np.isfinite(band.high)
    inside = [place for place in places if known[place]]
    figure.add_scatter(
        x=inside + inside[::-1],
        y=[band.high[i] for i in inside] + [band.low[i] for i in inside[::-1]],
        name=band.label,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=_transparent(band.colour),
        hoverinfo="skip",
        showlegend=False,
    )


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {BAND_OPACITY})"
