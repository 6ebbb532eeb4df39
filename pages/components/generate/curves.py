"""The curves of a run: the same look while it runs and after, one legend for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from pages.components.generate.pictures import layout
from protocore.generation.settings import Target
from protocore.jobs.live_similarity import SimilarityCurve
from protocore.jobs.live_view import thin

_FOLDER = Path(__file__).parent
_CHARTS = st.components.v2.component(
    "run_curves",
    html='<div class="curves"></div>\n',
    css=(_FOLDER / "curves.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "curves.js").read_text(encoding="utf-8"),
)
TITLES = {
    "probability": "Class probability",
    "logit": "Logit",
    "hf_loss": "Total variation",
}
Curve = Mapping[str, Sequence[float]]  # "step" and TITLES, lists of equal length


def show_curves(
    curves: Sequence[Curve],
    targets: Sequence[Target],
    labels: Sequence[str],
    *,
    key: str,
    changes: Sequence[int] = (),
    similarity: Sequence[SimilarityCurve] = (),
) -> None:
    """One chart per figure over the steps taken so far; colour is the class, dash the seed.

    `changes` are the steps from which changed settings held. `similarity` is shown beside the
    probability, never without it: a blank image wins on similarity alone.
    """
    thinned = [_thinned(curve) for curve in curves]
    if not any(curve["step"] for curve in thinned):
        return  # stopped before its first step, or kept without curves
    charts = [
        {
            "title": title,
            "limits": [0, 1] if name == "probability" else None,
            "lines": [
                {
                    "x": _whole(curve["step"] if name in curve else ()),
                    "y": _real(curve.get(name, ())),
                }
                for curve in thinned
            ],
            "levels": [],
        }
        for name, title in TITLES.items()
    ]
    if similarity:
        charts.append(_similarity_chart(similarity))
    groups, _ = layout(targets)
    seeds = list(dict.fromkeys(target.seed for target in targets))
    data = {
        "charts": charts,
        "lines": [
            {"label": label, "colour": group, "dash": seeds.index(target.seed)}
            for label, group, target in zip(labels, groups, targets, strict=True)
        ],
        "classes": [label.rsplit(" · seed ", 1)[0] for label in _firsts(labels, groups)],
        "seeds": [f"seed {seed}" for seed in seeds],
        "changes": _whole(changes),
    }
    _CHARTS(key=key, data=data)


def _thinned(curve: Curve) -> Curve:
    lists = {name: list(values) for name, values in curve.items()}
    return thin({"step": [], **lists})


def _similarity_chart(curves: Sequence[SimilarityCurve]) -> dict:
    levels = {
        "same class": sum(curve.same for curve in curves) / len(curves),
        "other classes": sum(curve.different for curve in curves) / len(curves),
    }
    return {
        "title": "Path similarity (estimated)",
        "limits": None,
        "lines": [{"x": _whole(curve.steps), "y": _real(curve.values)} for curve in curves],
        "levels": [{"name": name, "y": float(level)} for name, level in levels.items()],
    }


def _firsts(labels: Sequence[str], groups: Sequence[int]) -> list[str]:
    first = {}
    for label, group in zip(labels, groups, strict=True):
        first.setdefault(group, label)
    return [first[group] for group in sorted(first)]


def _whole(values: Sequence[float]) -> list[int]:
    return [int(value) for value in values]  # curves from a file hold NumPy's integers


def _real(values: Sequence[float]) -> list[float]:
    return [round(float(value), 5) for value in values]
