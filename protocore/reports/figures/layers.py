"""Charts over the layers for the browser, and the scores of single images in one layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat

import numpy as np
import plotly.graph_objects as go

from protocore.reports.charts.colours import (
    BAND_OPACITY,
    DIFFERENT_COLOUR,
    GRID,
    SAME_COLOUR,
    prototype_colours,
)
from protocore.reports.charts.layers import Band, LayerChart
from protocore.reports.figures.style import apply_style, plain
from protocore.reports.html import Markup, render


def layer_figure(chart: LayerChart, *, height: int = 420) -> go.Figure:
    """The chart for the browser: hover tells the layer, `customdata` of a point its index."""
    figure = go.Figure()
    places = list(range(len(chart.layers)))
    for band in chart.bands:
        _add_band(figure, band)
    for line in chart.lines:
        figure.add_scatter(
            x=places,
            y=list(line.values),
            name=plain(line.label),
            mode="lines" if line.dashed else "lines+markers",
            line={"color": line.colour, "width": 1.6, "dash": "dash" if line.dashed else "solid"},
            marker={"size": 4},
            customdata=places,
            text=chart.layers,
            hovertemplate="%{text}<br>%{y:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(title=plain(chart.title))
    apply_style(figure, height=height)
    figure.update_layout(hovermode="closest", clickmode="event+select")
    figure.update_xaxes(title="layer, in execution order")
    figure.update_yaxes(title=chart.y_title, range=chart.y_range)
    return figure


def chart_page(charts: Sequence[LayerChart]) -> bytes:
    """Charts that can be zoomed and hovered as one HTML file that needs no network."""
    parts = [
        layer_figure(chart, height=560).to_html(include_plotlyjs=first, full_html=False)
        for chart, first in zip(charts, chain([True], repeat(False)), strict=False)
    ]
    return render(
        "charts.html.j2", title=charts[0].title, charts=[Markup(part) for part in parts]
    ).encode()


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
    for label, value, colour in zip(
        labels, prototypes, prototype_colours(len(labels)), strict=True
    ):
        if np.isfinite(value):
            figure.add_vline(x=float(value), line={"color": colour, "width": 2})
            figure.add_scatter(
                x=[value], y=["same-class images"], name=plain(label), mode="markers",
                marker={"color": colour, "size": 10, "symbol": "diamond"},
                hovertemplate=f"{plain(label)} %{{x:.3f}}<extra></extra>",
            )  # fmt: skip
    figure.update_layout(title=plain(title))
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


def _add_band(figure: go.Figure, band: Band) -> None:
    """The area of each run of known layers, as a polygon of its own: a gap stays a gap."""
    for run in band.runs:
        figure.add_scatter(
            x=[*run, *run[::-1]],
            y=[*(band.high[i] for i in run), *(band.low[i] for i in run[::-1])],
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
