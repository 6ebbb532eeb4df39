import numpy as np
import pytest
import torch
from torch import nn

from protocore.models.classifier import Classifier
from protocore.similarity.reference import NaturalReference


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
