"""The look that all plots share, readable on light and dark backgrounds."""

from __future__ import annotations

import plotly.graph_objects as go

# Ten colours that stay apart on white, on near-black and for the colour-blind; also in the theme.
COLOURS = (
    "#5b4bdb",
    "#e4572e",
    "#1a936f",
    "#d9a400",
    "#3d8fd1",
    "#b5179e",
    "#6c757d",
    "#7cb518",
    "#8c564b",
    "#17becf",
)
GRID = "rgba(128, 128, 150, 0.22)"


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
