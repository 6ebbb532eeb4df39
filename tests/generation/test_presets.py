"""Presets have names, differ, and fit what they are given for."""

import pytest

from protocore.errors import SettingsError
from protocore.generation.presets import PRESETS, default_preset, find_preset, matching_preset
from protocore.generation.settings import GenerationSettings


def test_the_presets_of_the_issue_exist():
    names = [preset.name for preset in PRESETS]
    assert {"paper", "none", "mild", "natural", "fourier", "maco"} <= set(names)
    assert len(set(names)) == len(names)
    assert len({preset.settings for preset in PRESETS}) == len(PRESETS)
    assert all(preset.title and preset.summary and preset.tuned_on for preset in PRESETS)


def test_paper_is_the_papers_and_fourier_the_baseline():
    assert find_preset("paper").settings == GenerationSettings()
    assert find_preset("fourier").settings.parametrisation == "fourier"
    assert find_preset("fourier").settings.hf_weight == 0
    plain = find_preset("none").settings
    assert (plain.hf_weight, plain.rotation, plain.scale) == (0, 0, (1, 1))


def test_an_unknown_preset_is_explained():
    with pytest.raises(SettingsError) as caught:
        find_preset("best")
    known = ", ".join(preset.name for preset in PRESETS)
    assert str(caught.value) == f"there is no preset 'best'; choose one of {known}"


def test_what_a_model_starts_with():
    assert default_preset("demo").name == "demo"
    for source in ("torchvision", "checkpoint", "module"):
        assert default_preset(source).name == "natural"


def test_settings_find_their_preset():
    for preset in PRESETS:
        assert matching_preset(preset.settings) == preset
    assert matching_preset(GenerationSettings(steps=3)) is None
