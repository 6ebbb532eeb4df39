"""A running generation: buttons outside, the moving part in a fragment of its own."""

from __future__ import annotations

import time
from contextlib import suppress

import streamlit as st

from pages.components.common.errors import show_error
from pages.components.common.resources import engine
from pages.components.generate.grid import Cell, show_grid
from pages.components.generate.showing import show_nothing
from protocore.errors import JobError
from protocore.jobs.engine import JobView
from protocore.jobs.generation import LiveView
from protocore.reports.figures.generation import CURVE_TITLES, live_curve, live_similarity_chart

REFRESH = 0.25  # seconds; more often costs generation speed and is not seen
CURVES_EVERY = 1.0  # seconds; to draw them is most of what a view costs the page and the browser
_STATUS = {
    "queued": "Waiting",
    "running": "Running",
    "paused": "Paused",
    "stopping": "Stopping after this step",
}


def show_job(view: JobView) -> None:
    """Buttons and live view of an active generation job."""
    _buttons(view)

    @st.fragment(run_every=REFRESH)
    def live() -> None:
        current = _view_or_none(view.id)
        if current is None or not current.active or current.status != view.status:
            st.rerun()  # the whole page: other buttons, or the kept run
        _progress(current)
        if isinstance(current.snapshot, LiveView):
            _show_snapshot(current)

    live()


def show_failed(view: JobView) -> None:
    """What went wrong, and a way on."""
    show_error(view.error or "the run ended without a result")
    if st.button("Dismiss", icon=":material/close:"):
        engine().dismiss(view.id)
        show_nothing()
        st.rerun()


def _view_or_none(job_id: str) -> JobView | None:
    try:
        return engine().view(job_id)
    except JobError:
        return None


def _buttons(view: JobView) -> None:
    with st.container(horizontal=True):
        paused = view.status == "paused"
        st.button(
            "Resume" if paused else "Pause",
            key="pause",
            icon=":material/play_arrow:" if paused else ":material/pause:",
            on_click=_tell,
            args=("resume" if paused else "pause", view.id),
            disabled=view.status not in ("running", "paused"),
            shortcut="Ctrl+Space",
        )
        st.button(
            "Stop and keep" if view.status != "queued" else "Cancel",
            key="stop",
            icon=":material/stop:",
            on_click=_tell,
            args=("stop", view.id),
            disabled=view.status == "stopping",
            shortcut="Ctrl+Backspace",
        )


def _tell(action: str, job_id: str) -> None:
    with suppress(JobError):  # it may have ended between the drawing of the button and the click
        getattr(engine(), action)(job_id)


def _progress(view: JobView) -> None:
    parts = [_STATUS.get(view.status, view.status)]
    if view.status == "queued":
        parts.append(f"{view.position} ahead on {view.device}" if view.position else "starting")
    if view.total:
        parts.append(f"step {view.done} of {view.total}")
    if view.rate:
        parts.append(f"{view.rate:.1f} steps/s")
    if view.seconds_left is not None and view.status == "running":
        parts.append(f"{duration(view.seconds_left)} left")
    if view.text and view.status == "running":
        parts.append(view.text)
    st.progress(view.fraction, text=" · ".join(parts))


def _show_snapshot(view: JobView) -> None:
    live: LiveView = view.snapshot
    names = list(live.labels)
    cells = [
        Cell(
            image=image,
            title=label,
            badge=f"p {probability:.2f} in views",
            class_index=target.class_index,
            top=top,
        )
        for image, label, probability, target, top in zip(
            live.images, names, live.probability, live.targets, live.top, strict=True
        )
    ]
    if len(cells) == 1:
        left, right = st.columns([3, 2])
        with left:
            show_grid(cells, live.size)
        with right:
            _curves(view.id, live, names, across=False)
    else:
        show_grid(cells, live.size)
        _curves(view.id, live, names, across=True)


def _curves(job_id: str, live: LiveView, names: list[str], *, across: bool) -> None:
    charts = _charts(job_id, live, names)
    places = st.columns(len(charts)) if across else [st.container()] * len(charts)
    for (name, (title, spec)), place in zip(charts.items(), places, strict=True):
        place.echarts_chart(spec, key=f"live_{name}", height=190, alt=title)


def _charts(job_id: str, live: LiveView, names: list[str]) -> dict[str, tuple[str, dict]]:
    """Titles and options of the charts; the same as before until CURVES_EVERY has passed."""
    now, kept = time.monotonic(), st.session_state.get("live_charts")
    if kept and kept[0] == job_id and now < kept[1]:
        return kept[2]
    charts = {
        name: (title, live_curve(live.curves, names, name, total=live.total, changes=live.changes))
        for name, title in CURVE_TITLES.items()
    }
    if live.similarity:
        charts["similarity"] = "Path similarity (estimated)", _similarity(live, names)
    st.session_state["live_charts"] = job_id, now + CURVES_EVERY, charts
    return charts


def _similarity(live: LiveView, names: list[str]) -> dict:
    """Beside the probability, never without it: a blank image wins on similarity alone."""
    curves = live.similarity
    return live_similarity_chart(
        curves[0].steps,
        [curve.values for curve in curves],
        names,
        total=live.total,
        same=sum(curve.same for curve in curves) / len(curves),
        different=sum(curve.different for curve in curves) / len(curves),
    )


def duration(seconds: float) -> str:
    """ "42 s", "3 min 5 s", "1 h 12 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
