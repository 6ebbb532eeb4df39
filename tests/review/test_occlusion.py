"""Covering a region of a picture, with classifiers whose answers are known."""

import numpy as np
import pytest

from protocore.compare.edits import Box, Stroke
from protocore.errors import ProtocoreError, SettingsError
from protocore.models.classifier import Classifier
from protocore.review.occlusion import OcclusionEffect, occlusion_effect
from tests.compare.makers import lit_quadrant, noise, quadrants
from tests.networks import assert_unchanged, fingerprint, tiny_network

TOP_LEFT = Box(left=0, top=0, right=0.5, bottom=0.5)
BOTTOM_RIGHT = Box(left=0.5, top=0.5, right=1, bottom=1)


@pytest.fixture(scope="module")
def places():
    """Four classes; logit k is ten times the mean of quadrant k."""
    return quadrants()


def test_covering_what_the_model_reads(places):
    effect = occlusion_effect(places, lit_quadrant(0), [TOP_LEFT], 0, how="black")
    assert effect.drop == pytest.approx(10.0)  # white to black: all there was
    assert effect.share == 0.25
    assert len(effect.control_drops) == 24
    # A control covers at most half of the lit quadrant, or it would be the same place.
    assert all(0 <= drop <= 5 + 1e-5 for drop in effect.control_drops)
    assert len(set(effect.control_drops)) > 5
    assert effect.exceeded == 1.0
    assert effect.matters


def test_covering_a_part_lowers_the_logit_by_its_share(places):
    quarter = Box(left=0, top=0, right=0.25, bottom=0.25)
    effect = occlusion_effect(places, lit_quadrant(0), [quarter], 0, how="black")
    assert effect.drop == pytest.approx(2.5)
    assert effect.share == 1 / 16
    grey = occlusion_effect(places, lit_quadrant(0), [quarter], 0, how="grey")
    assert grey.drop == pytest.approx(2.5 * (255 - 128) / 255)


def test_covering_elsewhere_does_not_matter(places):
    effect = occlusion_effect(places, lit_quadrant(0), [BOTTOM_RIGHT], 0, how="black")
    assert effect.drop == 0
    assert max(effect.control_drops) > 1  # others hit what the model reads
    assert effect.exceeded == 0.0
    assert not effect.matters


def test_covering_that_helps_the_class_does_not_matter(places):
    effect = occlusion_effect(places, lit_quadrant(1), [TOP_LEFT], 0, how="grey")
    assert effect.drop == pytest.approx(-10 * 128 / 255)
    assert not effect.matters


def test_several_regions_are_covered_together(places):
    lit = np.maximum(lit_quadrant(0), lit_quadrant(3))
    for class_index in (0, 3):
        effect = occlusion_effect(places, lit, [TOP_LEFT, BOTTOM_RIGHT], class_index, how="black")
        assert effect.drop == pytest.approx(10.0)
        assert effect.share == 0.5


def test_a_stroke_is_covered(places):
    dot = Stroke(points=((0.25, 0.25),), radius=0.25)
    effect = occlusion_effect(places, lit_quadrant(0), [dot], 0, how="black")
    assert effect.drop == pytest.approx(10 * 4 * effect.share)  # all of it in the lit quadrant
    assert effect.matters


def test_blur_leaves_what_is_flat(places):
    flat = np.full((16, 16, 3), 200, dtype=np.uint8)
    effect = occlusion_effect(places, flat, [TOP_LEFT], 0)
    assert effect.drop == 0 and set(effect.control_drops) == {0.0}
    assert not effect.matters


def test_covering_everything_tells_nothing(places):
    """The same shape elsewhere is the same shape here: no control, no finding."""
    whole = Box(left=0, top=0, right=1, bottom=1)
    effect = occlusion_effect(places, lit_quadrant(0), [whole], 0, how="black", controls=6)
    assert effect.share == 1.0
    assert effect.control_drops == pytest.approx((10.0,) * 6)
    assert effect.exceeded == 0.0 and not effect.matters


def test_the_controls_depend_on_the_seed_alone(places):
    image = noise(0)

    def drops(**changes):
        return occlusion_effect(places, image, [TOP_LEFT], 0, **changes).control_drops

    assert drops() == drops(seed=0)
    assert drops(seed=1) != drops(seed=0)
    assert len(drops(controls=3)) == 3
    assert drops(controls=3) == drops()[:3]
    assert drops(controls=0) == ()


def test_the_picture_and_the_model_stay_as_they_were():
    network = tiny_network()
    classifier = Classifier.from_module(network, name="tiny", input_size=16)
    image, before = noise(1), fingerprint(network)
    copy = image.copy()
    effect = occlusion_effect(classifier, image, [TOP_LEFT], 2)
    assert np.array_equal(image, copy)
    assert_unchanged(network, before)
    assert all(type(value) is float for value in (effect.drop, *effect.control_drops))


def test_a_picture_of_another_size(places):
    effect = occlusion_effect(places, lit_quadrant(0, size=40), [TOP_LEFT], 0, how="black")
    assert effect.drop == pytest.approx(10.0) and effect.share == 0.25


def test_what_cannot_be_covered(places):
    with pytest.raises(SettingsError) as caught:
        occlusion_effect(places, lit_quadrant(0), [], 0)
    assert str(caught.value) == ("mark a region on the picture first: there is nothing to cover")
    with pytest.raises(ProtocoreError, match="4"):
        occlusion_effect(places, lit_quadrant(0), [TOP_LEFT], 4)
    with pytest.raises(SettingsError, match="cover must be one of mean, blur, grey, black"):
        occlusion_effect(places, lit_quadrant(0), [TOP_LEFT], 0, how="paint")


@pytest.mark.parametrize(
    ("drop", "controls", "exceeded", "matters"),
    [
        (1.0, (), 0.0, False),
        (1.0, (0.0,) * 9 + (2.0,), 0.9, True),
        (1.0, (0.0,) * 8 + (2.0,) * 2, 0.8, False),
        (1.0, (1.0,) * 10, 0.0, False),  # a tie is no more than elsewhere
        (0.0, (-1.0,) * 10, 1.0, False),
        (-1.0, (-2.0,) * 10, 1.0, False),
        (1e-9, (0.0,) * 10, 1.0, True),
    ],
)
def test_when_a_region_matters(drop, controls, exceeded, matters):
    effect = OcclusionEffect(drop=drop, control_drops=controls, share=0.1)
    assert effect.exceeded == pytest.approx(exceeded)
    assert effect.matters is matters
