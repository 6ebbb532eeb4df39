"""What all tests share: one thread, folders of their own, tiny classifiers, real data if any."""

import os
from pathlib import Path

import pytest
import torch

from protocore.models.classifier import Classifier
from tests.networks import tiny_classifier

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch) -> Path:
    """The folder of Protocore, empty, so that nothing of this machine is seen or changed."""
    home = tmp_path / "protocore-home"
    monkeypatch.setenv("PROTOCORE_HOME", str(home))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch-home"))
    monkeypatch.delenv("PROTOCORE_DATABASE_URL", raising=False)
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
