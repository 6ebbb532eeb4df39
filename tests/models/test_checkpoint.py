import argparse
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from protocore.errors import CheckpointError
from protocore.models.checkpoint import read_checkpoint

SAVE_IT = "save `model.state_dict()` with torch.save, or as .safetensors"
STATE = {"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.ones(2)}
NAMES = ("cat", "dog")


class Malicious:
    """Unpickling it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def saved(tmp_path, content, name="weights.pth", **options):
    path = tmp_path / name
    torch.save(content, path, **options)
    return path


def assert_is_state(found):
    assert list(found) == list(STATE)
    assert all(torch.equal(found[key], value) for key, value in STATE.items())


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        {"model_state_dict": STATE},
        {"epoch": 1, "checkpoint": 2, "net": {"state_dict": STATE}},
        {"module." + key: value for key, value in STATE.items()},
        {"_orig_mod.module." + key: value for key, value in STATE.items()},
        {"state_dict": {"model." + key: value for key, value in STATE.items()}},
        {"state_dict_ema": {"zz": torch.ones(1)}, "state_dict": STATE},
        {"model": STATE, "args": argparse.Namespace(lr=0.1), "best": np.float64(71.5)},
    ],
)
def test_weights_are_found_wherever_training_scripts_put_them(tmp_path, content):
    assert_is_state(read_checkpoint(saved(tmp_path, content)).state)


def test_old_format_and_safetensors_are_read(tmp_path):
    old = saved(tmp_path, STATE, "old.pt", _use_new_zipfile_serialization=False)
    assert_is_state(read_checkpoint(old).state)
    path = tmp_path / "weights.safetensors"
    save_file(STATE, path, metadata={"class_names": json.dumps(NAMES)})
    content = read_checkpoint(path)
    assert set(content.state) == set(STATE)
    assert torch.equal(content.state["fc.weight"], STATE["fc.weight"])
    assert content.class_names == NAMES


@pytest.mark.parametrize(
    "extra",
    [
        {"classes": ["cat", "dog"]},
        {"class_names": ("cat", "dog")},
        {"class_to_idx": {"dog": 1, "cat": 0}},
        {"idx_to_class": {0: "cat", 1: "dog"}},
        {"meta": {"classes": ["cat", "dog"]}},
    ],
)
def test_class_names_beside_the_weights_are_found(tmp_path, extra):
    path = saved(tmp_path, {"state_dict": STATE, **extra})
    assert read_checkpoint(path).class_names == NAMES


def test_without_class_names_there_are_none(tmp_path):
    content = read_checkpoint(saved(tmp_path, {"state_dict": STATE, "classes": 2}))
    assert content.class_names is None


@pytest.mark.parametrize("where", ["beside", "instead", "plain pickle"])
def test_code_in_a_file_is_never_run(tmp_path, where):
    trap = tmp_path / "trap"
    path = tmp_path / "evil.pth"
    if where == "plain pickle":
        path.write_bytes(pickle.dumps(Malicious(trap)))
    else:
        torch.save({**STATE, "x": Malicious(trap)} if where == "beside" else Malicious(trap), path)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert not trap.exists()
    if where == "plain pickle":
        assert str(error.value) == (
            f"evil.pth ({path.stat().st_size} bytes) is not a weights file that can be read, it "
            "holds something else; give an undamaged .pth, .pt, .safetensors file"
        )
    else:
        assert str(error.value) == (
            f"evil.pth holds a Python object ({os.mkdir.__module__}.mkdir) beside or instead of "
            "weights; reading it could run code, so it is refused. "
            "Save `model.state_dict()` with torch.save, or as .safetensors"
        )


def test_a_whole_module_is_refused_by_name(tmp_path):
    path = saved(tmp_path, nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(CheckpointError, match=r"\(torch.nn.modules.container.Sequential\)"):
        read_checkpoint(path)


def test_nothing_is_read_while_the_protection_is_switched_off(tmp_path, monkeypatch):
    path = saved(tmp_path, STATE)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert str(error.value) == (
        "weights files are not read while TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set, because it "
        "lets a file run code; unset it and start again"
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", ["new.pth", "old.pth", "weights.safetensors"])
def test_truncated_files_are_explained(tmp_path, name, share):
    path = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=name == "new.pth")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert str(error.value).startswith(name)
    if name == "new.pth" and share:
        assert str(error.value) == (
            f"new.pth is cut off after {path.stat().st_size} bytes: the end of the archive is "
            "missing; copy or download it again"
        )


@pytest.mark.parametrize("name", ["photo.pth", "photo.safetensors"])
def test_other_files_are_explained(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8)
    with pytest.raises(CheckpointError, match=f"^{name} \\(2052 bytes\\) is not a"):
        read_checkpoint(path)


def test_torchscript_is_explained(tmp_path):
    path = saved(tmp_path, STATE, "program.pt")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("program/constants.pkl", b"")  # what tells programs from weights
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert str(error.value) == f"program.pt is a TorchScript program, not a state dict; {SAVE_IT}"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"epoch": 3, "lr": 0.1}, "a dictionary with the keys epoch, lr"),
        ({}, "a dictionary with the keys (none)"),
        (torch.ones(3), "a Tensor"),
        ([1, 2], "a list"),
    ],
)
def test_files_without_weights_are_explained(tmp_path, content, what):
    path = saved(tmp_path, content)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert str(error.value) == f"weights.pth holds no state dict, but {what}; {SAVE_IT}"


def test_a_missing_file_is_explained(tmp_path):
    path = tmp_path / "none.pth"
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert str(error.value) == (
        f"there is no file {path}; give the path of a .pth, .pt, .safetensors file"
    )


@pytest.mark.parametrize(
    "value",
    [
        torch.ones(1).expand(10**9),
        torch.empty(3, device="meta"),
        torch.eye(3).to_sparse(),
    ],
    ids=["expanded", "meta", "sparse"],
)
def test_tensors_without_their_values_are_refused(tmp_path, value):
    path = saved(tmp_path, {**STATE, "strange": value})
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert str(error.value) == (
        "weights.pth holds 'strange' as a tensor that is quantised, sparse, expanded or without "
        "values; save ordinary tensors of 16 or 32-bit floating-point numbers"
    )


def test_a_file_larger_than_memory_is_explained(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 byte")

    path = saved(tmp_path, STATE)
    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    assert str(error.value) == (
        "weights.pth needs more memory than is free; close other programs, or save the weights "
        "alone, without the optimizer's state"
    )
