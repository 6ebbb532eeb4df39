"""A text field that loses nothing: kept in the browser at every key, on the server soon after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).parent
_FIELD = st.components.v2.component(
    "kept_text",
    html='<label><span class="name"></span><span class="status" role="status"></span></label>'
    '<div class="field"></div>',
    css=(_FOLDER / "text.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "text.js").read_text(encoding="utf-8"),
)
Save = Callable[[str], object]
_DRAWN = "kept_texts"  # the fields of this run: place, version and how to save, by key


def kept_text(
    label: str,
    text: str,
    save: Save,
    *,
    key: str,
    place: str,
    version: int = 0,
    rows: int = 1,
    most: int,
    placeholder: str = "",
) -> None:
    """Draw the field with the saved `text`; `save` is given what is typed.

    `place` names the text in this browser, across sessions and reviewers. A new `version` of it
    replaces what the field shows; within one, nothing typed is ever replaced. The text has at most
    `most` characters; a field of one row has no line breaks.
    """
    data = {
        "place": place,
        "version": version,
        "text": text,
        "label": label,
        "rows": rows,
        "most": most,
        "placeholder": placeholder,
    }
    st.session_state.setdefault(_DRAWN, {})[key] = (place, version, save)
    _FIELD(key=key, data=data, on_typed_change=take_typed)


def take_typed() -> None:
    """Save what the browser has sent and nobody has saved yet, of all fields.

    A button's callback comes before those of components: it calls this first, to have the text of
    the last second as well.
    """
    state = st.session_state
    for key, (place, version, save) in list(state.get(_DRAWN, {}).items()):
        typed = (state.get(key) or {}).get("typed") or {}
        if (typed.get("place"), typed.get("version")) != (place, version):
            continue  # of another text, or of this one before it was handed in
        if state.get(f"{key}_at") != typed.get("at"):
            state[f"{key}_at"] = typed.get("at")
            save(str(typed.get("text", "")))


def forget_texts() -> None:
    """Begin a run of the page: no field is drawn yet."""
    st.session_state.pop(_DRAWN, None)
