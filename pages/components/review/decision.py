"""What the evidence for a claim is worth by the stated rules, and what the reviewers decide."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.resources import library
from pages.components.review import state as review_state
from pages.components.review.drafts import drafted, drafted_text, hand_in
from protocore.cohorts.outcomes import OUTCOMES
from protocore.cohorts.result import TestResult
from protocore.jobs.rounds import witness_ranks
from protocore.review.events import Decided
from protocore.review.results import adjusted, claim_evidence, claim_outcome
from protocore.review.session import Claim, ReviewSession

COLOURS = {"strong": "green", "moderate": "blue", "weak": "orange", "none": "gray"}
_MARKS = {True: ":green[:material/check_circle:]", False: ":red[:material/cancel:]"}
_UNKNOWN = ":gray[:material/help:]"
_OUTCOME_COLOURS = {"supported": "green", "not supported": "red", "undecided": "orange"}


def show_evidence(session: ReviewSession, claim: Claim, results: dict[str, TestResult]) -> None:
    """Outcome by the rule, grade, and each criterion with what was found."""
    outcome = claim_outcome(session, claim, results)
    ranks = witness_ranks(library(), session.id, session)
    evidence = claim_evidence(session, claim, results, ranks)
    colour = _OUTCOME_COLOURS[outcome.outcome]
    with st.container(border=True):
        st.markdown(
            f"Outcome: :{colour}-badge[{outcome.outcome}] · evidence: "
            f":{COLOURS.get(evidence.grade, 'red')}-badge[{evidence.grade}]"
        )
        links = claim.current.said.links
        open_ = review_state.finished_looking(session, (link.round for link in links))
        for criterion in evidence.criteria:
            shown = open_ or criterion.key == "test"
            mark = _MARKS.get(criterion.holds, _UNKNOWN) if shown else _UNKNOWN
            found = criterion.found if shown else "hidden until you have finished looking"
            st.markdown(f"{mark} {escaped(found)}", help=escaped(criterion.rule))
        st.caption(escaped(f"{evidence.grade}: {evidence.meaning}"))
        count = len(adjusted(session, results))
        if count > 1:
            st.caption(
                f":material/functions: {count} claims are tested in this session: p values are "
                "corrected by Holm's method."
            )


def decision_controls(session: ReviewSession, claim: Claim) -> None:
    """The decisions so far, and one's own."""
    for decision in claim.decisions.values():
        note = f": {decision.note}" if decision.note else ""
        st.markdown(
            f":material/gavel: **{escaped(decision.author)}**: {decision.decision}{escaped(note)}"
        )
    own = claim.decisions.get(review_state.me())
    key, form = f"{claim.id}_{review_state.me()}", f"decision {claim.id}"
    st.session_state.setdefault(f"decision_{key}", own.decision if own else None)
    st.segmented_control("Your decision", OUTCOMES, key=f"decision_{key}")
    drafted_text(
        session,
        form,
        "Note",
        stored=own.note if own else "",
        handed_in=own.seq if own else 0,
        key=f"decision_note_{key}",
        placeholder="Why, in a sentence",
    )
    st.button(
        "Save the decision",
        key=f"decision_save_{key}",
        icon=":material/gavel:",
        on_click=_save,
        args=(session, claim, form),
    )


def _save(session: ReviewSession, claim: Claim, form: str) -> None:
    own = claim.decisions.get(review_state.me())
    chosen = st.session_state.get(f"decision_{claim.id}_{review_state.me()}")
    note = drafted(session, form, own.note if own else "")
    if chosen is None:
        review_state.say("choose a decision first: supported, not supported or undecided")
    elif own is None or (own.decision, own.note) != (chosen, note):
        hand_in(session, form, Decided(claim=claim.id, decision=chosen, note=note))
