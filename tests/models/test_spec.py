import dataclasses

import pytest

from protocore.errors import CheckpointError, ModelError, UnknownModelError
from protocore.models import ModelSpec
from protocore.models.files import keep_upload


@pytest.fixture
def names_file(tmp_path):
    path = tmp_path / "names with space.txt"
    path.write_text("cat\ndog\nbird\n")
    return path


def test_specs_are_keys():
    assert ModelSpec.demo(device="cpu") == ModelSpec.demo(device="cpu")
    first = ModelSpec.torchvision("resnet18", device="cpu")
    same = ModelSpec.torchvision("ResNet18", "imagenet1k_v1", device="cpu")
    assert {first: 1}[same] == 1
    assert first != dataclasses.replace(first, device="cuda:0")
    assert first != dataclasses.replace(first, mean=(0.5, 0.5, 0.5))


def test_a_changed_file_is_another_spec(checkpoint_file):
    first = ModelSpec.checkpoint("squeezenet1_1", checkpoint_file)
    checkpoint_file.write_bytes(checkpoint_file.read_bytes() + b"x")
    assert ModelSpec.checkpoint("squeezenet1_1", checkpoint_file) != first


def test_titles(checkpoint_file):
    assert ModelSpec.demo().title == "demo · robust"
    assert ModelSpec.torchvision("resnet50").title == "resnet50 · IMAGENET1K_V2"
    assert ModelSpec.checkpoint("resnet18", checkpoint_file).title == "resnet18 · mine.pth"


def test_links_of_shipped_and_torchvision_models():
    assert ModelSpec.demo().to_link() == "demo"
    assert ModelSpec.demo("plain").to_link() == "demo:plain"
    resnet = ModelSpec.torchvision("resnet18")
    assert resnet.to_link() == "torchvision:resnet18:IMAGENET1K_V1"
    for spec in (ModelSpec.demo(), ModelSpec.demo("plain"), resnet):
        assert ModelSpec.from_link(spec.to_link()) == spec


def test_link_of_a_checkpoint_keeps_every_option(checkpoint_file, names_file):
    spec = ModelSpec.checkpoint(
        "googlenet",
        checkpoint_file,
        class_names=names_file,
        mean=(0.1, 0.25, 1 / 3),
        std=(1 / 255, 0.5, 0.5),
        input_size=96,
        transform_input=False,
        device="cpu",
    )
    assert ModelSpec.from_link(spec.to_link(), device="cpu") == spec
    plain = ModelSpec.checkpoint("googlenet", checkpoint_file)
    assert plain.to_link() == f"checkpoint:googlenet:{checkpoint_file}"


def test_link_of_an_upload_holds_no_folder():
    path = keep_upload("a b.pth", b"1", suffixes=(".pth",), max_bytes=9)
    spec = ModelSpec.checkpoint("resnet18", path)
    assert spec.to_link() == f"checkpoint:resnet18:{path.name}"
    assert ModelSpec.from_link(spec.to_link()) == spec


@pytest.mark.parametrize("link", ["", "nonsense", "torchvision:", "checkpoint:resnet18", "x:y:z"])
def test_what_is_no_link_is_explained(link):
    with pytest.raises(UnknownModelError) as error:
        ModelSpec.from_link(link)
    for fact in (f"{link!r} is not a link", "torchvision:resnet18", "timm:", "hf:/folder"):
        assert fact in str(error.value)


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("demo?size=big", "'demo?size=big' is not a link to a model: invalid literal for int"),
        (
            "demo?mean=1,2",
            "mean and std must be three numbers with commas between, such as 0.5,0.5,0.5, got",
        ),
        ("demo?colour=1", "'demo?colour=1' has the unknown option 'colour'; known are names, mean"),
        ("torchvision:resnet19", "torchvision has no classification model 'resnet19'"),
    ],
)
def test_links_with_wrong_options_are_explained(link, reason):
    with pytest.raises(ModelError) as error:
        ModelSpec.from_link(link)
    assert str(error.value).startswith(reason)


def test_a_link_to_a_file_that_is_gone_is_explained(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        ModelSpec.from_link(f"checkpoint:resnet18:{tmp_path}/gone.pth")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"std": (0.1, 0.0, 0.1)}, "std must be three positive numbers, got [0.1, 0.0, 0.1]"),
        ({"mean": (0.1, float("nan"), 0.1)}, "mean must be three finite numbers, got"),
        ({"input_size": 15}, "input size must be between 16 and 2048 pixels, got 15"),
        ({"input_size": 10_000_000}, "input size must be between 16 and 2048 pixels, got 10000000"),
        ({"kind": "magic"}, "model kind must be one of demo, torchvision, checkpoint, timm"),
    ],
)
def test_values_outside_their_range_are_refused(options, reason):
    with pytest.raises(ModelError) as error:
        dataclasses.replace(ModelSpec.demo(), **options)
    assert str(error.value).startswith(reason)
