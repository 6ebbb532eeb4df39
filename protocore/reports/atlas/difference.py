"""Two atlases side by side: the same class in both, most different first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from protocore.errors import ReportError
from protocore.generation.settings import Target
from protocore.jobs.atlas import Atlas
from protocore.reports.atlas.site import POLICY, write_files
from protocore.reports.html import image_uri, render

SIDE = 16  # pixels of the pictures that are compared: what matters is where which colour is


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One class in both atlases under one seed of each."""

    name: str
    index_a: int
    index_b: int
    seed_a: int
    seed_b: int
    difference: float  # root of the mean squared difference of the coarse pictures, 0..1
    probability_a: float
    probability_b: float
    picture_a: str  # data URIs
    picture_b: str


def atlas_pairs(a: Atlas, b: Atlas) -> list[Pair]:
    """Classes that both have made, by name; the n-th seed of one beside the n-th of the other.

    Sorted by difference, the largest first. Raises ReportError when they share no class.
    """
    names_b = {b.manifest.class_names[index]: index for index in b.manifest.classes}
    seeds = list(zip(a.manifest.seeds, b.manifest.seeds, strict=False))
    pairs = []
    for index_a in a.manifest.classes:
        name = a.manifest.class_names[index_a]
        same = index_a in b.manifest.classes and b.manifest.class_names[index_a] == name
        index_b = index_a if same else names_b.get(name)
        if index_b is None:
            continue
        for seed_a, seed_b in seeds:
            pair = _pair(a, Target.of(index_a, seed_a), b, Target.of(index_b, seed_b))
            pairs += [pair] if pair else []
    if not pairs:
        raise ReportError(
            f"{a.folder} and {b.folder} have no class in common that both have made; compare "
            "atlases of models with the same class names"
        )
    return sorted(pairs, key=lambda pair: -pair.difference)


def write_difference(a: Atlas, b: Atlas, folder: Path) -> Path:
    """Write a page that needs nothing else; returns its path. Raises ReportError."""
    if folder.resolve() in (a.folder.resolve(), b.folder.resolve()):
        raise ReportError(f"{folder} is one of the two atlases; choose another folder for --out")
    page = render(
        "atlas/difference.html.j2", policy=POLICY, a=a.manifest, b=b.manifest,
        pairs=atlas_pairs(a, b), root="",
    )  # fmt: skip
    return write_files(folder, {"index.html": page})


def _pair(a: Atlas, target_a: Target, b: Atlas, target_b: Target) -> Pair | None:
    entries = a.entry(target_a), b.entry(target_b)
    if entries[0] is None or entries[1] is None:
        return None
    paths = a.path(target_a, ".webp"), b.path(target_b, ".webp")
    small = [_coarse(path) for path in paths]
    return Pair(
        name=entries[0].class_name,
        index_a=target_a.class_index,
        index_b=target_b.class_index,
        seed_a=target_a.seed,
        seed_b=target_b.seed,
        difference=float(np.sqrt(np.mean((small[0] - small[1]) ** 2))),
        probability_a=entries[0].probability,
        probability_b=entries[1].probability,
        picture_a=image_uri(paths[0].read_bytes()),
        picture_b=image_uri(paths[1].read_bytes()),
    )


def _coarse(path: Path) -> np.ndarray:
    """A picture of SIDE x SIDE pixels, 0..1."""
    try:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    except OSError as error:
        raise ReportError(
            f"{path} cannot be read ({error}); delete it and its .json, and make the atlas again"
        ) from error
    return np.asarray(small, dtype=np.float64) / 255
