"""The main area of the Generate page when nothing is running: a kept run, or a first hint."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import escaped, explained
from pages.components.common.progress import find_view, show_jobs
from pages.components.common.recent import show_recent
from pages.components.common.resources import engine, library
from pages.components.generate import showing
from pages.components.generate.controls import Wish, continue_run, start
from pages.components.generate.kept_run import show_kept
from protocore.errors import LibraryError
from protocore.jobs import kept
from protocore.jobs.engine import JobView
from protocore.jobs.generation import KIND
from protocore.library.entries import PrototypeInfo
from protocore.text import plural


def find_job(what: tuple[str, str] | None) -> JobView | None:
    """The job that the page is to show; one of an earlier process as the library knows it."""
    if not what or what[0] != "job":
        return None
    job = find_view(what[1]) or kept.find_job(engine(), library(), what[1])
    if job is not None and job.active and "elsewhere" in job.meta:
        showing.show_nothing()
        st.info("Another server makes this run now; it will be in the Library.")
        return None
    if job is None:
        showing.show_nothing()
        st.warning(
            "The run in this link is no longer on this server: it was restarted, or the run was "
            "dismissed. Finished prototypes are in the Library.",
            icon=":material/link_off:",
        )
    return job


def take_over_finished(job: JobView) -> bool:
    """When the job has left a run in the library, show that from now on; returns whether so."""
    if job.active or job.error:
        return False
    if not job.result:  # stopped before its first step
        showing.show_nothing()
        return True
    beside = st.session_state.get("kept_beside", ("", (), {}))
    if beside[0] == job.id and beside[2]:
        showing.show("prototypes", _in_order(job.result, beside[1], beside[2]))
    else:
        st.session_state["opened"] = job.result  # the controls say already how it was made
        showing.show("run", job.result)
    return True


def _in_order(run_id: str, targets, made: dict) -> str:
    """Identifiers of all that was asked for, new and kept ones, as they were asked for."""
    new = {library().load_prototype(i).record.target: i for i in library().run(run_id).prototypes}
    return ",".join({**made, **new}[target] for target in targets if target in {**made, **new})


def show_result(kind: str, value: str, wish: Wish | None) -> None:
    """Kept prototypes: those of a run, or some by their identifiers."""
    try:
        run = library().run(value) if kind == "run" else None
        ids = run.prototypes if run else tuple(value.split(","))
        infos = [library().prototype(i) for i in ids]
        if not infos:
            raise LibraryError(
                "this run's prototypes are in the trash; restore them in the Library"
            )
    except LibraryError:
        showing.show_nothing()
        raise
    more = run and library().state_files(run.id)
    show_kept(infos, lambda: _bar(kind, infos, wish, run.id if more else ""))


def _bar(kind: str, infos: list[PrototypeInfo], wish: Wish | None, run_id: str):
    """Where it comes from, and what can be done with it; `run_id` of one that can go on.

    Returns the place in between, for the step.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        if kind == "prototypes":
            created = infos[0].created[:16].replace("T", " ")
            text = f":material/inventory_2: From the library, generated {created} UTC"
        else:
            text = ":material/check_circle: Saved to library"
        st.markdown(text, width="content")
        step = st.container()
        if run_id:
            with st.popover("Continue", icon=":material/fast_forward:"):
                _continue_controls(run_id)
        if kind == "prototypes" and wish:
            again = {"again": True}
            icon = ":material/refresh:"
            st.button("Regenerate", icon=icon, on_click=start, args=(wish,), kwargs=again)
        st.button("Close", icon=":material/close:", on_click=showing.show_nothing)
    return step


def _continue_controls(run_id: str) -> None:
    more = st.number_input("More steps", 1, 100_000, 128, step=64, key="more_steps")
    if st.button("Continue the run", key="continue", help="Resumes from the last step"):
        with explained():
            continue_run(run_id, int(more))
        st.rerun()


def show_empty(wish: Wish | None) -> None:
    """What to do first, and the newest prototypes."""
    if wish:
        st.info(
            f"Ready: {plural(len(wish.targets), 'prototype')} from "
            f"{escaped(wish.classifier.title)}. Press **Generate** and move the sliders while it "
            "runs.",
            icon=":material/play_circle:",
        )
    elif not st.session_state.get("classes"):
        st.info(
            "Choose a model and one or more classes on the left, then press **Generate**.",
            icon=":material/arrow_back:",
        )
    show_jobs(KIND)
    show_recent()
