"""How far a job is: one line of text and one bar for all pages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.resources import engine
from protocore.errors import JobError
from protocore.jobs.engine import JobView
from protocore.text import time_left

REFRESH = 0.5  # seconds
JOB_PAGES = {  # kind of job -> page that shows it with ?job=id
    "generation": "pages/1_Generate.py",
    "similarity": "pages/2_Path_Similarity.py",
}
STATUS = {
    "queued": "Waiting",
    "running": "Running",
    "paused": "Paused",
    "stopping": "Stopping",
    "done": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "unsaved": "Not saved yet",
    "interrupted": "Interrupted",
}


def progress_text(view: JobView, *, noun: str = "step") -> str:
    """Status, `noun`s done, time left and what it is doing: "Running · step 3 of 192 · …"."""
    parts = [STATUS.get(view.status, view.status)]
    if view.status == "queued":
        parts.append(f"{view.position} ahead" if view.position else "starting")
    if view.total:
        parts.append(f"{noun} {view.done} of {view.total}")
    if view.status == "running":
        if view.seconds_left is not None:
            parts.append(time_left(view.seconds_left))
        if view.text:
            parts.append(view.text)
    if view.meta.get("resumed"):
        parts.append(f"resumed from {noun} {view.meta['resumed_at']} after an interruption")
    return " · ".join(parts)


def watch(
    job_id: str,
    *,
    until: Callable[[JobView], bool] = lambda view: not view.active,
    noun: str = "step",
    title: str = "",
) -> None:
    """A bar that redraws itself; once `until` holds, the whole page is drawn again."""

    @st.fragment(run_every=REFRESH)
    def bar() -> None:
        view = find_view(job_id)
        if view is None or until(view):
            st.rerun()
        text = escaped(progress_text(view, noun=noun))
        st.progress(view.fraction, text=f"**{escaped(title)}** · {text}" if title else text)

    bar()


def find_view(job_id: str) -> JobView | None:
    """The job as it is now; None when this server does not know it (any more)."""
    try:
        return engine().view(job_id)
    except JobError:
        return None


def show_jobs(kind: str = "") -> bool:
    """A row for each active job (of one kind), with a link and Stop; returns whether any is."""
    active = [view for view in engine().views() if view.active and kind in ("", view.kind)]
    for view in active:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            with st.container():
                watch(view.id, title=view.title)
            if page := JOB_PAGES.get(view.kind):
                icon = ":material/visibility:"
                st.page_link(page, label="Watch", icon=icon, query_params={"job": view.id})
            st.button(
                "Stop",
                key=f"stop_{view.id}",
                icon=":material/stop:",
                on_click=stop_job,
                args=(view.id,),
                disabled=view.status == "stopping",
            )
    return bool(active)


def stop_job(job_id: str) -> None:
    """End a job; one that has just ended by itself is left alone."""
    with suppress(JobError):
        engine().stop(job_id)
