"""The sidebar of the Path Similarity page: prototypes, natural images, layers."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import errors_shown
from pages.components.common.links import chosen_device, linked_spec
from pages.components.common.resources import engine, library, load_model, pool
from pages.components.similarity.sources import ChosenImages, pick_images
from protocore.jobs.similarity import SimilarityRequest, submit_similarity
from protocore.library.entries import PrototypeInfo
from protocore.similarity.activations import LAYER_SETS
from protocore.similarity.reference import DEFAULT_IMAGES, MIN_IMAGES

LISTED = 500  # prototypes to choose from, the latest; the Library finds older ones
MAX_PROTOTYPES = 100
LAYER_TEXTS = {
    "all": "All modules (the paper's)",
    "leaf": "Leaf modules",
    "weighted": "Convolutions and linear maps",
}
KEEP = {"persist_state": "session"}


def controls() -> SimilarityRequest | None:
    """Draw them; None while something is missing, which is then said where it is missing."""
    infos = _pick_prototypes()
    if not infos:
        return None
    spec = linked_spec(infos[0].model_link)
    classifier = load_model(spec)
    chosen = pick_images(classifier, [info.class_index for info in infos])
    layer_set = st.selectbox(
        "Layers",
        LAYER_SETS,
        format_func=LAYER_TEXTS.get,
        key="similarity_layers",
        help="More layers take longer; results are cached.",
        **KEEP,
    )
    with st.expander("Number of images", icon=":material/tune:"):
        count, seed = _pick_numbers()
    return chosen and _request(infos, chosen, layer_set, count, seed)


def start(request: SimilarityRequest) -> None:
    """Queue the measurement and show it from now on."""
    with errors_shown():
        job = submit_similarity(engine(), library(), pool(), request, device=chosen_device())
        st.session_state["similarity_job"] = job
        st.query_params["job"] = job


def _pick_prototypes() -> list[PrototypeInfo]:
    known = {info.id: info for info in library().prototypes(limit=LISTED) if not info.damaged}
    _follow_link(known)
    chosen = st.multiselect(
        "Prototypes",
        list(known),
        format_func=lambda key: _label(known[key]),
        key="similarity_prototypes",
        placeholder="Type a class, a model or a seed",
        max_selections=MAX_PROTOTYPES,
        help="Several classes, seeds and presets of one model, side by side",
        **KEEP,
    )
    if chosen:
        st.query_params["prototypes"] = ",".join(chosen)
    elif "prototypes" in st.query_params:
        del st.query_params["prototypes"]
    infos = [known[key] for key in chosen]
    models = sorted({info.model_title for info in infos})
    if len(models) > 1:
        st.warning(
            f"These are of {len(models)} models ({', '.join(models)}). Layers of different models "
            "cannot be compared: keep prototypes of one model.",
            icon=":material/rule:",
        )
        return []
    without = [info.title for info in infos if not info.model_link]
    if without:
        st.warning(f"{without[0]} does not name its model: remove it from the selection.")
        return []
    return infos


def _follow_link(known: dict[str, PrototypeInfo]) -> None:
    """Take the prototypes from the page's link when it is new, also those not listed."""
    link = st.query_params.get("prototypes", "")
    held = st.session_state.get("similarity_prototypes") or []
    if link and link != st.session_state.get("similarity_link"):
        wanted = [key for key in link.split(",") if key]
        found = library().known(wanted)
        for key in wanted:
            if found.get(key) and key not in known and not (i := library().prototype(key)).damaged:
                known[key] = i
        held = [key for key in wanted if key in known]
        if len(held) < len(wanted):
            st.toast(f"{len(wanted) - len(held)} prototypes of this link are not in the library.")
        st.session_state["similarity_link"] = link
    for key in held:
        if key not in known and library().known([key]).get(key):
            known[key] = library().prototype(key)
    st.session_state["similarity_prototypes"] = [key for key in held if key in known]


def _label(info: PrototypeInfo) -> str:
    preset = f" · {info.preset}" if info.preset else ""
    return f"{info.title}{preset} · p {info.probability:.2f} · {info.model_title}"


def _pick_numbers() -> tuple[int, int]:
    count = st.number_input(
        "Images per group (same class, other classes)",
        MIN_IMAGES,
        1000,
        DEFAULT_IMAGES,
        step=10,
        key="similarity_count",
        help=f"The paper used {DEFAULT_IMAGES}. Fewer are faster, with wider intervals.",
        **KEEP,
    )
    seed = st.number_input("Sampling seed", 0, 2**31, 0, key="similarity_seed", **KEEP)
    return int(count), int(seed)


def _request(
    infos: list[PrototypeInfo], chosen: ChosenImages, layer_set: str, count: int, seed: int
) -> SimilarityRequest:
    return SimilarityRequest(
        prototype_ids=tuple(info.id for info in infos),
        images=chosen.images,
        matches=chosen.matches,
        count=count,
        seed=seed,
        layer_set=layer_set,
    )
