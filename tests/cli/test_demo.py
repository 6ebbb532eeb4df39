"""`python -m protocore.demo`: what each command prints and writes."""

import pytest
from PIL import Image

from protocore.cli.main import main
from protocore.demo.network import build_network
from protocore.demo.training import train as training
from protocore.demo.weights import read_training, save_weights


def test_sheet_writes_a_picture(tmp_path, capsys):
    file = tmp_path / "new" / "sheet.png"
    assert main(["demo", "sheet", str(file), "--columns", "1"]) == 0
    assert Image.open(file).height == 12 * 98
    assert capsys.readouterr().out == f"contact sheet written to {file}\n"


def test_an_error_is_one_line_and_a_status(tmp_path, capsys):
    assert main(["demo", "sheet", str(tmp_path / "sheet.png"), "--split", "mine"]) == 2
    told = capsys.readouterr().err
    assert told == "error: split must be one of train, heldout, reference, got 'mine'\n"


def test_evaluate_tells_accuracy_and_every_claim(tmp_path, capsys):
    path = tmp_path / "some.safetensors"
    save_weights(build_network(), path, {})
    size = ["--images-per-class", "1", "--pairs", "2"]
    assert main(["demo", "evaluate", "--weights", str(path), *size]) == 0
    told = capsys.readouterr().out
    assert told.startswith("accuracy 0.")
    assert told.count("planted") == 9
    assert told.count("sham") == 4


@pytest.mark.timeout(120)
def test_train_writes_weights_with_their_history(tmp_path, capsys, monkeypatch):
    small = {"positives": 2, "negatives": 2, "prototypes_per_class": 1, "plain_batch": 2}
    for name, value in small.items():
        monkeypatch.setattr(training.TrainingSettings, name, value)
    sizes = ["--images-per-class", "1", "--plain-steps", "1", "--robust-steps", "1"]
    assert (
        main(["demo", "train", *sizes, "--device", "cpu", "--seed", "5", "--out", str(tmp_path)])
        == 0
    )
    told = capsys.readouterr().out
    assert "plain 1/1" in told and "robust 1/1" in told and "0:00 left" in told
    for variant in ("robust", "plain"):
        assert read_training(tmp_path / f"{variant}.safetensors")["settings"]["seed"] == 5
