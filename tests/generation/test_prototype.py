"""Prototypes survive their files; a save that fails changes nothing."""

import errno
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from protocore.errors import ImageError, LibraryError
from protocore.generation.prototype import (
    Prototype,
    PrototypeRecord,
    SettingsChange,
    WitnessReading,
    make_folder,
    slug,
)
from protocore.generation.settings import GenerationSettings, Target

SETTINGS = GenerationSettings(steps=8, baseline_steps=0)


def record(target=None, **changes):
    target = target or Target.of(1, 3)
    values = {
        "key": "ab" * 32,
        "model": "tiny_net",
        "weights": "TEST",
        "source": "module",
        "weight_hash": "cd" * 32,
        "class_index": target.class_index,
        "class_name": "golf ball",
        "target": target,
        "history": (
            SettingsChange(step=0, settings=SETTINGS),
            SettingsChange(step=5, settings=SETTINGS.replace(hf_weight=300)),
        ),
        "steps": 8,
        "completed": True,
        "logit": 3.25,
        "probability": 0.875,
        "top": ((1, "golf ball", 0.875), (0, "tench", 0.125)),
        "seconds": 1.5,
        "device": "cpu",
        "precision": "float32",
        "created": "2025-01-01T00:00:00+00:00",
        "versions": {"python": "3.11.0", "torch": "2.9.0"},
    }
    return PrototypeRecord(**{**values, **changes})


def prototype(**changes):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Prototype(image=pixels, record=record(**changes))


# --- records ---


def test_a_record_says_what_people_ask_for():
    """Issue 2: model, weight hash, class, seed, settings, logit, probability, seconds, versions."""
    content = json.loads(json.dumps(record().to_dict()))
    assert content["record_version"] == 1
    assert content["model"] == "tiny_net"
    assert content["weight_hash"] == "cd" * 32
    assert (content["class_index"], content["class_name"]) == (1, "golf ball")
    assert content["seed"] == 3
    assert content["settings"]["hf_weight"] == 300.0  # of the last step
    assert (content["logit"], content["probability"]) == (3.25, 0.875)
    assert content["seconds"] == 1.5
    assert content["versions"] == {"python": "3.11.0", "torch": "2.9.0"}
    assert [change["step"] for change in content["history"]] == [0, 5]
    assert content["history"][0]["settings"]["hf_weight"] == 1000.0


def test_a_record_survives_json():
    for target in (Target.of(1, 3), Target.contrast(1, 0, 0.5), Target.antitype(1)):
        original = record(target)
        assert PrototypeRecord.from_dict(json.loads(json.dumps(original.to_dict()))) == original


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"logit": ...}, "this is not a prototype record: KeyError('logit')"),
        (
            {"target": 5},
            "this is not a prototype record: TypeError(\"'int' object is not subscriptable\")",
        ),
        (
            {"target": {"weights": [], "seed": 0}},
            "this prototype record is not valid: a target needs at least one class, got none",
        ),
        (
            {"history": [{"step": 0, "settings": {"steps": 0}}]},
            "this prototype record is not valid: steps must be >= 1, got 0",
        ),
    ],
)
def test_damaged_records_are_explained(change, text):
    content = {**record().to_dict(), **change}
    content = {name: value for name, value in content.items() if value is not ...}
    with pytest.raises(LibraryError) as caught:
        PrototypeRecord.from_dict(content)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("changes", "repeatable"),
    [
        ({}, False),  # tuned
        ({"history": (SettingsChange(step=0, settings=SETTINGS),)}, True),
        ({"history": (SettingsChange(step=0, settings=SETTINGS),), "completed": False}, False),
    ],
)
def test_what_the_request_alone_makes_again(changes, repeatable):
    assert record(**changes).repeatable is repeatable


@pytest.mark.parametrize(
    ("target", "title", "stem"),
    [
        (Target.of(1, 3), "golf ball · seed 3", "tiny_net_1_golf-ball_seed3"),
        (
            Target.antitype(1, 3),
            "antitype of golf ball · seed 3",
            "tiny_net_1_golf-ball_1x-1_seed3",
        ),
        (
            Target.contrast(1, 0, 0.5, 3),
            "golf ball − 0.5 × class 0 · seed 3",
            "tiny_net_1_golf-ball_1x1_0x-0.5_seed3",
        ),
    ],
)
def test_titles_and_file_names(target, title, stem):
    assert record(target).title == title
    assert prototype(target=target).stem == stem


