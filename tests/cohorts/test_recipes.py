"""A recipe makes the same images again, and only what is a recipe is one."""

import numpy as np
import pytest

from protocore.cohorts.cohort import claim_cohorts, demo_cohorts
from protocore.cohorts.recipes import (
    FILES,
    attribute_recipe,
    check_recipe,
    claim_recipe,
    cohorts_from_recipe,
)
from protocore.demo.biases import claim_by_key
from protocore.demo.world import CLASS_NAMES
from protocore.errors import ReviewError

GOOD = {"kind": "demo", "claim": "gown-skin", "count": 3, "seed": 5, "haze": 0.25}


def test_a_known_claim_is_rendered_again():
    recipe = claim_recipe(claim_by_key("gown-skin"), count=3, seed=5, haze=0.25)
    assert recipe == claim_recipe("gown-skin", count=3, seed=5, haze=0.25) == GOOD
    wanted = claim_cohorts(claim_by_key("gown-skin"), size=32, count=3, seed=5, haze=0.25)
    for mine, theirs in zip(cohorts_from_recipe(recipe, size=32), wanted, strict=True):
        assert np.array_equal(mine.pixels, theirs.pixels)
        assert (mine.hashes, mine.pair_keys, mine.label) == (
            theirs.hashes,
            theirs.pair_keys,
            theirs.label,
        )


def test_an_attribute_is_rendered_again():
    index = CLASS_NAMES.index("mortarboard")
    recipe = attribute_recipe(index, "face", True, False, count=2, seed=1)
    wanted = demo_cohorts(index, "face", True, False, size=32, count=2, seed=1)
    found = cohorts_from_recipe(recipe, size=32)
    assert [one.hashes for one in found] == [one.hashes for one in wanted]


def test_files_cannot_be_made_again():
    assert check_recipe({"kind": "files"}) == FILES
    assert cohorts_from_recipe(FILES, size=32) is None


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (None, "a recipe must be of the kind files or demo, got None"),
        ({}, "a recipe must be of the kind files or demo, got {}"),
        ({"kind": "demo"}, "a recipe holds a, attribute, b, class_index, context, count"),
        ({"kind": "files", "path": "/etc"}, "a recipe holds kind; see 'path'"),
        ({**GOOD, "x": 1}, "a recipe holds claim, count, haze, kind, seed; see 'x'"),
        ({**GOOD, "count": 1}, "a recipe must make 2 to 2000 images, got 1"),
        ({**GOOD, "count": 10**9}, "a recipe must make 2 to 2000 images, got 1000000000"),
        ({**GOOD, "count": True}, "the number of images must be a whole number >= 0, got True"),
        ({**GOOD, "seed": -1}, "the seed must be a whole number >= 0, got -1"),
        ({**GOOD, "haze": 2}, "the haze must be a number from 0 to 1, got 2"),
        ({**GOOD, "claim": "none"}, "the demo world has no claim 'none'; update Protocore"),
        ({**GOOD, "claim": ["x"]}, "the demo world has no claim ['x']; update Protocore"),
    ],
)
def test_what_is_no_recipe(recipe, message):
    with pytest.raises(ReviewError) as caught:
        check_recipe(recipe)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_index": 99}, "the demo world has "),
        ({"context": ["x"]}, "the context of a recipe must be attributes"),
        ({"a": 1.5}, "the value of an attribute must have 1 to 60 characters"),
        ({"attribute": "x" * 99}, "the attribute must have 1 to 60 characters"),
    ],
)
def test_what_is_no_attribute(change, message):
    good = attribute_recipe(0, "face", True, False, count=2)
    with pytest.raises(ReviewError, match=message):
        check_recipe({**good, **change})
