"""Predicting a cohort, and the known claims about the demo world from images to outcome."""

import dataclasses

import numpy as np
import pytest
import torch

from protocore.cohorts import prediction as cohort_test
from protocore.cohorts.cohort import Cohort, claim_cohorts, pair_up
from protocore.cohorts.prediction import TestPlan, analyse, predict
from protocore.demo.biases import PLANTED, SHAM
from protocore.errors import ReviewError
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from tests.networks import tripwire_classifier

PAIRS = 100


def noise(count: int, size: int = 16) -> Cohort:
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)
    names = tuple(f"{i}.png" for i in range(count))
    return Cohort(label="noise", pixels=pixels, names=names, hashes=("0" * 64,) * count)


def test_verdicts_are_what_the_classifier_says(classifier):
    cohort = noise(5)
    plan = TestPlan(target=4, rivals=(2,))
    found = predict(classifier, cohort, plan)
    images = torch.from_numpy(cohort.pixels).permute(0, 3, 1, 2).float() / 255
    logits = classifier.logits(images).double()
    probabilities = logits.softmax(dim=1)
    for row, prediction in enumerate(found):
        assert prediction.logits == pytest.approx(logits[row, [4, 2]].tolist(), abs=1e-5)
        assert prediction.probabilities == pytest.approx(
            probabilities[row, [4, 2]].tolist(), abs=1e-6
        )
        assert prediction.predicted == int(logits[row].argmax())
        assert prediction.predicted_name == classifier.class_names[prediction.predicted]
        assert prediction.correct == (prediction.predicted == 4)
        assert (prediction.name, prediction.pair_key) == (f"{row}.png", None)


def test_progress_counts_images_and_what_it_raises_ends_the_work(classifier):
    seen = []
    predict(classifier, noise(70), TestPlan(target=0), lambda *state: seen.append(state))
    assert seen == [(32, 70), (64, 70), (70, 70)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(classifier, noise(70), TestPlan(target=0), stop)


def test_what_cannot_be_predicted_is_explained(classifier):
    with pytest.raises(ReviewError) as error:
        predict(classifier, noise(2), TestPlan(target=0, rivals=(5,)))
    assert str(error.value) == "tiny has no class 5; its classes are 0 to 4"
    with pytest.raises(ReviewError) as error:
        predict(classifier, noise(2, size=20), TestPlan(target=0))
    assert str(error.value) == (
        "tiny takes images of 16x16 pixels, those of cohort 'noise' have the shape (20, 20, 3); "
        "load them at that size"
    )


def test_logits_that_are_not_finite_are_no_verdict():
    broken, wire = tripwire_classifier()
    wire.act = lambda call, x: x * float("nan")
    with pytest.raises(ReviewError) as error:
        predict(broken, noise(2), TestPlan(target=0))
    assert str(error.value) == (
        "wired gives logits that are not finite for '0.png'; leave the image out, or check the "
        "weights"
    )


def test_predicting_and_analysing_draw_nothing_from_the_global_generators(classifier):
    before = (torch.get_rng_state(), np.random.get_state()[1].copy())
    plan = TestPlan(target=0)
    analyse(plan, predict(classifier, noise(5), plan), predict(classifier, noise(4), plan))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


def test_all_public_names_exist():
    assert all(hasattr(cohort_test, name) for name in cohort_test.__all__)


@pytest.fixture(scope="module")
def demo():
    return load_classifier(ModelSpec.from_link("demo"))


def outcome(demo, claim, count=PAIRS):
    a, b = claim_cohorts(claim, size=demo.input_size, count=count)
    pairs = pair_up(a, b)
    plan = TestPlan(
        target=demo.find_class(claim.class_name), measure="logit", paired=True, smallest_effect=0.1
    )
    return analyse(plan, predict(demo, pairs.a, plan), predict(demo, pairs.b, plan)).outcome()


@pytest.mark.parametrize("claim", PLANTED, ids=lambda claim: claim.key)
def test_every_planted_bias_is_supported(demo, claim):
    """The weakest are near the smallest effect: then the advised number of pairs must tell."""
    found = outcome(demo, claim)
    if found.outcome == "undecided" and found.size_needed is not None:
        found = outcome(demo, claim, min(found.size_needed, 5 * PAIRS))
    assert found.outcome == "supported", found.reason


@pytest.mark.parametrize("claim", SHAM, ids=lambda claim: claim.key)
def test_every_sham_claim_is_not_supported(demo, claim):
    found = outcome(demo, claim)
    assert found.outcome == "not supported", found.reason


def test_a_planted_bias_told_the_wrong_way_round_is_not_supported(demo):
    claim = PLANTED[0]
    wrong = dataclasses.replace(claim, favoured=claim.other, other=claim.favoured)
    found = outcome(demo, wrong)
    assert found.outcome == "not supported"
    assert "the opposite side of 0 than predicted" in found.reason
