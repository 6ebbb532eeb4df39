"""A running measurement: which one the page shows, how far it is, a way to stop it."""

from __future__ import annotations

import streamlit as st

from pages.components.common.progress import stop_job, watch
from pages.components.common.resources import engine
from protocore.errors import JobError
from protocore.jobs.engine import JobView
from protocore.jobs.similarity import KIND


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
    shown = len(job.snapshot or ())
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container():
            watch(
                job.id,
                until=lambda view: not view.active or len(view.snapshot or ()) > shown,
                noun="part",
            )
        st.button(
            "Stop",
            key="similarity_stop",
            icon=":material/stop:",
            help="What has been measured is saved",
            disabled=job.status == "stopping",
            on_click=stop_job,
            args=(job.id,),
        )
