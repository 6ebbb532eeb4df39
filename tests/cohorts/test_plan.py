import json
from dataclasses import replace

import pytest

from protocore.cohorts.plan import DEFAULT_SMALLEST, MEASURES, Prediction, TestPlan
from protocore.errors import ReviewError

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


def test_plans_and_verdicts_survive_json_to_the_last_bit():
    assert TestPlan.from_dict(json.loads(json.dumps(PLAN.to_dict()))) == PLAN
    odd = replace(PREDICTION, logits=(1 / 3, 2e-17, -1e22), pair_key=None)
    for prediction in (PREDICTION, odd):
        assert Prediction.from_dict(json.loads(json.dumps(prediction.to_dict()))) == prediction


def test_the_values_of_an_image():
    assert [PREDICTION.value(measure) for measure in MEASURES] == [0.0, 0.08, 0.1, 0.8, 2.5]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"measure": "loss"}, "measure must be one of accuracy, probability, logit, rival "
         "probability, rival logit, got 'loss'"),
        ({"direction": "a>b"}, "direction must be one of a > b, a < b, a != b, got 'a>b'"),
        ({"measure": "rival logit"}, "the measure 'rival logit' needs a rival class; name one"),
        ({"target": -1}, "classes are given by their index >= 0, got [-1]"),
        ({"target": True}, "classes are given by their index >= 0, got [True]"),
        ({"rivals": (3,)}, "the target and its rivals must be different classes, got [3, 3]"),
        ({"smallest_effect": -0.1}, "the smallest effect must be >= 0 and < 1 for accuracy, "
         "got -0.1"),
        ({"smallest_effect": 5.0}, "the smallest effect must be >= 0 and < 1 for accuracy, "
         "got 5.0"),
        ({"smallest_effect": float("nan"), "measure": "logit"},
         "the smallest effect must be >= 0 for logit, got nan"),
        ({"alpha": 0.0}, "alpha must be above 0 and at most 0.5, got 0.0"),
        ({"paired": 1}, "paired must be true or false, got 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(values, message):
    with pytest.raises(ReviewError) as error:
        TestPlan(**{"target": 3, **values})
    assert str(error.value) == message


def test_content_of_unknown_origin():
    for content in ({}, [], {**PLAN.to_dict(), "alpha": None}, {**PLAN.to_dict(), "rivals": 4}):
        with pytest.raises(ReviewError, match="not the plan of a cohort test"):
            TestPlan.from_dict(content)
    for content in ({}, [], {**PREDICTION.to_dict(), "logits": ["x"]}):
        with pytest.raises(ReviewError, match="not the prediction on an image"):
            Prediction.from_dict(content)
    with pytest.raises(ReviewError, match="scores that are not finite"):
        Prediction.from_dict({**PREDICTION.to_dict(), "logits": [float("inf"), 0, 0]})
