"""The floor under the class probability: the high-frequency weight gives way, per prototype."""

import pytest
import torch

from protocore.generation.loop import generate
from protocore.generation.presets import find_preset
from protocore.generation.schedule import FACTORS, PROBE_EVERY, RESCUE_FACTOR
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from tests.networks import NAMES, tiny_classifier, tiny_network

RESCUE = RESCUE_FACTOR
HF_GIVES_WAY, HF_COMES_BACK = FACTORS["steps"]
SETTINGS = GenerationSettings(
    steps=3 * PROBE_EVERY,
    baseline_steps=0,
    hf_weight=1.0,
    hf_weight_end=1e5,
    precision="float32",
)


def biased_classifier(bias):
    """As tiny_classifier, but it sees class 1 in everything, or with a negative bias in nothing."""
    network = tiny_network()
    with torch.no_grad():
        network[-1].bias[1] += bias
    return Classifier.from_module(network, class_names=NAMES, input_size=16)


def run(targets, **changes):
    snapshots = list(generate(tiny_classifier(), targets, SETTINGS.replace(**changes)))
    return snapshots[-1]


def test_without_a_floor_the_whole_weight_holds():
    last = run([Target.of(1), Target.of(2)])
    assert last.state.hf_share.tolist() == [1, 1]


def test_a_floor_that_is_never_reached_takes_a_share_away_at_each_look():
    last = run([Target.of(1)], probability_floor=0.999)
    assert last.state.hf_share.tolist() == pytest.approx([HF_GIVES_WAY**3])


def test_the_weight_of_the_first_step_is_never_given_up():
    assert run([Target.of(1)], probability_floor=0.999, hf_weight_end=None).state.hf_share == 1
    last = run([Target.of(1)], probability_floor=0.999, hf_weight=9e4)
    assert last.state.hf_share.tolist() == pytest.approx([0.9])


def test_a_floor_that_always_holds_leaves_the_weight_as_it_is():
    last = run([Target.of(1)], probability_floor=1e-6)
    assert last.state.hf_share.tolist() == [1]


def test_the_share_comes_back_slowly_but_not_above_the_whole():
    generation = generate(tiny_classifier(), [Target.of(1)], SETTINGS.replace(
        steps=3 * PROBE_EVERY, probability_floor=1e-6))  # fmt: skip
    snapshot = next(generation)
    snapshot.state.hf_share.fill_(0.5)
    shares = [round(float(s.state.hf_share), 6) for s in generation]
    expected = [0.5 * HF_COMES_BACK**k for k in (1, 2, 3)]
    assert sorted(set(shares)) == pytest.approx([0.5, *expected], abs=1e-6)


def test_what_is_to_be_avoided_keeps_its_weight():
    last = run([Target.antitype(1)], probability_floor=0.999)
    assert last.state.hf_share.tolist() == [1]


# --- a weight that rises with the class ---


def shares(bias=0.0, **changes):
    """The share after each look, three in all, that of the start first; the weights are 1 and 4."""
    settings = {"hf_weight_end": 4.0, "hf_rise": "class", **changes}
    generation = generate(biased_classifier(bias), [Target.of(1)], SETTINGS.replace(**settings))
    found = [float(snapshot.state.hf_share) for snapshot in generation]
    return [found[0], *found[PROBE_EVERY - 1 :: PROBE_EVERY]]


def test_it_starts_at_the_first_weight_and_rises_while_the_class_is_seen():
    assert shares(probability_floor=1e-6) == pytest.approx([0.25, 0.3, 0.36, 0.432])
    assert shares(probability_floor=0) == pytest.approx([0.25, 0.3, 0.36, 0.432])


def test_it_stays_at_the_first_weight_until_the_class_is_seen():
    assert shares(probability_floor=0.999) == pytest.approx([0.25] * 4)


def test_a_class_that_is_not_seen_by_half_of_the_steps_is_let_go_below_it():
    """The looks are at a third, two thirds and the end; the class is never likely."""
    found = shares(-20, probability_floor=0.999)
    assert found[1:] == pytest.approx([0.25, 0.25 * RESCUE, 0.25 * RESCUE**2])
    assert shares(-20, probability_floor=0.999, steps=8 * PROBE_EVERY)[-1] == pytest.approx(
        0.25 * RESCUE**5
    )


