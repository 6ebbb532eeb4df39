import json
from dataclasses import replace

import pytest

from protocore.cohorts.plan import DEFAULT_SMALLEST, MEASURES, Prediction, TestPlan
from protocore.errors import ReviewError
from protocore.schema import dump, load

PLAN = TestPlan(target=3, rivals=(1, 4), measure="logit", direction="a < b", paired=True)
PREDICTION = Prediction(
    name="x.png",
    hash="0" * 64,
    predicted=1,
    predicted_name="golf ball",
    correct=False,
    logits=(0.1, 2.5, -1.0),
    probabilities=(0.08, 0.8, 0.02),
    pair_key="x",
)


def test_defaults_come_from_the_measure():
    assert TestPlan(target=0).smallest_effect == 0.05
    for measure in MEASURES:
        plan = TestPlan(target=0, rivals=(1,), measure=measure)
        assert plan.smallest_effect == DEFAULT_SMALLEST[measure]
    assert TestPlan(target=0, smallest_effect=0.0).smallest_effect == 0.0
    assert TestPlan(target=0).measures == ("accuracy", "probability", "logit")
    assert PLAN.measures == MEASURES
    assert PLAN.alternative == "less"


def test_plans_and_predictions_survive_json_to_the_last_bit():
    odd = replace(PREDICTION, logits=(1 / 3, 2e-17, -1e5), pair_key=None)
    for value in (PLAN, PREDICTION, odd):
        assert load(type(value), json.loads(json.dumps(dump(value))), ReviewError, "it") == value


def test_the_values_of_an_image():
    assert [PREDICTION.value(measure) for measure in MEASURES] == [0.0, 0.08, 0.1, 0.8, 2.5]


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({"measure": "loss"}, ["measure", "accuracy, probability, logit", "'loss'"]),
        ({"direction": "a>b"}, ["direction", "a > b, a < b, a != b", "'a>b'"]),
        ({"measure": "rival logit"}, ["'rival logit'", "rival class"]),
        ({"target": -1}, ["target", "0", "-1"]),
        ({"target": True}, ["target", "True"]),
        ({"rivals": (3,)}, ["different classes", "[3, 3]"]),
        ({"rivals": 4}, ["rivals", "list", "4"]),
        ({"smallest_effect": -0.1}, [">= 0 and < 1", "accuracy", "-0.1"]),
        ({"smallest_effect": 5.0}, [">= 0 and < 1", "5.0"]),
        ({"smallest_effect": float("nan"), "measure": "logit"}, ["smallest effect", "nan"]),
        ({"smallest_effect": "1"}, ["smallest effect", "'1'"]),
        ({"alpha": 0.0}, ["alpha", "0"]),
        ({"alpha": None}, ["alpha", "None"]),
        ({"alpha": 0.6}, ["alpha", "0.5", "0.6"]),
        ({"paired": 1}, ["paired", "1"]),
    ],
)
def test_what_is_wrong_is_said(values, facts):
    with pytest.raises(ReviewError) as error:
        TestPlan(**{"target": 3, **values})
    assert all(fact in str(error.value) for fact in facts), str(error.value)


def test_content_of_unknown_origin():
    for kind, content in [
        *((TestPlan, wrong) for wrong in ({}, [], {**dump(PLAN), "alpha": None})),
        *((Prediction, wrong) for wrong in ({}, [], {**dump(PREDICTION), "logits": ["x"]})),
    ]:
        with pytest.raises(ReviewError, match="the content"):
            load(kind, content, ReviewError, "the content")
