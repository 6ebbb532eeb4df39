"""Testing claims: two cohorts of images, the model's predictions, the reviewers' decisions."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.components.common.errors import escaped, show_error
from pages.components.common.links import chosen_device
from pages.components.common.progress import watch
from pages.components.common.resources import engine, library, pool
from pages.components.review import state as review_state
from pages.components.review.cohorts import pick_cohorts
from pages.components.review.decision import decision_controls, show_evidence
from pages.components.review.jobs import find_job
from pages.components.review.results import show_result
from protocore.cohorts.result import TestResult
from protocore.jobs.cohort_tests import (
    KIND,
    CohortImages,
    end_orphan,
    plan_text,
    stop_test,
    submit_test,
)
from protocore.models.classifier import Classifier
from protocore.review.session import Claim, ReviewSession, Test
from protocore.text import plural


def show_tests(session: ReviewSession) -> None:
    """One claim at a time: its images, its test, its result, its decision."""
    classifier = review_state.classifier_of(session)
    if not session.claims:
        st.info(
            "No claims to test yet: write one down in the step **Claims**.",
            icon=":material/edit_note:",
        )
        return
    results = review_state.results_of(session)
    claim = _choose(session)
    said = claim.current.said
    st.markdown(
        f"**{escaped(said.statement)}**  \nA: {escaped(said.cohort_a)} · B: "
        f"{escaped(said.cohort_b)}  \nPredicted: {escaped(plan_text(said.plan, classifier))}"
    )
    running = [test for test in session.tests_of(claim.id) if test.status == "running"]
    if running:
        _running(session, running[-1])
        return
    _earlier(session, claim, results)
    final = session.final_test(claim.id)
    with st.expander(
        "Test it again" if final else "Images of the test",
        icon=":material/science:",
        expanded=final is None,
    ):
        _start(session, classifier, claim)
    if final is not None and final.id in results:
        result = results[final.id]
        show_evidence(session, claim, results)
        decision_controls(session, claim)
        show_result(session, final, result)


def _choose(session: ReviewSession) -> Claim:
    numbers = {claim.id: number for number, claim in enumerate(session.claims, start=1)}
    if st.session_state.get("test_claim") not in numbers:
        untested = [one.id for one in session.claims if session.final_test(one.id) is None]
        st.session_state["test_claim"] = (untested or list(numbers))[0]
    # Labels change when a test ends: setting the value makes the browser follow.
    st.session_state["test_claim"] = st.session_state["test_claim"]
    chosen = st.selectbox(
        "Claim",
        list(numbers),
        format_func=lambda key: _label(session, numbers[key], key),
        key="test_claim",
    )
    return session.claim(chosen)


def _label(session: ReviewSession, number: int, claim_id: str) -> str:
    state = "tested" if session.final_test(claim_id) else "not tested"
    return f"{number} · {session.claim(claim_id).current.said.statement} ({state})"


def _start(session: ReviewSession, classifier: Classifier, claim: Claim) -> None:
    images = pick_cohorts(classifier, claim)
    if not claim.locked_at:
        st.caption(":material/lock: Starting the test locks the claim: later changes are visible.")
    st.button(
        "Lock the claim and test it" if not claim.locked_at else "Test it",
        key=f"test_start_{claim.id}",
        type="secondary" if claim.locked_at else review_state.primary(),
        icon=":material/play_arrow:",
        disabled=images is None,
        on_click=start_test,
        args=(session.id, claim.id, images),
    )


def start_test(review_id: str, claim_id: str, images: CohortImages) -> None:
    """Queue the test, from a callback."""
    submit = partial(submit_test, device=chosen_device())
    review_state.attempt(
        submit, engine(), library(), pool(), review_id, review_state.me(), claim_id, images
    )


def _running(session: ReviewSession, test: Test) -> None:
    job = find_job(KIND, test=test.id)
    if job is None or not job.active:
        if library().reviews.version(session.id) != session.version:
            st.rerun()  # it has ended since this page began to be drawn
        st.warning(
            "This test is no longer running: the app was closed.",
            icon=":material/power_off:",
        )
        st.button(
            "Mark as interrupted and retry",
            key="test_orphan",
            on_click=review_state.attempt,
            args=(end_orphan, engine(), library(), session.id, review_state.me()),
        )
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            watch(job.id, noun="image")
        st.button(
            "Stop",
            key="test_stop",
            icon=":material/stop:",
            on_click=review_state.attempt,
            args=(stop_test, engine(), library(), job.id, review_state.me()),
        )


def _earlier(session: ReviewSession, claim: Claim, results: dict[str, TestResult]) -> None:
    """Tests that failed, and those before the last one: nothing is hidden."""
    tests = session.tests_of(claim.id)
    if tests and tests[-1].status == "failed":
        show_error(f"the last test failed: {tests[-1].error}")
    done = [test for test in tests if test.status == "finished"]
    if len(done) < 2:
        return
    with st.expander(
        f"{plural(len(done) - 1, 'earlier test')} of this claim", icon=":material/history:"
    ):
        for test in done[:-1]:
            if test.id in results:
                outcome = results[test.id].analysis.outcome()
                when = test.time[:16].replace("T", " ")
                st.markdown(
                    f"{when} UTC, {escaped(test.author)}: **{outcome.outcome}**. "
                    f"{escaped(outcome.reason)}"
                )
