"""The pictures of a run in one view: classes as groups, seeds as columns, as large as fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.components.common.images import data_uri
from protocore.generation.settings import Target
from protocore.text import plural

_FOLDER = Path(__file__).parent
_GRID = st.components.v2.component(
    "prototype_grid",
    html='<div class="grid"></div>\n',
    css=(_FOLDER / "pictures.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "pictures.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One picture of the grid and what is said about it."""

    image: bytes  # JPEG or PNG file
    target: Target
    title: str  # such as "golf ball · seed 0"
    probability: float | None  # of its class; None: not known at this step
    badge: str  # stands on the picture, such as "p 0.93"
    note: str = ""  # one line more for the full view
    top: tuple[tuple[int, str, float], ...] = ()  # likeliest classes: index, name, probability
    where: str = ""  # record's map of where the network looked
    motif: tuple[float, float, float, float] | None = None  # left, top, width, height, 0..1


def show_pictures(cells: Sequence[Cell], *, key: str) -> None:
    """Draw the cells; size, smoothing and contrast are chosen in the browser and kept there."""
    groups, columns = layout([cell.target for cell in cells])
    items = [
        {
            "image": data_uri(cell.image),
            "title": cell.title,
            "group": group,
            "caption": f"seed {cell.target.seed}",
            "badge": cell.badge,
            "note": cell.note,
            "where": cell.where,
            "motif": cell.motif,
            "top": [
                {"name": name, "share": share, "own": index == cell.target.class_index}
                for index, name, share in cell.top
            ],
        }
        for cell, group in zip(cells, groups, strict=True)
    ]
    names = _group_names(cells, groups)
    data = {
        "items": items,
        "groups": names,
        "columns": columns,
        "label": f"{plural(len(cells), 'prototype')}: classes as groups, seeds as columns",
    }
    _GRID(key=key, data=data)


def layout(targets: Sequence[Target]) -> tuple[list[int], int]:
    """The group of each target, one for all seeds of the same weights, and the widest group."""
    order = list(dict.fromkeys(target.weights for target in targets))
    groups = [order.index(target.weights) for target in targets]
    return groups, max(groups.count(group) for group in set(groups))


def _group_names(cells: Sequence[Cell], groups: Sequence[int]) -> list[str]:
    names: dict[int, str] = {}
    for cell, group in zip(cells, groups, strict=True):
        names.setdefault(group, cell.title.rsplit(" · seed ", 1)[0])
    return [names[group] for group in sorted(names)]
