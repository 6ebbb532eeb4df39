"""What all tests share: one thread, folders of their own, tiny classifiers, real data if any."""

import os
from pathlib import Path

import torch

if not torch.cuda.is_available():  # read when Triton is loaded, by torchvision: no card is needed
    os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import pytest
from torch import nn
from torchvision import models

from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.similarity.activations import LayerInfo
from protocore.similarity.path import PathSimilarity
from protocore.similarity.reference import NaturalReference
from protocore.similarity.statistics import ReferenceStatistics
from tests.cohorts import makers
from tests.networks import tiny_classifier

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch) -> Path:
    """The folder of Protocore, empty, so that nothing of this machine is seen or changed."""
    home = tmp_path / "protocore-home"
    monkeypatch.setenv("PROTOCORE_HOME", str(home))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch-home"))
    monkeypatch.delenv("PROTOCORE_DATABASE_URL", raising=False)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", raising=False)
    return home


@pytest.fixture
def classifier() -> Classifier:
    """Five classes at 16 pixels, two convolutions with batch norms; see tests.networks."""
    return tiny_classifier()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """ImageNet weights and photos; PROTOCORE_TEST_DATA or the folder `shared` beside this one."""
    beside = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("PROTOCORE_TEST_DATA") or beside)
    if not (folder / "weights").is_dir():
        pytest.skip(f"there is no test data in {folder}; set PROTOCORE_TEST_DATA")
    return folder


@pytest.fixture
def library(tmp_path):
    library = Library(tmp_path / "home")
    yield library
    library.close()


@pytest.fixture
def store(library):
    return library.reviews


@pytest.fixture
def review(store):
    """A session of Ada's with one blind round."""
    review_id = store.create("Ada", makers.started())
    store.append(review_id, "Ada", makers.round_opened())
    return review_id


@pytest.fixture
def another(library):
    """The same library as another process has it open."""
    opened = Library(library.folder)
    yield opened.reviews
    opened.close()


@pytest.fixture(scope="session")
def squeezenet() -> nn.Module:
    """A squeezenet1_1 of 3 classes with fixed weights: 2.9 MB."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return models.squeezenet1_1(num_classes=3).eval()


@pytest.fixture
def checkpoint_file(tmp_path, squeezenet) -> Path:
    path = tmp_path / "mine.pth"
    torch.save(squeezenet.state_dict(), path)
    return path


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
