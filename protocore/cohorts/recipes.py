"""How the images of a cohort test can be made again: a value that travels with the result.

    {"kind": "files"}                                            they cannot: files of somebody
    {"kind": "demo", "claim": "gown-skin", "count": 50, "seed": 0, "haze": 0.0}

A recipe may come from a bundle of unknown origin: its values are checked.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from protocore.cohorts.cohort import MAX_IMAGES, MIN_IMAGES, Cohort, claim_cohorts
from protocore.demo.biases import KNOWN_CLAIMS, claim_by_key
from protocore.errors import ReviewError
from protocore.schema import Whole, checked, number, one_of

__all__ = ["FILES", "DemoRecipe", "FilesRecipe", "Recipe", "cohorts_from_recipe"]


@checked(ReviewError)
class FilesRecipe:
    """Somebody's files: they are not kept, so nobody can make them again."""

    kind: Literal["files"] = "files"


@checked(ReviewError)
class DemoRecipe:
    """The recipe of `protocore.cohorts.cohort.claim_cohorts`."""

    claim: Annotated[str, one_of(tuple(claim.key for claim in KNOWN_CLAIMS))]
    count: Annotated[int, Field(ge=MIN_IMAGES, le=MAX_IMAGES)]  # images of each cohort
    seed: Whole = 0
    haze: Annotated[float, number(0, 1)] = 0.0
    kind: Literal["demo"] = "demo"


Recipe = Annotated[FilesRecipe | DemoRecipe, Field(discriminator="kind")]
FILES = FilesRecipe()


def cohorts_from_recipe(recipe: Recipe, *, size: int) -> tuple[Cohort, Cohort] | None:
    """Cohorts A and B once more, at `size` pixels; None where they came from files."""
    if isinstance(recipe, FilesRecipe):
        return None
    claim = claim_by_key(recipe.claim)
    return claim_cohorts(claim, size=size, count=recipe.count, seed=recipe.seed, haze=recipe.haze)
