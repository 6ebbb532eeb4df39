"""Analyses in the background, each made once: asking again finds the finished job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.components.common.errors import show_error
from pages.components.common.progress import watch
from pages.components.common.resources import engine
from protocore.errors import JobError
from protocore.jobs.engine import ANALYSIS, JobControl

Work = Callable[[Callable[[int, int], None]], Any]  # is given progress(done, total)


def analysis(
    kind: str, key: str, title: str, device: str, work: Work, *, queue: str = ANALYSIS
) -> Any | None:
    """The result of `work` for `key`, which must name everything that changes it.

    While it is being made: its progress and None; the page runs again when it is there. Analyses
    have a queue of their own, so that they run between the steps of long generations.
    """

    def perform(control: JobControl) -> Any:
        return work(_reporter(control))

    job = engine().once(kind=kind, key=key, title=title, device=device, queue=queue, work=perform)
    if job.active:
        watch(job.id, title=title, noun="part")
        return None
    if job.status == "done":
        return job.result
    show_error(job.error or "the analysis was stopped")
    st.button(
        "Try again",
        key=f"again_{job.id}",
        icon=":material/refresh:",
        on_click=engine().dismiss,
        args=(job.id,),
    )
    return None


def _reporter(control: JobControl) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if control.stopping:
            raise JobError("the analysis was stopped; start it again")
        control.wait_if_paused()
        control.progress(done, total)

    return report
