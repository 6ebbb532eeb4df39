"""What the pages of an atlas show: its classes, their prototypes and their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocore.generation.settings import Target
from protocore.jobs.atlas import Atlas
from protocore.jobs.atlas.folder import Entry, stem

NEAREST = 8  # neighbours of a class
Measures = Mapping[str, Mapping[str, Any]]  # by prototype key: figures by name


@dataclass(frozen=True, kw_only=True)
class PrototypeContent:
    """One prototype; `entry` is None while it is not made."""

    seed: int
    picture: str  # path from the site's folder
    entry: Entry | None
    measures: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A class near another one; the figures are -1..1, None where not known."""

    index: int
    name: str
    head: float | None  # cosine of the two rows of the last layer
    response: float | None  # correlation of the logits of their prototypes


@dataclass(frozen=True, kw_only=True)
class ClassContent:
    """One class of an atlas."""

    index: int
    name: str
    prototypes: tuple[PrototypeContent, ...]
    neighbours: tuple[Neighbour, ...]
    x: float  # on the map, 0..1
    y: float

    @property
    def page(self) -> str:
        """Path of its page from the site's folder; never another one for the same class."""
        return f"class/{self.index:05d}.html"

    @property
    def label(self) -> str:
        """Index and name, because names repeat."""
        return f"{self.index} · {self.name}"

    @property
    def made(self) -> list[PrototypeContent]:
        """The prototypes that are there."""
        return [one for one in self.prototypes if one.entry]

    @property
    def probability(self) -> float | None:
        """Mean over the seeds; None while nothing is made."""
        values = [one.entry.probability for one in self.prototypes if one.entry]
        return float(np.mean(values)) if values else None


def atlas_content(atlas: Atlas, measures: Measures | None = None) -> list[ClassContent]:
    """All classes of an atlas, with what is made so far. Raises LibraryError for damage."""
    manifest = atlas.manifest
    entries = {
        (index, seed): atlas.entry(Target.of(index, seed))
        for index in manifest.classes
        for seed in manifest.seeds
    }
    head = atlas.head_cosines()
    response = response_correlations(
        [[entries[index, seed] for seed in manifest.seeds] for index in manifest.classes]
    )
    places = map_places(closeness(head, response))
    return [
        ClassContent(
            index=index,
            name=manifest.class_names[index],
            prototypes=tuple(
                _prototype(index, seed, entries[index, seed], measures or {})
                for seed in manifest.seeds
            ),
            neighbours=_neighbours(row, manifest.classes, manifest.class_names, head, response),
            x=float(places[row, 0]),
            y=float(places[row, 1]),
        )
        for row, index in enumerate(manifest.classes)
    ]


def _prototype(index: int, seed: int, entry: Entry | None, measures: Measures) -> PrototypeContent:
    return PrototypeContent(
        seed=seed,
        picture=f"prototypes/{stem(index, seed)}.webp",
        entry=entry,
        measures=measures.get(entry.key, {}) if entry else {},
    )


def response_correlations(rows: list[list[Entry | None]]) -> np.ndarray:
    """Correlation `(C, C)` of the classes' mean logits over their prototypes; NaN: not made."""
    known = [[entry.logits for entry in row if entry] for row in rows]
    width = max((len(one) for row in known for one in row), default=1)
    means = np.stack([np.mean(row, axis=0) if row else np.full(width, np.nan) for row in known])
    centred = means - means.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return centred @ centred.T / np.outer(norms, norms)


def closeness(head: np.ndarray | None, response: np.ndarray) -> np.ndarray:
    """How related classes are `(C, C)`: the mean of what is known; 0 where nothing is."""
    both = np.stack([response] if head is None else [head, response])
    known = np.isfinite(both)
    total = np.where(known, both, 0).sum(axis=0)
    return total / np.maximum(known.sum(axis=0), 1)


def map_places(near: np.ndarray) -> np.ndarray:
    """Places `(C, 2)` in 0..1 such that related classes are near: classical scaling.

    (Torgerson 1952): the two strongest axes of the doubly centred squared distances 1 - closeness.
    """
    count = len(near)
    squared = np.clip(1 - (near + near.T) / 2, 0, None) ** 2
    np.fill_diagonal(squared, 0)
    centring = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-centring @ squared @ centring / 2)
    axes = vectors[:, ::-1][:, :2] * np.sqrt(np.clip(values[::-1][:2], 0, None))
    axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    axes = axes * np.where(signs == 0, 1, signs)  # the same map on every machine
    low, high = axes.min(axis=0), axes.max(axis=0)
    spread = np.where(high > low, high - low, 1)
    return np.where(high > low, (axes - low) / spread, 0.5)


def _neighbours(
    row: int,
    classes: tuple[int, ...],
    names: tuple[str, ...],
    head: np.ndarray | None,
    response: np.ndarray,
) -> tuple[Neighbour, ...]:
    near = closeness(head, response)[row].copy()
    near[row] = -np.inf
    order = np.argsort(-near, kind="stable")[: min(NEAREST, len(classes) - 1)]
    return tuple(
        Neighbour(
            index=classes[place],
            name=names[classes[place]],
            head=None if head is None else _known(head[row, place]),
            response=_known(response[row, place]),
        )
        for place in order
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
