"""What settings and targets accept, what they say when they do not, and how they are keyed."""

import dataclasses
import math

import pytest

from protocore.errors import SettingsError
from protocore.generation.fields import FIELDS
from protocore.generation.settings import GenerationSettings, Target, prototype_key

PAPER = GenerationSettings()


def test_the_defaults_are_the_papers():
    assert (PAPER.steps, PAPER.learning_rate, PAPER.transforms_per_step) == (512, 0.05, 1)
    assert (PAPER.scale, PAPER.rotation, PAPER.translation) == ((0.7, 1.3), 180.0, (0.5, 0.5))
    assert PAPER.parametrisation == "pixels"


# What is wrong, and what the message must say: the setting, its limits, the value.
WRONG = [
    ({"steps": 0}, ("steps", ">= 1", "got 0")),
    ({"steps": 10_000_000}, ("steps", "<= 100000", "got 10000000")),
    ({"steps": 2.5}, ("steps", "whole number from 1 to 100000", "got 2.5")),
    ({"steps": True}, ("whole number", "got True")),
    ({"steps": "5"}, ("whole number", "got '5'")),
    ({"steps": None}, ("whole number", "got None")),
    ({"learning_rate": math.nan}, ("learning rate", "1e-05 to 10", "got nan")),
    ({"learning_rate": 0.0}, ("learning rate", ">= 1e-05", "got 0.0")),
    ({"baseline_steps": -1}, ("baseline steps", ">= 0", "got -1")),
    ({"scale": (0.7, math.inf)}, ("scale", "0.1 to 4", "got inf")),
    ({"scale": (1.3, 0.7)}, ("scale", "(smallest, largest)", "(1.3, 0.7)")),
    ({"scale": 1.0}, ("scale", "two numbers", "got 1.0")),
    ({"rotation": 181}, ("rotation (degrees)", "<= 180", "got 181")),
    ({"translation": (0.5,)}, ("translation", "two numbers", "got (0.5,)")),
    ({"translation": (0.5, 1.5)}, ("translation (share of the size)", "<= 1", "got 1.5")),
    ({"fill": "pink"}, ("black, mean, grey, white, edge, reflect", "got 'pink'")),
    ({"transforms_per_step": 0}, ("transforms per step", ">= 1", "got 0")),
    ({"hf_weight": math.nan}, ("total variation weight", "0 to 1000000", "got nan")),
    ({"hf_weight": -1}, ("total variation weight", ">= 0", "got -1")),
    ({"hf_weight_end": 2e6}, ("at the last step", "<= 1000000", "got 2000000.0")),
    ({"hf_weight": 0.0, "hf_weight_end": 5.0}, ("above 0 at both ends", "0.0 and 5.0")),
    ({"hf_penalty": "cubic"}, ("absolute, squared", "got 'cubic'")),
    ({"hf_rise": "fast"}, ("steps, class", "got 'fast'")),
    ({"hf_rise": "class", "hf_weight_end": 9.0}, ("must not fall", "1000.0 and 9.0")),
    ({"hf_unit": "logit"}, ("absolute, gradient", "got 'logit'")),
    ({"hf_colour": -1}, ("colour", ">= 0", "got -1")),
    ({"averaging": -1}, ("averaging (steps)", ">= 0", "got -1")),
    ({"probability_floor": 1.5}, ("probability floor", "<= 1", "got 1.5")),
    ({"noise": 1.5}, ("noise in the views", "<= 1", "got 1.5")),
    ({"jitter": -0.1}, ("jitter", ">= 0", "got -0.1")),
    ({"greyscale": math.inf}, ("without colour", "0 to 1", "got inf")),
    ({"contrast_limit": -1}, ("contrast limit", ">= 0", "got -1")),
    ({"image_size": 8}, ("image size (pixels)", ">= 16", "got 8")),
    ({"image_size": 224.0}, ("whole number from 16 to 2048", "got 224.0")),
    ({"parametrisation": "dct"}, ("pixels, fourier, maco", "got 'dct'")),
    ({"precision": "float16"}, ("auto, float32, bfloat16", "got 'float16'")),
]


@pytest.mark.parametrize(("changes", "facts"), WRONG)
def test_values_outside_their_range_are_explained(changes, facts):
    for make in (GenerationSettings, PAPER.replace, lambda **given: PAPER.patch(given)):
        with pytest.raises(SettingsError) as caught:
            make(**changes)
        assert all(fact in str(caught.value) for fact in facts)


def test_the_table_and_the_dataclass_have_the_same_settings():
    assert list(FIELDS) == [field.name for field in dataclasses.fields(GenerationSettings)]
    for name, field in FIELDS.items():
        assert field.name == name
        assert field.label[0].isupper() and field.help.endswith(".")
        assert field.parse(getattr(PAPER, name)) == getattr(PAPER, name)
    assert FIELDS["hf_weight_end"].flag == "--hf-weight-end"


def test_a_patch_changes_only_what_it_names():
    running = PAPER.replace(rotation=12.5, translation=(0.1, 0.3), hf_weight=1234.5)
    patched = running.patch({"steps": 99, "scale": [0.8, 1.2]})  # as from JSON
    assert patched == running.replace(steps=99, scale=(0.8, 1.2))
    assert running.patch({}) == running
    both = running.patch({"steps": 9}).patch({"rotation": 3})
    assert (both.steps, both.rotation, both.hf_weight) == (9, 3.0, 1234.5)
    with pytest.raises(SettingsError, match="unknown settings"):
        running.patch({"steps": 9, "colour": "red"})


def test_the_changes_between_two_settings_are_a_patch():
    other = PAPER.replace(steps=7, hf_weight_end=2000)
    assert PAPER.changes_to(other) == {"steps": 7, "hf_weight_end": 2000.0}
    assert PAPER.patch(PAPER.changes_to(other)) == other
    assert PAPER.changes_to(PAPER) == {}


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


def test_the_noise_falls_evenly_to_nothing():
    settings = PAPER.replace(steps=4, noise=0.2)
    assert [settings.noise_at(step) for step in range(6)] == pytest.approx(
        [0.2, 0.15, 0.1, 0.05, 0, 0]
    )


def test_settings_survive_json():
    settings = PAPER.replace(scale=(0.9, 1.1), hf_weight_end=2000, image_size=64, fill="mean")
    assert GenerationSettings.from_dict(settings.to_dict()) == settings
    assert settings.to_dict()["scale"] == [0.9, 1.1]


def test_unknown_names_are_explained():
    with pytest.raises(SettingsError) as caught:
        GenerationSettings.from_dict({"steps": 3, "colour": "red"})
    known = sorted(field.name for field in dataclasses.fields(GenerationSettings))
    assert "colour" in str(caught.value) and str(known) in str(caught.value)


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
        "precision": "float32", "noise": 0.1, "jitter": 0.1, "greyscale": 0.1,
        "contrast_limit": 1.0,
    }  # fmt: skip
    assert set(changed) == {field.name for field in dataclasses.fields(GenerationSettings)}
    requests += [("id", Target.of(1), PAPER.replace(**{k: v})) for k, v in changed.items()]
    assert len({prototype_key(*request) for request in requests}) == len(requests)
