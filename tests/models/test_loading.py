import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import models
from torchvision.transforms import functional

from protocore.demo.network import CLASS_NAMES, INPUT_SIZE
from protocore.errors import CheckpointError, ModelError, WeightsUnavailableError
from protocore.models import ModelSpec, find_entry, load_classifier
from protocore.models.loading import demo_variants, detect_architecture

DATA = Path(os.environ.get("PROTOCORE_TEST_DATA") or Path(__file__).parents[3] / "shared")
REAL_WEIGHTS = DATA / "weights" / "mobilenet_v2_imagenet.pth"


def place(module, architecture, weights=None):
    """Save a network where torchvision's weights are looked for."""
    entry = find_entry(architecture, weights)
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(module.state_dict(), entry.path)
    return entry


def test_checkpoint_gives_the_network_that_was_saved(checkpoint_file, squeezenet):
    spec = ModelSpec.checkpoint("squeezenet1_1", checkpoint_file, input_size=64, device="cpu")
    said = []
    classifier = load_classifier(spec, said.append)
    assert (classifier.name, classifier.weights) == ("squeezenet1_1", "mine.pth")
    assert (classifier.source, classifier.input_size) == ("checkpoint", 64)
    assert classifier.class_names == ("class 0", "class 1", "class 2")
    assert classifier.mean == (0.485, 0.456, 0.406)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = squeezenet(functional.normalize(images, classifier.mean, classifier.std))
    torch.testing.assert_close(classifier.logits(images), expected)
    assert said == ["Reading squeezenet1_1 · mine.pth", "Checking squeezenet1_1 · mine.pth"]


def test_safetensors_give_the_same_classifier(tmp_path, checkpoint_file, squeezenet):
    path = tmp_path / "mine.safetensors"
    save_file(squeezenet.state_dict(), path)
    first, second = (
        load_classifier(ModelSpec.checkpoint("squeezenet1_1", p, input_size=64))
        for p in (checkpoint_file, path)
    )
    assert first.weight_hash == second.weight_hash


def test_class_names_come_from_the_file_or_the_checkpoint(tmp_path, squeezenet):
    path = tmp_path / "named.pth"
    torch.save({"model": squeezenet.state_dict(), "classes": ["a", "b", "c"]}, path)
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"0": "x", "1": "y", "2": "z"}))
    spec = ModelSpec.checkpoint("squeezenet1_1", path, input_size=64)
    assert load_classifier(spec).class_names == ("a", "b", "c")
    spec = ModelSpec.checkpoint("squeezenet1_1", path, class_names=names, input_size=64)
    assert load_classifier(spec).class_names == ("x", "y", "z")


def test_a_wrong_number_of_class_names_is_explained(tmp_path, checkpoint_file):
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    spec = ModelSpec.checkpoint("squeezenet1_1", checkpoint_file, class_names=names)
    with pytest.raises(ModelError) as error:
        load_classifier(spec)
    assert str(error.value) == (
        "the model has 3 outputs but 2 class names were given; give one name per output"
    )


def test_preprocessing_is_settable(checkpoint_file):
    spec = ModelSpec.checkpoint(
        "squeezenet1_1", checkpoint_file, mean=[0, 0.5, 1], std=[1, 2, 3], input_size=48
    )
    classifier = load_classifier(spec)
    assert classifier.mean == (0, 0.5, 1)
    assert classifier.std == (1, 2, 3)
    assert classifier.input_size == 48


def test_imagenet_names_for_a_thousand_classes(tmp_path):
    path = tmp_path / "thousand.pth"
    torch.save(models.squeezenet1_1().state_dict(), path)
    classifier = load_classifier(ModelSpec.checkpoint("squeezenet1_1", path, input_size=64))
    assert classifier.class_names[574] == "golf ball"
    assert classifier.num_classes == 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, squeezenet, value):
    state = {key: tensor.clone() for key, tensor in squeezenet.state_dict().items()}
    state["features.3.squeeze.weight"][0, 0] = value
    path = tmp_path / "diverged.pth"
    torch.save(state, path)
    with pytest.raises(ModelError) as error:
        load_classifier(ModelSpec.checkpoint("squeezenet1_1", path))
    assert str(error.value) == (
        "1 of the model's tensors hold NaN or infinite values, first "
        "'features.3.squeeze.weight'; weights must be finite: the training has probably diverged, "
        "use an earlier checkpoint"
    )


def test_a_file_that_changed_meanwhile_is_refused(checkpoint_file):
    spec = ModelSpec.checkpoint("squeezenet1_1", checkpoint_file)
    checkpoint_file.write_bytes(b"something else")
    with pytest.raises(CheckpointError) as error:
        load_classifier(spec)
    assert str(error.value) == (
        f"{checkpoint_file} has changed since it was chosen; choose it again to use what it holds "
        "now"
    )


def test_a_size_the_network_cannot_take_is_explained(tmp_path):
    path = tmp_path / "small.pth"
    torch.save(models.squeezenet1_1(num_classes=2).state_dict(), path)
    with pytest.raises(ModelError, match=r"does not accept images of shape \(1, 3, 16, 16\)"):
        load_classifier(ModelSpec.checkpoint("squeezenet1_1", path, input_size=16))


