"""A recipe makes the same images again, and only what is a recipe is one."""

import numpy as np
import pytest

from protocore.cohorts.cohort import claim_cohorts
from protocore.cohorts.recipes import FILES, DemoRecipe, Recipe, cohorts_from_recipe
from protocore.demo.biases import claim_by_key
from protocore.errors import ReviewError
from protocore.schema import dump, load

GOOD = {"kind": "demo", "claim": "gown-skin", "count": 3, "seed": 5, "haze": 0.25}


def test_a_known_claim_is_rendered_again():
    recipe = DemoRecipe(claim="gown-skin", count=3, seed=5, haze=0.25)
    assert dump(recipe) == GOOD and load(Recipe, GOOD, ReviewError, "it") == recipe
    wanted = claim_cohorts(claim_by_key("gown-skin"), size=32, count=3, seed=5, haze=0.25)
    for mine, theirs in zip(cohorts_from_recipe(recipe, size=32), wanted, strict=True):
        assert np.array_equal(mine.pixels, theirs.pixels)
        assert (mine.hashes, mine.pair_keys, mine.label) == (
            theirs.hashes,
            theirs.pair_keys,
            theirs.label,
        )


def test_files_cannot_be_made_again():
    assert load(Recipe, {"kind": "files"}, ReviewError, "it") == FILES
    assert cohorts_from_recipe(FILES, size=32) is None


@pytest.mark.parametrize(
    ("recipe", "fact"),
    [
        (None, "None"),
        ({}, "kind"),
        ({"kind": "shell"}, "shell"),
        ({"kind": "demo"}, "claim"),
        ({"kind": "files", "path": "/etc"}, "path"),
        ({**GOOD, "x": 1}, "x"),
        ({**GOOD, "count": 1}, "2"),
        ({**GOOD, "count": 10**9}, "2000"),
        ({**GOOD, "count": True}, "count"),
        ({**GOOD, "seed": -1}, "seed"),
        ({**GOOD, "haze": 2}, "haze"),
        ({**GOOD, "claim": "none"}, "gown-skin"),
        ({**GOOD, "claim": ["x"]}, "claim"),
    ],
)
def test_what_is_no_recipe(recipe, fact):
    with pytest.raises(ReviewError, match=fact):
        load(Recipe, recipe, ReviewError, "the recipe")
