"""A running generation: status and buttons in a bar that stays in sight, pictures and curves."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from pages.components.common.errors import errors_shown, show_error
from pages.components.common.page import Shortcut
from pages.components.common.progress import find_view, watch
from pages.components.common.resources import engine, library, pool
from pages.components.generate.curves import show_curves
from pages.components.generate.pictures import Cell, show_pictures
from pages.components.generate.showing import show_nothing
from protocore.errors import JobError
from protocore.jobs.engine import JobView
from protocore.jobs.generation import LiveView
from protocore.jobs.kept import retry_job

HANGS_AFTER = 15.0  # seconds after Stop, then the page offers to give a job up
REFRESH = 0.25  # seconds; more often costs generation speed and is not seen
CURVES_EVERY = 1.0  # seconds; to draw them is most of what a view costs the page and the browser
SHORTCUTS = (
    Shortcut(key="g", label="Generate", button="generate"),
    Shortcut(key="p", label="Pause or resume the run", button="pause"),
    Shortcut(key="s", label="Stop the run and save it", button="stop"),
)


def show_job(view: JobView, *, moved: Callable[[JobView], bool] = lambda now: False) -> None:
    """Bar and live view of an active job; the page is drawn again when `moved` says so."""

    def over(now: JobView) -> bool:
        hangs = now.stopping_for > HANGS_AFTER >= view.stopping_for
        return not now.active or now.status != view.status or hangs or moved(now)

    with st.container(key="run_bar"), st.container(horizontal=True, vertical_alignment="center"):
        with st.container():
            watch(view.id, until=over)
        _buttons(view)

    @st.fragment(run_every=REFRESH)
    def live() -> None:
        now = find_view(view.id)
        if now is not None and isinstance(now.snapshot, LiveView):
            _show_snapshot(now.id, now.snapshot)

    live()


def show_failed(view: JobView) -> None:
    """What went wrong, and a way on."""
    show_error(view.error or "the run ended without a result")
    with st.container(horizontal=True):
        if view.status == "unsaved" and st.button("Save again", icon=":material/save:"):
            with errors_shown():
                engine().save_again(view.id)
                st.rerun()
        if view.status == "failed" and st.button("Try again", icon=":material/refresh:"):
            with errors_shown():
                retry_job(engine(), library(), pool(), view.id)
                st.rerun()
        if st.button("Dismiss", icon=":material/close:"):
            with suppress(JobError):  # of an earlier process
                engine().dismiss(view.id)
            show_nothing()
            st.rerun()


def _buttons(view: JobView) -> None:
    paused = view.status == "paused"
    st.button(
        "Resume" if paused else "Pause",
        key="pause",
        icon=":material/play_arrow:" if paused else ":material/pause:",
        on_click=_tell,
        args=("resume" if paused else "pause", view.id),
        disabled=view.status not in ("running", "paused"),
    )
    st.button(
        "Cancel" if view.status == "queued" else "Stop and save",
        key="stop",
        icon=":material/stop:",
        on_click=_tell,
        args=("stop", view.id),
        disabled=view.status == "stopping",
    )
    if view.stopping_for > HANGS_AFTER:
        st.button(
            "Give up on it",
            key="give_up",
            icon=":material/cancel:",
            help="It does not react. Its thread is left behind and may use memory until the app "
            "is restarted; other jobs go on. What came after the last checkpoint is lost.",
            on_click=_tell,
            args=("give_up", view.id),
        )


def _tell(action: str, job_id: str) -> None:
    with suppress(JobError):  # it may have ended between the drawing of the button and the click
        getattr(engine(), action)(job_id)


def _show_snapshot(job_id: str, live: LiveView) -> None:
    cells = [
        Cell(
            image=image,
            target=target,
            title=label,
            probability=probability,
            badge=f"p {probability:.2f}",
            note=f"mean over the views of step {live.step}",
            top=top,
        )
        for image, label, probability, target, top in zip(
            live.images, live.labels, live.probability, live.targets, live.top, strict=True
        )
    ]
    pictures, curves = places(len(cells))
    with pictures:
        show_pictures(cells, key="pictures")
    with curves:
        shown = _seldom(job_id, live)
        show_curves(
            shown.curves,
            shown.targets,
            shown.labels,
            key="curves",
            changes=shown.changes,
            similarity=shown.similarity,
        )


def places(count: int) -> tuple:
    """Where pictures and curves go: one picture alone leaves room for the curves beside it."""
    if count == 1:
        return tuple(st.columns([3, 2], gap="medium"))
    return st.container(), st.container()


def _seldom(job_id: str, live: LiveView) -> LiveView:
    """The view whose curves are drawn: the one before until CURVES_EVERY has passed."""
    now, (last, until, drawn) = time.monotonic(), st.session_state.get("drawn", ("", 0.0, None))
    if last == job_id and now < until:
        return drawn
    st.session_state["drawn"] = (job_id, now + CURVES_EVERY, live)
    return live
