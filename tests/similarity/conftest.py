import numpy as np
import pytest
import torch
from torch import nn

from protocore.models.classifier import Classifier
from protocore.similarity.activations import LayerInfo
from protocore.similarity.path import PathSimilarity
from protocore.similarity.reference import NaturalReference
from protocore.similarity.statistics import ReferenceStatistics


@pytest.fixture(scope="session")
def small_classifier() -> Classifier:
    """Two convolutions with an in-place ReLU and a head for 3 classes, 8 pixels."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    return Classifier.from_module(module.eval(), input_size=8, name="small")


@pytest.fixture(scope="session")
def small_reference() -> NaturalReference:
    """Seven images that share a bright left half, and six that do not."""
    generator = np.random.default_rng(0)
    same = generator.integers(0, 128, (7, 8, 8, 3), dtype=np.uint8)
    same[:, :, :4] += 120
    different = generator.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    return NaturalReference(class_index=1, same=same, different=different, source="noise")


def _by_hand(prototypes, same, different, probabilities=None) -> PathSimilarity:
    """Scores in (rows, layers), taken for all three measures."""
    arrays = [np.repeat(np.asarray(a, dtype=float)[None], 3, 0) for a in (same, different)]
    layers = tuple(
        LayerInfo(index=i, name=f"layer {i}", kind="X", shape=(2,), calls=1)
        for i in range(len(same[0]))
    )
    reference = ReferenceStatistics(
        key="", class_index=0, layer_set="all", layers=layers, means=torch.zeros(2 * len(layers)),
        same=arrays[0], different=arrays[1],
    )  # fmt: skip
    scores = np.repeat(np.asarray(prototypes, dtype=float)[None], 3, 0)
    seen = np.ones(len(prototypes)) if probabilities is None else np.asarray(probabilities)
    return PathSimilarity(reference=reference, scores=scores, logits=seen, probabilities=seen)


@pytest.fixture
def by_hand():
    """Builds a PathSimilarity from given scores."""
    return _by_hand
