"""What the results of cohort tests say of the claims of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from protocore.cohorts.analysis import check_predictions
from protocore.cohorts.outcomes import Outcome
from protocore.cohorts.result import TestResult
from protocore.cohorts.statistics.multiplicity import holm
from protocore.errors import ReviewError
from protocore.review.evidence import Evidence, weigh
from protocore.review.session import Claim, ReviewSession, Test


def check_result(session: ReviewSession, test: Test, result: TestResult) -> None:
    """Raise ReviewError when a result cannot be that of this test of this session."""
    if result.plan != test.started.plan:
        raise ReviewError(f"the result of test {test.id} was made with another plan than the test")
    if result.weight_hash != session.started.weight_hash:
        raise ReviewError(
            f"the result of test {test.id} is of other weights ({result.weight_hash[:12]}…) than "
            f"the session ({session.started.weight_hash[:12]}…)"
        )
    check_predictions(result.plan, result.a, result.b, result.labels)


def adjusted(session: ReviewSession, results: Mapping[str, TestResult]) -> dict[str, float]:
    """Holm-adjusted p by test, over the last finished test of every claim of the session.

    `results` are by test. One that is missing counts with p = 1: nothing gets better by its loss.
    """
    tests = [session.final_test(claim.id) for claim in session.claims]
    names = [test.id for test in tests if test is not None]
    ps = [results[name].analysis.primary.p if name in results else 1.0 for name in names]
    return dict(zip(names, holm(ps), strict=True))


def claim_outcome(
    session: ReviewSession, claim: Claim, results: Mapping[str, TestResult]
) -> Outcome | None:
    """What the claim's last finished test says by the plan's rule; None: not tested."""
    test = session.final_test(claim.id)
    if test is None or test.id not in results:
        return None
    corrected = adjusted(session, results)
    p = corrected[test.id] if len(corrected) > 1 else None  # one test needs no correction
    return results[test.id].analysis.outcome(p)


def claim_evidence(
    session: ReviewSession,
    claim: Claim,
    results: Mapping[str, TestResult],
    ranks: Mapping[str, Sequence[int]] | None = None,
) -> Evidence:
    """The evidence for a claim: what its pictures show, and what its last test says.

    `ranks`: see `weigh`.
    """
    outcome = claim_outcome(session, claim, results)
    if outcome is None:
        return weigh(session, claim, None, ranks=ranks)
    return weigh(session, claim, outcome.outcome, outcome.reason, ranks=ranks)
