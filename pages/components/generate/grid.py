"""Prototypes side by side: enlarged at least twice, with what the model says of each."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.components.common.images import data_uri

MAIN_WIDTH = 1000  # pixels that the main area has on a usual screen
LARGEST = 560  # pixels; one image alone need not fill the screen


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One image of the grid and what stands under it."""

    image: bytes  # JPEG or PNG file
    title: str
    badge: str  # such as "p 0.93"; path similarity never without the probability
    class_index: int
    top: tuple[tuple[int, str, float], ...] = ()  # likeliest classes: index, name, probability


def columns_for(count: int, size: int) -> int:
    """How many images of `size` pixels fit side by side at twice their size."""
    return max(1, min(count, MAIN_WIDTH // (2 * size) or 1, 4))


def show_grid(cells: Sequence[Cell], size: int) -> None:
    """Draw the cells in rows; `size` is the images' own width in pixels."""
    per_row = columns_for(len(cells), size)
    for start in range(0, len(cells), per_row):
        row = cells[start : start + per_row]
        for cell, column in zip(row, st.columns(per_row), strict=False):
            with column:
                _show_cell(cell, size, alone=len(cells) == 1)


def _show_cell(cell: Cell, size: int, *, alone: bool) -> None:
    width = max(LARGEST, 2 * size) if alone else "stretch"
    st.image(data_uri(cell.image), width=width, alt=f"Prototype of {cell.title}, {cell.badge}")
    st.html(
        f'<div style="display:flex;justify-content:space-between;font-weight:600">'
        f"<span>{html.escape(cell.title)}</span><span>{html.escape(cell.badge)}</span></div>"
        + top_bars(cell.top, cell.class_index)
    )


def top_bars(top: Sequence[tuple[int, str, float]], class_index: int) -> str:
    """The likeliest classes as bars, the wanted class in green. Safe HTML."""
    rows = "".join(
        f'<div class="pc-bar{" target" if index == class_index else ""}">'
        f'<i style="width:{100 * share:.1f}%"></i><span>{html.escape(name)}</span></div>'
        f'<div class="pc-num">{share:.2f}</div>'
        for index, name, share in top
    )
    return f'<div class="pc-bars">{rows}</div>'
