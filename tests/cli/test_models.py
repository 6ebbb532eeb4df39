import argparse
import dataclasses
import json

import pytest
import torch
from torchvision import models

from protocore.cli import model_options
from protocore.cli import models as command
from protocore.errors import CheckpointError, ModelError, UnknownModelError, WeightsUnavailableError
from protocore.models import ModelSpec, find_entry


def parse(*words):
    parser = argparse.ArgumentParser()
    model_options.add_model_options(parser)
    return parser.parse_args(words)


def run(*words):
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers(required=True))
    args = parser.parse_args(["models", *words])
    return args.run(args)


def test_lists_everything_with_what_is_on_disk(capsys):
    entry = find_entry("resnet18")
    entry.path.parent.mkdir(parents=True)
    entry.path.touch()
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == (
        ["model", "weights", "parameters", "pixels", "acc@1", "acc@5", "GFLOPs", "on", "disk"]
    )
    row = next(line.split() for line in lines if line.startswith("resnet18 "))
    assert row == ["resnet18", "IMAGENET1K_V1*", "11.7", "M", "224", "69.8", "89.1", "1.81", "yes"]
    row = next(line.split() for line in lines if line.startswith("alexnet "))
    assert row[-2:] == ["233", "MB"]
    assert f"weights are looked for in {entry.path.parent}" in lines[-2]
    assert "--model demo (shipped)" in lines[-1]


def test_search_and_json(capsys):
    assert run("--search", "resnet50 v2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(item["architecture"], item["weights"]) for item in found] == [
        ("resnet50", "IMAGENET1K_V2"),
        ("wide_resnet50_2", "IMAGENET1K_V2"),
    ]
    assert found[0]["on_disk"] is False
    assert found[0]["file"].endswith("resnet50-11ad3fa6.pth")
    assert run("--on-disk", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_download_offline_is_explained(monkeypatch):
    entry = dataclasses.replace(find_entry("resnet18"), url="http://127.0.0.1:9/resnet18-1.pth")
    monkeypatch.setattr(command, "find_entry", lambda *names: entry)
    with pytest.raises(WeightsUnavailableError, match="could not be fetched: the server cannot"):
        run("--download", "resnet18:IMAGENET1K_V1")


def test_download_of_what_is_there_prints_its_path(capsys):
    entry = find_entry("resnet50", "IMAGENET1K_V1")
    entry.path.parent.mkdir(parents=True)
    entry.path.touch()
    assert run("--download", "resnet50:IMAGENET1K_V1") == 0
    assert capsys.readouterr().out == f"{entry.path}\n"


@pytest.mark.parametrize(
    ("words", "link"),
    [
        ((), "demo"),
        (("--model", "demo"), "demo"),
        (("--model", "demo:plain"), "demo:plain"),
        (("--model", "demo", "--weights", "plain"), "demo:plain"),
        (("--model", "resnet18"), "torchvision:resnet18:IMAGENET1K_V1"),
        (
            ("--model", "resnet50", "--weights", "imagenet1k_v1"),
            "torchvision:resnet50:IMAGENET1K_V1",
        ),
        (("--model", "torchvision:resnet50:IMAGENET1K_V1"), "torchvision:resnet50:IMAGENET1K_V1"),
        (("--model", "resnet18", "--mean", "0,0,0.5"), None),
    ],
)
def test_options_name_a_model(words, link):
    spec = model_options.spec_from_args(parse(*words, "--device", "cpu"))
    assert spec.device == "cpu"
    if link:
        assert spec.to_link() == link
    else:
        assert spec.mean == (0.0, 0.0, 0.5)


def test_own_weights_with_every_option(checkpoint_file, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\nbird\n")
    words = f"--model squeezenet1_1 --weights {checkpoint_file} --class-names {names} "
    words += "--mean 0.5,0.5,0.5 --std 0.25,0.25,0.25 --input-size 64 --device cpu"
    classifier = model_options.classifier_from_args(parse(*words.split()))
    assert classifier.class_names == ("cat", "dog", "bird")
    assert (classifier.mean, classifier.std) == ((0.5,) * 3, (0.25,) * 3)
    assert classifier.input_size == 64


def test_the_architecture_of_own_weights_may_be_left_out(checkpoint_file):
    spec = model_options.spec_from_args(parse("--weights", str(checkpoint_file)))
    assert spec == ModelSpec.checkpoint("squeezenet1_1", checkpoint_file)


def test_torchvision_weights_on_disk_are_loaded(monkeypatch):
    entry = find_entry("squeezenet1_1")
    entry.path.parent.mkdir(parents=True)
    torch.save(models.squeezenet1_1().state_dict(), entry.path)
    classifier = model_options.classifier_from_args(parse("--model", "squeezenet1_1", "--download"))
    assert classifier.title == "squeezenet1_1 · IMAGENET1K_V1"


@pytest.mark.parametrize(
    ("words", "kind", "reason"),
    [
        (("--model", "resnet19"), UnknownModelError, "torchvision has no classification model"),
        (("--model", "resnet18", "--weights", "V9"), UnknownModelError, "resnet18 has no weights"),
        (("--model", "resnet18", "--weights", "no.pth"), CheckpointError, "/.*no.pth cannot be"),
        (("--weights", "V9"), ModelError, "--weights V9 needs --model: the architecture"),
        (
            ("--model", "torchvision:resnet18", "--weights", "V9"),
            ModelError,
            "--weights V9 cannot be combined with the link --model torchvision:resnet18",
        ),
        (("--device", "cuda:99"), ModelError, "there is no device 'cuda:99'"),
        (("--mean", "0.5,x"), ModelError, "mean and std must be three numbers with commas between"),
        (("--std", "1,0,1"), ModelError, "std must be three positive numbers, got"),
        (("--input-size", "10000000"), ModelError, "input size must be between 16 and 2048"),
    ],
)
def test_wrong_options_are_explained(words, kind, reason):
    with pytest.raises(kind, match=f"^{reason}"):
        model_options.spec_from_args(parse(*words))
