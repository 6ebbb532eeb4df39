"""Contrasts, antitypes and mixes of the shown classes, made beside their plain prototypes."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import errors_shown
from pages.components.compare import state as compare_state
from pages.components.compare.state import Part
from protocore.compare.fairness import contrast_targets, mix_targets
from protocore.errors import SettingsError
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec

KINDS = {
    "contrast": "Contrast: A − λ B, and B − λ A",
    "antitype": "Antitype: what is least like A, and least like B",
    "mix": "Mix of all shown classes",
}


def show_contrast(spec: ModelSpec, classifier: Classifier, shown) -> None:
    """What the model sees in one class and not in the other."""
    classes = list(dict.fromkeys(index for item in shown.items for index, _ in item.weights))
    kind = st.radio("Kind", list(KINDS), format_func=KINDS.get, key="contrast_kind")
    first = second = classes[0]
    strength = 1.0
    if kind != "mix":
        left, right = st.columns(2)
        first = _pick(left, "A", classes, 0, classifier)
        second = _pick(right, "B", classes, 1, classifier)
    if kind == "contrast":
        strength = st.slider(
            "λ",
            0.1,
            2.0,
            0.5,
            step=0.1,
            key="contrast_strength",
            help="How strongly the other class is avoided. Small: nearly the plain prototype. "
            "Large: only what the other class forbids.",
        )
    st.caption(
        "Made with the settings and seeds of the shown prototypes, and shown beside them. Their "
        "probability can be low: it is the difference that was asked for."
    )
    if st.button("Make them", key="contrast_make", icon=":material/contrast:", type="primary"):
        with errors_shown():
            part = _part(spec, classifier, shown, kind, (first, second, strength, classes))
            title = f"{kind} of {classifier.class_names[first]} · {classifier.name}"
            compare_state.start([part], title, beside=shown.ids)
            st.rerun()


def _pick(place, label: str, classes: list[int], default: int, classifier: Classifier) -> int:
    key = f"contrast_{label}"
    if st.session_state.get(key) not in classes:
        st.session_state[key] = classes[min(default, len(classes) - 1)]
    return place.selectbox(label, classes, format_func=classifier.label, key=key)


def _part(spec: ModelSpec, classifier: Classifier, shown, kind: str, wish: tuple) -> Part:
    first, second, strength, classes = wish
    own = [p.record for p in shown.prototypes if p.record.weight_hash == classifier.weight_hash]
    seeds = list(dict.fromkeys(record.seed for record in own))
    if kind == "contrast":
        targets = contrast_targets(first, second, strength, seeds)
    elif kind == "antitype":
        both = dict.fromkeys((first, second))
        targets = tuple(Target.antitype(index, seed) for index in both for seed in seeds)
    else:
        targets = mix_targets(classes, seeds)
    return Part(spec=spec, classifier=classifier, targets=targets, settings=_one_setting(own))


def _one_setting(records) -> GenerationSettings:
    settings = list(dict.fromkeys(record.settings for record in records))
    if not settings:
        raise SettingsError(
            "none of the shown prototypes was made with this model's present weights; make them "
            "again with the button on the left"
        )
    if len(settings) != 1:
        raise SettingsError(
            f"the shown prototypes were made with {len(settings)} different settings; show those "
            "of one setting, so that a contrast can be made in the same way"
        )
    return settings[0]
