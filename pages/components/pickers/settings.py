"""The controls of generation settings, drawn from the one table of settings.

The settings in force are a GenerationSettings in the session, exact to the last digit. Controls
show them and change one field at a time; what nobody moves stays as it is, also where a slider
could not show it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.components.common.errors import show_error
from protocore.errors import SettingsError
from protocore.generation.fields import CHOICE, FIELDS, PAIR, WHOLE, Field
from protocore.generation.presets import (
    PAPER,
    PRESETS,
    default_preset,
    find_preset,
    matching_preset,
)
from protocore.generation.settings import GenerationSettings

CHOSEN = "settings"  # in the session: the settings in force
_BASE = "settings_base"  # name of the preset that they started from
_ERROR = "settings_error"
# Shown first; all others of the table stand behind "Advanced".
MAIN = (
    "hf_weight", "hf_weight_end", "scale", "rotation", "translation", "transforms_per_step", "steps"
)  # fmt: skip
# What a slider offers; a value outside widens it.
SLIDERS = {
    "scale": (0.3, 2.0, 0.05),
    "rotation": (0.0, 180.0, 1.0),
    "translation": (0.0, 1.0, 0.01),
    "transforms_per_step": (1, 16, 1),
    "noise": (0.0, 0.5, 0.01),
    "jitter": (0.0, 1.0, 0.05),
    "greyscale": (0.0, 1.0, 0.05),
    "probability_floor": (0.0, 0.99, 0.01),
}
STEPS = {"steps": 64, "baseline_steps": 16, "averaging": 8, "learning_rate": 0.01}
# The useful weight depends on model, size and unit, hence five decades. 0 is "off".
_DECADES = tuple(m * 10.0**e for e in range(5) for m in (1, 1.5, 2, 3, 4, 5, 6, 8))
OPTIONS = {
    "hf_weight": (0.0, *_DECADES, 1e5),
    "hf_weight_end": (None, *_DECADES, 1e5),
    "image_size": (None, 96, 112, 128, 160, 192, 224, 256, 299, 320, 384, 448, 512),
}
UNSET = {"hf_weight_end": "constant", "image_size": "the model's"}  # what None means
Patch = dict[str, Any]


def chosen_settings() -> GenerationSettings | None:
    """The settings in force; None before any were chosen."""
    return st.session_state.get(CHOSEN)


def apply_settings(settings: GenerationSettings) -> None:
    """Put `settings` into the controls; call it before they are drawn."""
    st.session_state[CHOSEN] = settings


def apply_preset(name: str) -> None:
    """Choose a preset and put its settings into the controls."""
    st.session_state[_BASE] = name
    apply_settings(find_preset(name).settings)


def settings_controls(
    source: str, *, running: bool = False, on_patch: Callable[[Patch], None] | None = None
) -> tuple[GenerationSettings, str]:
    """Draw the controls; returns the settings and the preset's name, "" when they are none's.

    `source` is the classifier's, for the default preset. `on_patch` is told what somebody changed,
    before the page is drawn again. While a job is running, what cannot change is disabled.
    """
    if st.session_state.get("settings_source") != source:
        if chosen_settings() is None or st.session_state.get("settings_source"):
            apply_preset(default_preset(source).name)
        st.session_state["settings_source"] = source
    settings = chosen_settings()
    match = matching_preset(settings)
    if match:
        st.session_state[_BASE] = match.name
    base = find_preset(st.session_state.get(_BASE) or default_preset(source).name)
    changed = on_patch or (lambda patch: None)
    _preset_control(base, match is not None, running, changed)
    if problem := st.session_state.pop(_ERROR, ""):
        show_error(problem)
    for name in MAIN:
        _control(FIELDS[name], settings, running, changed)
    with st.expander("Advanced", icon=":material/tune:"):
        for name, field in FIELDS.items():
            if name not in MAIN:
                _control(field, settings, running, changed)
    return settings, match.name if match else ""


# --- presets ---


def _preset_control(base, matches: bool, running: bool, changed: Callable[[Patch], None]) -> None:
    titles = {preset.name: preset.title for preset in PRESETS}
    if not matches:
        titles[""] = f"Custom (from {base.title})"
    st.session_state["preset"] = base.name if matches else ""
    st.selectbox(
        "Preset",
        list(titles),
        format_func=titles.get,
        key="preset",
        on_change=_choose_preset,
        args=(running, changed),
        help="While a run goes on, a preset changes what can be changed in mid-run."
        if running
        else None,
    )
    st.caption(f"{base.summary} Tuned on: {base.tuned_on}.")
    if not matches:
        st.button(
            f"Back to {base.title}",
            key="settings_back",
            icon=":material/undo:",
            on_click=_take_preset,
            args=(base.name, running, changed),
        )


def _choose_preset(running: bool, changed: Callable[[Patch], None]) -> None:
    if name := st.session_state["preset"]:
        _take_preset(name, running, changed)


def _take_preset(name: str, running: bool, changed: Callable[[Patch], None]) -> None:
    """All of a preset, or in a run what can be changed there and its number of steps kept."""
    if not running:
        apply_preset(name)
        return
    st.session_state[_BASE] = name
    before = chosen_settings()
    wanted = before.changes_to(find_preset(name).settings)
    kept = {k: v for k, v in wanted.items() if not FIELDS[k].fixed and k != "steps"}
    _apply_patch(kept, changed)


# --- one setting ---


def _control(
    field: Field, settings: GenerationSettings, running: bool, changed: Callable[[Patch], None]
) -> None:
    """The widget that fits the field; its value always is the setting's own."""
    value = getattr(settings, field.name)
    shown = max(value) if field.name == "translation" else value
    if st.session_state.get(field.name) != shown or field.name not in st.session_state:
        st.session_state[field.name] = shown
    common = {
        "label": _label(field),
        "key": field.name,
        "help": _help(field),
        "disabled": (running and field.fixed)
        or (field.name == "hf_weight_end" and settings.hf_weight == 0),
        "on_change": _moved,
        "args": (field.name, changed),
    }
    if field.kind == CHOICE:
        st.selectbox(options=field.choices, **common)
    elif field.name in OPTIONS:
        _options_control(field, shown, common)
    elif field.name in SLIDERS:
        _slider(field, shown, common)
    else:
        _number(field, common)


