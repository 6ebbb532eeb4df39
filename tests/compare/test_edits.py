"""Covering regions, by hand-computed pixels and logits."""

import json
import math

import numpy as np
import pytest

from protocore.compare.edits import (
    Box,
    Stroke,
    cover,
    region_mask,
    shape_from_dict,
    shape_to_dict,
    what_if,
)
from protocore.errors import SettingsError
from tests.compare.makers import lit_quadrant, quadrants


def test_a_box_covers_its_pixels():
    mask = region_mask([Box(left=0.5, top=0, right=1, bottom=0.25)], 8, 16)
    expected = np.zeros((8, 16), dtype=bool)
    expected[:2, 8:] = True
    np.testing.assert_array_equal(mask, expected)


def test_the_smallest_box_still_covers_a_pixel():
    assert region_mask([Box(left=0.5, top=0.5, right=0.501, bottom=0.501)], 16, 16).sum() == 1


def test_a_stroke_joins_its_points():
    mask = region_mask([Stroke(points=((0.25, 0.5), (0.75, 0.5)), radius=0.1)], 20, 20)
    assert mask[10, 5:15].all() and not mask[:6].any() and not mask[:, :2].any()
    dot = region_mask([Stroke(points=((0.5, 0.5),), radius=0.2)], 20, 20)
    assert dot[10, 10] and not dot[10, 15] and dot.sum() == pytest.approx(np.pi * 16, rel=0.25)


def test_no_shape_covers_nothing():
    assert not region_mask([], 4, 4).any()


@pytest.mark.parametrize(("how", "value"), [("black", 0), ("grey", 128), ("mean", 64)])
def test_the_covered_pixels_take_the_colour_and_the_others_stay(how, value):
    image = lit_quadrant(0)  # mean colour 63.75
    mask = np.zeros((16, 16), dtype=bool)
    mask[:4] = True
    edited = cover(image, mask, how)
    assert (edited[:4] == value).all()
    np.testing.assert_array_equal(edited[4:], image[4:])
    assert edited.dtype == np.uint8


def test_blur_softens_edges_within_the_region():
    image = lit_quadrant(0, size=32)
    edited = cover(image, np.ones((32, 32), dtype=bool), "blur")
    assert 0 < edited[8, 16, 0] < 255
    assert edited[2, 2, 0] > 250 and edited[30, 30, 0] < 5


def test_both_logits_are_told_before_and_after():
    image = np.maximum(lit_quadrant(0), lit_quadrant(3))
    found = what_if(quadrants(), image, [Box(left=0, top=0, right=0.5, bottom=0.5)], "black")
    np.testing.assert_allclose(found.before, [10, 0, 0, 10], atol=1e-5)
    np.testing.assert_allclose(found.after, [0, 0, 0, 10], atol=1e-5)
    np.testing.assert_array_equal(found.image, lit_quadrant(3))
    assert found.share == 0.25
    assert found.probabilities_before[3] == pytest.approx(0.5, abs=1e-4)
    assert found.probabilities_after[3] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "values", "fact"),
    [
        (Box, {"left": 0.5, "top": 0, "right": 0.5, "bottom": 1}, "left 0.5"),
        (Box, {"left": math.nan, "top": 0, "right": 0.5, "bottom": 1}, "left"),
        (Stroke, {"points": (), "radius": 0.1}, "points"),
        (Stroke, {"points": ((0, 0),), "radius": 0.9}, "radius"),
        (Stroke, {"points": ((0, math.inf),), "radius": 0.1}, r"points\[0\]\[1\]"),
    ],
)
def test_what_is_no_shape_is_explained(kind, values, fact):
    with pytest.raises(SettingsError, match=fact):
        kind(**values)


def test_another_cover_is_explained():
    with pytest.raises(SettingsError) as caught:
        cover(lit_quadrant(0), np.ones((16, 16), dtype=bool), "paint")
    assert str(caught.value) == "cover must be one of mean, blur, grey, black, got 'paint'"


# --- regions from the browser or a file ---


@pytest.mark.parametrize(
    "shape",
    [
        Box(left=0.1, top=0.2, right=0.5, bottom=0.75),
        Stroke(points=((0, 1), (0.5, 0.25)), radius=0.5),
    ],
)
def test_a_region_comes_back(shape):
    assert shape_from_dict(json.loads(json.dumps(shape_to_dict(shape)))) == shape


def test_whole_numbers_become_shares():
    box = shape_from_dict({"kind": "box", "left": 0, "top": 0, "right": 1, "bottom": 1})
    assert box == Box(left=0.0, top=0.0, right=1.0, bottom=1.0)
    assert type(box.left) is float


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {"kind": "polygon", "points": [[0, 0]], "radius": 0.1},
        {"kind": "box", "left": "0", "top": 0, "right": 1, "bottom": 1},
        {"kind": "box", "left": False, "top": 0, "right": 1, "bottom": 1},
        {"kind": "brush", "points": [[0, 0, 0]], "radius": 0.1},
        {"kind": "brush", "points": ["ab"], "radius": 0.1},
        {"kind": "brush", "points": 5, "radius": 0.1},
        {"kind": "brush", "points": [[10**400, 0]], "radius": 0.1},
    ],
)
def test_what_is_no_region_is_explained(content):
    with pytest.raises(SettingsError, match="the drawn region"):
        shape_from_dict(content)


@pytest.mark.parametrize("value", [-0.1, 1.1, 1e300, math.nan, math.inf])
def test_regions_lie_on_the_picture(value):
    with pytest.raises(SettingsError):
        shape_from_dict({"kind": "brush", "points": [[0.5, value]], "radius": 0.1})
    with pytest.raises(SettingsError):
        shape_from_dict({"kind": "box", "left": 0, "top": 0, "right": 1, "bottom": value})
