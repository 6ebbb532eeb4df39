"""The claims of a review report: as they were locked, what changed, tests, decisions, evidence."""

from __future__ import annotations

from dataclasses import dataclass

from protocore.cohorts.outcomes import number_text
from protocore.reports.charts.svg import shortened
from protocore.reports.html import Markup, moment, said
from protocore.reports.review.tests import ResultView, result_view
from protocore.reports.tables import NOTHING
from protocore.review.evidence import Evidence
from protocore.review.material import ReportMaterial, class_name, item_names
from protocore.review.results import adjusted, claim_evidence, claim_outcome
from protocore.review.session import Claim, ClaimVersion, ReviewSession, Test
from protocore.text import plural

HOLDS = {True: "✓ yes", False: "✗ no", None: "? open"}
LONGEST = 280  # characters of a text in the main part; the appendix has all of it
IN_SHORT = ("target class", "rival classes", "cohort A", "cohort B", "predicted",
            "smallest effect", "level", "images", "why")  # fmt: skip
Rows = list[tuple[object, ...]]


@dataclass(frozen=True, kw_only=True)
class ClaimView:
    """Everything about one claim, ready to be shown."""

    number: int
    statement: str
    locked: bool
    changed_after_lock: bool
    outcome: str  # of the rule; "not tested" without a finished test
    reason: str
    evidence: Evidence
    criteria: Rows  # criterion, holds, found
    decisions: Rows  # reviewer, decision, time, note
    fields: Rows  # name, value
    written: str
    changes: Rows
    tests: Rows
    notes: tuple[str, ...]  # what to know about the tests
    result: ResultView | None  # of the last finished test

    @property
    def in_short(self) -> Rows:
        """The fields of the main part, with long texts cut."""
        found = dict(self.fields)
        return [(name, _cut(found[name])) for name in IN_SHORT]

    @property
    def statement_in_short(self) -> str:
        """The claim as a heading."""
        return shortened(self.statement, LONGEST)

    @property
    def decisions_in_short(self) -> str:
        """ "Ada: supported; Bob: undecided"."""
        return "; ".join(f"{row[0]}: {row[1]}" for row in self.decisions) or "none yet"


def claim_view(
    session: ReviewSession, number: int, claim: Claim, material: ReportMaterial
) -> ClaimView:
    """One claim with its history."""
    outcome = claim_outcome(session, claim, material.results)
    evidence = claim_evidence(session, claim, material.results)
    shown = claim.locked or claim.current
    decisions = claim.decisions.items()
    return ClaimView(
        number=number,
        statement=claim.current.said.statement,
        locked=claim.locked is not None,
        changed_after_lock=claim.changed_after_lock,
        outcome=outcome.outcome if outcome else "not tested",
        reason=outcome.reason if outcome else "There is no finished test.",
        evidence=evidence,
        criteria=[(one.key, HOLDS[one.holds], one.found) for one in evidence.criteria],
        decisions=[
            (name, one.decision, moment(one.time), said(one.note)) for name, one in decisions
        ],
        fields=claim_fields(session, material, shown),
        written=_written(claim),
        changes=_changes(session, material, claim),
        tests=_tests(session, claim, material),
        notes=_notes(session, claim, material),
        result=_result(session, claim, material),
    )


def claim_fields(session: ReviewSession, material: ReportMaterial, version: ClaimVersion) -> Rows:
    """One version of a claim as names and texts; two versions can be compared by them."""
    claim, plan = version.said, version.said.plan
    smallest = number_text(plan.measure, plan.smallest_effect)
    names = item_names(session)
    links = [f"{names[(link.round, link.item)]}, by {link.observer}" for link in claim.links]
    rivals = [class_name(session, material, index) for index in plan.rivals]
    words = {"a > b": "higher in A than in B", "a < b": "lower in A than in B"}
    return [
        ("claim", said(claim.statement)),
        ("target class", class_name(session, material, plan.target)),
        ("rival classes", ", ".join(rivals) or "none"),
        ("cohort A", said(claim.cohort_a)),
        ("cohort B", said(claim.cohort_b)),
        ("predicted", f"{plan.measure} {words.get(plan.direction, 'differs, either way')}"),
        ("smallest effect", f"{smallest}; anything smaller does not matter"),
        ("level", f"{plan.alpha:g}; intervals of {100 * (1 - plan.alpha):g} %"),
        ("images", "compared pair by pair" if plan.paired else "two separate groups"),
        ("why", said(claim.why) if claim.why.strip() else "no reason given"),
        ("rests on", "; ".join(links) or "no observation"),
        ("demo world", claim.known or "other images"),
    ]


def _cut(value: object) -> object:
    """A text of the main part; what somebody wrote stays marked as such."""
    if isinstance(value, Markup):
        return said(shortened(value.striptags(), LONGEST))
    return shortened(str(value), LONGEST)


def _written(claim: Claim) -> str:
    first = claim.versions[0]
    text = f"First written by {first.author} at {moment(first.time)}"
    before = [one for one in claim.versions[1:] if one.seq < (claim.locked_at or one.seq + 1)]
    if before:
        text += f", changed {plural(len(before), 'time')} before any test"
    if claim.locked_at:
        text += f"; locked by event {claim.locked_at}, which started its first test"
    return f"{text}."


def _changes(session: ReviewSession, material: ReportMaterial, claim: Claim) -> Rows:
    """Which fields every later version changed."""
    rows: Rows = []
    for old, new in zip(claim.versions, claim.versions[1:], strict=False):
        both = (claim_fields(session, material, one) for one in (old, new))
        after = bool(claim.locked_at) and new.seq > claim.locked_at
        for (name, before), (_, now) in zip(*both, strict=True):
            if before != now:
                when = "AFTER the lock" if after else "before the lock"
                rows.append((new.seq, moment(new.time), new.author, when, name, before, now))
    return rows


def _tests(session: ReviewSession, claim: Claim, material: ReportMaterial) -> Rows:
    final = session.final_test(claim.id)
    return [
        (test.seq, moment(test.time), test.author, _state(test, final), _alone(test, material))
        for test in session.tests_of(claim.id)
    ]


def _state(test: Test, final: Test | None) -> str:
    if test.status == "failed":
        return f"failed: {test.error}"
    return f"{test.status}, counts" if test == final else test.status


def _alone(test: Test, material: ReportMaterial) -> str:
    """The outcome without a correction for other claims."""
    result = material.results.get(test.id)
    return result.analysis.outcome().outcome if result else NOTHING


def _notes(session: ReviewSession, claim: Claim, material: ReportMaterial) -> tuple[str, ...]:
    final = session.final_test(claim.id)
    notes = []
    if len(session.tests_of(claim.id)) > 1:
        notes.append(
            "This claim was tested more than once. Only the last finished test counts; the "
            "appendix lists every test."
        )
    if final is not None and final.started.plan != claim.current.said.plan:
        notes.append("The last test followed an earlier plan than that of the claim as it is now.")
    if final is not None and final.id not in material.results:
        notes.append("The result of the last test is missing, or not the one recorded.")
    return tuple(notes)


def _result(session: ReviewSession, claim: Claim, material: ReportMaterial) -> ResultView | None:
    final = session.final_test(claim.id)
    result = material.results.get(final.id) if final else None
    if final is None or result is None:
        return None
    holm = adjusted(session, material.results)
    thumbnails = material.thumbnails.get(final.id, {})
    return result_view(result, holm[final.id], len(holm), thumbnails)
