"""Own folders for weights and uploads, and small networks to save."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Nothing of this machine's weights is seen, nothing is left behind."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PROTOCORE_HOME", str(tmp_path / "protocore"))
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", raising=False)


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
