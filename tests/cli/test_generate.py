"""`python -m protocore`: prototypes from a checkpoint, and errors on one line with exit code 2."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

import protocore
from protocore.cli.main import main
from protocore.generation.loop import generate
from protocore.generation.prototype import Prototype
from protocore.generation.settings import GenerationSettings

ROOT = Path(__file__).parents[2]
NAMES = ["tench", "golf ball", "French horn"]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A squeezenet1_1 of three classes, and its class names beside it."""
    folder = tmp_path_factory.mktemp("checkpoint")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = models.squeezenet1_1(num_classes=3)
        nn.init.normal_(network.classifier[1].weight, std=0.1)  # so that classes differ
    torch.save(network.state_dict(), folder / "mine.pth")
    (folder / "names.txt").write_text("\n".join(NAMES))
    return folder / "mine.pth"


@pytest.fixture
def words(checkpoint, tmp_path):
    """A complete command; two steps at 32 pixels."""
    return [
        "generate", "--model", "squeezenet1_1", "--weights", str(checkpoint),
        "--class-names", str(checkpoint.with_name("names.txt")), "--input-size", "32",
        "--device", "cpu", "--classes", "golf ball, 2", "--seeds", "0,7", "--steps", "2",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip


def replaced(words, option, value):
    position = words.index(option)
    return [*words[: position + 1], value, *words[position + 2 :]]


def test_generate_writes_a_picture_and_a_record_for_each(words, tmp_path, capsys):
    assert main([*words, "--preset", "paper", "--baseline-steps", "1", "--hf-weight", "30"]) == 0
    stems = [f"squeezenet1_1_{c}_seed{s}" for c in ("1_golf-ball", "2_french-horn") for s in (0, 7)]
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == sorted(f"{stem}{end}" for stem in stems for end in (".json", ".png"))
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"{tmp_path / 'out' / s}.png" for s in stems]
    assert shown.err.splitlines() == [
        'note: class names: 3 names, first "tench", last "French horn" (one name per line)',
        "squeezenet1_1 · mine.pth on cpu: 4 prototypes",
    ]

    record = json.loads((tmp_path / "out" / f"{stems[3]}.json").read_text())
    assert (record["model"], record["weights"]) == ("squeezenet1_1", "mine.pth")
    assert (record["class_index"], record["class_name"], record["seed"]) == (2, "French horn", 7)
    assert record["settings"]["hf_weight"] == 30.0
    assert record["settings"]["hf_weight_end"] is None
    assert (record["settings"]["steps"], record["settings"]["rotation"]) == (2, 180.0)
    assert len(record["weight_hash"]) == 64
    assert record["seconds"] > 0
    assert 0 < record["probability"] < 1
    assert f"p={record['probability']:.3f}  logit={record['logit']:.2f}" in lines[3]
    assert ("not found" in lines[3]) == (record["probability"] < 0.5)
    assert record["versions"]["protocore"] == protocore.__version__
    with Image.open(tmp_path / "out" / f"{stems[3]}.png") as image:
        assert image.size == (32, 32)


def test_the_same_command_twice_gives_the_same_bytes(words, tmp_path):
    for folder in ("one", "two"):
        assert main([*replaced(words, "--out", str(tmp_path / folder)), "--preset", "mild"]) == 0
    pictures = sorted((tmp_path / "one").glob("*.png"))
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.read_bytes() == (tmp_path / "two" / picture.name).read_bytes()


def test_every_setting_is_an_option(words, monkeypatch, tmp_path):
    chosen = []

    def spy(classifier, targets, settings, **options):
        chosen.append(settings)
        return generate(classifier, targets, settings, **options)

    monkeypatch.setattr("protocore.generation.api.generate", spy)
    options = (
        "--learning-rate 0.1 --baseline-steps 1 --scale 0.9,1.1 --rotation 20 --translation 0.1,0.2"
        " --fill mean --transforms-per-step 2 --hf-weight 3 --hf-weight-end 6 --hf-penalty squared"
        " --hf-rise class --hf-unit gradient --hf-colour 3 --averaging 4 --probability-floor 0.5"
        " --image-size 40 --parametrisation fourier --precision float32 --noise 0.2 --jitter 0.1"
        " --greyscale 0.25 --contrast-limit 2"
    )
    assert main([*words, *options.split()]) == 0
    assert chosen == [
        GenerationSettings(
            steps=2, learning_rate=0.1, baseline_steps=1, scale=(0.9, 1.1), rotation=20,
            translation=(0.1, 0.2), fill="mean", transforms_per_step=2, hf_weight=3,
            hf_weight_end=6, hf_penalty="squared", hf_rise="class", hf_unit="gradient",
            hf_colour=3, averaging=4, probability_floor=0.5,
            image_size=40, parametrisation="fourier", precision="float32",
            noise=0.2, jitter=0.1, greyscale=0.25, contrast_limit=2,
        )
    ]  # fmt: skip
    plain = GenerationSettings().to_dict()
    assert [name for name, value in chosen[0].to_dict().items() if value == plain[name]] == []
    loaded = Prototype.load(next((tmp_path / "out").glob("*.png")))
    assert loaded.record.settings == chosen[0]
    assert loaded.image.shape == (40, 40, 3)


