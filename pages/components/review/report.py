"""The report of a session, its bundle, its verification, and its log."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from pages.components.common.links import linked_spec
from pages.components.common.resources import library, pool
from pages.components.compare.jobs import analysis
from pages.components.review import state as review_state
from pages.components.review.drafts import drafted, drafted_text, hand_in
from protocore.library.review_bundle import REVIEW_SUFFIX, export_review_to_cache
from protocore.library.verify import verify_bundle
from protocore.reports.html import moment
from protocore.reports.pdf import find_browser, html_to_pdf
from protocore.reports.review.build import report_name, session_report
from protocore.review.events import Noted
from protocore.review.log import log_rows
from protocore.review.results import claim_evidence, claim_outcome
from protocore.review.session import ReviewSession

NOTE = "remark"  # form of a draft
LOGGED = 200  # lines of the log that are shown
VERIFY = "review verification"  # kind of job
_MARKS = {"ok": "✓", "differs": "✗", "not possible": "–"}  # of a check's status


def show_report(session: ReviewSession) -> None:
    """What was found in short, and the files to take away."""
    if not review_state.finished_looking(session, (one.id for one in session.rounds)):
        st.warning(
            "You have not finished looking at all pictures yet: report and bundle reveal their "
            "names and what others have seen.",
            icon=":material/visibility_off:",
        )
    _summary(session)
    left, right = st.columns(2, gap="large")
    with left, st.container(border=True, height="stretch"):
        st.markdown("**:material/description: Report**")
        st.caption(
            "One file with everything: pictures, claims, tables, evidence, decisions, log and "
            "hashes. It needs no network, runs no script and prints well."
        )
        st.download_button(
            "Download the report (HTML)",
            data=lambda: session_report(library(), session.id).encode(),
            file_name=report_name(session),
            mime="text/html",
            key="review_report",
            type=review_state.primary(),
            icon=":material/download:",
            on_click="ignore",
        )
        if find_browser():
            st.download_button(
                "PDF",
                data=lambda: _pdf(session),
                file_name=report_name(session).replace(".html", ".pdf"),
                mime="application/pdf",
                key="review_pdf",
                icon=":material/picture_as_pdf:",
                help="Takes some seconds: Chromium prints the report.",
                on_click="ignore",
            )
        else:
            st.caption("Open it in any browser and print it for a PDF.")
    with right, st.container(border=True, height="stretch"):
        wanted = _bundle(session)
    if wanted:
        st.session_state["review_verify_of"] = (session.id, session.version)
    if st.session_state.get("review_verify_of") == (session.id, session.version):
        _verification(session)


def _pdf(session: ReviewSession) -> bytes:
    with tempfile.TemporaryDirectory(prefix="protocore-report-") as folder:
        page = Path(folder, "report.html")
        page.write_text(session_report(library(), session.id), encoding="utf-8")
        return html_to_pdf(page).read_bytes()


def _bundle(session: ReviewSession) -> bool:
    """The bundle to take away; returns whether it shall be verified now."""
    st.markdown("**:material/inventory_2: Bundle**")
    st.caption(
        "The whole session in one file for a colleague, who can import it, rebuild the report, "
        "and make and compare every prototype again."
    )
    with st.container(horizontal=True):
        st.download_button(
            "Download the bundle",
            data=lambda: export_review_to_cache(library(), session.id).read_bytes(),
            file_name=report_name(session).replace(".html", REVIEW_SUFFIX),
            mime="application/zip",
            key="review_bundle",
            icon=":material/download:",
            on_click="ignore",
        )
        return st.button("Verify", key="review_verify", icon=":material/verified:")


def _summary(session: ReviewSession) -> None:
    results = review_state.results_of(session)
    rows = []
    for number, claim in enumerate(session.claims, start=1):
        outcome = claim_outcome(session, claim, results)
        decisions = [f"{one.author}: {one.decision}" for one in claim.decisions.values()]
        rows.append(
            {
                "Claim": f"{number} · {claim.current.said.statement}",
                "Outcome": outcome.outcome if outcome else "not tested",
                "Evidence": claim_evidence(session, claim, results).grade,
                "Decisions": "; ".join(decisions) or "none yet",
                "Changed after its test": "yes" if claim.changed_after_lock else "no",
            }
        )
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")
    else:
        st.info("No claims yet: the report shows what was seen.")


def _verification(session: ReviewSession) -> None:
    """Make everything again and compare, in the background."""
    models, shelf = pool(), library()
    spec = linked_spec(session.started.model_link)

    def work(progress):
        path = export_review_to_cache(shelf, session.id)
        return verify_bundle(
            path, models.get, lambda done, total, _: progress(done, total), spec=spec
        )

    key = f"{session.id}|{session.version}"
    found = analysis(VERIFY, key, "Making every prototype again", spec.device, work, queue=VERIFY)
    if found is None:
        return
    text = ", ".join(f"{found.count(status)} {status}" for status in _MARKS)
    (st.success if found.ok else st.error)(f"Verified: {text}.", icon=":material/verified:")
    rows = [
        {"": _MARKS[one.status], "Check": one.name, "Result": one.status, "Detail": one.detail}
        for one in found.checks
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


def show_log(session: ReviewSession) -> None:
    """Everything that was done, with times, and a place for remarks."""
    notes = sum(
        isinstance(event.action, Noted) and event.author == review_state.me()
        for event in session.log
    )
    drafted_text(session, NOTE, "Remark for the log", handed_in=notes, key="review_note", rows=2)
    st.button(
        "Add to the log",
        key="review_note_button",
        icon=":material/add_comment:",
        on_click=_note,
        args=(session,),
    )
    rows = log_rows(session)
    st.dataframe(
        [
            {"Entry": row.numbers, "Time": moment(row.time), "By": row.author, "What": row.text}
            for row in rows[::-1][:LOGGED]
        ],
        hide_index=True,
        width="stretch",
    )
    if len(rows) > LOGGED:
        st.caption(f"Newest {LOGGED} of {len(rows)} lines; the report has all of them.")


def _note(session: ReviewSession) -> None:
    if text := drafted(session, NOTE):
        hand_in(session, NOTE, Noted(text=text))
    else:
        review_state.say("write the remark first")
