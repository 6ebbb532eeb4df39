"""The two canvases of the Compare page: a viewer with one zoom for all images, and an editor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.components.common.images import data_uri
from protocore.compare.comparison import arrange
from protocore.compare.edits import Box, Stroke, shape_from_dict, shape_to_dict

_FOLDER = Path(__file__).parent
MODES = ("grid", "pair", "blink", "swap", "difference")


def _component(name: str, file: str, classes: str, label: str):
    shared, own = ((_FOLDER / script).read_text(encoding="utf-8") for script in ("canvas.js", file))
    return st.components.v2.component(
        name,
        html=f'<div class="{classes}" role="group" aria-label="{label}"\n tabindex="0"></div>',
        css=(_FOLDER / "canvas.css").read_text(encoding="utf-8"),
        js=shared + own,
    )


_VIEWER = _component(
    "compare_viewer", "viewer.js", "viewer", "Images side by side: arrows move, plus and minus zoom"
)
_EDITOR = _component("compare_editor", "editor.js", "viewer editor", "Mark parts of the image")


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One image of the viewer."""

    image: bytes  # JPEG or PNG file
    title: str
    badge: str  # what stands beside the title, such as "p 0.93"
    group: str
    seed: int


def show_viewer(tiles: Sequence[Tile], *, key: str) -> None:
    """All images with synchronised zoom and pan, in pairs, blinking, or their difference."""
    places, columns = arrange([(tile.group, tile.seed) for tile in tiles])
    items = [
        {
            "image": data_uri(tile.image),
            "title": tile.title,
            "badge": tile.badge,
            "row": row,
            "column": column,
        }
        for tile, (row, column) in zip(tiles, places, strict=True)
    ]
    groups = [tile.group for tile in tiles]
    other = next((i for i, group in enumerate(groups) if group != groups[0]), len(tiles) - 1)
    linked = _linked_view(len(tiles)) or {"mode": "grid", "first": 0, "second": other}
    data = {"items": items, "columns": columns, **linked}
    _VIEWER(key=key, data=data, on_shown_change=lambda: _keep_view(key))


def _linked_view(count: int) -> dict | None:
    """Mode and pair that the page's address names, if it names some of these images."""
    mode, *places = st.query_params.get("view", "").split(",")
    if mode not in MODES or len(places) != 2 or not all(place.isdecimal() for place in places):
        return None
    first, second = map(int, places)
    return {"mode": mode, "first": first, "second": second} if max(first, second) < count else None


def _keep_view(key: str) -> None:
    """Put what the viewer shows into the page's address."""
    shown = (st.session_state.get(key) or {}).get("shown") or {}
    if shown.get("mode") in MODES:
        st.query_params["view"] = f"{shown['mode']},{shown['first']},{shown['second']}"


def draw_regions(
    identifier: str,
    image: bytes,
    edited: bytes | None,
    *,
    key: str,
    hint: str = "Draw on the left image; on the right is what the model gets",
    kept: Sequence[Box | Stroke] | None = None,
    on_drawn: Callable[[], None] = lambda: None,
) -> tuple[Box | Stroke, ...]:
    """An image to draw on, beside what has become of it; returns the regions drawn so far.

    `kept` are regions to begin with, where nothing has been drawn in this browser session yet;
    `on_drawn` is called when some were drawn or taken back. Raises SettingsError when the browser
    sends something that is no region.
    """
    shapes = drawn_regions(identifier, key)
    _EDITOR(
        key=key,
        data={
            "id": identifier,
            "image": data_uri(image),
            "edited": edited and data_uri(edited),
            "shapes": [shape_to_dict(shape) for shape in shapes or kept or ()],
            "hint": hint,
        },
        on_drawn_change=on_drawn,
    )
    return drawn_regions(identifier, key)


def drawn_regions(identifier: str, key: str) -> tuple[Box | Stroke, ...]:
    """What was drawn on that image, before the editor itself is placed."""
    state = st.session_state.get(key) or {}
    drawn = state.get("drawn") or {}
    if drawn.get("id") != identifier:
        return ()
    return tuple(shape_from_dict(shape) for shape in drawn.get("shapes", ()))
