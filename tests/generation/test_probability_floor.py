"""The floor under the class probability: the high-frequency weight gives way, per prototype."""

import pytest
import torch

from protocore.generation.loop import HF_COMES_BACK, HF_GIVES_WAY, PROBE_EVERY, generate
from protocore.generation.settings import GenerationSettings, Target
from tests.networks import tiny_classifier

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


def test_with_the_floor_the_class_is_seen_where_smoothing_had_lost_it():
    classifier = tiny_classifier()
    found = {}
    for floor in (0.0, 0.6):
        settings = SETTINGS.replace(steps=120, hf_weight_end=100.0, probability_floor=floor)
        *_, last = generate(classifier, [Target.of(1)], settings)
        found[floor] = torch.softmax(classifier.logits(last.images()), dim=1)[0, 1].item()
    assert found[0.6] > found[0.0]
