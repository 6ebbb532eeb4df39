"""A comparison of prototypes whose numbers are known."""

import numpy as np
import pytest

from protocore.compare.comparison import (
    arrange,
    asymmetries,
    compare,
    describe,
    divergence_lines,
    target_title,
    transfer_matrix,
)
from protocore.errors import SettingsError
from protocore.generation.settings import Target
from tests.compare.makers import (
    SETTINGS,
    colours,
    lit_quadrant,
    noise,
    prototype_of,
    quadrants,
)


def four(classifier=None):
    """Two classes under two seeds; class 0 also lights a little of quadrant 3."""
    classifier = classifier or quadrants()
    both = np.maximum(lit_quadrant(0), lit_quadrant(3, level=102))
    return [
        prototype_of(classifier, Target.of(0, 0), both),
        prototype_of(classifier, Target.of(0, 1), both),
        prototype_of(classifier, Target.of(3, 0), lit_quadrant(3)),
        prototype_of(classifier, Target.of(3, 1), lit_quadrant(3)),
    ]


def test_logits_and_probabilities_of_every_class_on_every_prototype():
    found = compare(quadrants(), four())
    assert found.groups == ("0 · top left", "3 · bottom right")
    assert found.seeds == (0, 1)
    assert found.matrix.labels == ("0 · top left", "3 · bottom right")
    np.testing.assert_allclose(found.matrix.logits[:3], [[10, 4], [10, 4], [0, 10]], atol=1e-5)
    total = np.exp(10) + np.exp(4) + 2
    np.testing.assert_allclose(
        found.matrix.probabilities[0], [np.exp(10) / total, np.exp(4) / total], rtol=1e-5
    )
    assert [index for index, _, _ in found.matrix.top[0][:2]] == [0, 3]
    assert found.fairness.fair
    assert found.paths.layers == ("head",)
    assert [row.seeds for row in found.stability] == [2, 2]
    assert found.stability[0].mean == pytest.approx(1.0)


def test_asymmetry_is_told():
    (one,) = asymmetries(compare(quadrants(), four()))
    assert (one.first, one.second) == ("0 · top left", "3 · bottom right")
    assert one.second_in_first == pytest.approx(np.exp(4) / (np.exp(10) + np.exp(4) + 2), rel=1e-5)
    assert one.first_in_second == pytest.approx(1 / (np.exp(10) + 3), rel=1e-5)


def test_contrasts_are_no_part_of_the_asymmetry():
    classifier = quadrants()
    contrast = Target.contrast(0, 3, 0.5)
    prototypes = [*four(classifier), prototype_of(classifier, contrast, lit_quadrant(0))]
    found = compare(classifier, prototypes)
    assert len(asymmetries(found)) == 1
    assert found.items[4].group == "0 · top left − 0.5 × 3"


def test_images_of_another_size_are_resampled_for_the_paths():
    classifier = quadrants()
    small = [
        prototype_of(classifier, Target.of(0), lit_quadrant(0, size=32)),
        prototype_of(classifier, Target.of(1), lit_quadrant(1, size=16)),
    ]
    found = compare(classifier, small)
    np.testing.assert_allclose(found.matrix.logits, [[10, 0], [0, 10]], atol=1e-5)


@pytest.mark.parametrize(
    ("target", "title"),
    [
        (Target.of(1), "1 · top right"),
        (Target.contrast(1, 2, 0.5), "1 · top right − 0.5 × 2"),
        (Target.antitype(1), "antitype of 1 · top right"),
        (Target(weights=((1, 0.5), (2, 0.5))), "mix of 1 · top right and 2"),
        (Target(weights=((1, 1.0), (2, 0.25))), "1 · top right + 0.25 × 2"),
    ],
)
def test_titles_of_targets(target, title):
    assert target_title(prototype_of(quadrants(), target, noise(0)).record) == title


def test_titles_name_what_differs_and_nothing_else():
    classifier = quadrants()
    by_settings = [
        prototype_of(classifier, Target.of(0), noise(0), settings).record
        for settings in (SETTINGS, SETTINGS.replace(rotation=10.0), SETTINGS.replace(rotation=20.0))
    ]
    assert [item.group for item in describe(by_settings)] == [
        "rotation 180.0",
        "rotation 10.0",
        "rotation 20.0",
    ]
    other = colours([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0]])
    by_model = [
        prototype_of(one, Target.of(0, seed=4), noise(0)).record for one in (classifier, other)
    ]
    assert [item.title for item in describe(by_model)] == [
        "quadrants · in memory · seed 4",
        "colours · KNOWN · seed 4",
    ]


def test_one_prototype_alone_is_explained():
    with pytest.raises(SettingsError) as caught:
        compare(quadrants(), four()[:1])
    assert str(caught.value) == (
        "a comparison needs 2 to 96 prototypes, got 1; add a class or a seed"
    )


def test_curves_between_groups_and_within_them():
    between, within = divergence_lines(compare(quadrants(), four()))
    assert [name for name, _ in between] == ["0 · top left | 3 · bottom right"]
    assert len(between[0][1]) == 1 and within[0][1][0] == pytest.approx(1.0)


def test_every_model_sees_every_image():
    rows = [[10.0, 0, 0], [0, 10.0, 0], [0, 0, 10.0], [0, 0, 0]]
    red = np.zeros((16, 16, 3), dtype=np.uint8)
    red[:, :, 0] = 255
    found = transfer_matrix([quadrants(), colours(rows)], [lit_quadrant(0), red], 0)
    third = 10 / 3  # mean over the colours of a red quadrant
    expected = [
        [np.exp(10) / (np.exp(10) + 3), np.exp(2.5) / (3 * np.exp(2.5) + 1)],
        [np.exp(third) / (4 * np.exp(third)), np.exp(10) / (np.exp(10) + 3)],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("groups", "seeds", "columns", "last"),
    [(2, 3, 2, (2, 1)), (6, 1, 6, (0, 5)), (12, 2, 2, (11, 1)), (12, 1, 6, (1, 5))],
)
def test_two_to_twelve_classes_have_their_place(groups, seeds, columns, last):
    wanted = [(str(group), seed) for group in range(groups) for seed in range(seeds)]
    places, found = arrange(wanted)
    assert found == columns and places[-1] == last and len(set(places)) == len(wanted)


def test_two_prototypes_of_one_group_and_seed_both_have_a_place():
    assert arrange([("a", 0), ("a", 0), ("b", 0)]) == ([(0, 0), (0, 1), (0, 2)], 3)
