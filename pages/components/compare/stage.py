"""The main area of the Compare page: what is running, the images, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.components.common.choices import linked_choice
from pages.components.common.errors import escaped
from pages.components.common.links import linked_spec
from pages.components.common.resources import library, load_model, pool
from pages.components.compare import state as compare_state
from pages.components.compare.canvas import Tile, show_viewer
from pages.components.compare.contrast import show_contrast
from pages.components.compare.jobs import analysis
from pages.components.compare.numbers import (
    show_export,
    show_layers,
    show_numbers,
    show_stability,
    show_transfer,
)
from pages.components.compare.places import show_edits, show_occlusion
from pages.components.generate.live_view import show_job
from protocore.compare.comparison import Comparison, Item, compare, describe, transfer_matrix
from protocore.compare.fairness import assess_fairness, check_same_labels
from protocore.errors import LibraryError
from protocore.generation.prototype import Prototype
from protocore.jobs.engine import JobView
from protocore.library.library import PrototypeInfo
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec
from protocore.similarity.activations import LAYER_SETS

SECTIONS = (
    "Numbers", "Layers", "Stability", "Contrast", "Occlusion map", "Edit & re-score", "Export"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The prototypes on the page. Sequences run along them."""

    infos: tuple[PrototypeInfo, ...]
    prototypes: tuple[Prototype, ...]
    items: tuple[Item, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Their identifiers in the library."""
        return tuple(info.id for info in self.infos)


def load_shown(ids: Sequence[str]) -> Shown:
    """Read prototypes from the library; raises LibraryError when one is not there."""
    infos = tuple(library().prototype(i) for i in ids)
    prototypes = tuple(library().load_prototype(i) for i in ids)
    items = describe([prototype.record for prototype in prototypes])
    return Shown(infos=infos, prototypes=prototypes, items=items)


def show_running(jobs: Sequence[JobView]) -> None:
    """The first of the runs, live, and how many wait."""
    if len(jobs) > 1:
        st.caption(f"{len(jobs)} runs: this one, then {len(jobs) - 1} more.")
    show_job(jobs[0])


def show_empty() -> None:
    """What this page is for, and what to do first."""
    st.info(
        "Choose a **class** on the left, accept a suggestion of a related class, and press "
        "**Compare**: both prototypes are made with the same start images and the same random "
        "transforms, so that what differs comes from the class.",
        icon=":material/compare:",
    )
    st.markdown(
        "Academic gown beside mortarboard, tench beside sturgeon: what two related classes share "
        "that neither needs, or what one shows that does not belong to it, is where a classifier's "
        "shortcuts become visible."
    )


def show_comparison(ids: Sequence[str]) -> None:
    """The images and the sections below them."""
    shown = load_shown(ids)
    _fairness_line(shown)
    _images(shown)
    if len(shown.infos) < 2:
        st.info(
            "A comparison needs at least two prototypes: take a related class on the left and "
            "press **Compare**. It is made with this one's settings.",
            icon=":material/arrow_back:",
        )
        return
    section = linked_choice(
        st.segmented_control, "What to look at", list(SECTIONS), key="compare_section",
        link="section", required=True, label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    spec = _examiner(shown)
    classifier = load_model(spec)
    _other_weights(classifier, shown)
    if section == "Contrast":
        show_contrast(spec, classifier, shown)
    elif section == "Occlusion map":
        show_occlusion(classifier, shown)
    elif section == "Edit & re-score":
        show_edits(classifier, shown)
    else:
        layer_set = _layer_set() if section == "Layers" else _chosen_layer_set()
        comparison = _compare(spec, classifier, shown, layer_set)
        draw = {
            "Numbers": show_numbers,
            "Layers": show_layers,
            "Stability": show_stability,
            "Export": show_export,
        }[section]
        if comparison is not None:
            draw(comparison)
        if section == "Numbers":
            _transfer(shown)


def _fairness_line(shown: Shown) -> None:
    found = assess_fairness([prototype.record for prototype in shown.prototypes])
    sizes = sorted({prototype.image.shape[1] for prototype in shown.prototypes})
    with st.container(horizontal=True, vertical_alignment="center"):
        if found.fair:
            st.markdown(
                ":material/balance: Fair: for each seed the same start image, the same random "
                "transforms and the same settings."
            )
        else:
            reasons = escaped("; ".join(found.unfair))
            st.markdown(f":orange[:material/warning: Not a controlled comparison: {reasons}.]")
        st.button("Close", icon=":material/close:", on_click=compare_state.show, args=((),))
    if len(sizes) > 1:
        listed = " and ".join(f"{size} px" for size in sizes)
        st.caption(
            f":material/info: The images have different sizes ({listed}): they are resampled for "
            "the difference image and for the similarity between them."
        )


def _images(shown: Shown) -> None:
    tiles = [
        Tile(
            image=info.picture.read_bytes(),
            title=item.title,
            badge=_badge(info),
            group=item.group,
            seed=item.seed,
        )
        for info, item in zip(shown.infos, shown.items, strict=True)
    ]
    show_viewer(tiles, key="compare_viewer")


def _badge(info: PrototypeInfo) -> str:
    """Class probability, and path similarity where it has been measured; never that alone."""
    text = f"p {info.probability:.2f}"
    return text if info.similarity is None else f"{text} · similarity {info.similarity:.2f}"


def _examiner(shown: Shown) -> ModelSpec:
    """The model that is asked about the images: theirs, or one of theirs."""
    links = list(dict.fromkeys(info.model_link for info in shown.infos))
    if not all(links):
        raise LibraryError(
            "some of these prototypes came without a link to their model, so that it cannot be "
            "asked; compare prototypes that were made here"
        )
    link = links[0]
    if len(links) > 1:
        titles = {info.model_link: info.model_title for info in shown.infos}
        link = st.selectbox(
            "As seen by",
            links,
            format_func=titles.get,
            key="compare_examiner",
            help="The model whose logits and layers are read, for all images alike.",
        )
    return linked_spec(link)


def _other_weights(classifier: Classifier, shown: Shown) -> None:
    hashes = {prototype.record.weight_hash for prototype in shown.prototypes}
    if classifier.weight_hash not in hashes:
        st.warning(
            f"The weights of {escaped(classifier.title)} have changed since these prototypes were "
            "made: the numbers below come from the present weights.",
            icon=":material/warning:",
        )


def _chosen_layer_set() -> str:
    return st.session_state.get("compare_layer_set") or "weighted"


def _layer_set() -> str:
    texts = {
        "weighted": "Convolutions and linear maps",
        "leaf": "Leaf modules",
        "all": "All modules (the paper's)",
    }
    st.session_state.setdefault("compare_layer_set", "weighted")
    return st.selectbox(
        "Layers", reversed(LAYER_SETS), format_func=texts.get, key="compare_layer_set",
        persist_state="session", width=300,
    )  # fmt: skip


def _compare(
    spec: ModelSpec, classifier: Classifier, shown: Shown, layer_set: str
) -> Comparison | None:
    key = "|".join((classifier.identity, layer_set, *shown.ids))

    def work(progress) -> Comparison:
        return compare(classifier, shown.prototypes, layer_set=layer_set, progress=progress)

    return analysis("comparison", key, "Comparing layer by layer", spec.device, work)


def _transfer(shown: Shown) -> None:
    """One class across several models: what each of them says of the others' prototypes."""
    links = list(dict.fromkeys(info.model_link for info in shown.infos))
    classes = {item.class_index for item in shown.items}
    if len(links) < 2 or len(classes) > 1:
        return
    specs = [linked_spec(link) for link in links]
    models = pool()

    def work(progress):
        classifiers = []
        for place, spec in enumerate(specs):
            progress(place, len(specs))
            classifiers.append(models.get(spec))
        check_same_labels(classifiers)
        images = [prototype.image for prototype in shown.prototypes]
        titles = [classifier.title for classifier in classifiers]
        return titles, transfer_matrix(classifiers, images, next(iter(classes)))

    key = "|".join((*links, *shown.ids))
    found = analysis("transfer", key, "Asking every model", specs[0].device, work)
    if found is not None:
        show_transfer([item.title for item in shown.items], *found)
