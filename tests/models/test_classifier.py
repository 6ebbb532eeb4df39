"""Normalisation by hand, classes by index and name, and what cannot be wrapped."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from protocore.errors import ModelError, UnknownClassError
from protocore.models.classifier import IMAGENET_MEAN, IMAGENET_STD, Classifier
from tests.networks import tiny_network


class Means(nn.Module):
    """Logits are the means of the three channels as the module gets them."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.weight * x.mean(dim=(2, 3))


def wrap(**about):
    return Classifier.from_module(Means(), input_size=4, **about)


def test_normalisation_by_hand():
    classifier = wrap(mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    images = torch.tensor([1.0, 0.5, 1.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    logits = classifier.logits(images)
    assert logits.tolist() == [[1.0, 1.0, 0.5]]  # (1 - .5) / .5, (.5 - .25) / .25, 1 / 2
    assert not logits.requires_grad
    assert (classifier.mean, classifier.std) == ((0.5, 0.25, 0.0), (0.5, 0.25, 2.0))


def test_a_half_precision_module_takes_ordinary_images():
    classifier = Classifier.from_module(tiny_network().to(torch.bfloat16), input_size=16)
    logits = classifier.logits(torch.rand(2, 3, 16, 16))
    assert (logits.dtype, logits.shape) == (torch.float32, (2, 5))


def test_what_is_known_of_a_bare_module():
    classifier = wrap()
    assert classifier.class_names == ("class 0", "class 1", "class 2")
    assert (classifier.num_classes, classifier.input_size) == (3, 4)
    assert classifier.title == "Means · in memory"
    assert classifier.source == "module"
    assert (classifier.mean, classifier.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert classifier.device == torch.device("cpu")
    assert len(classifier.weight_hash) == 64


def test_everything_about_torchvision_comes_from_its_weights_entry():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = models.efficientnet_b1()
    weights = models.EfficientNet_B1_Weights.IMAGENET1K_V2
    classifier = Classifier.from_torchvision(network, weights)
    assert classifier.title == "efficientnet_b1 · IMAGENET1K_V2"
    assert classifier.input_size == 240  # V1 was trained with 224
    assert classifier.label(574) == "574 · golf ball"
    assert classifier.source == "torchvision"


def test_the_module_is_not_changed():
    network = tiny_network().train()
    Classifier.from_module(network, input_size=16).logits(torch.rand(1, 3, 16, 16))
    assert all(module.training for module in network.modules())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    fresh = tiny_network().state_dict()
    assert all(torch.equal(value, fresh[key]) for key, value in network.state_dict().items())


# --- identity ---


def test_the_identity_depends_on_what_changes_logits():
    same = wrap().identity
    assert wrap().identity == same
    assert wrap(class_names=["a", "b", "c"]).identity == same
    for change in ({"mean": (0.1, 0.2, 0.3)}, {"std": (1, 1, 1)}, {"name": "other"}):
        assert wrap(**change).identity != same
    larger = wrap().preprocessing.changed(input_size=8)
    assert dataclasses.replace(wrap(), preprocessing=larger).identity != same
    assert dataclasses.replace(wrap(), head="sigmoid").identity != same
    assert dataclasses.replace(wrap(), weight_hash="0" * 64).identity != same


# --- classes ---


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (2, 2),
        (np.int64(2), 2),
        (torch.tensor(2), 2),
        ("2", 2),
        (" +2 ", 2),
        ("French horn", 2),
        (" french HORN ", 2),
        ("tench", 0),
    ],
)
def test_classes_are_found(classifier, query, index):
    assert classifier.find_class(query) == index


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (5, "class index must be between 0 and 4 for tiny, got 5"),
        (-1, "class index must be between 0 and 4 for tiny, got -1"),
        ("-1", "class index must be between 0 and 4 for tiny, got -1"),
        ("99999999999999999999", "class index must be between 0 and 4 for tiny, got " + "9" * 20),
        (
            "crane",
            "the name 'crane' belongs to the classes [3, 4] of tiny; give the index, such as "
            "index:3",
        ),
        (
            "golf",
            "tiny has no class 'golf' (did you mean 1 · golf ball?); give its index (0 to 4) or "
            "its exact name",
        ),
        ("--5", "tiny has no class '--5'; give its index (0 to 4) or its exact name"),
        ("²", "tiny has no class '²'; give its index (0 to 4) or its exact name"),
        ("", "tiny has no class ''; give its index (0 to 4) or its exact name"),
        (1.5, "a class is given by its index or its exact name, got 1.5"),
        (None, "a class is given by its index or its exact name, got None"),
    ],
)
def test_unknown_classes_are_explained(classifier, query, text):
    with pytest.raises(UnknownClassError) as caught:
        classifier.find_class(query)
    assert str(caught.value) == text


# --- what cannot be wrapped ---


@pytest.mark.parametrize(
    ("about", "facts"),
    [
        ({"class_names": ["a", "b"]}, ("3 outputs", "2 class names")),
        ({"class_names": ["a", None, "b"]}, ("class names must be texts",)),
        ({"class_names": [0, 1, 2]}, ("class names must be texts",)),
        ({"mean": (0.5, 0.5)}, ("mean must be three finite numbers", "[0.5, 0.5]")),
        ({"mean": 0.5}, ("mean must be three finite numbers", "0.5")),
        ({"mean": (0.5, 0.5, float("nan"))}, ("mean must be three finite", "nan")),
        ({"std": (0.5, 0.5, 0.0)}, ("std must be three positive finite", "0.0")),
        ({"head": "relu"}, ("head must be one of softmax, sigmoid", "relu")),
    ],
)
def test_wrong_descriptions_are_explained(about, facts):
    with pytest.raises(ModelError) as caught:
        wrap(**about)
    for fact in facts:
        assert fact in str(caught.value)


@pytest.mark.parametrize(
    "names", [np.array(["a", "b", "c"]), {0: "a", 1: "b", 2: "c"}, {"a": 0, "b": 1, "c": 2}]
)
def test_class_names_come_in_several_forms(names):
    assert wrap(class_names=names).class_names == ("a", "b", "c")


def test_weights_that_are_not_finite_are_refused():
    network = tiny_network()
    with torch.no_grad():
        network[8].weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="1 of the model's tensors hold NaN or infinite values"):
        Classifier.from_module(network, input_size=16)
