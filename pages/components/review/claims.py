"""Claims: structured statements that are written before any test, and what became of them."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.review import state as review_state
from pages.components.review.claim_form import claim_form
from pages.components.review.session import go_to
from protocore.jobs.cohort_tests import plan_text
from protocore.models.classifier import Classifier
from protocore.review.evidence import linked_observations
from protocore.review.session import Claim, ReviewSession
from protocore.text import plural


def show_claims(session: ReviewSession) -> None:
    """All claims, and a form for another one."""
    classifier = review_state.classifier_of(session)
    if not session.claims:
        st.info(
            "A claim predicts a result: which class, on which two groups of images, which "
            "difference in which direction. Starting its test locks it.",
            icon=":material/edit_note:",
        )
    for number, claim in enumerate(session.claims, start=1):
        _show(session, classifier, number, claim)
    with st.expander("New claim", icon=":material/add:", expanded=not session.claims):
        claim_form(session, classifier, None)


def _show(session: ReviewSession, classifier: Classifier, number: int, claim: Claim) -> None:
    said = claim.current.said
    with st.container(border=True):
        st.markdown(f"**Claim {number}: {escaped(said.statement)}**")
        st.markdown(
            f"A: {escaped(said.cohort_a)}  \nB: {escaped(said.cohort_b)}  \n"
            f"Predicted: {escaped(plan_text(said.plan, classifier))}"
        )
        if said.why:
            st.caption(f"Why: {escaped(said.why)}")
        _links_line(session, claim)
        _state_line(claim)
        with st.container(horizontal=True):
            st.button(
                "Test", key=f"claim_test_{claim.id}", icon=":material/science:",
                on_click=_to_test, args=(claim.id,),
            )  # fmt: skip
        with st.expander("Edit", icon=":material/edit:"):
            if claim.locked_at:
                st.warning(
                    "This claim has been tested: the report will show a change beside what was "
                    "claimed before the test.",
                    icon=":material/lock:",
                )
            claim_form(session, classifier, claim)


def _to_test(claim_id: str) -> None:
    st.session_state["test_claim"] = claim_id
    go_to("Tests")


def _links_line(session: ReviewSession, claim: Claim) -> None:
    links = claim.current.said.links
    found = linked_observations(session, links)
    if not found:
        return
    text = f"Rests on {plural(len(found), 'observation')}: "
    if not review_state.finished_looking(session, (link.round for link in links)):
        st.caption(f"{text}hidden until you have finished looking at the pictures.")
        return
    tags = sorted({tag for one in found for tag in one.said.tags})
    st.caption(f"{text}{escaped(', '.join(tags))}")


def _state_line(claim: Claim) -> None:
    current = claim.current
    when = current.time[:16].replace("T", " ")
    if not claim.locked_at:
        st.caption(f":material/lock_open: Written by {escaped(current.author)}, {when} UTC")
        return
    st.caption(f":material/lock: Locked by its first test (entry {claim.locked_at} of the log)")
    if claim.changed_after_lock:
        before = claim.locked.said
        st.markdown(
            f":orange[:material/warning: Changed by {escaped(current.author)} after the first "
            f"test. Tested first: {escaped(before.statement)}]"
        )
