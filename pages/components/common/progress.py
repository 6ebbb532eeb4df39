"""How far a job is: one line of text and one bar for all pages."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.resources import engine
from protocore.errors import JobError
from protocore.jobs.engine import JobView
from protocore.text import time_left

REFRESH = 0.5  # seconds
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
