"""The sidebar of the Compare page: what to compare, and the button that makes what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components.common.errors import errors_shown
from pages.components.common.links import linked_spec
from pages.components.common.resources import library, load_model, pool
from pages.components.compare.related import related_classes
from pages.components.compare.state import ADOPTED, Part, start
from pages.components.pickers.model import choose_model, pick_model
from pages.components.pickers.settings import apply_settings, settings_controls
from protocore.compare.fairness import MAX_CLASSES, check_same_labels, plan_targets
from protocore.errors import ProtocoreError, SettingsError
from protocore.generation.presets import PRESETS, default_preset, find_preset
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec

WHAT = {"classes": "Classes", "models": "Models", "presets": "Methods"}
KEEP = {"persist_state": "session"}


def setup_controls(*, busy: bool) -> None:
    """Draw the controls, and start what is asked for; not while a run is shown (`busy`)."""
    st.session_state.setdefault("compare_what", "classes")
    what = st.segmented_control(
        "Compare",
        list(WHAT),
        format_func=WHAT.get,
        key="compare_what",
        required=True,
        width="stretch",
        help="Related classes of one model; or one class across models, checkpoints of one "
        "training, or methods and presets.",
        **KEEP,
    )
    spec = pick_model(pool())
    if spec is None:
        return
    classifier = load_model(spec)
    draw = {"classes": _classes, "models": _models, "presets": _presets}[what]
    draw(spec, classifier, busy)


def adopt(prototype_ids: Sequence[str]) -> None:
    """Put model, classes, seeds and settings of prototypes from a link into the controls, once.

    What is added then is made in the same way, so that the comparison stays fair.
    """
    if not prototype_ids or st.session_state.get(ADOPTED) == tuple(prototype_ids):
        return
    st.session_state[ADOPTED] = tuple(prototype_ids)
    records = [library().load_prototype(i).record for i in prototype_ids]
    try:
        choose_model(linked_spec(library().prototype(prototype_ids[0]).model_link))
    except ProtocoreError:
        return  # its files have gone; the page says so where the model is needed
    state = st.session_state
    classes = list(dict.fromkeys(record.class_index for record in records))
    state["compare_what"] = "classes"
    state["compare_anchor"], state["compare_classes"] = classes[0], classes[1:]
    state["compare_seeds"] = ", ".join(str(s) for s in dict.fromkeys(r.seed for r in records))
    apply_settings(records[0].settings)
    state["settings_source"] = records[0].source


def _classes(spec: ModelSpec, classifier: Classifier, busy: bool) -> None:
    anchor = _one_class(classifier, "Anchor class")
    if anchor is None:
        st.caption("Choose a class; the ones most related to it are then suggested.")
        return
    chosen = related_classes(spec, classifier, anchor)
    seeds = _seeds()
    place = st.container()
    settings, preset = settings_controls(classifier.source)
    if _compare_button(place, busy or not chosen):
        with errors_shown():
            targets = plan_targets(classifier, [anchor, *chosen], read_seeds(seeds))
            part = Part(
                spec=spec, classifier=classifier, targets=targets, settings=settings, preset=preset
            )
            names = ", ".join(classifier.class_names[i] for i in (anchor, *chosen[:2]))
            start([part], f"{names} · {classifier.name}")
            st.rerun()


def _models(spec: ModelSpec, classifier: Classifier, busy: bool) -> None:
    links = _model_list(spec)
    anchor = _one_class(classifier, "Class")
    seeds = _seeds()
    place = st.container()
    settings, preset = settings_controls(classifier.source)
    if _compare_button(place, busy or anchor is None or len(links) < 2):
        with errors_shown():
            specs = [linked_spec(added) for added in links]
            classifiers = [load_model(one) for one in specs]
            check_same_labels([*classifiers, classifier])
            targets = tuple(Target.of(anchor, seed) for seed in read_seeds(seeds))
            parts = [
                Part(spec=one, classifier=c, targets=targets, settings=settings, preset=preset)
                for one, c in zip(specs, classifiers, strict=True)
            ]
            start(parts, f"{classifier.class_names[anchor]} · {len(parts)} models")
            st.rerun()


def _model_list(spec: ModelSpec) -> list[str]:
    """Links of the models to compare, with buttons to add the chosen one and to remove any."""
    links: list[str] = st.session_state.setdefault("compare_models", [])
    link = spec.to_link()
    st.button(
        f"Add {spec.title}",
        key="compare_add_model",
        icon=":material/add:",
        on_click=links.append,
        args=(link,),
        disabled=link in links or len(links) >= MAX_CLASSES,
        help="Choose models one after the other above, such as checkpoints of one training.",
        width="stretch",
    )
    for place, added in enumerate(links):
        st.button(
            _model_title(added),
            key=f"compare_remove_{place}",
            icon=":material/close:",
            on_click=links.remove,
            args=(added,),
            help="Remove from the comparison",
            width="stretch",
        )
    return links


def _model_title(link: str) -> str:
    try:
        return linked_spec(link).title
    except ProtocoreError:  # its file has gone; the button still removes it
        return f"{link} (missing)"


def _presets(spec: ModelSpec, classifier: Classifier, busy: bool) -> None:
    anchor = _one_class(classifier, "Class")
    chosen, steps = _preset_list(classifier)
    seeds = _seeds()
    if _compare_button(st.container(), busy or anchor is None or len(chosen) < 2):
        with errors_shown():
            targets = tuple(Target.of(anchor, seed) for seed in read_seeds(seeds))
            parts = [
                Part(
                    spec=spec,
                    classifier=classifier,
                    targets=targets,
                    settings=_with_steps(find_preset(name).settings, steps),
                    preset="" if steps else name,
                )
                for name in chosen
            ]
            start(parts, f"{classifier.class_names[anchor]} · {len(parts)} methods")
            st.rerun()


def _preset_list(classifier: Classifier) -> tuple[list[str], int]:
    """Names of presets, and the steps for all of them; 0: each its own."""
    titles = {preset.name: preset.title for preset in PRESETS}
    first = [default_preset(classifier.source).name, "paper", "fourier"]
    st.session_state.setdefault("compare_presets", first)
    chosen = st.multiselect(
        "Methods and presets",
        list(titles),
        format_func=titles.get,
        key="compare_presets",
        help="The same class and seeds, made in different ways.",
        **KEEP,
    )
    steps = st.number_input(
        "Steps (each)",
        0,
        100_000,
        step=64,
        key="compare_steps",
        help="0: as many as each preset says.",
        **KEEP,
    )
    return chosen, int(steps)


def _compare_button(place, disabled: bool) -> bool:
    return place.button(
        "Compare",
        key="compare",
        type="primary",
        icon=":material/play_arrow:",
        disabled=disabled,
        width="stretch",
        shortcut="Ctrl+Enter",
    )


def _with_steps(settings: GenerationSettings, steps: int) -> GenerationSettings:
    return settings.replace(steps=steps) if steps else settings


def _one_class(classifier: Classifier, label: str) -> int | None:
    options = list(range(classifier.num_classes))
    if st.session_state.get("compare_anchor") not in options:
        st.session_state["compare_anchor"] = None  # another model has other classes
    return st.selectbox(
        label,
        options,
        index=None,
        format_func=classifier.label,
        key="compare_anchor",
        placeholder=f"Type a name or an index (0 to {classifier.num_classes - 1})",
        help="The reference class.",
        **KEEP,
    )


def _seeds() -> str:
    st.session_state.setdefault("compare_seeds", "0, 1")
    return st.text_input(
        "Seeds",
        key="compare_seeds",
        help="Each seed gives every class the same start image and the same transforms. Two or "
        "more show what is chance.",
        **KEEP,
    )


def read_seeds(text: str) -> list[int]:
    """ "0, 1" -> [0, 1]; raises SettingsError."""
    try:
        seeds = list(dict.fromkeys(int(part) for part in text.replace(",", " ").split()))
    except ValueError:
        raise SettingsError(f"seeds must be whole numbers with commas, got {text!r}") from None
    if not seeds:
        raise SettingsError("give at least one seed, such as 0")
    return seeds
