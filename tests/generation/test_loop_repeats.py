"""The same request gives the same image: again, in any batch, and for every class of a seed."""

import pytest
import torch

from protocore.generation import loop
from protocore.generation.loop import generate
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from tests.networks import tiny_classifier

SHORT = GenerationSettings(steps=4, baseline_steps=2, precision="float32")


def run(classifier, targets, settings):
    return list(generate(classifier, targets, settings))


def last_images(classifier, targets, settings):
    return run(classifier, targets, settings)[-1].images()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_run_twice_gives_the_same_bytes(threads):
    """With views whose gradients must be added up, at a size at which threads share the work."""
    settings = SHORT.replace(image_size=128, transforms_per_step=4, baseline_steps=0, steps=2)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        images = [last_images(tiny_classifier(), [Target.of(1)], settings) for _ in range(2)]
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*images)


def test_seeds_give_different_images(classifier):
    one, other = last_images(classifier, [Target.of(1, 0), Target.of(1, 1)], SHORT)
    assert (one - other).abs().mean() > 0.05


def test_nothing_global_is_drawn_from(classifier):
    state = torch.get_rng_state()
    run(classifier, [Target.of(1)], SHORT)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("transforms", [1, 3, 6])
@pytest.mark.parametrize(
    "changes",
    [
        {"parametrisation": "fourier"},
        {},
        {"hf_unit": "gradient", "hf_colour": 4.0, "hf_weight": 100.0},
        {"probability_floor": 0.3, "steps": 9},
        {"probability_floor": 0.3, "steps": 9, "hf_rise": "class", "hf_weight_end": 4000.0},
    ],
)
def test_a_target_does_not_depend_on_the_batch(classifier, transforms, changes):
    settings = SHORT.replace(transforms_per_step=transforms, **changes)
    target = Target.of(2, 7)
    others = [Target.of(0), Target.of(2, 8), Target.contrast(3, 1, 0.5, seed=7)]
    alone = last_images(classifier, [target], settings)[0]
    first = last_images(classifier, [target, *others], settings)[0]
    last = last_images(classifier, [*others, target], settings)[3]
    torch.testing.assert_close(first, alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(last, alone, rtol=0, atol=1e-5)


def test_one_seed_means_the_same_transforms_for_every_class(classifier, monkeypatch):
    seen = []

    def spy(images, matrices, fill):
        seen.append(matrices.clone())
        return transform(images, matrices, fill)

    transform = loop.transform
    monkeypatch.setattr(loop, "transform", spy)
    run(classifier, [Target.of(0, 5), Target.antitype(3, 5), Target.of(0, 6)], SHORT)
    by_step = torch.stack(seen).view(6, 3, 2, 3)
    assert torch.equal(by_step[:2], torch.eye(2, 3).expand(2, 3, 2, 3))  # stage 1 has none
    by_step = by_step[2:]
    assert torch.equal(by_step[:, 0], by_step[:, 1])
    assert not torch.equal(by_step[:, 0], by_step[:, 2])
    assert len({tuple(step.flatten().tolist()) for step in by_step[:, 0]}) == 4  # always new


def test_one_seed_means_the_same_start_for_every_class(classifier):
    """Also whatever the size of the image, which decides only how much of it is drawn."""
    state = GenerationState.start(
        (Target.of(0, 5), Target.of(3, 5)), SHORT, 16, torch.device("cpu")
    )
    assert torch.equal(state.parameters[0], state.parameters[1])


@pytest.mark.parametrize(
    ("targets", "transforms", "most", "expected"),
    [
        (2, 3, 4, [[0, 1, 2], [3, 4, 5]]),
        (2, 3, 2, [[0, 1], [2], [3, 4], [5]]),
        (3, 1, 4, [[0], [1], [2]]),
    ],
)
def test_passes_by_hand(targets, transforms, most, expected):
    passes = loop._passes(targets, transforms, most)
    assert [views.tolist() for views in passes] == expected
