"""Comparisons: class matrices and occlusion maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from protocore.reports.figures.style import apply_style, plain

ROW_HEIGHT = 30  # pixels
SUPPORT, AGAINST = (228, 87, 46), (61, 143, 209)  # RGB: covering it lowers, raises the logit
STRONGEST = 0.75  # opacity of the strongest place of an overlay


def matrix_figure(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, kind: str
) -> go.Figure:
    """A heatmap `(P, C)` of "probability" (0..1) or "logit" with the numbers in the cells."""
    probability = kind == "probability"
    form = ".2f" if probability else ".1f"
    limit = 1.0 if probability else float(np.abs(values).max()) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=values.tolist(),
            x=[plain(name) for name in columns],
            y=[plain(name) for name in rows],
            zmin=0.0 if probability else -limit,
            zmax=limit,
            colorscale="Purples" if probability else "RdBu",
            texttemplate=f"%{{z:{form}}}",
            hovertemplate="%{y}<br>%{x}<br>" + f"{kind} %{{z:{form}}}<extra></extra>",
            colorbar={"title": kind},
        )
    )
    apply_style(figure, height=120 + ROW_HEIGHT * max(len(rows), 2))
    figure.update_layout(hovermode="closest", margin={"l": 10, "t": 20})
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    figure.update_xaxes(side="top", automargin=True, showgrid=False)
    return figure


def occlusion_overlay(image: np.ndarray, heat: np.ndarray, limit: float) -> np.ndarray:
    """An 8-bit image `(H, W, 3)`, faded to grey, under a map `(H, W)` of logit drops.

    Orange: covering the place lowers the logit; blue: it raises it. `limit` is the drop with
    the strongest colour.
    """
    grey = np.asarray(Image.fromarray(image).convert("L"), dtype=float)[:, :, None].repeat(3, 2)
    strength = np.clip(heat / limit, -1, 1) if limit > 0 else np.zeros_like(heat)
    colour = np.where(strength[:, :, None] > 0, SUPPORT, AGAINST)
    opacity = STRONGEST * np.abs(strength)[:, :, None]
    return np.round(grey * (1 - opacity) + colour * opacity).astype(np.uint8)
