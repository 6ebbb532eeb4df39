"""Results decide on claims, together with those of the session's other claims."""

from dataclasses import replace

import pytest

from protocore.errors import ReviewError
from protocore.review.results import adjusted, check_result, claim_evidence, claim_outcome
from tests.review.results_samples import (
    CLAIM,
    TEST,
    a_test,
    claimed,
    result,
    session_of,
    side,
    started,
)  # fmt: skip


def test_a_result_belongs_to_its_test():
    session = session_of(started(), claimed(), *a_test())
    test = session.test(TEST)
    check_result(session, test, result())
    with pytest.raises(ReviewError, match=f"test {TEST} was made with another plan than the test"):
        check_result(session, test, result(plan=replace(result().plan, direction="a < b")))
    with pytest.raises(ReviewError, match=r"is of other weights \(0{12}…\) than the session"):
        check_result(session, test, result(weight_hash="0" * 64))


def two_claims():
    """A clear difference and a doubtful one."""
    other = "c2c2c2c2"
    session = session_of(
        started(), claimed(), claimed(other), *a_test(), *a_test(other, "7e577e58")
    )
    doubtful = result(a=side("a", 0.45), b=side("b", 0.0))
    return session, {TEST: result(), "7e577e58": doubtful}


def test_several_claims_are_corrected_together():
    session, results = two_claims()
    small, large = (results[name].analysis.primary.p for name in (TEST, "7e577e58"))
    assert small < 0.025 < large
    assert adjusted(session, results) == {TEST: 2 * small, "7e577e58": large}
    outcome = claim_outcome(session, session.claim(CLAIM), results)
    assert outcome.outcome == "supported"
    assert "after Holm's correction" in outcome.reason


def test_one_claim_alone_needs_no_correction():
    session = session_of(started(), claimed(), *a_test())
    outcome = claim_outcome(session, session.claim(CLAIM), {TEST: result()})
    assert "Holm" not in outcome.reason
    assert adjusted(session, {TEST: result()}) == {TEST: result().analysis.primary.p}


def test_a_lost_result_makes_nothing_better():
    session, results = two_claims()
    del results["7e577e58"]
    assert adjusted(session, results)[TEST] == 2 * results[TEST].analysis.primary.p


def test_only_the_last_test_of_a_claim_counts():
    again = "7e577e59"
    session = session_of(started(), claimed(), *a_test(), *a_test(test=again))
    results = {TEST: result(), again: result(a=side("a", -3.0))}
    assert list(adjusted(session, results)) == [again]
    assert claim_outcome(session, session.claim(CLAIM), results).outcome == "not supported"


def test_evidence_joins_test_and_pictures():
    session = session_of(started(), claimed(), *a_test())
    evidence = claim_evidence(session, session.claim(CLAIM), {TEST: result()})
    assert evidence.grade == "weak"  # no pictures speak for it
    found = {criterion.key: criterion for criterion in evidence.criteria}
    assert found["test"].holds is True
    assert "permutation p = " in found["test"].found
    untested = claim_evidence(session, session.claim(CLAIM), {})
    assert untested.grade == "none"
    assert untested.criteria[-1].found == "not tested yet"
