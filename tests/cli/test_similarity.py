import argparse
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from protocore.cli import similarity as command
from protocore.cli import sweep as sweep_command
from protocore.cli import witness_options
from protocore.errors import LibraryError, ModelError, NaturalReferenceError, SettingsError
from protocore.generation.api import generate_prototype
from protocore.generation.settings import GenerationSettings
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )
    return Classifier.from_module(
        module.eval(), input_size=16, class_names=("cat", "dog", "owl"), name="tiny"
    )


@pytest.fixture
def run(classifier, tmp_path, monkeypatch):
    """Runs one command line with the tiny classifier in place of the one it names."""
    monkeypatch.setenv("PROTOCORE_HOME", str(tmp_path / "home"))
    for module in (command, sweep_command):
        monkeypatch.setattr(module, "classifier_from_args", lambda args: classifier)

    def run(*arguments: object) -> int:
        parser = argparse.ArgumentParser()
        subparsers = parser.add_subparsers()
        for module in (command, sweep_command):
            module.register(subparsers)
        args = parser.parse_args([str(argument) for argument in arguments])
        return args.run(args)

    return run


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    for name, low in (("cat", 0), ("birds", 120)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = generator.integers(low, low + 120, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos/cat/broken.jpg").write_bytes(b"no image")
    return tmp_path / "photos"


def test_prototypes_to_csv_json_and_plots(run, classifier, photos, tmp_path, capsys):
    settings = GenerationSettings(steps=2, baseline_steps=0)
    generate_prototype(classifier, "cat", settings).save(tmp_path / "made")
    (tmp_path / "made/notes.txt").write_text("not an image")
    arguments = ("similarity", "--prototypes", tmp_path / "made", "--images", photos)
    more = ("--map", "birds=owl", "--count", 6, "--out", tmp_path / "out")
    assert run(*arguments, *more) == 0
    printed = capsys.readouterr()
    assert "folder birds (2 · owl): by given" in printed.err
    assert "skipped cat/broken.jpg: not an image that can be read" in printed.err
    assert "tiny_0_cat_seed0" in printed.out
    content = json.loads((tmp_path / "out/summary.json").read_text())
    assert content["classes"][0]["reference"]["same"] == 6
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"layers.csv", "0-cat_spearman_raw.svg", "0-cat.html"} <= names
    assert len(list((tmp_path / "home/cache/similarity").iterdir())) == 1


def test_images_without_record_need_a_class(run, photos, tmp_path):
    (tmp_path / "plain").mkdir()
    Image.new("RGB", (30, 20), "red").save(tmp_path / "plain/a.png")
    arguments = ("similarity", "--prototypes", tmp_path / "plain", "--images", photos)
    more = ("--map", "birds=other", "--out", tmp_path / "out", "--layers", "leaf")
    with pytest.raises(LibraryError) as error:
        run(*arguments, *more)
    assert str(error.value) == (
        f"{tmp_path / 'plain'} holds no prototypes with a record (1 images without one); make some "
        "with `generate`, or say with --class which class the images show"
    )
    assert not (tmp_path / "out").exists()
    assert run(*arguments, *more, "--class", "cat") == 0
    (found,) = json.loads((tmp_path / "out/summary.json").read_text())["classes"]
    assert [p["label"] for p in found["prototypes"]] == ["a"]


def test_prototypes_of_another_model_are_refused(run, photos, tmp_path):
    torch.manual_seed(1)
    other = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
    made_with = Classifier.from_module(other, input_size=16, name="other")
    settings = GenerationSettings(steps=1, baseline_steps=0)
    generate_prototype(made_with, 0, settings).save(tmp_path / "made")
    with pytest.raises(LibraryError) as error:
        run("similarity", "--prototypes", tmp_path / "made", "--images", photos, "--out", tmp_path)
    assert str(error.value) == (
        "other_0_class-0_seed0.png was made with other · in memory and not with tiny · in memory; "
        "choose that model with --model and --weights"
    )


def test_wrong_options(run, tmp_path):
    (tmp_path / "p").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "p/a.png")
    base = ("similarity", "--class", "cat", "--out", tmp_path / "out")
    with pytest.raises(LibraryError, match="there is no folder"):
        run(*base, "--prototypes", tmp_path / "none")
    with pytest.raises(NaturalReferenceError, match="there is no folder"):
        run(*base, "--prototypes", tmp_path / "p", "--images", tmp_path / "none")
    with pytest.raises(NaturalReferenceError, match="cannot be read: No such file"):
        run(*base, "--prototypes", tmp_path / "p", "--images", tmp_path / "none.zip")
    with pytest.raises(NaturalReferenceError, match=r"--map needs FOLDER=CLASS, got 'cat'"):
        run(*base, "--prototypes", tmp_path / "p", "--images", tmp_path, "--map", "cat")


