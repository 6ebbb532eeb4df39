"""The command `atlas`: made, gone on with, compared, and refused in plain words."""

import json

import pytest

from protocore.cli.main import main

TINY = ("--steps", "2", "--image-size", "32", "--device", "cpu", "--preset", "paper")


def run(folder, *more):
    return main(["atlas", "--model", "demo", "--out", str(folder), *TINY, *more])


def test_all_classes_a_second_run_and_a_difference(tmp_path, capsys):
    one, two = tmp_path / "one", tmp_path / "two"
    assert run(one, "--classes", "all") == 0
    first = capsys.readouterr()
    assert f"{one}/index.html" in first.out
    assert "12 prototypes, 0 made before" in first.err
    assert len(list((one / "class").glob("*.html"))) == 12
    times = {path: path.stat().st_mtime_ns for path in (one / "prototypes").iterdir()}

    assert run(one) == 0
    assert "12 made before" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in times} == times

    assert run(two, "--classes", "0,lab coat", "--seeds", "5") == 0
    manifest = json.loads((two / "atlas.json").read_text())
    assert (manifest["classes"], manifest["seeds"]) == ([0, 1], [5])
    assert run(tmp_path / "three", "--difference", str(one), str(two)) == 0
    assert (tmp_path / "three" / "index.html").is_file()


@pytest.mark.parametrize(
    ("more", "fact"),
    [
        (("--workers", "0"), "--workers must be >= 1, got 0"),
        (("--width", "-1"), "--width must be >= 1, got -1"),
        (("--seeds", "x"), "'x'"),
        (("--classes", "no such class"), "no such class"),
        (("--difference", "nowhere", "elsewhere"), "no atlas"),
    ],
)
def test_what_is_refused(tmp_path, capsys, more, fact):
    assert run(tmp_path / "out", *more) == 2
    assert fact in capsys.readouterr().err
    assert not (tmp_path / "out" / "atlas.json").exists()


def test_another_folder_is_not_touched(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert run(tmp_path) == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
