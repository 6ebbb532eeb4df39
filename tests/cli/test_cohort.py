"""`python -m protocore cohort`."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from protocore.cli.main import main
from protocore.cohorts.result import TestResult


@pytest.fixture
def folders(tmp_path):
    """Ten images each, with the same names; those of B are darker."""
    for side, factor in (("a", 1.0), ("b", 0.4)):
        folder = tmp_path / side
        folder.mkdir()
        for i in range(10):
            colour = tuple(int(factor * value) for value in (250 - 9 * i, 60 + 11 * i, 17 * i))
            Image.new("RGB", (40, 40), colour).save(folder / f"{i}.png")
    return tmp_path


def words(folders, *more):
    return [
        "cohort", "--model", "demo", "--device", "cpu", "--target", "goldfish",
        "--a", str(folders / "a"), "--b", str(folders / "b"), "--out", str(folders / "out"), *more,
    ]  # fmt: skip


def test_folders_are_predicted_and_written(folders, capsys):
    (folders / "a" / "broken.png").write_bytes(b"nothing")
    more = ("--rivals", "strawberry,ladybird", "--label-a", "bright", "--paired")
    assert main(words(folders, *more, "--measure", "logit", "--predict", "a!=b")) == 0
    shown = capsys.readouterr()
    assert "bright" in shown.out
    assert "▸ logit" in shown.out
    assert "a/broken.png skipped: not an image that can be read" in shown.err
    assert "10 pairs" in shown.err
    assert "warning: small cohort: 10 images" in shown.out
    out = folders / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "comparisons.csv",
        "images.csv",
        "result.json",
    ]
    result = TestResult.from_json((out / "result.json").read_text())
    assert result.misreported == ""
    assert result.plan.direction == "a != b"
    assert result.class_names == ("goldfish", "strawberry", "ladybird")
    assert result.labels == ("bright", "b")
    assert len(result.weight_hash) == 64
    assert {"scipy", "torch", "protocore"} <= set(result.versions)
    assert [one.name for one in result.skipped_a] == ["a/broken.png"]
    rows = list(csv.DictReader((out / "images.csv").open(encoding="utf-8")))
    assert [row["pair"] for row in rows] == [str(i) for i in range(10)] * 2
    assert len(list(csv.reader((out / "comparisons.csv").open(encoding="utf-8")))) == 6


def test_a_known_claim_of_the_demo_world(tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--demo", "clock-hands", "--count", "4", "--seed", "7", "--haze", "0.1"]
    assert main(["cohort", "--device", "cpu", *arguments, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Wall clocks show ten past ten, as in advertisements. (planted)\n")
    result = json.loads((out / "result.json").read_text())
    assert result["plan"]["measure"] == "logit"
    assert result["plan"]["paired"] is True
    assert result["recipe"] == {
        "kind": "demo", "claim": "clock-hands", "count": 4, "seed": 7, "haze": 0.1,
    }  # fmt: skip
    assert [prediction["pair_key"] for prediction in result["a"]] == ["7", "8", "9", "10"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--target is missing: give --target, --a and --b, or a claim of the demo world with "
         "--demo"),
        (["--target", "1", "--a", "x"], "--b is missing: give --target, --a and --b, or a claim "
         "of the demo world with --demo"),
        (["--demo", "gown-skin", "--a", "x"], "--demo brings its own images and class; leave out "
         "--a, or leave out --demo"),
        (["--predict", "up"], "--predict must be one of a>b, a<b, a!=b, got 'up'"),
        (["--target", "1", "--a", "/no", "--b", "/no"], "there is no folder /no; give one with "
         "the images of a cohort"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_nothing_is_written(arguments, message, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["cohort", "--device", "cpu", *arguments, "--out", str(out)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {message}"
    assert not out.exists()


def test_out_that_is_a_file_is_said_before_anything_else(folders, capsys):
    (folders / "out").write_text("a file, no folder")
    assert main(words(folders)) == 2
    assert capsys.readouterr().err == f"error: --out {folders / 'out'} is a file; give a folder\n"
    assert (folders / "out").read_text() == "a file, no folder"


def test_a_half_written_result_is_taken_away(folders, monkeypatch, capsys):

    real = Path.write_text

    def full(self, *args, **kwargs):
        if self.name.startswith(".result.json"):
            raise OSError(28, "No space left on device")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    assert main(words(folders)) == 2
    assert "No space left on device; choose a folder" in capsys.readouterr().err
    assert list((folders / "out").iterdir()) == []


def test_an_edit_makes_the_second_cohort(folders, capsys):
    arguments = [one for one in words(folders) if one not in ("--b", str(folders / "b"))]
    assert main([*arguments, "--edit", "grey", "--edit", "brightness:factor=0.5"]) == 0
    result = TestResult.from_json((folders / "out" / "result.json").read_bytes())
    assert [edit.kind for edit in result.plan.edits] == ["grey", "brightness"]
    assert [one.name for one in result.a] == [one.name for one in result.b]
    assert any("brightness" in note for note in result.notes)
    assert any("no control" in note for note in result.notes)
    assert result.misreported == ""