def _options_control(field: Field, value: Any, common: dict) -> None:
    options = OPTIONS[field.name]
    if value not in options:  # the exact value has a place of its own
        options = sorted({*options, value}, key=lambda option: -1 if option is None else option)
    draw = st.selectbox if field.name == "image_size" else st.select_slider
    draw(options=options, format_func=lambda option: _said(field, option), **common)


def _slider(field: Field, value: Any, common: dict) -> None:
    low, high, step = SLIDERS[field.name]
    values = value if isinstance(value, tuple) else (value,)
    st.slider(
        min_value=min(low, *values), max_value=max(high, *values), step=step,
        format="±%g°" if field.name == "rotation" else None, **common,
    )  # fmt: skip


def _number(field: Field, common: dict) -> None:
    whole = field.kind == WHOLE
    kind = int if whole else float
    st.number_input(
        min_value=kind(field.low),
        max_value=kind(field.high),
        step=kind(STEPS.get(field.name, 1 if whole else 0.1)),
        format=None if whole else "%g",
        **common,
    )


def _said(field: Field, option: Any) -> str:
    if option is None:
        return UNSET[field.name]
    if field.name == "image_size":
        return f"{option} px"
    return f"{option:g}" if option else "off"


def _label(field: Field) -> str:
    return f"{field.label} ({field.unit})" if field.unit else field.label


def _help(field: Field) -> str:
    paper = getattr(PAPER, field.name)
    if field.kind == PAIR:
        said = f"{paper[0]:g} to {paper[1]:g}" if paper[0] != paper[1] else f"{paper[0]:g}"
    else:
        said = UNSET.get(field.name, "none") if paper is None else f"{paper}"
    return f"{field.help} Preset Paper: {said}."


def _moved(name: str, changed: Callable[[Patch], None]) -> None:
    value = st.session_state[name]
    if value is None and not FIELDS[name].optional:
        return  # an emptied field: what held goes on
    patch: Patch = {name: (value, value) if name == "translation" else value}
    if name == "hf_weight" and value == 0:
        patch["hf_weight_end"] = None  # nothing can rise from nothing
    _apply_patch(patch, changed)


def _apply_patch(patch: Patch, changed: Callable[[Patch], None]) -> None:
    try:
        settings = chosen_settings().patch(patch)
    except SettingsError as error:
        st.session_state[_ERROR] = str(error)
        return
    if settings != chosen_settings():
        apply_settings(settings)
        changed(patch)
