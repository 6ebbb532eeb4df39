"""Preparing a blind round: which class, how many seeds, what stands between them."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from pages.components.common.errors import show_error
from pages.components.common.links import chosen_device
from pages.components.common.progress import watch
from pages.components.common.resources import engine, library, pool
from pages.components.review import state as review_state
from pages.components.review.jobs import find_job
from protocore.errors import JobError
from protocore.generation.presets import PRESETS, default_preset, find_preset
from protocore.jobs.engine import JobView
from protocore.jobs.rounds import BASELINE_PRESET, KIND, RoundRequest, submit_round
from protocore.models.classifier import Classifier
from protocore.review.session import ReviewSession
from protocore.text import plural

NONE = -1  # no distractor


def show_preparation(session: ReviewSession, *, expanded: bool) -> None:
    """The controls, or how far the pictures are."""
    job = find_job(KIND, review=session.id)
    if job is not None and job.active:
        _progress(job)
        return
    if job is not None and job.error:
        show_error(job.error)
    _offer_linked(session)
    with st.expander("New blind round", icon=":material/add:", expanded=expanded):
        st.caption(
            "Prototypes of a class under several seeds, among pictures of another class and one "
            "by the Fourier baseline, in random order and without names."
        )
        _controls(session, review_state.classifier_of(session))


def _offer_linked(session: ReviewSession) -> None:
    """Prototypes that came with the link, from Generate or the Library: look at those blind."""
    ids = [one for one in st.query_params.get("prototypes", "").split(",") if one]
    known = [one for one in ids if library().known([one])]
    if not known:
        return
    infos = [library().prototype(one) for one in known]
    count = plural(len(infos), "prototype")
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/photo_library: {count} sent here for a blind look.",
            width="stretch",
        )
        st.button(
            "Look at them blind",
            key="round_linked",
            type=review_state.primary(),
            on_click=_start_linked,
            args=(session.id, infos[0].class_index, tuple(known)),
        )


def _start_linked(review_id: str, class_index: int, kept: tuple[str, ...]) -> None:
    start_round(review_id, class_index=class_index, kept=kept, baseline=False)
    st.query_params.pop("prototypes", None)


def _controls(session: ReviewSession, classifier: Classifier) -> None:
    options = list(range(classifier.num_classes))
    first, *rest = (*session.started.classes, *options[:2])
    state = st.session_state
    state.setdefault("round_class", first if first in options else 0)
    columns = st.columns(2)
    own = columns[0].selectbox("Class", options, format_func=classifier.label, key="round_class")
    other = next((i for i in rest if i != own), NONE)
    state.setdefault("round_distractor", other)
    distractor = columns[1].selectbox(
        "Distractor",
        [NONE, *options],
        format_func=lambda i: "none" if i == NONE else classifier.label(i),
        key="round_distractor",
        help="Pictures of another class in between: what you mark there too is not special.",
    )
    what = {
        "class_index": own,
        "distractor": None if distractor == NONE else distractor,
        **_picture_controls(classifier),
    }
    st.button(
        "Make the pictures",
        key="round_start",
        type=review_state.primary(),
        icon=":material/auto_awesome:",
        disabled=distractor == own,
        on_click=start_round,
        args=(session.id,),
        kwargs=what,
    )
    if distractor == own:
        st.caption("The distractor must be another class.")


def _picture_controls(classifier: Classifier) -> dict:
    """How many pictures of each kind, and how they are made."""
    state = st.session_state
    columns = st.columns(3)
    seeds = columns[0].slider("Seeds of the class", 1, 10, 3, key="round_seeds")
    others = columns[1].slider("Pictures of the distractor", 1, 6, 2, key="round_others")
    names = [preset.name for preset in PRESETS if preset.name != BASELINE_PRESET]
    state.setdefault("round_preset", default_preset(classifier.source).name)
    preset = columns[2].selectbox(
        "Preset", names, format_func=lambda name: find_preset(name).title, key="round_preset"
    )
    baseline = st.toggle(
        "One picture by the Fourier baseline",
        True,
        key="round_baseline",
        help="By the method that the paper compares with: another look at the same class.",
    )
    return {
        "seeds": tuple(range(seeds)),
        "distractor_seeds": tuple(range(others)),
        "baseline": baseline,
        "preset": preset,
    }


def start_round(review_id: str, **what) -> None:
    """Queue a round, from a callback."""
    review_state.attempt(
        lambda: submit_round(
            engine(),
            library(),
            pool(),
            review_id,
            review_state.me(),
            RoundRequest(**what),
            device=chosen_device(),
        )
    )


def being_made(review_id: str) -> bool:
    """Whether pictures of a round of this session are being made."""
    job = find_job(KIND, review=review_id)
    return job is not None and job.active


def _progress(job: JobView) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            watch(job.id, noun="step")
        st.button("Stop", key="round_stop", icon=":material/stop:", on_click=_stop, args=(job.id,))


def _stop(job_id: str) -> None:
    with suppress(JobError):  # it may have ended meanwhile
        engine().stop(job_id)
