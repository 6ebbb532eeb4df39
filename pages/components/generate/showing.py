"""What the Generate page shows: a job, a kept run or kept prototypes. Lives in the link."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from protocore.errors import SettingsError
from protocore.generation.calls import nearest_preset
from protocore.generation.fields import CHOICE, FIELDS, PAIR, WHOLE, Field
from protocore.generation.presets import default_preset, find_preset
from protocore.generation.settings import GenerationSettings

KINDS = ("job", "run", "prototypes")  # query parameters, of which at most one is set
_START = "start_soon"
_MEMORY = "showing"  # in the session: query parameters are lost when the page is left
BASE = "base"  # query parameter: the preset that the settings in the link are changes of
_NONE = "none"  # a setting without a value, in a link


def current() -> tuple[str, str] | None:
    """Kind and identifier(s) of what to show, from the link or from the last visit."""
    for kind in KINDS:
        if value := st.query_params.get(kind):
            st.session_state[_MEMORY] = (kind, value)
            return kind, value
    remembered = st.session_state.get(_MEMORY)
    if remembered:
        st.query_params[remembered[0]] = remembered[1]
    return remembered


def show(kind: str, value: str) -> None:
    """Show that from now on."""
    show_nothing()
    st.session_state[_MEMORY] = (kind, value)
    st.query_params[kind] = value


def show_nothing() -> None:
    """Back to the empty state; a job goes on in the background."""
    st.session_state.pop(_MEMORY, None)
    st.session_state.pop("frame", None)
    for name in (*KINDS, "step"):
        st.query_params.pop(name, None)


def start_soon() -> None:
    """Begin a run as soon as the page is shown, as if the button had been pressed there."""
    st.session_state[_START] = True


def asked_to_start() -> bool:
    """Whether `start_soon` was called; true once."""
    return st.session_state.pop(_START, False)


def read_link() -> dict[str, str]:
    """Classes, seeds, preset and settings in the link, once per session."""
    if st.session_state.get("link_read"):
        return {}
    st.session_state["link_read"] = True
    names = ("classes", "seeds", "preset", BASE, *FIELDS)
    return {name: st.query_params[name] for name in names if name in st.query_params}


def linked_settings(link: Mapping[str, str], source: str) -> GenerationSettings | None:
    """The settings of a link, None where it names none; raises SettingsError.

    `source` is the model's, whose preset holds where the link names no other.
    """
    named = [name for name in FIELDS if name in link]
    name = link.get("preset") or link.get(BASE)
    if not name and not named:
        return None
    preset = find_preset(name) if name else default_preset(source)
    return preset.settings.patch({name: _read(FIELDS[name], link[name]) for name in named})


def write_link(classes: list[int], seeds: str, settings: GenerationSettings) -> None:
    """Keep classes, seeds and settings in the link, so that it can be sent to a colleague."""
    preset, changes = nearest_preset(settings)
    wanted = {
        "classes": ",".join(str(index) for index in classes),
        "seeds": ",".join(seeds.replace(",", " ").split()),
        "preset": "" if changes else preset.name,
        BASE: preset.name if changes else "",
        **{name: _written(changes[name]) if name in changes else "" for name in FIELDS},
    }
    for name, value in wanted.items():
        if not value:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value


def _written(value: object) -> str:
    if value is None:
        return _NONE
    if isinstance(value, tuple):
        return ",".join(_written(part) for part in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _read(field: Field, text: str) -> object:
    if text == _NONE and field.optional:
        return None
    if field.kind == CHOICE:
        return text
    try:
        if field.kind == PAIR:
            return tuple(float(part) for part in text.split(","))
        return int(text) if field.kind == WHOLE else float(text)
    except ValueError:
        raise SettingsError(
            f"{field.title} in this link must be a number, got {text!r}; correct the link"
        ) from None
