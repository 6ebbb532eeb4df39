"""The floor under the class probability: the high-frequency weight gives way, per prototype."""

import pytest
import torch

from protocore.generation.loop import HF_FACTORS, PROBE_EVERY, generate
from protocore.generation.settings import GenerationSettings, Target
from tests.networks import tiny_classifier

HF_GIVES_WAY, HF_COMES_BACK = HF_FACTORS["steps"]
SETTINGS = GenerationSettings(
    steps=3 * PROBE_EVERY,
    baseline_steps=0,
    hf_weight=1.0,
    hf_weight_end=1e5,
    precision="float32",
)


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


def shares(**changes):
    """The share after each look, three in all, that of the start first; the weights are 1 and 4."""
    settings = {"hf_weight_end": 4.0, "hf_rise": "class", **changes}
    generation = generate(tiny_classifier(), [Target.of(1)], SETTINGS.replace(**settings))
    found = [float(snapshot.state.hf_share) for snapshot in generation]
    return [found[0], *found[PROBE_EVERY - 1 :: PROBE_EVERY]]


def test_it_starts_at_the_first_weight_and_rises_while_the_class_is_seen():
    assert shares(probability_floor=1e-6) == pytest.approx([0.25, 0.3, 0.36, 0.432])
    assert shares(probability_floor=0) == pytest.approx([0.25, 0.3, 0.36, 0.432])


def test_it_stays_at_the_first_weight_until_the_class_is_seen():
    assert shares(probability_floor=0.999) == pytest.approx([0.25] * 4)


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
    """A run whose class is never seen is one with a constant weight: the first."""
    rising = SETTINGS.replace(hf_weight_end=4.0, hf_rise="class", probability_floor=0.999)
    images = [
        list(generate(tiny_classifier(), [Target.of(1)], settings))[-1].images()
        for settings in (rising, SETTINGS.replace(hf_weight_end=None))
    ]
    torch.testing.assert_close(images[0], images[1], rtol=0, atol=1e-5)


def test_with_the_floor_the_class_is_seen_where_smoothing_had_lost_it():
    classifier = tiny_classifier()
    found = {}
    for floor in (0.0, 0.6):
        settings = SETTINGS.replace(steps=120, hf_weight_end=100.0, probability_floor=floor)
        *_, last = generate(classifier, [Target.of(1)], settings)
        found[floor] = torch.softmax(classifier.logits(last.images()), dim=1)[0, 1].item()
    assert found[0.6] > found[0.0]
