"""What the evidence for a claim is worth by the stated rules, and what the reviewers decide."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.review import state as review_state
from protocore.review.events import VERDICTS, Judged
from protocore.review.results import TestResult, adjusted, claim_outcome, judge_claim
from protocore.review.session import Claim, ReviewSession

COLOURS = {"strong": "green", "moderate": "blue", "weak": "orange", "none": "gray"}
_MARKS = {True: ":green[:material/check_circle:]", False: ":red[:material/cancel:]"}
_UNKNOWN = ":gray[:material/help:]"
_OUTCOME_COLOURS = {"supported": "green", "not supported": "red", "undecided": "orange"}


def show_evidence(session: ReviewSession, claim: Claim, results: dict[str, TestResult]) -> None:
    """Outcome by the rule, grade, and each criterion with what was found."""
    outcome = claim_outcome(session, claim, results)
    evidence = judge_claim(session, claim, results)
    colour = _OUTCOME_COLOURS[outcome.verdict]
    with st.container(border=True):
        st.markdown(
            f"By the rule: :{colour}-badge[{outcome.verdict}] · evidence: "
            f":{COLOURS.get(evidence.grade, 'red')}-badge[{evidence.grade}]"
        )
        links = claim.current.said.links
        open_ = review_state.finished_looking(session, (link.round for link in links))
        for criterion in evidence.criteria:
            shown = open_ or criterion.key == "test"
            mark = _MARKS.get(criterion.holds, _UNKNOWN) if shown else _UNKNOWN
            found = criterion.found if shown else "shown when you have finished looking"
            st.markdown(f"{mark} {escaped(found)}", help=escaped(criterion.rule))
        st.caption(escaped(f"{evidence.grade}: {evidence.meaning}"))
        count = len(adjusted(session, results))
        if count > 1:
            st.caption(
                f":material/functions: {count} claims are tested in this session: p values are "
                "corrected by Holm's method."
            )


def verdict_controls(session: ReviewSession, claim: Claim) -> None:
    """The verdicts so far, and the own one."""
    for verdict in claim.verdicts.values():
        note = f": {verdict.note}" if verdict.note else ""
        st.markdown(
            f":material/gavel: **{escaped(verdict.author)}**: {verdict.verdict}{escaped(note)}"
        )
    own = claim.verdicts.get(review_state.me())
    key = f"{claim.id}_{review_state.me()}"
    state = st.session_state
    state.setdefault(f"verdict_{key}", own.verdict if own else None)
    state.setdefault(f"verdict_note_{key}", own.note if own else "")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.segmented_control("Your verdict", VERDICTS, key=f"verdict_{key}")
        note = st.text_input(
            "Note", key=f"verdict_note_{key}", max_chars=20_000, placeholder="Why, in a sentence"
        )
        same = own is not None and (own.verdict, own.note) == (chosen, note)
        judged = [Judged(claim=claim.id, verdict=chosen, note=note)] if chosen else []
        st.button(
            "Keep the verdict",
            key=f"verdict_save_{key}",
            icon=":material/gavel:",
            disabled=not judged or same,
            on_click=review_state.act,
            args=(session.id, *judged),
        )
