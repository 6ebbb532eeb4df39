"""The fast loop gives what the plain code of the method gives."""

import pytest
import torch

from protocore import naive
from protocore.generation import losses
from protocore.generation.affine import draw_matrices
from protocore.generation.loop import generate
from protocore.generation.presets import find_preset
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import IMAGENET_MEAN, IMAGENET_STD
from tests.networks import tiny_classifier

PAPER = find_preset("paper").settings.replace(precision="float32", hf_weight=3.0)


@pytest.mark.parametrize(("baseline_steps", "steps"), [(3, 5), (0, 8), (2, 1)])
@pytest.mark.parametrize("seed", [0, 5])
def test_the_loop_is_the_naive_method_made_fast(baseline_steps, steps, seed):
    classifier = tiny_classifier()
    settings = PAPER.replace(steps=steps, baseline_steps=baseline_steps)
    *_, last = generate(classifier, [Target.of(1, seed)], settings)
    plain = naive.prototype(
        classifier.module, 1, seed=seed, size=16, steps=steps, baseline_steps=baseline_steps,
        weight=3.0, normalisation=(classifier.mean, classifier.std),
    )  # fmt: skip
    # Adam's steps go by the sign where a gradient is all but 0, so a few pixels may round apart.
    apart = (last.images()[0] - plain).abs()
    assert (apart > 1e-4).float().mean() < 0.01
    assert apart.mean() < 1e-4
    start = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(seed))
    assert (plain - start).abs().mean() > 0.02


def test_its_defaults_are_those_of_the_paper_preset():
    defaults = naive.prototype.__kwdefaults__
    paper = GenerationSettings()
    assert defaults["steps"] == paper.steps
    assert defaults["baseline_steps"] == paper.baseline_steps
    assert defaults["weight"] == paper.hf_weight
    assert (IMAGENET_MEAN, IMAGENET_STD) == naive.IMAGENET


def test_its_parts_are_those_of_the_loop():
    logits = torch.randn(1, 7, generator=torch.Generator().manual_seed(0))
    assert naive.probability_variance(logits) == losses.probability_variance(logits)[0]
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(naive.high_frequency(image), losses.high_frequency(image)[0])
    first, second = (torch.Generator().manual_seed(3) for _ in range(2))
    torch.testing.assert_close(naive.random_affine(first), draw_matrices(PAPER, second))
