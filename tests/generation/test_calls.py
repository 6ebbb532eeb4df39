"""The calls that make prototypes again do what they say: they are run."""

import shlex

import pytest

from protocore.__main__ import main
from protocore.generation.calls import as_command, as_python, nearest_preset
from protocore.generation.presets import PRESETS
from protocore.generation.prototype import Prototype
from protocore.generation.settings import Target

SHORT = PRESETS[1].settings.patch({"steps": 3, "scale": (0.9, 1.1), "transforms_per_step": 1})
TARGETS = [Target.of(index, seed) for index in (0, 4) for seed in (0, 7)]


def test_the_nearest_preset_needs_the_fewest_changes():
    for preset in PRESETS:
        assert nearest_preset(preset.settings) == (preset, {})
    preset, changes = nearest_preset(SHORT)
    assert preset.settings.patch(changes) == SHORT
    assert set(changes) == {"steps", "scale", "transforms_per_step"}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The records in the folder that a call writes to."""
    monkeypatch.chdir(tmp_path)

    def read():
        files = sorted((tmp_path / "prototypes").glob("*.png"))
        return [Prototype.load(file).record for file in files]

    return read


def test_the_python_call_makes_the_same_prototypes(made):
    exec(compile(as_python("demo", "cpu", TARGETS, SHORT), "call", "exec"), {})
    assert {record.target for record in made()} == set(TARGETS)
    assert {record.settings for record in made()} == {SHORT}


@pytest.mark.parametrize("patch", [{}, {"hf_weight": 12.5}, {"hf_weight_end": None}])
def test_the_command_makes_the_same_prototypes(made, patch):
    settings = SHORT.patch(patch)
    words = shlex.split(as_command("demo", "cpu", TARGETS, settings))
    assert words[:3] == ["python", "-m", "protocore"]
    assert main(words[3:]) == 0
    assert {record.target for record in made()} == set(TARGETS)
    assert {record.settings for record in made()} == {settings}


def test_what_the_command_line_cannot_say_is_left_to_python():
    assert as_command("demo", "cpu", [Target.antitype(3, 1)], SHORT) == ""
    assert as_command("demo", "cpu", TARGETS[:3], SHORT) == ""
    assert "Target(weights=((3, -1.0),), seed=1)" in as_python(
        "demo", "cpu", [Target.antitype(3, 1)], SHORT
    )
