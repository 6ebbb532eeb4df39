"""Plots of a cohort test: both cohorts with their intervals, one panel for each unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from protocore.reports.charts.colours import COLOURS
from protocore.reports.figures.style import apply_style, plain

APART = 0.13  # of a row, from its middle


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A value with its interval."""

    name: str  # of the measure, plain text
    value: float
    low: float
    high: float


def cohorts_figure(
    labels: Sequence[str], shares: Sequence[Sequence[Bar]], logits: Sequence[Sequence[Bar]]
) -> go.Figure:
    """Shares and probabilities (0..1) on the left, logits on the right; one row per measure.

    `shares` and `logits` hold the bars of each cohort, in the order of `labels`, which are plain
    text: Plotly would take tags in it for markup.
    """
    titles = ("Shares and mean probabilities", "Mean logits")
    figure = make_subplots(cols=2, subplot_titles=titles, horizontal_spacing=0.2)
    for column, groups in enumerate((shares, logits), start=1):
        for place, (label, bars) in enumerate(zip(labels, groups, strict=True)):
            figure.add_trace(_marks(place, label, bars, shown=column == 1), row=1, col=column)
        names = [plain(bar.name) for bar in groups[0]]
        rows = {"tickvals": list(range(len(names))), "ticktext": names}
        figure.update_yaxes(range=[len(names) - 0.5, -0.5], **rows, row=1, col=column)
    apply_style(figure, height=170 + 44 * max(len(bars) for bars in (*shares, *logits)))
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(range=[-0.03, 1.03], row=1, col=1)
    return figure


def _marks(place: int, label: str, bars: Sequence[Bar], *, shown: bool) -> go.Scatter:
    """One cohort: a mark and its interval for each measure, a little above or below its row."""
    return go.Scatter(
        x=[bar.value for bar in bars],
        y=[row + APART * (2 * place - 1) for row in range(len(bars))],
        error_x={
            "array": [bar.high - bar.value for bar in bars],
            "arrayminus": [bar.value - bar.low for bar in bars],
        },
        mode="markers",
        marker={"size": 10, "symbol": ("circle", "diamond-open")[place % 2]},
        line_color=COLOURS[place % len(COLOURS)],
        name=plain(label),
        legendgroup=label,
        showlegend=shown,
        customdata=[plain(bar.name) for bar in bars],
        hovertemplate="%{customdata}: %{x:.3f}",
    )
