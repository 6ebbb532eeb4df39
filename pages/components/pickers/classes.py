"""Classes and seeds: search by name or index among a thousand."""

from __future__ import annotations

import streamlit as st

from protocore.errors import SettingsError
from protocore.generation.settings import Target
from protocore.models.classifier import Classifier

MAX_PROTOTYPES = 48  # in one run; more than a screen shows and a CPU makes in a sitting


def pick_classes(classifier: Classifier, *, disabled: bool = False) -> list[int]:
    """A search box over the classifier's classes; returns the chosen indices."""
    options = list(range(classifier.num_classes))
    if classifier.source == "demo" and "classes" not in st.session_state:
        st.session_state["classes"] = [0]  # so that the first prototype is one click away
    chosen = st.session_state.get("classes") or []
    if any(index not in options for index in chosen):  # another model has other classes
        st.session_state["classes"] = [index for index in chosen if index in options]
    return st.multiselect(
        "Classes",
        options,
        format_func=classifier.label,
        key="classes",
        placeholder=f"Type a name or an index (0 to {classifier.num_classes - 1})",
        help="One prototype is made for each class and seed, all side by side.",
        disabled=disabled,
        persist_state="session",
    )


def pick_seeds(*, disabled: bool = False) -> str:
    """The seeds as text, such as "0, 1"."""
    return st.text_input(
        "Seeds",
        value="0",
        key="seeds",
        help="Whole numbers with commas. Each seed starts from another image: what shows up "
        "under every seed is the model's, not chance.",
        disabled=disabled,
        persist_state="session",
    )


def make_targets(classes: list[int], seeds_text: str) -> tuple[Target, ...]:
    """One target per class and seed; raises SettingsError."""
    parts = [part for part in seeds_text.replace(",", " ").split() if part]
    try:
        seeds = list(dict.fromkeys(int(part) for part in parts))
    except ValueError:
        raise SettingsError(
            f"seeds must be whole numbers with commas, got {seeds_text!r}"
        ) from None
    if not classes:
        raise SettingsError("choose at least one class: there is nothing to generate")
    if not seeds:
        raise SettingsError("give at least one seed, such as 0")
    if len(classes) * len(seeds) > MAX_PROTOTYPES:
        raise SettingsError(
            f"at most {MAX_PROTOTYPES} prototypes fit in one run, got {len(classes)} classes x "
            f"{len(seeds)} seeds; choose fewer"
        )
    return tuple(Target.of(index, seed) for index in classes for seed in seeds)
