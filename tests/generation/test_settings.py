"""What settings and targets accept, what they say when they do not, and how they are keyed."""

import dataclasses
import math

import pytest

from protocore.errors import SettingsError
from protocore.generation.settings import GenerationSettings, Target, prototype_key

PAPER = GenerationSettings()
LATER = ("hf_colour", "hf_unit", "hf_rise")  # settings that version 1 did not have
KEY_OF_VERSION_1 = "5215f9a8c4aac95c88ba235c3fa7282b410ae251c487f2aad16b71e17a3c2ccb"


def test_the_defaults_are_the_papers():
    assert (PAPER.steps, PAPER.learning_rate, PAPER.transforms_per_step) == (512, 0.05, 1)
    assert (PAPER.scale, PAPER.rotation, PAPER.translation) == ((0.7, 1.3), 180.0, (0.5, 0.5))
    assert PAPER.parametrisation == "pixels"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"steps": 10_000_000}, "steps must be <= 100000, got 10000000"),
        ({"steps": 2.5}, "steps must be a whole number from 1 to 100000, got 2.5"),
        ({"steps": True}, "steps must be a whole number from 1 to 100000, got True"),
        ({"steps": "5"}, "steps must be a whole number from 1 to 100000, got '5'"),
        ({"learning_rate": math.nan}, "learning rate must be a number from 1e-05 to 10.0, got nan"),
        ({"learning_rate": 0.0}, "learning rate must be >= 1e-05, got 0.0"),
        ({"baseline_steps": -1}, "baseline steps must be >= 0, got -1"),
        ({"scale": (0.7, math.inf)}, "scale must be a number from 0.1 to 4.0, got inf"),
        ({"scale": (1.3, 0.7)}, "scale must be (smallest, largest), got (1.3, 0.7)"),
        ({"scale": 1.0}, "scale must be two numbers, got 1.0"),
        ({"rotation": 181}, "rotation (degrees) must be <= 180, got 181"),
        ({"translation": (0.5,)}, "translation must be two numbers, got (0.5,)"),
        ({"translation": (0.5, 1.5)}, "translation (share of the size) must be <= 1, got 1.5"),
        (
            {"fill": "pink"},
            "fill must be one of black, mean, grey, white, edge, reflect, got 'pink'",
        ),
        ({"transforms_per_step": 0}, "transforms per step must be >= 1, got 0"),
        ({"hf_weight": math.nan}, "high-frequency weight must be a number from 0 to 1000000.0, "
         "got nan"),
        ({"hf_weight": -1}, "high-frequency weight must be >= 0, got -1"),
        ({"hf_weight_end": 2e6}, "high-frequency weight at the end must be <= 1000000.0, "
         "got 2000000.0"),
        (
            {"hf_weight": 0.0, "hf_weight_end": 5.0},
            "a high-frequency weight that changes geometrically must be above 0 at both ends, "
            "got 0.0 and 5.0",
        ),
        (
            {"hf_penalty": "cubic"},
            "high-frequency penalty must be one of absolute, squared, got 'cubic'",
        ),
        (
            {"hf_rise": "fast"},
            "rise of the high-frequency weight must be one of steps, class, got 'fast'",
        ),
        (
            {"hf_rise": "class", "hf_weight_end": 9.0},
            "a high-frequency weight that rises with the class must not fall, got 1000.0 and 9.0",
        ),
        (
            {"hf_unit": "logit"},
            "unit of the high-frequency weight must be one of absolute, gradient, got 'logit'",
        ),
        ({"hf_colour": -1}, "high-frequency colour factor must be >= 0, got -1"),
        ({"averaging": -1}, "averaging (steps) must be >= 0, got -1"),
        ({"probability_floor": 1.5}, "probability floor must be <= 1, got 1.5"),
        ({"probability_floor": math.nan}, "probability floor must be a number from 0 to 1, "
         "got nan"),
        ({"image_size": 8}, "image size (pixels) must be >= 16, got 8"),
        (
            {"image_size": 224.0},
            "image size (pixels) must be a whole number from 16 to 2048, got 224.0",
        ),
        ({"parametrisation": "dct"}, "parametrisation must be one of pixels, fourier, got 'dct'"),
        (
            {"precision": "float16"},
            "precision must be one of auto, float32, bfloat16, got 'float16'",
        ),
    ],
)  # fmt: skip
def test_values_outside_their_range_are_explained(changes, text):
    with pytest.raises(SettingsError) as caught:
        GenerationSettings(**changes)
    assert str(caught.value) == text
    with pytest.raises(SettingsError):
        PAPER.replace(**changes)


def test_the_weight_rises_geometrically():
    settings = PAPER.replace(steps=4, hf_weight=500, hf_weight_end=4000)
    weights = [settings.hf_weight_at(step) for step in range(6)]
    assert weights == pytest.approx([500, 1000, 2000, 4000, 4000, 4000])


