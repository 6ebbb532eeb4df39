"""Suggestions of related classes, with their reasons, and saved groups of classes."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.components.common.errors import errors_shown, escaped
from pages.components.common.resources import library
from pages.components.compare.jobs import analysis
from protocore.compare.fairness import MAX_CLASSES
from protocore.compare.groups import delete_group, load_groups, save_group
from protocore.compare.related import Suggestions, natural_images, suggest
from protocore.generation.settings import Target
from protocore.library.library import Filter
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec
from protocore.text import plural

SUGGESTIONS = 5
PROTOTYPES = 4  # of the anchor, the newest
KEEP = {"persist_state": "session"}


def related_classes(spec: ModelSpec, classifier: Classifier, anchor: int) -> list[int]:
    """Suggestions, saved groups and a search box; returns the chosen classes."""
    _suggestions(spec, classifier, anchor)
    options = [index for index in range(classifier.num_classes) if index != anchor]
    chosen = st.session_state.get("compare_classes") or []
    if any(index not in options for index in chosen):
        st.session_state["compare_classes"] = [index for index in chosen if index in options]
    chosen = st.multiselect(
        "Compare with",
        options,
        format_func=classifier.label,
        key="compare_classes",
        max_selections=MAX_CLASSES - 1,
        placeholder="Take a suggestion, or type a name",
        **KEEP,
    )
    _groups(classifier, [anchor, *chosen])
    return chosen


def _suggestions(spec: ModelSpec, classifier: Classifier, anchor: int) -> None:
    folder = st.session_state.get("compare_natural", "").strip()
    prototypes = _prototypes_of(classifier, anchor)
    shelf = library()

    def work(_progress) -> Suggestions:
        images = [shelf.load_prototype(i).image for i in prototypes]
        same_size = [image for image in images if image.shape == images[0].shape]
        stack = np.stack(same_size) if same_size else None
        natural = natural_images(classifier, anchor, folder)
        return suggest(classifier, anchor, prototypes=stack, natural=natural, count=SUGGESTIONS)

    key = "|".join((classifier.identity, str(anchor), folder, *prototypes))
    title = "Looking for related classes"
    found = analysis("related", key, title, spec.device, work)
    if found is not None:
        if not any(item.strength_text == "strong" for item in found.items):
            st.caption("No strong relation to another class was found.")
        if found.items:
            st.caption("Most related first, with the evidence:")
        with st.container(gap="xxsmall"):
            for item in found.items:
                _suggestion_button(item)
        for note in found.notes:
            st.caption(f":material/info: {escaped(note[:1].upper() + note[1:])}.")
    if classifier.source != "demo":
        st.text_input(
            "Folder of natural images",
            key="compare_natural",
            placeholder="optional; one subfolder per class",
            help="Which classes photographs of the anchor are taken for is then evidence too.",
            **KEEP,
        )


def _suggestion_button(item) -> None:
    chosen = st.session_state.get("compare_classes") or []
    st.button(
        item.label,
        key=f"suggest_{item.class_index}",
        icon=":material/check:" if item.class_index in chosen else ":material/add:",
        help=escaped(item.reason),
        on_click=_add_class,
        args=(item.class_index,),
        disabled=item.class_index in chosen,
        width="stretch",
    )
    strongest = max(item.evidence, key=lambda part: part.strength)
    more = len(item.evidence) - 1
    rest = f" and {plural(more, 'more reason')}" if more else ""
    st.caption(escaped(f"{item.strength_text}: {strongest.text}{rest}"))


def _add_class(index: int) -> None:
    chosen = list(st.session_state.get("compare_classes") or [])
    if index not in chosen and len(chosen) < MAX_CLASSES - 1:
        st.session_state["compare_classes"] = [*chosen, index]


def _prototypes_of(classifier: Classifier, anchor: int) -> list[str]:
    """Identifiers of the newest plain prototypes of the class from these very weights."""
    wanted = Filter(model=classifier.title, class_label=classifier.label(anchor))
    found = []
    for info in library().prototypes(wanted, limit=4 * PROTOTYPES):
        if info.damaged:
            continue
        record = library().load_prototype(info.id).record
        plain = record.target == Target.of(anchor, record.seed)
        if plain and record.weight_hash == classifier.weight_hash:
            found.append(info.id)
    return found[:PROTOTYPES]


def _groups(classifier: Classifier, classes: list[int]) -> None:
    """Take a saved group, save the present one, forget one."""
    folder = library().folder
    with st.popover("Groups", icon=":material/folder_special:", width="stretch"):
        with errors_shown():
            fitting = {g.name: g for g in load_groups(folder) if g.fits(classifier)}
            for name, group in fitting.items():
                left, right = st.columns([5, 1])
                left.button(
                    escaped(name),
                    key=f"group_{name}",
                    on_click=_take_group,
                    args=(group.indices,),
                    width="stretch",
                )
                right.button(
                    "",
                    key=f"forget_{name}",
                    icon=":material/delete:",
                    help=f"Forget {escaped(name)}",
                    on_click=delete_group,
                    args=(folder, name),
                )
            if not fitting:
                st.caption("No groups are saved for this model yet.")
        name = st.text_input("Name of the group", key="group_name")
        if st.button("Save these classes", key="group_save", disabled=len(classes) < 2):
            with errors_shown():
                saved = save_group(folder, name, classifier, classes)
                st.toast(f"Saved the group {saved.name}", icon=":material/check:")
                st.rerun()


def _take_group(indices: tuple[int, ...]) -> None:
    st.session_state["compare_anchor"] = indices[0]
    st.session_state["compare_classes"] = list(indices[1:])
