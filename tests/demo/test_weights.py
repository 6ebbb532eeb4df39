"""Loading the shipped weights, and what happens when they are not what they should be."""

import shutil
import subprocess
import sys

import pytest
import torch

from protocore.demo import weights
from protocore.demo.network import build_network
from protocore.demo.weights import (
    VARIANTS,
    demo_weights_path,
    load_demo_network,
    read_training,
    read_weights,
    save_weights,
)
from protocore.errors import ModelError


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_shipped_network_is_ready_for_use(variant):
    network = load_demo_network(variant)
    assert not network.training
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert network(torch.zeros(1, 3, 96, 96)).shape == (1, 12)
    assert read_training(demo_weights_path(variant))["settings"]["seed"] >= 0


def test_another_variant_is_refused():
    with pytest.raises(ModelError) as error:
        demo_weights_path("best")
    assert str(error.value) == "variant must be one of robust, plain, got 'best'"


def test_missing_weights_say_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "assets_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"are missing; restore assets/demo .*demo train"):
        load_demo_network()


def test_other_weights_than_the_cards_are_refused(monkeypatch, tmp_path):
    shutil.copy(weights.assets_folder() / weights.CARD_NAME, tmp_path)
    monkeypatch.setattr(weights, "assets_folder", lambda: tmp_path)
    save_weights(build_network(), demo_weights_path("robust"), {})
    with pytest.raises(ModelError, match="are not those the card describes"):
        load_demo_network()


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "robust.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        read_weights(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_training(path)


def test_saving_halves_the_precision_and_keeps_how_it_was_trained(tmp_path):
    network, path = build_network().eval(), tmp_path / "deep" / "robust.safetensors"
    save_weights(network, path, {"settings": {"seed": 7}})
    loaded = read_weights(path)
    assert read_training(path) == {"settings": {"seed": 7}}
    assert path.stat().st_size < 6_000_000
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_an_installed_package_has_its_own_copy(monkeypatch, tmp_path):
    module = tmp_path / "site-packages" / "protocore" / "demo" / "weights.py"
    monkeypatch.setattr(weights, "__file__", str(module))
    assert weights.assets_folder() == module.parent / "assets"
    (tmp_path / "site-packages" / "assets" / "demo").mkdir(parents=True)
    assert weights.assets_folder() == tmp_path / "site-packages" / "assets" / "demo"


def test_using_the_demo_needs_no_recipe():
    code = (
        "import sys\n"
        "from protocore.demo import biases, world, weights\n"
        "weights.load_demo_network()\n"
        "sys.exit(any('demo.training' in name for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
