"""Witnesses that agree, that do not, and that are the maker in disguise; networks by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from protocore.errors import ModelError
from protocore.generation.api import generate_prototype
from protocore.generation.settings import GenerationSettings
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec
from protocore.similarity import witness
from tests.networks import NAMES, tiny_classifier, tiny_network

COLOURS = ("red", "green", "blue")


class ByColour(nn.Module):
    """Logits are `gain` times the mean of one channel each; `order` says which."""

    def __init__(self, order=(0, 1, 2), gain=10.0):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.order = order

    def forward(self, images):
        return self.gain * images.mean(dim=(2, 3))[:, list(self.order)]


def colour_classifier(order=(0, 1, 2), gain=10.0, names=COLOURS, **about):
    return Classifier.from_module(
        ByColour(order, gain), class_names=names, input_size=8, mean=(0, 0, 0), std=(1, 1, 1),
        **about,
    )  # fmt: skip


def flat(colour, side=8):
    return np.full((1, side, side, 3), colour, np.uint8)


RED = flat((255, 0, 0))
MAKER = colour_classifier(gain=20.0, name="maker")


def test_a_witness_that_agrees_by_hand():
    (reading,) = witness.read(colour_classifier(name="other"), RED, COLOURS, [0])
    assert (reading.model, reading.rank) == ("other", 0)
    expected = 10 - math.log(math.exp(10) + 2)
    assert reading.log_probability == pytest.approx(expected, abs=1e-6)
    assert reading.probability == pytest.approx(math.exp(expected), abs=1e-6)


def test_a_witness_that_does_not_agree():
    (reading,) = witness.read(colour_classifier(order=(1, 0, 2)), RED, COLOURS, [0])
    assert reading.rank == 1  # ties with blue, below green
    assert reading.log_probability == pytest.approx(-10 - math.log(1 + 2 * math.exp(-10)), abs=1e-5)


def test_a_blank_image_loses():
    agrees = colour_classifier()
    blank, shown = witness.read(
        agrees, np.concatenate([flat((128, 128, 128)), RED]), COLOURS, [0, 0]
    )
    assert blank.probability == pytest.approx(1 / 3)
    assert blank.log_probability < shown.log_probability


def test_images_of_another_size_are_resized():
    (large,) = witness.read(colour_classifier(), flat((255, 0, 0), side=20), COLOURS, [0])
    (own,) = witness.read(colour_classifier(), RED, COLOURS, [0])
    assert large.log_probability == pytest.approx(own.log_probability, abs=1e-5)


def test_a_report_averages_over_witnesses_and_knows_the_ceiling():
    agrees, differs = colour_classifier(name="a"), colour_classifier((2, 0, 1), gain=9.0, name="b")
    images = np.concatenate([RED, flat((0, 255, 0))])
    report = witness.witness_report(
        images, [0, 1], [agrees, differs], maker=MAKER, natural={0: np.concatenate([RED, RED])}
    )
    assert [[one.rank for one in row] for row in report.rows] == [[0, 1], [0, 1]]
    assert report.overall.top1 == 0.5 and report.overall.top5 == 1.0
    assert report.images[0].rank == 0.5 and report.overall.readings == 4
    assert report.overall.witnesses == ("a · in memory", "b · in memory")
    flat_readings = [one for row in report.rows for one in row]
    assert report.overall.log_probability == pytest.approx(
        np.mean([one.log_probability for one in flat_readings])
    )
    assert (report.ceiling.readings, report.ceiling.top1) == (4, 0.5)
    assert "2 of 4" in report.overall.text
    assert report.overall.to_dict()["top1"] == 0.5


def test_nothing_to_report_is_explained():
    with pytest.raises(ModelError, match="at least one"):
        witness.witness_report(RED, [0], [], maker=MAKER)
    with pytest.raises(ModelError, match="at least one"):
        witness.witness_report(RED[:0], [], [colour_classifier()], maker=MAKER)


# --- who may witness ---


def disguises():
    """The maker under other names, in other precisions, wrapped, and with folded weights."""
    maker = tiny_network()
    half = tiny_network().to(torch.bfloat16).float()
    rough = tiny_network()
    with torch.no_grad():
        for weight in rough.parameters():  # as after 8 bits per tensor
            step = 2 * weight.abs().max() / 255
            weight.copy_((weight / step).round() * step)
    wrapped = nn.Sequential(nn.Identity(), nn.ModuleDict({"net": tiny_network()})["net"])
    folded = tiny_network()
    norm, convolution = folded[1], folded[0]
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    folded[0] = nn.Conv2d(3, 8, 3, padding=1)
    with torch.no_grad():
        folded[0].weight.copy_(convolution.weight * scale[:, None, None, None])
        folded[0].bias.copy_(norm.bias - norm.running_mean * scale)
    folded[1] = nn.Identity()
    return {"copy": maker, "bfloat16": half, "8 bits": rough, "wrapped": wrapped, "folded": folded}


@pytest.mark.parametrize("disguise", ["copy", "bfloat16", "8 bits", "wrapped", "folded"])
def test_the_maker_under_another_name_is_no_witness(disguise):
    hidden = Classifier.from_module(
        disguises()[disguise].eval(), class_names=NAMES, input_size=16, name="somebody else",
        weights="renamed",
    )  # fmt: skip
    reason = witness.why_no_witness(tiny_classifier(), hidden)
    assert "somebody else" in reason and "itself" in reason
    with pytest.raises(ModelError, match="another network"):
        witness.check_witness(tiny_classifier(), hidden)


def test_another_training_of_the_same_architecture_is_a_witness():
    other = Classifier.from_module(tiny_network(seed=1), class_names=NAMES, input_size=16)
    assert witness.why_no_witness(tiny_classifier(), other) == ""


def test_labels_must_be_the_same():
    fewer = colour_classifier(order=(0, 1), names=("red", "green"), gain=3.0)
    assert "2 classes" in witness.why_no_witness(MAKER, fewer)
    renamed = colour_classifier(names=("red", "green", "violet"), gain=3.0)
    assert "labels" in witness.why_no_witness(MAKER, renamed)


def test_labels_in_another_order_are_found_by_name():
    turned = colour_classifier(order=(2, 0, 1), names=("blue", "red", "green"), gain=3.0)
    assert witness.why_no_witness(MAKER, turned) == ""
    (reading,) = witness.read(turned, RED, COLOURS, [0])
    assert reading.rank == 0
    maker = Classifier.from_module(tiny_network(), class_names=NAMES, input_size=16)
    order = (NAMES[1], NAMES[0], *NAMES[2:])  # "crane" occurs twice
    other = Classifier.from_module(tiny_network(seed=1), class_names=order, input_size=16)
    assert "twice" in witness.why_no_witness(maker, other)


def test_the_demo_models_witness_for_each_other():
    (found,) = witness.default_witnesses(ModelSpec.demo(device="cpu"))
    assert (found.kind, found.weights, found.device) == ("demo", "plain", "cpu")
    (found,) = witness.default_witnesses(ModelSpec.demo("plain", device="cpu"))
    assert found.weights == "robust"


def test_of_imagenets_networks_those_on_disk_are_chosen(tmp_path, monkeypatch):
    from protocore.models.catalog import find_entry

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    maker = ModelSpec.torchvision("resnet18", device="cpu")
    assert witness.default_witnesses(maker) == ()
    kept = ("resnet18", "mobilenet_v2", "alexnet", "vgg11", "squeezenet1_0")
    for name in kept:
        path = find_entry(name).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [spec.architecture for spec in witness.default_witnesses(maker)]
    assert found == ["mobilenet_v2", "vgg11", "squeezenet1_0"]  # by accuracy, without the maker


def test_readings_stand_in_the_record():
    maker = tiny_classifier()
    settings = GenerationSettings(steps=2, baseline_steps=0)
    made = generate_prototype(maker, 1, settings)
    other = Classifier.from_module(tiny_network(seed=1), class_names=NAMES, input_size=16)
    (witnessed,) = witness.with_witnesses([made], [other], maker=maker)
    (reading,) = witnessed.record.witnesses
    (expected,) = witness.read(other, made.image[None], NAMES, [1])
    assert reading == expected and reading.weight_hash == other.weight_hash
    assert made.record.witnesses == ()