def test_from_below_the_first_weight_it_comes_back_step_by_step():
    settings = SETTINGS.replace(hf_weight_end=4.0, hf_rise="class", probability_floor=1e-6)
    easy = biased_classifier(20)
    generation = generate(easy, [Target.of(1)], settings)
    next(generation).state.hf_share.fill_(0.05)
    found = [float(snapshot.state.hf_share) for snapshot in generation]
    # The first look is before half of the steps, when it is put back to the first weight.
    assert found[PROBE_EVERY - 2] == pytest.approx(0.25)
    generation = generate(easy, [Target.of(1)], settings)
    for snapshot in generation:
        if snapshot.step == PROBE_EVERY + 1:
            snapshot.state.hf_share.fill_(0.05)
    assert float(snapshot.state.hf_share) == pytest.approx(0.05 * 1.2**2)


def test_adams_memory_shrinks_with_a_weight_that_is_let_go():
    settings = SETTINGS.replace(hf_weight_end=4.0, hf_rise="class", probability_floor=0.999)
    moments = {}
    hidden = biased_classifier(-20)
    for snapshot in generate(hidden, [Target.of(1), Target.antitype(2)], settings):
        second = snapshot.state.second_moment.flatten(1).mean(dim=1)
        moments[snapshot.step] = second.clone()
    look = 2 * PROBE_EVERY
    shrunk, kept = (moments[look] / moments[look - 1]).tolist()
    assert shrunk < 1.5 * RESCUE**2  # one more gradient has been added before
    assert kept > 0.9  # what is to be avoided is never let go


def test_natural_finds_the_class_in_a_model_whose_gradients_are_far_smaller():
    classifier = load_classifier(ModelSpec.demo(device="cpu"))
    settings = find_preset("natural").settings.replace(steps=128)
    *_, last = generate(classifier, [Target.of(0)], settings)
    seen = torch.softmax(classifier.logits(last.images()), dim=1)[0, 0].item()
    assert seen > 0.9


def test_it_does_not_rise_above_the_weight_at_the_end():
    assert shares(probability_floor=1e-6, hf_weight=3.0) == pytest.approx([0.75, 0.9, 1.0, 1.0])


def test_a_single_weight_has_nowhere_to_rise_to():
    assert shares(probability_floor=0.999, hf_weight_end=None) == [1.0] * 4
    assert shares(probability_floor=0.5, hf_weight=0.0, hf_weight_end=None) == [1.0] * 4


def test_it_falls_where_the_class_is_lost():
    settings = SETTINGS.replace(hf_weight_end=4.0, hf_rise="class", probability_floor=0.999)
    generation = generate(tiny_classifier(), [Target.of(1)], settings)
    next(generation).state.hf_share.fill_(1.0)
    found = [float(snapshot.state.hf_share) for snapshot in generation]
    assert found[PROBE_EVERY - 2 :: PROBE_EVERY] == pytest.approx([0.8, 0.64, 0.512])


def test_the_weight_that_holds_is_the_share_of_the_end():
    """A run whose class is not seen is one with a constant weight, the first, for half of it."""
    rising = SETTINGS.replace(hf_weight_end=4.0, hf_rise="class", probability_floor=0.999)
    images = []
    for settings in (rising, SETTINGS.replace(hf_weight_end=None)):
        snapshots = generate(tiny_classifier(), [Target.of(1)], settings)
        images.append(next(s for s in snapshots if s.step == PROBE_EVERY + 1).images())
    torch.testing.assert_close(images[0], images[1], rtol=0, atol=1e-5)


def test_with_the_floor_the_class_is_seen_where_smoothing_had_lost_it():
    classifier = tiny_classifier()
    found = {}
    for floor in (0.0, 0.6):
        settings = SETTINGS.replace(steps=120, hf_weight_end=100.0, probability_floor=floor)
        *_, last = generate(classifier, [Target.of(1)], settings)
        found[floor] = torch.softmax(classifier.logits(last.images()), dim=1)[0, 1].item()
    assert found[0.6] > found[0.0]
