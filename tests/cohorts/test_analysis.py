"""The two tables and the comparisons, against the single statistics and SciPy."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from protocore.cohorts.analysis import analyse
from protocore.cohorts.plan import MEASURES, Prediction, TestPlan
from protocore.cohorts.statistics import means, proportions
from protocore.errors import ReviewError
from protocore.schema import dump, load
from tests.cohorts.predictions import RIVAL, TARGET, prediction, with_hits, with_logits

PLAN = TestPlan(target=TARGET, rivals=(RIVAL,))
RNG = np.random.default_rng(7)
LOGITS_A, LOGITS_B = RNG.normal(2.5, 1, 40), RNG.normal(2, 1, 40)


def test_the_papers_table_1_as_a_whole():
    found = analyse(PLAN, with_hits("a", 29, 40), with_hits("b", 24, 40), labels=("light", "dark"))
    light, dark = found.rows
    assert (light.label, light.count, light.correct) == ("light", 40, 29)
    assert (light.accuracy.value, dark.accuracy.value) == (0.725, 0.6)
    assert light.accuracy.interval == proportions.wilson_interval(29, 40)
    assert (light.taken_for, dark.taken_for) == ((29, 11), (24, 16))
    primary = found.primary
    assert primary.measure == "accuracy"
    assert primary.difference == pytest.approx(0.125)
    assert primary.interval == proportions.newcombe_interval(29, 40, 24, 40)
    assert (primary.test, primary.alternative) == ("Fisher", "greater")
    assert primary.p == pytest.approx(stats.fisher_exact([[29, 11], [24, 16]], "greater").pvalue)
    assert primary.effects[0].value == pytest.approx(29 * 16 / (11 * 24))
    assert primary.effects[1].value == pytest.approx(proportions.cohens_h(0.725, 0.6))
    assert primary.size_needed == 240
    outcome = found.outcome()
    assert outcome.outcome == "undecided"
    assert outcome.size_needed > 200


def test_the_papers_table_2_is_supported_as_a_difference_of_any_size():
    plan = replace(PLAN, smallest_effect=0.0)
    found = analyse(plan, with_hits("a", 36, 39), with_hits("b", 31, 44))
    assert found.outcome().outcome == "supported"
    assert analyse(PLAN, with_hits("a", 36, 39), with_hits("b", 31, 44)).outcome().outcome == (
        "undecided"  # as a difference of 5 points or more: the interval begins at 4.8
    )


def test_every_measure_has_its_comparison_and_only_one_is_tested_in_a_direction():
    found = analyse(PLAN, with_logits("a", LOGITS_A), with_logits("b", LOGITS_B))
    assert tuple(one.measure for one in found.comparisons) == MEASURES
    assert [one.primary for one in found.comparisons] == [True, False, False, False, False]
    assert [one.alternative for one in found.comparisons] == ["greater"] + ["two-sided"] * 4
    assert [one.class_index for one in found.comparisons] == [3, 3, 3, 1, 1]
    logit = found.comparisons[2]
    assert logit.difference == pytest.approx(LOGITS_A.mean() - LOGITS_B.mean())
    assert logit.interval == means.mean_difference_interval(LOGITS_A, LOGITS_B)
    assert logit.p == means.permutation_p(LOGITS_A, LOGITS_B)
    assert logit.effects[0].name == "Cohen's d"
    alone = analyse(replace(PLAN, rivals=()), *_without_rival())
    assert tuple(one.measure for one in alone.comparisons) == MEASURES[:3]


def _without_rival() -> tuple[tuple[Prediction, ...], ...]:
    sides = with_logits("a", LOGITS_A), with_logits("b", LOGITS_B)
    return tuple(
        tuple(replace(v, logits=v.logits[:1], probabilities=v.probabilities[:1]) for v in side)
        for side in sides
    )


def test_means_of_scores_with_their_intervals():
    row = analyse(PLAN, with_logits("a", LOGITS_A), with_logits("b", LOGITS_B)).rows[0]
    assert row.logits[0].value == pytest.approx(LOGITS_A.mean())
    assert row.logits[0].interval == means.mean_interval(LOGITS_A)
    assert (row.logits[1].value, row.logits[1].interval) == (0.0, (0.0, 0.0))
    shares = 1 / (1 + np.exp(-LOGITS_A))
    assert row.probabilities[0].value == pytest.approx(shares.mean())
    assert row.probabilities[1].value == pytest.approx(1 - shares.mean())


def test_pairs_are_told_by_their_keys_whatever_the_order():
    plan = replace(PLAN, paired=True, measure="logit", smallest_effect=0.1)
    a = with_logits("a", LOGITS_A)
    b = with_logits("b", LOGITS_A - 0.5 + RNG.normal(0, 0.1, 40))
    found = analyse(plan, a, b)
    mixed = analyse(plan, a, tuple(reversed(b)))
    assert found.primary == mixed.primary
    assert found.primary.test == "permutation, pairs"
    assert found.primary.interval[1] - found.primary.interval[0] < 0.1
    assert found.outcome().outcome == "supported"
    unpaired = analyse(replace(plan, paired=False), a, b)
    assert unpaired.primary.interval[1] - unpaired.primary.interval[0] > 0.5


def test_paired_accuracy_is_mcnemars():
    a = [prediction(f"a/{i}", correct=i < 30) for i in range(40)]
    b = [prediction(f"b/{i}", correct=i >= 8) for i in range(40)]
    found = analyse(replace(PLAN, paired=True), a, b).primary
    pairs = proportions.PairTable(both=22, only_a=8, only_b=10, neither=0)
    assert found.p == proportions.mcnemar_p(pairs, "greater")
    assert found.interval == proportions.newcombe_paired_interval(pairs)
    assert found.effects[0].value == 0.8
    assert found.difference == pytest.approx(-0.05)


def test_few_images_cannot_rule_anything_out():
    """Two images that hardly differ say nothing of others; and no share leaves its bounds."""
    plan = replace(PLAN, paired=True, measure="logit")
    found = analyse(plan, with_logits("a", [1.0, 3.0]), with_logits("b", [0.99, 3.02]))
    assert found.outcome().outcome == "undecided"
    assert found.primary.interval_name == "Student, pairs"
    for row in found.rows:
        assert all(0 <= edge <= 1 for one in row.probabilities for edge in one.interval)
    wide = analyse(PLAN, with_logits("a", [-9.0, 9.0]), with_logits("b", [-9.0, 9.0, 8.0]))
    assert wide.comparisons[1].interval == (-1.0, 1.0)


def test_no_spread_no_nan():
    for paired in (False, True):
        plan = replace(PLAN, paired=paired, measure="logit")
        found = analyse(plan, with_logits("a", [2.0] * 5), with_logits("b", [1.0] * 5))
        assert found.primary.interval == (1.0, 1.0)
        assert found.primary.effects[0].value is None
        assert found.primary.effects[0].note == "nothing varies within the cohorts"
        same = analyse(plan, with_logits("a", [2.0] * 5), with_logits("b", [2.0] * 5))
        assert (same.primary.p, same.primary.interval) == (1.0, (0.0, 0.0))
        assert same.outcome().outcome == "not supported"
        json.dumps(same.to_dict(), allow_nan=False)


def test_the_same_predictions_give_the_same_numbers_after_json():
    sides = with_logits("a", LOGITS_A), with_logits("b", LOGITS_B)
    found = analyse(PLAN, *sides)
    stored = json.loads(json.dumps([[dump(v) for v in side] for side in sides]))
    again = analyse(
        load(TestPlan, dump(PLAN), ReviewError, "the plan"),
        *([load(Prediction, one, ReviewError, "it") for one in side] for side in stored),
    )
    assert again == found
    assert json.dumps(again.to_dict(), allow_nan=False) == json.dumps(found.to_dict())


def test_confidence_follows_alpha():
    strict = analyse(replace(PLAN, alpha=0.01), with_hits("a", 29, 40), with_hits("b", 24, 40))
    assert strict.primary.interval == proportions.newcombe_interval(29, 40, 24, 40, 0.99)
    assert strict.rows[0].accuracy.interval == proportions.wilson_interval(29, 40, 0.99)


def test_warnings_say_what_to_mind():
    a, b = with_hits("a", 5, 10), with_hits("b", 5, 40)
    assert analyse(PLAN, a, (*b, a[0], a[1])).warnings == (
        "small cohort: 10 images; below 30, only very large differences can be told from chance",
        "2 images are in both cohorts: they cannot show a difference",
    )
    twice = analyse(PLAN, (*with_hits("a", 5, 30), prediction("a/0")), b).warnings
    assert twice == (
        "1 images of cohort A repeat others: intervals are narrower than they should be",
    )


def test_verdicts_that_do_not_fit_are_explained():
    a = with_hits("a", 5, 10)
    with pytest.raises(ReviewError) as error:
        analyse(PLAN, a[:1], a, labels=("light", "dark"))
    assert str(error.value) == "a cohort needs at least 2 images, light has 1; add images"
    with pytest.raises(ReviewError) as error:
        analyse(replace(PLAN, target=2), a, a)
    assert str(error.value) == (
        "the prediction on 'a/0' is for other classes than the plan's; predict the images again"
    )
    paired = replace(PLAN, paired=True)
    for other in (a[:9], (*a, prediction("x/else")), (*a, a[0])):
        with pytest.raises(ReviewError, match=r"partner|several images"):
            analyse(paired, a, other)