def test_torchvision_weights_are_used_when_on_disk():
    place(models.squeezenet1_1(), "squeezenet1_1")
    classifier = load_classifier(ModelSpec.torchvision("squeezenet1_1"))
    assert classifier.source == "torchvision"
    assert classifier.title == "squeezenet1_1 · IMAGENET1K_V1"
    assert classifier.class_names[0] == "tench"
    assert classifier.input_size == 224


def test_same_as_torchvisions_own_loading_with_rescaled_input():
    original = models.googlenet(init_weights=False)  # with auxiliary heads, as its file has
    place(original, "googlenet")
    own = models.googlenet(weights="IMAGENET1K_V1").eval()
    classifier = load_classifier(ModelSpec.torchvision("googlenet"))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = own(functional.normalize(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(classifier.logits(images), expected, rtol=1e-4, atol=1e-5)
    assert classifier.mean == pytest.approx((0.5, 0.5, 0.5))


def test_own_googlenet_may_say_that_it_does_not_rescale(tmp_path):
    path = tmp_path / "own.pth"
    torch.save(models.googlenet(init_weights=False, num_classes=2).state_dict(), path)
    spec = ModelSpec.checkpoint("googlenet", path, input_size=64, transform_input=False)
    assert load_classifier(spec).mean == (0.485, 0.456, 0.406)
    rescaling = load_classifier(dataclasses.replace(spec, transform_input=None))
    assert rescaling.mean == pytest.approx((0.5, 0.5, 0.5))
    assert rescaling.identity != load_classifier(spec).identity


def test_missing_weights_are_never_fetched(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("nothing may be downloaded")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    entry = find_entry("resnet18")
    with pytest.raises(WeightsUnavailableError) as error:
        load_classifier(ModelSpec.torchvision("resnet18"))
    assert str(error.value) == (
        "the weights of resnet18 · IMAGENET1K_V1 are not on disk: resnet18-f37072fd.pth (44.7 MB) "
        f"is looked for in {entry.path.parent}. Download them (`python -m protocore models "
        "--download resnet18:IMAGENET1K_V1`), or get "
        "https://download.pytorch.org/models/resnet18-f37072fd.pth on a machine with a network "
        "and put the file there"
    )


def test_features_without_a_classifier_are_refused():
    with pytest.raises(ModelError) as error:
        load_classifier(ModelSpec.torchvision("vgg16", "IMAGENET1K_FEATURES"))
    assert str(error.value) == (
        "vgg16 · IMAGENET1K_FEATURES holds features for object detectors and no classifier; "
        "choose another weights entry of vgg16"
    )


def test_an_absent_device_is_refused(checkpoint_file):
    spec = ModelSpec.checkpoint("squeezenet1_1", checkpoint_file, device="cuda:77")
    with pytest.raises(ModelError, match="there is no device 'cuda:77' on this machine"):
        load_classifier(spec)


def test_the_architecture_of_a_file_is_detected(checkpoint_file, tmp_path):
    assert detect_architecture(checkpoint_file) == "squeezenet1_1"
    strange = tmp_path / "strange.pth"
    torch.save({"layer.weight": torch.ones(2, 2)}, strange)
    with pytest.raises(CheckpointError, match=r"^strange.pth fits no torchvision architecture; "):
        detect_architecture(strange)


@pytest.mark.skipif(not demo_variants(), reason="the demo weights are not there yet")
def test_the_demo_model_is_loaded():
    classifier = load_classifier(ModelSpec.demo(demo_variants()[0], device="cpu"))
    assert classifier.source == "demo"
    assert classifier.num_classes == len(CLASS_NAMES)
    assert classifier.input_size == INPUT_SIZE
    assert classifier.logits(torch.rand(1, 3, INPUT_SIZE, INPUT_SIZE)).shape == (
        1,
        len(CLASS_NAMES),
    )


def test_an_unknown_demo_variant_is_explained():
    with pytest.raises(ModelError, match="variant must be one of robust, plain, got 'shiny'"):
        load_classifier(ModelSpec.demo("shiny", device="cpu"))


@pytest.mark.real
@pytest.mark.skipif(not REAL_WEIGHTS.is_file(), reason="needs the ImageNet MobileNetV2")
def test_imagenet_mobilenet_recognises_photos():
    assert detect_architecture(REAL_WEIGHTS) == "mobilenet_v2"
    classifier = load_classifier(ModelSpec.checkpoint("mobilenet_v2", REAL_WEIGHTS))
    assert classifier.label(574) == "574 · golf ball"
    for wnid, index in (("n03445777", 574), ("n01440764", 0)):
        photos = sorted((DATA / "images" / "imagenette" / wnid).glob("*.JPEG"))[:8]
        images = torch.stack([functional.to_tensor(Image.open(p).convert("RGB")) for p in photos])
        hits = (classifier.logits(images).argmax(1) == index).sum().item()
        assert hits >= 6


@pytest.mark.real
@pytest.mark.skipif(not REAL_WEIGHTS.is_file(), reason="needs the ImageNet MobileNetV2")
def test_truncated_imagenet_mobilenet_is_refused(tmp_path):
    path = tmp_path / "cut.pth"
    path.write_bytes(REAL_WEIGHTS.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"^cut.pth is cut off after \d+ bytes"):
        load_classifier(ModelSpec.checkpoint("mobilenet_v2", path))
