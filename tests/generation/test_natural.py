"""Natural finds its own scale: sizes of gradients and images, batch norm or not, transformers."""

import pytest
import torch
from torch import nn

from protocore.generation.loop import generate
from protocore.generation.presets import find_preset
from protocore.generation.settings import Target
from protocore.models.classifier import Classifier
from tests.networks import tiny_network

SHORT = find_preset("natural").settings.replace(precision="float32", steps=40)


class Scaled(nn.Module):
    """Logits, and so all gradients, `factor` times as large."""

    def __init__(self, network, factor):
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, images):
        return self.factor * self.network(images)


class SmallTransformer(nn.Module):
    """Patches of eight pixels, one layer of attention, no batch norm."""

    def __init__(self, size=32):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.place = nn.Parameter(torch.randn(1, (size // 8) ** 2, 16) * 0.1)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.place
        return 5 * self.head(self.layer(tokens).mean(dim=1))


def plain_network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 5),
    )  # fmt: skip


def made(network, size=32, **changes):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = network()
    classifier = Classifier.from_module(network.eval(), input_size=size)
    *_, last = generate(classifier, [Target.of(1)], SHORT.patch(changes))
    return classifier, last


def beats_random_images(classifier, images):
    """Whether the class's logit is above its mean and deviation over 64 random smooth images."""
    size = images.shape[-1]
    coarse = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    chance = classifier.logits(smooth)[:, 1]
    return bool(classifier.logits(images)[0, 1] > chance.mean() + chance.std())


def test_the_size_of_the_gradients_hardly_matters():
    """Logits that differ ten thousandfold give nearly the same image; another class does not."""
    small, large = (
        made(lambda factor=factor: Scaled(tiny_network(), factor))[1].images().flatten()
        for factor in (0.01, 100.0)
    )
    *_, other = generate(
        Classifier.from_module(tiny_network(), input_size=32), [Target.of(3)], SHORT
    )
    alike, apart = (
        float(torch.corrcoef(torch.stack([small, image]))[0, 1])
        for image in (large, other.images().flatten())
    )
    assert alike > 0.8 and alike > apart + 0.2
    assert small.std() > 0.02


@pytest.mark.parametrize("network", [plain_network, SmallTransformer])
def test_the_objective_rises_without_batch_norm(network):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        classifier = Classifier.from_module(network().eval(), input_size=32)
    logits = [float(one.logit) for one in generate(classifier, [Target.of(1)], SHORT)]
    assert sum(logits[-8:]) > sum(logits[:8])


@pytest.mark.parametrize("size", [96, 384])
def test_small_and_large_images(size):
    classifier, last = made(plain_network, size=size, steps=32, transforms_per_step=2)
    images = last.images()
    assert images.shape == (1, 3, size, size)
    assert beats_random_images(classifier, images)
    assert torch.logit(images.double().clamp(1e-6, 1 - 1e-6)).std() < 1.35  # the contrast limit