def test_sweep_prints_table_3(run, photos, tmp_path, capsys):
    arguments = ("sweep", "--class", "cat", "--images", photos, "--map", "birds=owl")
    few = ("--scales", "none", "--rotations", "none 30", "--translations", "0.1,0.1")
    quick = ("--seeds", "0,1", "--steps", 2, "--baseline-steps", 0, "--out", tmp_path / "out")
    assert run(*arguments, *few, *quick, "--keep-images") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("Scale")
    assert "± standard deviation over 2 seed(s)" in printed.out
    assert "2/2  None 30 (0.1, 0.1)" in printed.err
    assert len((tmp_path / "out/table3.csv").read_text().splitlines()) == 3
    assert len(list((tmp_path / "out/prototypes").rglob("*.png"))) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rotation", "30"), "a sweep sets scale, rotation and translation itself"),
        (("--scales", "0.9"), "must be 'none' or two numbers with a comma, got '0.9'"),
        (("--rotations", "x"), "must be 'none' or a number, got 'x'"),
        (("--seeds", "a"), "seeds must be whole numbers with commas, got 'a'"),
    ],
)
def test_sweep_refuses_before_it_works(run, tmp_path, options, message):
    with pytest.raises(SettingsError, match=message):
        run("sweep", "--class", "cat", "--out", tmp_path / "out", *options)


def other_classifier(classifier):
    torch.manual_seed(1)
    module = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 3))
    return Classifier.from_module(
        module.eval(), input_size=16, class_names=classifier.class_names, name="onlooker"
    )


@pytest.fixture
def made(classifier, tmp_path):
    settings = GenerationSettings(steps=2, baseline_steps=0)
    generate_prototype(classifier, "cat", settings).save(tmp_path / "made")
    return tmp_path / "made"


def test_witnesses_stand_in_the_table_and_the_summary(
    run, classifier, photos, made, tmp_path, capsys, monkeypatch
):
    asked = []
    monkeypatch.setattr(witness_options, "spec_from_args", lambda args: ModelSpec.demo("robust"))
    monkeypatch.setattr(
        witness_options,
        "load_classifier",
        lambda spec: asked.append(spec) or other_classifier(classifier),
    )
    arguments = ("similarity", "--prototypes", made, "--images", photos, "--count", 5, "--map",
                 "birds=other", "--out", tmp_path / "out", "--witness")  # fmt: skip
    assert run(*arguments) == 0
    assert [spec.weights for spec in asked] == ["plain"]  # the other demo model
    shown = capsys.readouterr().out
    assert "Recognised by other networks" in shown and "onlooker · in memory" in shown
    assert "natural images" in shown
    content = json.loads((tmp_path / "out/summary.json").read_text())["classes"][0]
    seen = content["prototypes"][0]["witness"]
    assert seen["witnesses"] == ["onlooker · in memory"] and seen["readings"] == 1
    assert seen["log_probability"] == pytest.approx(np.log(seen["probability"]))
    assert content["witness_ceiling"]["readings"] == 5
    assert run(*arguments, "demo:robust", "mobilenet_v2:IMAGENET1K_V1") == 0
    assert [spec.weights for spec in asked[1:]] == ["robust", "IMAGENET1K_V1"]
    assert run(*arguments[:-1]) == 0  # without the option nobody is asked
    content = json.loads((tmp_path / "out/summary.json").read_text())["classes"][0]
    assert content["prototypes"][0]["witness"] is None and content["witness_ceiling"] is None


def test_the_maker_is_refused_as_its_own_witness(
    run, classifier, photos, made, tmp_path, monkeypatch
):
    monkeypatch.setattr(witness_options, "spec_from_args", lambda args: ModelSpec.demo("robust"))
    monkeypatch.setattr(witness_options, "load_classifier", lambda spec: classifier)
    words = ("similarity", "--prototypes", made, "--images", photos, "--out", tmp_path / "out")
    with pytest.raises(ModelError, match="itself"):
        run(*words, "--witness", "demo:plain")
    with pytest.raises(ModelError, match="at hand"):
        run(*words, "--witness")
