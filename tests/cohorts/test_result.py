"""A result file says the same again, and what is none is refused."""

import json
from dataclasses import replace

import pytest

from protocore.cohorts.plan import TestPlan
from protocore.cohorts.recipes import DemoRecipe
from protocore.cohorts.result import TestResult
from protocore.errors import ReviewError
from protocore.similarity.reference import SkippedImage
from tests.review.results_samples import result


def test_a_result_is_read_as_it_was_written():
    made = result(
        skipped_a=(SkippedImage(name="x.png", reason="not an image"),),
        notes=("the same image: x.png (A), y.png (B)",),
        recipe=DemoRecipe(claim="gown-skin", count=12),
    )
    again = TestResult.from_json(made.to_json())
    assert replace(again, reported=None) == made
    assert again.analysis == made.analysis
    assert again.misreported == made.misreported == ""
    assert again.side("b") == made.b


def test_the_analysis_is_that_of_the_predictions():
    made = result()
    assert made.analysis.primary.difference == pytest.approx(3.0)
    assert [row.label for row in made.analysis.rows] == ["on grass", "on sand"]
    assert made.analysis.rows[1].accuracy.value == 0.5
    assert json.loads(made.to_json())["analysis"]["outcome"]["outcome"] == "supported"


def edited(edit):
    content = json.loads(result().to_json())
    edit(content)
    return json.dumps(content)


def test_a_changed_prediction_no_longer_gives_what_is_reported():
    def edit(content):
        content["b"][0]["logits"][0] += 1.2

    found = TestResult.from_json(edited(edit)).misreported
    assert found.startswith("cohorts[1].logits[0].value is ")
    assert ", the predictions give 0.1" in found


def test_a_changed_analysis_is_not_what_the_predictions_give():
    def edit(content):
        content["analysis"]["comparisons"][0]["p"] = 1e-9

    found = TestResult.from_json(edited(edit)).misreported
    assert found.startswith("comparisons[0].p is 1e-09, the predictions give ")


def test_a_result_of_an_earlier_version_is_read():
    def edit(content):
        content["analysis"]["outcome"]["verdict"] = content["analysis"]["outcome"].pop("outcome")

    assert TestResult.from_json(edited(edit)).misreported == ""


@pytest.mark.parametrize(
    ("edit", "facts"),
    [
        (lambda c: c.update(format="x"), ["not the result of a cohort test"]),
        (lambda c: c.update(version=2), ["version 2", "version 1", "update"]),
        (lambda c: c.update(extra=1), ["extra", "unknown"]),
        (lambda c: c.pop("a"), ["a of the result", "missing"]),
        (lambda c: c.update(a={}), ["a of the result", "list"]),
        (lambda c: c.update(a=c["a"] * 200), ["a of the result", "2000"]),
        (lambda c: c["a"][0].update(hash="../x"), ["a[0].hash", "'../x'"]),
        (lambda c: c["a"][0].update(name="x" * 5000), ["a[0].name", "4000"]),
        (lambda c: c["a"][0].update(logits=["x", 0]), ["a[0].logits[0]", "'x'"]),
        (lambda c: c["a"][0].update(logits=[1e300, 0]), ["a[0].logits[0]", "1000000"]),
        (lambda c: c["b"][0].update(probabilities=[2, 0]), ["b[0].probabilities[0]", "1", "2"]),
        (lambda c: c.update(labels=["only one"]), ["labels", "2"]),
        (lambda c: c.update(labels=[1, 2]), ["labels[0]", "1"]),
        (lambda c: c.update(class_names=["one"]), ["class_names", "1 rivals", "one"]),
        (lambda c: c.update(seconds="1"), ["seconds", "'1'"]),
        (lambda c: c.update(versions=[1]), ["versions", "object"]),
        (lambda c: c.update(versions={"x": 1}), ["versions", "string", "1"]),
        (lambda c: c.update(recipe={"kind": "shell"}), ["recipe", "kind", "shell"]),
        (lambda c: c.update(analysis=[]), ["analysis", "object"]),
        (lambda c: c.update(skipped_a=[{"x": 1}]), ["skipped_a[0]"]),
        (lambda c: c["plan"].update(measure="x"), ["plan.measure", "accuracy", "'x'"]),
    ],
)
def test_files_that_are_no_results(edit, facts):
    with pytest.raises(ReviewError) as caught:
        TestResult.from_json(edited(edit))
    message = str(caught.value)
    assert all(fact in message for fact in facts), message


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "\x80", '{"seconds": NaN}', b"\xff"])
def test_texts_that_are_no_results(text):
    with pytest.raises(ReviewError, match=r"cannot be read|is not the result"):
        TestResult.from_json(text)


def test_a_file_that_is_too_large(monkeypatch):
    monkeypatch.setattr("protocore.cohorts.result.MAX_RESULT", 100)
    with pytest.raises(ReviewError, match="at most 100 bytes, got"):
        TestResult.from_json(result().to_json())


def test_a_plan_for_shares_is_decided_by_shares():
    plan = TestPlan(target=1, rivals=(2,), measure="accuracy", direction="a > b")
    assert result(plan=plan).analysis.primary.measure == "accuracy"
