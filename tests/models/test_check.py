"""The self-test of a classifier, for every torchvision classifier and twenty families of timm.

A few small ones always; all of them, which takes minutes and gigabytes, where
PROTOCORE_ALL_MODELS is set.
"""

import os

import pytest
import torch
from torch import nn
from torchvision import models

from protocore.cli.main import main
from protocore.models import Classifier, catalog, load_classifier
from protocore.models.check import check_model
from protocore.models.fitting import RESCALING
from protocore.models.spec import ModelSpec
from tests.networks import assert_unchanged, fingerprint, tiny_classifier

SMALLEST = {  # of a family each, with the pixels they take at least
    "alexnet": 64,
    "convnext_tiny": 64,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "googlenet": 32,
    "inception_v3": 96,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "regnet_x_400mf": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "resnext50_32x4d": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "swin_t": 64,
    "swin_v2_t": 64,
}
ALWAYS = ("googlenet", "mobilenet_v3_small", "resnet18", "squeezenet1_1", "swin_t")
FIXED = {"maxvit_t": 224, "vit_b_16": 224, "vit_b_32": 224, "vit_l_16": 224, "vit_l_32": 224}
OTHERS = sorted({entry.architecture for entry in catalog()} - set(ALWAYS))
TIMM = (
    *("test_byobnet", "test_convnext", "test_convnext2", "test_efficientnet", "test_resnet"),
    *("test_vit", "test_vit2", "test_nfnet", "test_mambaout", "lcnet_050", "tinynet_e"),
    *("mobilenetv3_small_050", "resnet10t", "mnasnet_small", "regnetx_002", "ghostnet_100"),
    *("tf_efficientnet_lite0", "edgenext_xx_small", "mobilevit_xxs", "dla46_c"),
)
EVERY = pytest.mark.skipif(
    not os.environ.get("PROTOCORE_ALL_MODELS"), reason="minutes and gigabytes"
)


def values(check) -> dict[str, str]:
    return {finding.name: finding.text for finding in check.findings}


def assert_checks(network: nn.Module, size: int, source: str) -> None:
    """Two steps work, and leave the network as it was."""
    network.eval()
    before = fingerprint(network)
    classifier = Classifier.from_module(network, input_size=size, source=source)
    check = check_model(classifier)
    assert check.good, check.rows()
    assert "reaches the image" in values(check)["gradient"]
    assert classifier.notes == ()
    assert_unchanged(network, before)


def build(name: str) -> nn.Module:
    options = {"aux_logits": False, "init_weights": False} if name in RESCALING else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return models.get_model(name, weights=None, num_classes=4, **options)


@pytest.mark.parametrize("name", ALWAYS)
def test_a_torchvision_classifier_of_every_family(name):
    assert_checks(build(name), SMALLEST[name], "torchvision")


@EVERY
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_torchvision_classifier(name):
    size = FIXED.get(name, SMALLEST.get(name, 64))
    assert_checks(build(name), 518 if name == "vit_h_14" else size, "torchvision")


@pytest.mark.parametrize(
    "name",
    [
        *TIMM[:6],
        *(pytest.param(n, marks=EVERY) for n in TIMM[6:]),
    ],
)
def test_small_classifiers_of_timm(name):
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(name, pretrained=False, num_classes=4)
    fixed = network.pretrained_cfg.get("fixed_input_size")
    size = network.pretrained_cfg["input_size"][1] if fixed else 64
    assert_checks(network, size, "timm")


def test_what_is_reported():
    found = values(check_model(tiny_classifier()))
    assert found["parameters"] == "997 on cpu"
    assert "16 x 16 px" in found["input"]
    assert "5 classes" in found["classes"]
    assert "softmax" in found["head"]
    assert found["repeatable"] == "yes"
    assert found["photos"] == "shorter side to 16 px, centre 16 x 16, bilinear"
    assert found["one step"].endswith("ms for one image")


def test_a_network_without_a_gradient_is_not_good():
    class Detached(nn.Linear):
        def forward(self, images):
            return super().forward(images.mean(dim=(2, 3)).detach()).detach()

    check = check_model(Classifier.from_module(Detached(3, 2), input_size=16))
    assert not check.good
    assert "no gradient" in values(check)["gradient"]


def test_the_command(capsys):
    assert main(["check-model", "--model", "demo", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    for fact in ("demo · robust", "2,710,508", "96 x 96", "12 classes", "reaches the image"):
        assert fact in shown


def test_a_timm_model_gives_timms_own_logits(tmp_path):
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model("test_resnet", pretrained=False).eval()
    torch.save({"state_dict": network.half().state_dict()}, tmp_path / "mine.pth")
    spec = ModelSpec.timm("test_resnet", tmp_path / "mine.pth", device="cpu")
    classifier = load_classifier(spec)
    size = network.pretrained_cfg["input_size"][1]
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network.float()(classifier.normalise(image))
    torch.testing.assert_close(classifier.logits(image), expected)
    assert classifier.class_names[0] == "tench"
    assert ModelSpec.from_link(spec.to_link(), device="cpu") == spec
