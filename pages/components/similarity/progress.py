"""A running measurement: which one the page shows, how far it is, a way to stop it."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from pages.components.common.resources import engine
from pages.components.generate.live_view import duration
from protocore.errors import JobError
from protocore.jobs.engine import JobView
from protocore.jobs.similarity import KIND

REFRESH = 0.5  # seconds


def find_job() -> JobView | None:
    """The job of the link or of the last visit, if this process still knows it."""
    job_id = st.query_params.get("job") or st.session_state.get("similarity_job")
    if not job_id:
        return None
    try:
        view = engine().view(job_id)
    except JobError:
        view = None
    if view is None or view.kind != KIND:
        st.session_state.pop("similarity_job", None)
        st.query_params.pop("job", None)
        st.toast("That measurement is no longer in memory; measuring it again takes a moment.")
        return None
    st.session_state["similarity_job"] = st.query_params["job"] = job_id
    return view


def show_progress(job: JobView) -> None:
    """A bar with the time left, redrawn by itself, and a button to stop."""
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container():
            _watch(job.id, len(job.snapshot or ()))
        st.button(
            "Stop",
            key="similarity_stop",
            icon=":material/stop:",
            help="What has been measured is kept",
            disabled=job.status == "stopping",
            on_click=_stop,
            args=(job.id,),
        )


def _stop(job_id: str) -> None:
    with suppress(JobError):  # it may have ended between the drawing of the button and the click
        engine().stop(job_id)


@st.fragment(run_every=REFRESH)
def _watch(job_id: str, shown: int) -> None:
    try:
        view = engine().view(job_id)
    except JobError:
        st.rerun()
    if not view.active or len(view.snapshot or ()) > shown:
        st.rerun()  # of the whole page: the results, or those of one more class
    parts = [view.text or "starting"]
    if view.status == "queued":
        parts = [f"waiting, {view.position} ahead on {view.device}"]
    elif view.status != "running":
        parts.insert(0, view.status)
    elif view.seconds_left is not None:
        parts.append(f"{duration(view.seconds_left)} left")
    st.progress(view.fraction, text=" · ".join(parts))
