"""A result file says the same again, is checked, and decides together with the others."""

import json
from dataclasses import replace

import pytest

from protocore.cohorts.plan import TestPlan
from protocore.cohorts.recipes import claim_recipe
from protocore.errors import ReviewError
from protocore.review.results import (
    TestResult,
    adjusted,
    check_result,
    claim_evidence,
    claim_outcome,
)
from protocore.similarity.reference import SkippedImage
from tests.review.results_samples import (
    CLAIM,
    TEST,
    a_test,
    claimed,
    result,
    session_of,
    side,
    started,
)


def test_a_result_is_read_as_it_was_written():
    made = result(
        skipped_a=(SkippedImage(name="x.png", reason="not an image"),),
        notes=("the same image: x.png (A), y.png (B)",),
        recipe=claim_recipe("gown-skin", count=12),
    )
    again = TestResult.from_json(made.to_json())
    assert replace(again, reported=None) == made
    assert again.analysis == made.analysis
    assert again.misreported == made.misreported == ""
    assert again.side("b") == made.b


def test_the_analysis_is_that_of_the_verdicts():
    made = result()
    assert made.analysis.primary.difference == pytest.approx(3.0)
    assert [row.label for row in made.analysis.rows] == ["on grass", "on sand"]
    assert made.analysis.rows[1].accuracy.value == 0.5
    assert json.loads(made.to_json())["analysis"]["outcome"]["outcome"] == "supported"


def edited(edit):
    content = json.loads(result().to_json())
    edit(content)
    return json.dumps(content)


def test_a_changed_verdict_no_longer_gives_what_is_reported():
    def edit(content):
        content["b"][0]["logits"][0] += 1.2

    found = TestResult.from_json(edited(edit)).misreported
    assert found.startswith("cohorts[1].logits[0].value is ")
    assert ", the predictions give 0.1" in found


def test_a_changed_analysis_is_not_what_the_verdicts_give():
    def edit(content):
        content["analysis"]["comparisons"][0]["p"] = 1e-9

    found = TestResult.from_json(edited(edit)).misreported
    assert found.startswith("comparisons[0].p is 1e-09, the predictions give ")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(format="x"), "this is not the result of a cohort test"),
        (lambda c: c.update(version=2), "the result has version 2, this Protocore reads version 1"),
        (lambda c: c.update(extra=1), "the result of a test must hold just its fields; see 'ext"),
        (lambda c: c.pop("a"), "the result of a test must hold just its fields; see 'a'"),
        (lambda c: c.update(a={}), "a must be a list of at most 2000 entries"),
        (lambda c: c.update(a=c["a"] * 200), "a must be a list of at most 2000 entries"),
        (lambda c: c["a"][0].update(hash="../x"), "the hash of an event is not valid: '../x'"),
        (lambda c: c["a"][0].update(name="x" * 5000), "the image name must have 1 to 4000 chara"),
        (lambda c: c["a"][0].update(logits=["x", 0]), "this is not the prediction on an image"),
        (
            lambda c: c["a"][0].update(logits=[1e300, 0]),
            "the logit must be a number from -1e+06 to",
        ),
        (lambda c: c["b"][0].update(probabilities=[2, 0]), "the probability must be a number from"),
        (lambda c: c.update(labels=["only one"]), "both cohorts need a label, got ('only one',)"),
        (lambda c: c.update(labels=[1, 2]), "the label must have 1 to 300 characters, got 1"),
        (lambda c: c.update(class_names=["one"]), "a name is needed for target and rivals"),
        (lambda c: c.update(seconds="1"), "the seconds must be a number from 0 to 1e+09"),
        (lambda c: c.update(versions=[1]), "versions must be texts by package"),
        (lambda c: c.update(versions={"x": 1}), "the version must have 1 to 200 characters"),
        (lambda c: c.update(recipe={"kind": "shell"}), "a recipe must be of the kind files or d"),
        (lambda c: c.update(analysis=[]), "the analysis of a test must be an object"),
        (lambda c: c.update(skipped_a=[{"x": 1}]), "the result of this test is not complete"),
        (lambda c: c["plan"].update(measure="x"), "measure must be one of"),
    ],
)
def test_files_that_are_no_results(edit, message):
    with pytest.raises(ReviewError) as caught:
        TestResult.from_json(edited(edit))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "\x80", '{"seconds": NaN}', b"\xff"])
def test_texts_that_are_no_results(text):
    with pytest.raises(ReviewError, match=r"cannot be read|is not the result"):
        TestResult.from_json(text)


def test_a_file_that_is_too_large(monkeypatch):
    monkeypatch.setattr("protocore.review.results.MAX_RESULT", 100)
    with pytest.raises(ReviewError, match="the result of a test has at most 100 bytes, this has"):
        TestResult.from_json(result().to_json())


def test_a_result_belongs_to_its_test():
    session = session_of(started(), claimed(), *a_test())
    test = session.test(TEST)
    check_result(session, test, result())
    with pytest.raises(ReviewError, match=f"test {TEST} was made with another plan than the test"):
        check_result(session, test, result(plan=replace(result().plan, direction="a < b")))
    with pytest.raises(ReviewError, match=r"is of other weights \(0{12}…\) than the session"):
        check_result(session, test, result(weight_hash="0" * 64))


# --- claims ---


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


def test_a_plan_for_shares_is_decided_by_shares():
    plan = TestPlan(target=1, rivals=(2,), measure="accuracy", direction="a > b")
    assert result(plan=plan).analysis.primary.measure == "accuracy"
