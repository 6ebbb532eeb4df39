"""`python -m protocore compare`, from model to files."""

import csv
import json

import pytest
import torch
import torchvision
from PIL import Image

from protocore.cli.main import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1(num_classes=3)
    torch.save(network.state_dict(), folder / "small.pth")
    (folder / "names.txt").write_text("ant\nbee\ncat")
    return [
        "--model", "squeezenet1_1", "--weights", str(folder / "small.pth"),
        "--class-names", str(folder / "names.txt"), "--input-size", "32", "--device", "cpu",
    ]  # fmt: skip


def test_everything_is_written(model, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--classes", "ant,2", "--seeds", "0,1", "--out", str(out), "--steps", "2"]
    assert main(["compare", *model, *options, "--baseline-steps", "0"]) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {
        "grid.png", "probabilities.csv", "logits.csv", "top_classes.csv", "layers.csv",
        "stability.csv", "index.html", "prototypes",
    }  # fmt: skip
    with (out / "probabilities.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["group"], row["seed"]) for row in rows] == [
        ("0 · ant", "0"), ("0 · ant", "1"), ("2 · cat", "0"), ("2 · cat", "1"),
    ]  # fmt: skip
    records = sorted((out / "prototypes").glob("*.json"))
    assert len(records) == 4
    probability = json.loads(records[0].read_text())["probability"]
    assert float(rows[0]["0 · ant"]) == pytest.approx(probability, abs=1e-4)
    assert Image.open(out / "grid.png").height > 2 * 32
    assert (out / "index.html").read_text().count("<svg") == 1
    assert str(out / "index.html") in capsys.readouterr().out


def test_related_classes_are_listed(model, capsys):
    assert main(["compare", *model, "--related", "bee"]) == 0
    captured = capsys.readouterr()
    weights = torch.load(model[3], weights_only=True)["classifier.1.weight"].flatten(1)
    cosine = float(torch.cosine_similarity(weights[1], weights[0], dim=0))
    assert cosine > 0 > float(torch.cosine_similarity(weights[1], weights[2], dim=0))
    assert cosine < 0.1 and captured.out == ""  # too weak to be called a relation
    assert "what it excites is not known" in captured.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "ant"], "a comparison needs 2 to 12 classes, got 1; add a related class"),
        (["--classes", "ant,bee", "--seeds", "x"], "seeds must be whole numbers, got 'x'"),
        (["--classes", "ant,fly"], "squeezenet1_1 has no class 'fly'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(model, tmp_path, capsys, options, message):
    out = tmp_path / "out"
    assert main(["compare", *model, *options, "--out", str(out)]) == 2
    assert f"error: {message}" in capsys.readouterr().err
    assert not out.exists() or not list(out.iterdir())


def test_a_folder_is_needed(model, capsys):
    assert main(["compare", *model, "--classes", "ant,bee"]) == 2
    assert "--classes needs --out: the folder for the comparison" in capsys.readouterr().err
