import pytest
import torch

from protocore.errors import ModelError, SettingsError
from protocore.models.devices import (
    apply_thread_limit,
    available_devices,
    default_device,
    find_device,
)


def test_the_processor_is_always_there_and_last():
    assert available_devices()[-1] == "cpu"
    assert default_device() == available_devices()[0]
    assert find_device(" CPU ") == "cpu"


def test_a_graphics_card_comes_first(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert available_devices() == ("cuda:0", "cuda:1", "cpu")
    assert default_device() == "cuda:0"
    assert find_device("cuda") == "cuda:0"


def test_an_absent_device_is_explained(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ModelError) as error:
        find_device("cuda:1")
    assert str(error.value) == ("there is no device 'cuda:1' on this machine; available are cpu")


def test_the_environment_limits_threads(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.delenv("PROTOCORE_THREADS", raising=False)
    apply_thread_limit()
    assert asked == []
    monkeypatch.setenv("PROTOCORE_THREADS", " 2 ")
    apply_thread_limit()
    assert asked == [2]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "99999"])
def test_a_number_of_threads_that_cannot_be_is_explained(monkeypatch, text):
    monkeypatch.setenv("PROTOCORE_THREADS", text)
    with pytest.raises(SettingsError) as error:
        apply_thread_limit()
    assert str(error.value) == f"PROTOCORE_THREADS must be a number from 1 to 1024, got {text!r}"
