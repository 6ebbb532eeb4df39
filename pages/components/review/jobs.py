"""The background jobs of a review session: finding one, and showing how far it is."""

from __future__ import annotations

import streamlit as st

from pages.components.common.resources import engine
from pages.components.generate.live_view import duration
from protocore.errors import JobError
from protocore.jobs.engine import JobView

REFRESH = 0.5  # seconds


def find_job(kind: str, **meta: str) -> JobView | None:
    """The newest job of that kind with these entries in its meta."""
    for view in engine().views():
        if view.kind == kind and all(view.meta.get(name) == meta[name] for name in meta):
            return view
    return None


@st.fragment(run_every=REFRESH)
def watch_job(job_id: str, what: str) -> None:
    """A bar with the time left; `what` is counted. At the end the whole page is drawn again."""
    try:
        view = engine().view(job_id)
    except JobError:
        st.rerun()
    if not view.active:
        st.rerun()  # of the whole page: what was made is there
    parts = [view.text or "loading the model"]
    if view.status == "queued":
        parts = [f"waiting, {view.position} ahead on {view.device}"]
    elif view.total:
        parts.append(f"{what} {view.done} of {view.total}")
        if view.seconds_left is not None:
            parts.append(f"{duration(view.seconds_left)} left")
    st.progress(view.fraction, text=" · ".join(parts))
