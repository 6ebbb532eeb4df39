"""Curves of a run: probability, logit and total variation over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import plotly.graph_objects as go

from protocore.reports.charts.colours import COLOURS, GRID
from protocore.reports.figures.style import apply_style, plain

CURVE_TITLES = {
    "probability": "Class probability",
    "logit": "Logit",
    "hf_loss": "Total variation",
}


def run_curve(
    curves: Sequence[Mapping[str, Sequence[float]]],
    labels: Sequence[str],
    name: str,
    *,
    changes: Sequence[int] = (),
) -> go.Figure:
    """One of CURVE_TITLES for every prototype; dotted lines where settings were changed.

    Each of `curves` holds the lists "step" and `name` of equal length; `labels` go with them.
    """
    figure = go.Figure()
    for curve, label in zip(curves, labels, strict=True):
        figure.add_scatter(x=curve["step"], y=curve[name], name=plain(label), mode="lines")
    for step in changes:
        figure.add_vline(x=step, line_dash="dot", line_color="rgba(128,128,150,0.8)")
    figure.update_layout(title=CURVE_TITLES[name], showlegend=len(labels) > 1)
    figure.update_xaxes(title="step")
    if name == "probability":
        figure.update_yaxes(range=[-0.02, 1.02])
    return apply_style(figure, height=280)


def live_similarity_chart(
    steps: Sequence[int],
    values: Sequence[Sequence[float]],
    labels: Sequence[str],
    *,
    total: int,
    same: float,
    different: float,
) -> dict:
    """Estimated path similarity over the steps as an ECharts option.

    `values` holds one list per label; `same` and `different` are what photos reach, as lines.
    """
    levels = [
        {"yAxis": float(level), "label": {"formatter": name, "position": "insideStartTop"}}
        for level, name in ((same, "same class"), (different, "other classes"))
    ]
    curves = [{"step": steps, "similarity": row} for row in values]
    chart = live_curve(curves, labels, "similarity", total=total)
    chart["title"]["text"] = "Path similarity (estimated)"
    if chart["series"]:
        chart["series"][0]["markLine"] |= {"label": {"show": True}, "data": levels}
    known = (same, different, *(value for row in values for value in row))
    limits = [float(value) for value in known if isfinite(value)]
    chart["yAxis"] |= {"min": round(min(limits) - 0.03, 2), "max": round(max(limits) + 0.03, 2)}
    return chart


def live_curve(
    curves: Sequence[Mapping[str, Sequence[float]]],
    labels: Sequence[str],
    name: str,
    *,
    total: int,
    changes: Sequence[int] = (),
) -> dict:
    """The same as an ECharts option, which redraws in place while a run goes on."""
    marks = [{"xAxis": int(step)} for step in changes]
    series = [
        {
            "name": label,
            "type": "line",
            "showSymbol": False,
            "data": _points(curve["step"], curve[name]),
            "lineStyle": {"width": 2},
            "markLine": {
                "silent": True,
                "symbol": "none",
                "label": {"show": False},
                "data": marks if row == 0 else [],
            },
        }
        for row, (curve, label) in enumerate(zip(curves, labels, strict=True))
    ]
    limits = {"min": 0, "max": 1} if name == "probability" else {"scale": True}
    return {
        "animation": False,
        "color": list(COLOURS),
        "title": {"text": CURVE_TITLES.get(name, name), "textStyle": {"fontSize": 13}},
        "grid": {"left": 48, "right": 12, "top": 34, "bottom": 26},
        "xAxis": {"type": "value", "min": 0, "max": int(total), "splitLine": {"show": False}},
        "yAxis": {"type": "value", **limits, "splitLine": {"lineStyle": {"color": GRID}}},
        "tooltip": {"trigger": "axis"},
        "series": series,
    }


def _points(steps: Sequence[float], values: Sequence[float]) -> list[list[float | None]]:
    """Plain numbers, which JSON knows, of whatever kind they come; None leaves a gap."""
    pairs = zip(map(int, steps), map(float, values), strict=True)
    return [[step, round(value, 5) if isfinite(value) else None] for step, value in pairs]
