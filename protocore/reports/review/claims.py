"""The claims of a review report: as they were tested, what changed, and how they are decided."""

from __future__ import annotations

from protocore.cohorts.outcomes import Outcome, number_text
from protocore.reports.markup import (
    Html,
    joined,
    markup,
    moment,
    pairs,
    paragraph,
    said,
    table,
)
from protocore.reports.review.tests import result_part
from protocore.review.evidence import Evidence
from protocore.review.material import ReportMaterial, class_name, item_names
from protocore.review.results import adjusted, claim_evidence, claim_outcome
from protocore.review.session import Claim, ClaimVersion, ReviewSession, Test
from protocore.text import plural

HOLDS = {True: "✓ yes", False: "✗ no", None: "? open"}


def claim_summary(
    session: ReviewSession, number: int, claim: Claim, material: ReportMaterial
) -> Html:
    """One paragraph: what is claimed, what the reviewers say, what the rules say."""
    outcome = claim_outcome(session, claim, material.results)
    evidence = claim_evidence(session, claim, material.results)
    decisions = [f"{name}: {one.decision}" for name, one in claim.decisions.items()]
    return markup(
        '<div class="card"><p><b>Claim {0}.</b> <a href="#claim-{0}">{1}</a></p><p>'
        '<span class="mark">evidence: {2}</span> <span class="mark">by the rules: {3}</span> '
        "Reviewers — {4}.</p><p>{5}</p>{6}</div>",
        number,
        claim.current.said.statement,
        evidence.grade,
        outcome.outcome if outcome else "not tested",
        "; ".join(decisions) or "no decision yet",
        outcome.reason if outcome else "There is no finished test.",
        _change_warning(claim),
    )


def claim_part(session: ReviewSession, number: int, claim: Claim, material: ReportMaterial) -> Html:
    """Everything about one claim."""
    locked = claim.locked
    shown = locked or claim.current
    parts = [
        markup('<h3 id="claim-{}">Claim {}: {}</h3>', number, number, shown.said.statement),
        _change_warning(claim),
        markup(
            "<h4>{}</h4>", "As locked before the test" if locked else "As it is; not tested yet"
        ),
        pairs(claim_fields(session, material, shown)),
        paragraph(_written(claim), "faint"),
        _changes(session, material, claim),
        *_tests(session, claim, material),
        _decisions(claim),
        evidence_part(claim_evidence(session, claim, material.results)),
    ]
    return joined(parts)


def claim_fields(
    session: ReviewSession, material: ReportMaterial, version: ClaimVersion
) -> list[tuple[str, Html | str]]:
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
        ("smallest effect", f"{smallest} — what is smaller is of no interest"),
        ("level", f"{plan.alpha:g}; intervals of {100 * (1 - plan.alpha):g} %"),
        ("images", "compared pair by pair" if plan.paired else "two separate groups"),
        ("why", said(claim.why) if claim.why.strip() else "no reason given"),
        ("rests on", "; ".join(links) or "no observation"),
        ("demo world", claim.known or "other images"),
    ]


def _written(claim: Claim) -> str:
    first = claim.versions[0]
    text = f"First written by {first.author} at {moment(first.time)}"
    before = [one for one in claim.versions[1:] if one.seq < (claim.locked_at or one.seq + 1)]
    if before:
        text += f", changed {plural(len(before), 'time')} before any test"
    if claim.locked_at:
        text += f"; locked by event {claim.locked_at}, which started its first test"
    return f"{text}."


def _change_warning(claim: Claim) -> Html:
    if not claim.changed_after_lock:
        return Html("")
    return paragraph(
        "This claim was changed after its first test had been started: what is claimed now is not "
        "what was predicted. The changes are listed with the claim.",
        "warn",
    )


def _changes(session: ReviewSession, material: ReportMaterial, claim: Claim) -> Html:
    """Which fields every later version changed."""
    rows = []
    for old, new in zip(claim.versions, claim.versions[1:], strict=False):
        both = (claim_fields(session, material, one) for one in (old, new))
        after = bool(claim.locked_at) and new.seq > claim.locked_at
        for (name, before), (_, now) in zip(*both, strict=True):
            if before != now:
                when = "AFTER the lock" if after else "before the lock"
                rows.append((new.seq, moment(new.time), new.author, when, name, before, now))
    if not rows:
        return Html("")
    head = ("event", "time", "by", "when", "what", "was", "became")
    return joined([markup("<h4>Changes</h4>"), table(head, rows)])


def _tests(session: ReviewSession, claim: Claim, material: ReportMaterial) -> list[Html]:
    tests = session.tests_of(claim.id)
    if not tests:
        return []
    final = session.final_test(claim.id)
    outcome = claim_outcome(session, claim, material.results)
    rows = [
        (test.seq, moment(test.time), test.author, _state(test, final), _found(test, material))
        for test in tests
    ]
    parts = [
        markup("<h4>Tests</h4>"),
        table(("event", "started", "by", "state", "by itself it says"), rows),
    ]
    if len(tests) > 1:
        text = "was tested more than once. Only the last finished test counts; every test is listed"
        parts.append(paragraph(f"This claim {text}.", "warn"))
    if final is None:
        return parts
    if final.started.plan != claim.current.said.plan:
        text = "The last test followed an earlier plan than that of the claim as it is now."
        parts.append(paragraph(text, "warn"))
    return [*parts, *_final(session, final, outcome, material)]


def _final(
    session: ReviewSession, final: Test, outcome: Outcome | None, material: ReportMaterial
) -> list[Html]:
    result = material.results.get(final.id)
    if result is None or outcome is None:
        return [
            paragraph("The result of the last test is missing, or not the one recorded.", "warn")
        ]
    holm = adjusted(session, material.results)
    thumbnails = material.thumbnails.get(final.id, {})
    return [result_part(result, outcome, holm[final.id], len(holm), thumbnails)]


def _state(test: Test, final: Test | None) -> str:
    if test.status == "failed":
        return f"failed: {test.error}"
    return f"{test.status}, counts" if test == final else test.status


def _found(test: Test, material: ReportMaterial) -> str:
    result = material.results.get(test.id)
    return result.analysis.outcome().outcome if result else "–"


def _decisions(claim: Claim) -> Html:
    if not claim.decisions:
        return Html("")
    rows = [
        (name, one.decision, moment(one.time), said(one.note))
        for name, one in claim.decisions.items()
    ]
    head = ("reviewer", "decision", "time", "note")
    return joined([markup("<h4>Decisions of the reviewers</h4>"), table(head, rows)])


def evidence_part(evidence: Evidence) -> Html:
    """The grade, and every criterion with its rule."""
    rows = [(one.key, HOLDS[one.holds], one.rule, one.found) for one in evidence.criteria]
    return joined(
        [
            markup("<h4>Evidence: {}</h4>", evidence.grade),
            paragraph(f"That is: {evidence.meaning}."),
            table(("criterion", "holds", "rule", "found"), rows),
        ]
    )
