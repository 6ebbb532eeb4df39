"""Classes and seeds: search by name or index among a thousand."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components.common.errors import escaped
from protocore.errors import SettingsError
from protocore.generation.settings import Target
from protocore.models.classifier import Classifier
from protocore.text import composed, plural

MAX_PROTOTYPES = 48  # in one run; more than a screen shows and a CPU makes in a sitting
_NAMES = "classes_chosen"  # in the session: identity of the model, names of the chosen classes


def set_classes(indices: Sequence[int]) -> None:
    """Choose classes of the model that is shown next; call it before the controls are drawn."""
    st.session_state["classes"] = list(indices)
    st.session_state.pop(_NAMES, None)


def pick_classes(classifier: Classifier, *, disabled: bool = False) -> list[int]:
    """A search box over the classifier's classes; returns the chosen indices.

    When another model is chosen, classes are carried over by name; those it lacks are removed,
    and that is said.
    """
    if classifier.source == "demo" and "classes" not in st.session_state:
        st.session_state["classes"] = [0]  # so that the first prototype is one click away
    _carry_over(classifier)
    chosen = st.multiselect(
        "Classes",
        list(range(classifier.num_classes)),
        format_func=lambda index: f"{classifier.class_names[index]} · {index}",
        key="classes",
        placeholder=f"Type a name or an index (0 to {classifier.num_classes - 1})",
        help="One prototype is made for each class and seed, all side by side; at most "
        f"{MAX_PROTOTYPES} in one run.",
        max_selections=MAX_PROTOTYPES,
        select_all=False,  # Enter takes the best match alone
        disabled=disabled,
        persist_state="session",
    )
    names = [classifier.class_names[index] for index in chosen]
    st.session_state[_NAMES] = (classifier.identity, names)
    return chosen


def _carry_over(classifier: Classifier) -> None:
    """Put what was chosen for another model into this one's classes."""
    identity, names = st.session_state.get(_NAMES) or (classifier.identity, [])
    if identity == classifier.identity:
        chosen = st.session_state.get("classes") or []
        known = [index for index in chosen if index < classifier.num_classes]
        missing = [str(index) for index in chosen if index not in known]
    else:
        found = {name: _class_of_name(classifier, name) for name in names}
        known = [index for index in found.values() if index is not None]
        missing = [name for name, index in found.items() if index is None]
    if missing or identity != classifier.identity:
        st.session_state["classes"] = known
    if missing:
        verb = "was" if len(missing) == 1 else "were"
        st.caption(
            f":material/info: {escaped(classifier.title)} has no "
            f"{'class' if len(missing) == 1 else 'classes'} "
            f"{escaped(', '.join(missing))}, which {verb} removed; it has "
            f"{plural(classifier.num_classes, 'class', 'classes')}."
        )


def _class_of_name(classifier: Classifier, name: str) -> int | None:
    """The one class of that name; None where there is none, or several."""
    wanted = composed(name).casefold()
    names = enumerate(classifier.class_names)
    found = [index for index, other in names if composed(other).casefold() == wanted]
    return found[0] if len(found) == 1 else None


def pick_seeds(*, disabled: bool = False) -> str:
    """The seeds as text, such as "0, 1"."""
    st.session_state.setdefault("seeds", "0")
    return st.text_input(
        "Seeds",
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
