"""How the images of a cohort test can be made again: a plain dict that travels with the result.

    {"kind": "files"}                                            they cannot: files of somebody
    {"kind": "demo", "claim": "gown-skin", "count": 50, "seed": 0, "haze": 0.0}
    {"kind": "demo", "class_index": 3, "attribute": "face", "a": True, "b": False,
     "context": {}, "count": 50, "seed": 0, "haze": 0.0}

A recipe may come from a bundle of unknown origin: `check_recipe` says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocore.cohorts.cohort import (
    MAX_IMAGES,
    MIN_IMAGES,
    Cohort,
    claim_cohorts,
    demo_cohorts,
)
from protocore.cohorts.fields import check_number, check_text, check_whole
from protocore.demo.biases import KNOWN_CLAIMS, KnownClaim, claim_by_key
from protocore.demo.world import CLASS_NAMES
from protocore.errors import ReviewError

FILES: dict[str, Any] = {"kind": "files"}
_SHARED = {"kind", "count", "seed", "haze"}
_CLAIM = _SHARED | {"claim"}
_ATTRIBUTE = _SHARED | {"class_index", "attribute", "a", "b", "context"}
_MOST_ATTRIBUTES = 20  # of a class of the demo world; it has fewer


def claim_recipe(
    claim: KnownClaim | str, *, count: int, seed: int = 0, haze: float = 0.0
) -> dict[str, Any]:
    """The recipe of `protocore.cohorts.cohort.claim_cohorts`."""
    key = claim if isinstance(claim, str) else claim.key
    return check_recipe(
        {"kind": "demo", "claim": key, "count": count, "seed": seed, "haze": float(haze)}
    )


def attribute_recipe(
    class_index: int,
    attribute: str,
    a: str | bool,
    b: str | bool,
    *,
    count: int,
    seed: int = 0,
    haze: float = 0.0,
    context: Mapping[str, str | bool] | None = None,
) -> dict[str, Any]:
    """The recipe of `protocore.cohorts.cohort.demo_cohorts`."""
    what = {"class_index": class_index, "attribute": attribute, "a": a, "b": b}
    how = {"context": dict(context or {}), "count": count, "seed": seed, "haze": float(haze)}
    return check_recipe({"kind": "demo", **what, **how})


def check_recipe(recipe: Any) -> dict[str, Any]:
    """A copy of a recipe. Raises ReviewError for what is none."""
    if not isinstance(recipe, Mapping) or recipe.get("kind") not in ("files", "demo"):
        raise ReviewError(f"a recipe must be of the kind files or demo, got {recipe!r:.200}")
    if recipe["kind"] == "files":
        _check_names(recipe, {"kind"})
        return dict(FILES)
    of_claim = "claim" in recipe
    _check_names(recipe, _CLAIM if of_claim else _ATTRIBUTE)
    check_whole("number of images", recipe["count"])
    check_whole("seed", recipe["seed"])
    check_number("haze", recipe["haze"], 0, 1)
    if not MIN_IMAGES <= recipe["count"] <= MAX_IMAGES:
        raise ReviewError(
            f"a recipe must make {MIN_IMAGES} to {MAX_IMAGES} images, got {recipe['count']}"
        )
    if of_claim and recipe["claim"] not in [claim.key for claim in KNOWN_CLAIMS]:
        raise ReviewError(f"the demo world has no claim {recipe['claim']!r}; update Protocore")
    if of_claim:
        return dict(recipe)
    _check_attribute(recipe)
    return {**recipe, "context": dict(recipe["context"])}


def cohorts_from_recipe(recipe: Mapping[str, Any], *, size: int) -> tuple[Cohort, Cohort] | None:
    """Cohorts A and B once more, at `size` pixels; None where they came from files.

    Raises ReviewError for what is no recipe, SettingsError for an attribute the class has not.
    """
    recipe = check_recipe(recipe)
    if recipe["kind"] == "files":
        return None
    how = {"size": size, **{name: recipe[name] for name in ("count", "seed", "haze")}}
    if "claim" in recipe:
        return claim_cohorts(claim_by_key(recipe["claim"]), **how)
    what = (recipe[name] for name in ("class_index", "attribute", "a", "b"))
    return demo_cohorts(*what, context=recipe["context"], **how)


def _check_names(recipe: Mapping[str, Any], names: set[str]) -> None:
    if different := sorted(map(str, set(recipe) ^ names)):
        raise ReviewError(f"a recipe holds {', '.join(sorted(names))}; see {different[0]!r:.80}")


def _check_attribute(recipe: Mapping[str, Any]) -> None:
    index, context = recipe["class_index"], recipe["context"]
    check_whole("class index", index)
    if index >= len(CLASS_NAMES):
        raise ReviewError(f"the demo world has {len(CLASS_NAMES)} classes, there is no {index}")
    if not isinstance(context, Mapping) or len(context) > _MOST_ATTRIBUTES:
        raise ReviewError(f"the context of a recipe must be attributes, got {context!r:.200}")
    for name in (recipe["attribute"], *context):
        check_text("attribute", name, 60)
    for value in (recipe["a"], recipe["b"], *context.values()):
        if not isinstance(value, bool):
            check_text("value of an attribute", value, 60)
