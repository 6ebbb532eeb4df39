"""The head of a review session: title, reviewers, steps; and following what others do."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.resources import library
from pages.components.review import state as review_state
from pages.components.review.observing import finish
from protocore.reports.html import moment
from protocore.review.events import Joined, Renamed
from protocore.review.session import ReviewSession
from protocore.text import plural

STEPS = ("Look", "Claims", "Tests", "Report", "Log")
_ICONS = {
    "Look": ":material/visibility: Look",
    "Claims": ":material/edit_note: Claims",
    "Tests": ":material/science: Tests",
    "Report": ":material/description: Report",
    "Log": ":material/history: Log",
}
FOLLOW = 2.0  # seconds between two looks at what others have done
NEW_REVIEWER = "New reviewer …"


def header(session: ReviewSession) -> None:
    """Title, model and who is here; a way back to the list."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        st.markdown(f"## {escaped(session.title)}")
        st.caption(
            f"{escaped(session.started.model_title)} · weights "
            f"{session.started.weight_hash[:12]} · started {moment(session.created)} · "
            f"{plural(len(session.log), 'log entry', 'log entries')}"
        )
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        with st.popover("Title", icon=":material/edit:"):
            _rename(session)
        st.button(
            "All sessions",
            key="review_close",
            icon=":material/arrow_back:",
            on_click=_close,
            args=(session.id,),
        )
    _who(session)


def _close(review_id: str) -> None:
    finish(review_id)
    review_state.close_session()


def _rename(session: ReviewSession) -> None:
    key = f"review_title_{session.id}"
    st.session_state.setdefault(key, session.title)
    title = st.text_input("Title of the session", key=key, max_chars=200)
    st.button(
        "Rename",
        key="review_rename",
        disabled=not title.strip() or title == session.title,
        on_click=review_state.act,
        args=(session.id, *([Renamed(title=title.strip())] if title.strip() else [])),
    )


def _who(session: ReviewSession) -> None:
    """Choose a name among those who take part, or a new one."""
    name = review_state.me()
    if name and name in session.reviewers:
        others = [one for one in session.reviewers if one != name]
        beside = f", with {', '.join(others)}" if others else ""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/person: You are **{escaped(name)}**{escaped(beside)}.")
            st.button(
                "Switch reviewer", key="review_leave", type="tertiary", on_click=_leave,
                args=(session.id,),
            )  # fmt: skip
        return
    with st.container(border=True, horizontal=True, vertical_alignment="bottom"):
        options = [*session.reviewers, NEW_REVIEWER]
        if name:  # known from another session
            st.session_state.setdefault("review_who", NEW_REVIEWER)
            st.session_state.setdefault("review_name", name)
        chosen = st.selectbox("Who are you?", options, index=None, key="review_who")
        new = chosen == NEW_REVIEWER
        text = st.text_input("Your name", key="review_name", max_chars=60) if new else chosen
        st.button(
            "Join",
            key="review_join",
            type="primary",
            disabled=not (text or "").strip(),
            on_click=_join,
            args=(session, text or ""),
        )


def _leave(review_id: str) -> None:
    finish(review_id)
    review_state.introduce("")


def _join(session: ReviewSession, name: str) -> None:
    review_state.introduce(name)
    if review_state.me() not in session.reviewers:
        review_state.act(session.id, Joined())


def step_control(session: ReviewSession) -> str:
    """Which part of the method is shown; kept in the link."""
    state, wanted = st.session_state, st.query_params.get("step")
    if state.get("review_step") not in STEPS:
        state["review_step"] = wanted if wanted in STEPS else _likely_step(session)
    step = st.segmented_control(
        "Step",
        STEPS,
        format_func=_ICONS.get,
        key="review_step",
        required=True,
        label_visibility="collapsed",
        width="stretch",
        persist_state="session",
        on_change=finish,
        args=(session.id,),
    )
    step = step or _likely_step(session)  # none while the browser changes pages
    st.query_params["step"] = step
    return step


def go_to(step: str) -> None:
    """Show another step from the next run on; for callbacks."""
    st.session_state["review_step"] = step


def _likely_step(session: ReviewSession) -> str:
    if session.tests:
        return "Tests"
    return "Claims" if session.claims else "Look"


def follow(session: ReviewSession, step: str) -> None:
    """Draw the page again when another reviewer has done something; only say so while one writes.

    A claim of somebody else's would fold up the form in which one is writing.
    """
    version, review_id = session.version, session.id

    @st.fragment(run_every=FOLLOW)
    def watch() -> None:
        if library().reviews.version(review_id) == version:
            return
        if step not in ("Look", "Claims"):
            st.rerun()
        st.caption(":material/sync: Session updated by another reviewer.")
        if st.button("Show the changes", key="review_refresh", icon=":material/refresh:"):
            st.rerun()

    watch()
