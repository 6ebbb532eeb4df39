import pytest

from protocore.errors import ModelError
from protocore.models.devices import available_devices, default_device, find_device


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