@pytest.mark.parametrize(
    "settings",
    [
        PAPER.replace(steps=4, hf_weight=300),
        PAPER.replace(steps=1, hf_weight=300, hf_weight_end=900),
        PAPER.replace(steps=4, hf_weight=300, hf_weight_end=300),
    ],
)
def test_a_weight_that_does_not_change(settings):
    assert settings.hf_weight_at(0) == 300
    assert settings.replace(hf_weight_end=None).hf_weight_at(3) == 300


def test_a_weight_of_zero_stays_zero():
    assert PAPER.replace(hf_weight=0, hf_weight_end=0).hf_weight_at(3) == 0


def test_settings_survive_json():
    settings = PAPER.replace(scale=(0.9, 1.1), hf_weight_end=2000, image_size=64, fill="mean")
    assert GenerationSettings.from_dict(settings.to_dict()) == settings
    assert settings.to_dict()["scale"] == [0.9, 1.1]


def test_unknown_names_are_explained():
    with pytest.raises(SettingsError) as caught:
        GenerationSettings.from_dict({"steps": 3, "colour": "red"})
    known = sorted(field.name for field in dataclasses.fields(GenerationSettings))
    assert str(caught.value) == f"unknown settings ['colour']; known are {known}"


# --- targets ---


def test_targets_by_hand():
    assert Target.of(3, seed=7) == Target(weights=((3, 1.0),), seed=7)
    assert Target.contrast(3, 1, 0.5).weights == ((3, 1.0), (1, -0.5))
    assert Target.contrast(3, 1, 0) == Target.of(3)
    assert Target.antitype(3).weights == ((3, -1.0),)
    assert Target.contrast(3, 1, 0.5).class_index == 3


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"weights": ()}, "a target needs at least one class, got none"),
        (
            {"weights": ((1, 1.0), (1, 2.0))},
            "each class may occur once in a target, got [1, 1]",
        ),
        ({"weights": ((-1, 1.0),)}, "class index must be >= 0, got -1"),
        (
            {"weights": (("golf ball", 1.0),)},
            "class index must be a whole number from 0 to 2147483647, got 'golf ball'",
        ),
        (
            {"weights": ((1, math.nan),)},
            "a target needs finite weights other than 0, got class 1 with weight nan",
        ),
        (
            {"weights": ((1, 0.0),)},
            "a target needs finite weights other than 0, got class 1 with weight 0.0",
        ),
        ({"weights": ((1, 1.0),), "seed": -1}, "seed must be >= 0, got -1"),
        (
            {"weights": ((1, 1.0),), "seed": 0.5},
            "seed must be a whole number from 0 to 4294967295, got 0.5",
        ),
    ],
)
def test_wrong_targets_are_explained(values, text):
    with pytest.raises(SettingsError) as caught:
        Target(**values)
    assert str(caught.value) == text


# --- keys ---


def test_a_key_is_the_same_for_the_same_request():
    key = prototype_key("id", Target.of(1), PAPER)
    assert len(key) == 64
    same = GenerationSettings(hf_weight=1000, rotation=180, scale=(0.7, 1.3))
    assert prototype_key("id", Target(weights=((1, 1),)), same) == key
    whole = PAPER.replace(scale=(1, 1), translation=(0, 0))
    fraction = PAPER.replace(scale=(1.0, 1.0), translation=(0.0, 0.0), probability_floor=0)
    assert prototype_key("id", Target.of(1), whole) == prototype_key("id", Target.of(1), fraction)


def test_keys_from_before_a_setting_existed_are_still_found():
    """The key that the first version gave, and what its record says."""
    assert prototype_key("id", Target.of(1), PAPER) == KEY_OF_VERSION_1
    values = {k: v for k, v in PAPER.to_dict().items() if k not in LATER}
    assert GenerationSettings.from_dict(values) == PAPER


def test_a_key_differs_with_everything_that_changes_the_image():
    requests = [("id", Target.of(1), PAPER), ("other", Target.of(1), PAPER)]
    requests += [("id", target, PAPER) for target in (Target.of(2), Target.of(1, 5))]
    requests += [("id", Target.antitype(1), PAPER), ("id", Target.contrast(1, 2, 0.5), PAPER)]
    changed = {
        "steps": 9, "learning_rate": 0.1, "baseline_steps": 9, "scale": (0.8, 1.3),
        "rotation": 9.0, "translation": (0.1, 0.5), "fill": "grey", "transforms_per_step": 2,
        "hf_weight": 9.0, "hf_weight_end": 9.0, "hf_penalty": "squared", "averaging": 9,
        "hf_colour": 3.0, "hf_unit": "gradient",
        "hf_rise": "class",
        "probability_floor": 0.5, "image_size": 99, "parametrisation": "fourier",
        "precision": "float32",
    }  # fmt: skip
    assert set(changed) == {field.name for field in dataclasses.fields(GenerationSettings)}
    requests += [("id", Target.of(1), PAPER.replace(**{k: v})) for k, v in changed.items()]
    assert len({prototype_key(*request) for request in requests}) == len(requests)
