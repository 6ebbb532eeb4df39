"""The main area of the Generate page when nothing is running: a kept run, or a first hint."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import explained
from pages.components.common.recent import show_recent
from pages.components.common.resources import engine, library
from pages.components.generate import showing
from pages.components.generate.controls import Wish, continue_run, start
from pages.components.generate.kept_run import show_kept
from protocore.errors import JobError, LibraryError
from protocore.jobs.engine import JobView
from protocore.jobs.generation import KIND


def find_job(what: tuple[str, str] | None) -> JobView | None:
    """The job that the page is to show, if it is known to this process."""
    if not what or what[0] != "job":
        return None
    try:
        return engine().view(what[1])
    except JobError:
        showing.show_nothing()
        st.toast("That run is no longer in memory; what was finished is in the Library.")
        return None


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
        _source_line(kind, infos, wish)
        show_kept(infos)
    except LibraryError:
        showing.show_nothing()
        raise
    if run and library().state_files(run.id):
        _continue_controls(run.id)


def _source_line(kind: str, infos, wish: Wish | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if kind == "prototypes":
            made = infos[0].created[:16].replace("T", " ")
            st.markdown(f":material/inventory_2: From the library, made {made} UTC")
            if wish:
                again = {"again": True}
                st.button(
                    "Make again",
                    icon=":material/refresh:",
                    on_click=start,
                    args=(wish,),
                    kwargs=again,
                )
        else:
            st.markdown(":material/check_circle: Kept in the library")
        st.button("Close", icon=":material/close:", on_click=showing.show_nothing)


def _continue_controls(run_id: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        more = st.number_input("More steps", 1, 100_000, 128, step=64, key="more_steps", width=160)
        if st.button("Continue", icon=":material/fast_forward:", help="Go on from the last step"):
            with explained():
                continue_run(run_id, int(more))
            st.rerun()


def show_empty(wish: Wish | None) -> None:
    """What to do first, and what was made last."""
    if wish:
        count = len(wish.targets)
        noun = "prototype" if count == 1 else "prototypes"
        st.info(
            f"Ready: {count} {noun} from {wish.classifier.title}. Press **Generate** "
            "(Ctrl+Enter) and move the sliders while it runs.",
            icon=":material/play_circle:",
        )
    else:
        st.info(
            "Choose a model and one or more classes on the left, then press **Generate**.",
            icon=":material/arrow_back:",
        )
    _active_jobs()
    show_recent()


def _active_jobs() -> None:
    for job in engine().views():
        if job.active and job.kind == KIND:
            ahead = f", {job.position} ahead" if job.position else ""
            st.button(
                f"{job.title} ({job.status}{ahead})",
                key=f"attach_{job.id}",
                icon=":material/visibility:",
                on_click=showing.show,
                args=("job", job.id),
            )
