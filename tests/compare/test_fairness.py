"""What makes a comparison fair, and the plans for one."""

import pytest
import torch

from protocore.compare.fairness import (
    assess_fairness,
    check_same_labels,
    contrast_targets,
    mix_targets,
    plan_targets,
)
from protocore.errors import ModelError, SettingsError, UnknownClassError
from protocore.generation.loop import generate
from protocore.generation.prototype import SettingsChange
from protocore.generation.settings import Target
from protocore.models.classifier import Classifier
from tests.compare.makers import SETTINGS, noise, prototype_of, quadrants
from tests.networks import tiny_classifier, tiny_network


def records(*wishes, **changes):
    classifier = quadrants()
    return [
        prototype_of(classifier, target, noise(0), settings, **changes).record
        for target, settings in wishes
    ]


def test_classes_under_the_same_seeds_and_settings_are_fair():
    wishes = [(Target.of(c, s), SETTINGS) for c in (0, 1) for s in (0, 1)]
    found = assess_fairness(records(*wishes))
    assert found.fair and found.compared == ("class",)


def test_everything_that_is_not_fair_is_said():
    other = SETTINGS.replace(steps=8, rotation=10.0)
    found = assess_fairness(
        records((Target.of(0, 0), SETTINGS), (Target.of(1, 1), other), completed=False)
    )
    assert found.compared == ("class", "settings")
    assert found.unfair == (
        "class and settings differ at once (steps, rotation)",
        "the seeds are not the same for all",
        "2 of 2 were stopped before their last step",
    )


def test_tuning_in_mid_run_is_said():
    history = (
        SettingsChange(step=0, settings=SETTINGS.replace(rotation=5.0)),
        SettingsChange(step=2, settings=SETTINGS),
    )
    found = assess_fairness(
        records((Target.of(0), SETTINGS), (Target.of(1), SETTINGS), history=history)
    )
    assert found.unfair == ("2 of 2 were tuned while they ran",)


def test_the_start_image_is_the_same_for_every_class_of_a_seed():
    classifier = tiny_classifier()
    targets = plan_targets(classifier, [0, 2], [5, 6])
    assert targets == (Target.of(0, 5), Target.of(0, 6), Target.of(2, 5), Target.of(2, 6))
    settings = SETTINGS.replace(learning_rate=1e-5, steps=1)
    (snapshot,) = generate(classifier, targets, settings)
    images = snapshot.images()
    assert torch.allclose(images[0], images[2], atol=1e-4)
    assert not torch.allclose(images[0], images[1], atol=1e-2)


@pytest.mark.parametrize(
    ("classes", "seeds", "message"),
    [
        ([1], [0], "a comparison needs 2 to 12 classes, got 1; add a related class"),
        ([0, 1], [], "give at least one seed, such as 0"),
        (
            [0, 0],
            [0],
            "each class and each seed may occur once, got classes [0, 0] and seeds [0]",
        ),
        (
            [0, 1, 2],
            list(range(17)),
            "at most 48 prototypes fit side by side, got 3 classes x 17 seeds; choose fewer",
        ),
    ],
)
def test_plans_that_cannot_be_are_explained(classes, seeds, message):
    with pytest.raises(SettingsError) as caught:
        plan_targets(tiny_classifier(), classes, seeds)
    assert str(caught.value) == message


def test_a_plan_knows_the_classes():
    with pytest.raises(UnknownClassError):
        plan_targets(tiny_classifier(), [0, 9], [0])


def test_contrasts_go_both_ways():
    assert contrast_targets(3, 4, 0.5, [0]) == (
        Target(weights=((3, 1.0), (4, -0.5))),
        Target(weights=((4, 1.0), (3, -0.5))),
    )
    with pytest.raises(SettingsError) as caught:
        contrast_targets(3, 3, 0.5, [0])
    assert str(caught.value) == "a contrast needs two different classes, got 3 twice"


def test_a_mix_is_the_mean():
    assert mix_targets([1, 4], [7]) == (Target(weights=((1, 0.5), (4, 0.5)), seed=7),)
    with pytest.raises(SettingsError) as caught:
        mix_targets([1], [0])
    assert str(caught.value) == "a mix needs at least 2 classes, got 1"


def test_models_with_other_labels_are_refused():
    first = tiny_classifier()
    check_same_labels([first, tiny_classifier(seed=3)])
    names = list(first.class_names)
    names[2] = "tuba"
    other = Classifier.from_module(tiny_network(), class_names=names, name="other", input_size=16)
    with pytest.raises(ModelError) as caught:
        check_same_labels([first, other])
    assert str(caught.value) == (
        "class 2 is 'French horn' in tiny · TEST but 'tuba' in other · in memory: only models with "
        "the same label set can be compared; choose another model, or give the weights the same "
        "list of class names"
    )
    with pytest.raises(ModelError) as caught:
        check_same_labels([first, quadrants()])
    assert str(caught.value) == (
        "tiny · TEST has 5 classes and quadrants · in memory has 4: only models with the same "
        "label set can be compared; choose another model, or compare classes within one model"
    )
