"""The look that all plots share, readable on light and dark backgrounds."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from protocore.reports.charts.colours import COLOURS, GRID


def apply_style(figure: go.Figure, *, height: int = 320) -> go.Figure:
    """Give `figure` the common fonts, colours, margins and legend; returns it. Height in pixels."""
    figure.update_layout(
        height=height,
        colorway=COLOURS,
        margin={"l": 56, "r": 16, "t": 44, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.28, "yanchor": "top", "x": 0},
        font={"size": 13},
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zeroline=False)
    return figure


def plain(text: str) -> str:
    """A foreign text for Plotly, which would take tags in it for markup."""
    return escape(text, quote=False)