def test_file_names_are_fit_for_every_file_system():
    assert slug("Crane (bird) / ../x: 100%") == "crane-bird-..-x-100"
    assert slug("猫") == "unnamed"
    long = prototype(class_name="x" * 500).stem
    assert long == f"tiny_net_1_{'x' * 60}_seed3"


# --- files ---


def test_what_is_saved_can_be_loaded(tmp_path):
    original = prototype()
    path = original.save(tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "tiny_net_1_golf-ball_seed3.png"
    names = sorted(p.name for p in path.parent.iterdir())
    assert names == ["tiny_net_1_golf-ball_seed3.json", "tiny_net_1_golf-ball_seed3.png"]
    for file in (path, path.with_suffix(".json")):
        loaded = Prototype.load(file)
        assert np.array_equal(loaded.image, original.image)
        assert loaded.record == original.record
    assert np.array_equal(np.asarray(Image.open(path)), original.image)


def test_another_name_with_dots(tmp_path):
    path = prototype().save(tmp_path, "v1.5 of mine")
    assert path.name == "v1.5 of mine.png"
    assert Prototype.load(path).record == record()


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def read_only(*_args, **_kwargs):
    raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(full_disk, "No space left on device"), (read_only, "Permission denied")],
)
@pytest.mark.parametrize(("owner", "name"), [(Image.Image, "save"), (Path, "write_text")])
@pytest.mark.parametrize("before", [True, False])
def test_a_failed_save_changes_nothing(tmp_path, monkeypatch, failure, reason, owner, name, before):
    if before:
        prototype(logit=1.0).save(tmp_path)
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(owner, name, failure)
    with pytest.raises(LibraryError) as caught:
        prototype().save(tmp_path)
    monkeypatch.undo()
    assert str(caught.value) == (
        f"the prototype could not be saved in {tmp_path}: {reason}; choose a folder that can be "
        "written and has room"
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == content


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "taken").write_text("")
    text = (
        f"the prototype could not be saved in {tmp_path / 'taken'}: File exists; choose a folder "
        "that can be written and has room"
    )
    for save in (prototype().save, make_folder):
        with pytest.raises(LibraryError) as caught:
            save(tmp_path / "taken")
        assert str(caught.value) == text


def test_files_that_are_no_prototype(tmp_path):
    path = prototype().save(tmp_path)
    with pytest.raises(
        LibraryError, match=r"^absent\.json cannot be read as a prototype: .*No such"
    ):
        Prototype.load(tmp_path / "absent.png")
    path.write_bytes(b"no image")
    with pytest.raises(ImageError) as caught:
        Prototype.load(path)
    assert str(caught.value) == f"{path.name} is not an image"
    path.with_suffix(".json").write_text("{")
    with pytest.raises(LibraryError, match=r"\.json cannot be read as a prototype: Expecting"):
        Prototype.load(path)


def test_a_class_that_was_not_found_is_said_in_words():
    found = record(probability=0.5)
    assert found.finding == "" and found.to_dict()["finding"] == ""
    lost = record(probability=0.12)
    assert "not found" in lost.finding and "0.12" in lost.finding
    assert lost.class_name in lost.finding and lost.top[0][1] in lost.finding
    assert lost.to_dict()["finding"] == lost.finding
    antitype = record(Target.antitype(1), probability=0.12)
    assert antitype.finding == ""  # which is to show the opposite


def test_readings_of_witnesses_survive_json_and_older_records_have_none():
    reading = WitnessReading(
        model="other", weights="v1", weight_hash="ab", rank=3, probability=0.1, log_probability=-2.3
    )
    seen = record(witnesses=(reading,), where="")
    content = json.loads(json.dumps(seen.to_dict()))
    assert PrototypeRecord.from_dict(content) == seen
    del content["witnesses"], content["where"]
    assert PrototypeRecord.from_dict(content) == record()


def test_notebooks_show_the_image():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    content = Prototype(image=image, record=record())._repr_png_()
    with Image.open(io.BytesIO(content)) as shown:
        assert (np.asarray(shown) == image).all()