def test_an_image_size_and_a_class_by_index(words, tmp_path):
    words = replaced(replaced(words, "--classes", "0"), "--seeds", "3")
    assert main([*words, "--image-size", "48"]) == 0
    (picture,) = (tmp_path / "out").glob("*.png")
    assert picture.name == "squeezenet1_1_0_tench_seed3.png"
    assert np.asarray(Image.open(picture)).shape == (48, 48, 3)


# --- errors ---


def last_line(capsys):
    """What stands on stderr after the progress; errors are one line."""
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1
    return lines[-1]


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--classes", "3", "class index must be between 0 and 2 for squeezenet1_1, got 3"),
        (
            "--classes",
            "dog",
            "squeezenet1_1 has no class 'dog'; give its index (0 to 2) or its exact name",
        ),
        (
            "--classes",
            " , ",
            "give at least one class with --classes A,B or --class NAME, got ' , '",
        ),
        ("--classes", "1,golf ball", "the same class and seed was asked for twice in one run"),
        ("--seeds", "zero", "seeds must be whole numbers with commas, got 'zero'"),
        ("--seeds", "-1", "seed must be >= 0, got -1"),
        ("--steps", "0", "steps must be >= 1, got 0"),
        ("--steps", "10000000", "steps must be <= 100000, got 10000000"),
        ("--input-size", "5", "input size must be between 16 and 2048 pixels, got 5"),
    ],
)
def test_wrong_values(words, capsys, tmp_path, option, value, text):
    assert main(replaced(words, option, value)) == 2
    assert last_line(capsys) == f"error: {text}"
    assert list(tmp_path.glob("out/*")) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["--hf-weight", "nan"],
            "total variation weight must be a number from 0 to 1000000, got nan",
        ),
        (["--scale", "2,1"], "scale must be (smallest, largest), got (2.0, 1.0)"),
        (["--translation", "0.1,7"], "translation (share of the size) must be <= 1, got 7.0"),
    ],
)
def test_wrong_settings_before_the_model_is_loaded(words, capsys, monkeypatch, options, text):
    monkeypatch.setattr("protocore.cli.generate.classifier_from_args", pytest.fail)
    assert main([*words, *options]) == 2
    assert last_line(capsys) == f"error: {text}"


def test_a_folder_that_cannot_be_made(words, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("protocore.cli.generate.classifier_from_args", pytest.fail)
    (tmp_path / "taken").write_text("")
    assert main(replaced(words, "--out", str(tmp_path / "taken"))) == 2
    assert last_line(capsys) == (
        f"error: the prototype could not be saved in {tmp_path / 'taken'}: File exists; choose a "
        "folder that can be written and has room"
    )


def test_a_damaged_checkpoint(words, capsys, checkpoint, tmp_path):
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(checkpoint.read_bytes()[:1000])
    assert main(replaced(words, "--weights", str(damaged))) == 2
    assert last_line(capsys) == (
        "error: damaged.pth is cut off after 1000 bytes: the end of the archive is missing; copy "
        "or download it again"
    )


@pytest.mark.parametrize(
    "options", [["--scale", "1"], ["--scale", "a,b"], ["--steps", "many"], ["--preset", "best"]]
)
def test_what_argparse_refuses(words, capsys, options):
    with pytest.raises(SystemExit) as caught:
        main([*words, *options])
    assert caught.value.code == 2
    assert f"argument {options[0]}" in capsys.readouterr().err


def test_a_stop_from_the_keyboard(words, capsys, monkeypatch):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("protocore.generation.api.generate", interrupted)
    assert main(words) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "stopped"


# --- the program itself ---


def test_as_a_program(words, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "protocore", *replaced(words, "--steps", "0")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: steps must be >= 1, got 0\n"
