"""Prototypes side by side, with everything that is measured on them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from protocore.compare.fairness import Fairness, assess_fairness, group_key
from protocore.compare.paths import (
    PathMatrix,
    Progress,
    Stability,
    divergence,
    path_matrix,
    stability,
)
from protocore.errors import SettingsError
from protocore.generation.presets import matching_preset
from protocore.generation.prototype import Prototype, PrototypeRecord
from protocore.generation.recording import image_logits, likeliest
from protocore.generation.settings import GenerationSettings
from protocore.models.classifier import Classifier
from protocore.similarity.pixels import as_images

MAX_COMPARED = 96  # prototypes; the plain ones and as many contrasts
MAX_COLUMNS = 6  # images side by side
MAX_CURVES = 10  # pairs of groups in one chart; more cannot be told apart


@dataclass(frozen=True, kw_only=True)
class Item:
    """One prototype of a comparison."""

    title: str  # group and seed
    group: str  # what it shares with those that differ by the seed alone
    seed: int
    class_index: int
    weights: tuple[tuple[int, float], ...]  # of its target


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassMatrix:
    """What one classifier says of every prototype, class by class."""

    titles: tuple[str, ...]  # P prototypes
    classes: tuple[int, ...]  # C classes, those that the prototypes aim at
    labels: tuple[str, ...]  # of the classes
    logits: np.ndarray  # (P, C)
    probabilities: np.ndarray  # (P, C) softmax over all classes, 0..1
    top: tuple[tuple[tuple[int, str, float], ...], ...]  # likeliest classes of each prototype


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Prototypes of related classes (or models, or settings) as one classifier sees them."""

    examiner: str  # title of the classifier that was asked
    items: tuple[Item, ...]
    images: tuple[np.ndarray, ...]  # (H, W, 3) uint8 each
    fairness: Fairness
    matrix: ClassMatrix
    paths: PathMatrix
    stability: tuple[Stability, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups in order of appearance."""
        return tuple(dict.fromkeys(item.group for item in self.items))

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds in order of appearance."""
        return tuple(dict.fromkeys(item.seed for item in self.items))


@dataclass(frozen=True, kw_only=True)
class Asymmetry:
    """Two classes of which one is seen more in the other's prototype than the reverse."""

    first: str
    second: str
    second_in_first: float  # mean probability of `second` on the prototypes of `first`
    first_in_second: float


def compare(
    classifier: Classifier,
    prototypes: Sequence[Prototype],
    *,
    layer_set: str = "weighted",
    progress: Progress | None = None,
) -> Comparison:
    """Measure prototypes together with one classifier.

    Images of another size than the classifier's are resampled for the paths through the network;
    logits are those of the images themselves. Raises SettingsError for fewer than two prototypes
    or more than MAX_COMPARED.
    """
    if not 2 <= len(prototypes) <= MAX_COMPARED:
        raise SettingsError(
            f"a comparison needs 2 to {MAX_COMPARED} prototypes, got {len(prototypes)}; "
            f"{'add a class or a seed' if len(prototypes) < 2 else 'leave some out'}"
        )
    records = [prototype.record for prototype in prototypes]
    items = describe(records)
    images = tuple(prototype.image for prototype in prototypes)
    size = classifier.input_size
    batch = np.concatenate([_resized(image, size) for image in images])
    paths = path_matrix(classifier, batch, layer_set, progress)
    groups, seeds = [item.group for item in items], [item.seed for item in items]
    return Comparison(
        examiner=classifier.title,
        items=items,
        images=images,
        fairness=assess_fairness(records),
        matrix=measure_classes(classifier, images, items),
        paths=paths,
        stability=stability(paths.spearman, groups, seeds),
    )


def describe(records: Sequence[PrototypeRecord]) -> tuple[Item, ...]:
    """Titles that name what differs and nothing else."""
    compared = assess_fairness(records).compared
    settings = list(dict.fromkeys(record.settings for record in records))
    names: dict[tuple, str] = {}
    for record in records:
        key = group_key(record)
        if key not in names:
            name = _group_title(record, compared, settings)
            names[key] = f"{name} ({len(names) + 1})" if name in names.values() else name
    return tuple(
        Item(
            title=f"{names[group_key(record)]} · seed {record.seed}",
            group=names[group_key(record)],
            seed=record.seed,
            class_index=record.class_index,
            weights=record.target.weights,
        )
        for record in records
    )


def _group_title(
    record: PrototypeRecord, compared: tuple[str, ...], settings: list[GenerationSettings]
) -> str:
    parts = [target_title(record)] if "class" in compared or not compared else []
    if "model" in compared:
        parts.append(f"{record.model} · {record.weights}")
    if "settings" in compared:
        parts.append(_settings_title(record.settings, settings))
    return " · ".join(parts)


def arrange(places: Sequence[tuple[str, int]]) -> tuple[list[tuple[int, int]], int]:
    """Row and column for each `(group, seed)`, and the number of columns.

    Groups are columns and seeds rows while there is room for it; otherwise groups are rows. What
    fits neither way, such as two prototypes of one group and seed, is placed in order.
    """
    groups, seeds = ([*dict.fromkeys(values)] for values in zip(*places, strict=True))
    unique = len(set(places)) == len(places)
    if unique and len(groups) <= MAX_COLUMNS:
        return [(seeds.index(seed), groups.index(group)) for group, seed in places], len(groups)
    if unique and 1 < len(seeds) <= MAX_COLUMNS:
        return [(groups.index(group), seeds.index(seed)) for group, seed in places], len(seeds)
    columns = min(len(places), MAX_COLUMNS)
    return [divmod(place, columns) for place in range(len(places))], columns


def target_title(record: PrototypeRecord) -> str:
    """What a prototype aims at, such as "574 · golf ball" or "574 · golf ball − 0.5 × 566"."""
    (_, own), *others = record.target.weights
    label = f"{record.class_index} · {record.class_name}"
    if own < 0 and not others:
        return f"antitype of {label}"
    if others and all(weight == own for _, weight in others):
        return f"mix of {label} and {', '.join(str(index) for index, _ in others)}"
    signs = "".join(f" {'−' if w < 0 else '+'} {abs(w):g} × {i}" for i, w in others)
    return f"{label}{signs}"


def measure_classes(
    classifier: Classifier, images: Sequence[np.ndarray], items: Sequence[Item]
) -> ClassMatrix:
    """Logit and probability of every class that any item aims at, on every image."""
    classes = tuple(dict.fromkeys(index for item in items for index, _ in item.weights))
    for index in classes:
        classifier.find_class(index)
    rows = [image_logits(classifier, np.stack([image]))[0] for image in images]
    chosen = list(classes)
    return ClassMatrix(
        titles=tuple(item.title for item in items),
        classes=classes,
        labels=tuple(classifier.label(index) for index in classes),
        logits=np.stack([row[chosen].numpy() for row in rows]),
        probabilities=np.stack(
            [classifier.probabilities(row.double())[chosen].numpy() for row in rows]
        ),
        top=tuple(likeliest(classifier, row) for row in rows),
    )


def asymmetries(comparison: Comparison) -> tuple[Asymmetry, ...]:
    """Pairs of plain classes, the most one-sided first."""
    matrix = comparison.matrix
    rows: dict[int, list[int]] = {}
    for place, item in enumerate(comparison.items):
        if item.weights == ((item.class_index, 1.0),):
            rows.setdefault(item.class_index, []).append(place)
    column = {index: place for place, index in enumerate(matrix.classes)}
    found = []
    for first in rows:
        for second in rows:
            if first < second:
                pair = ((first, second), (second, first))
                there, back = (
                    float(matrix.probabilities[rows[a], column[b]].mean()) for a, b in pair
                )
                labels = matrix.labels[column[first]], matrix.labels[column[second]]
                found.append(
                    Asymmetry(
                        first=labels[0],
                        second=labels[1],
                        second_in_first=there,
                        first_in_second=back,
                    )
                )
    return tuple(sorted(found, key=lambda one: -abs(one.second_in_first - one.first_in_second)))


def divergence_lines(
    comparison: Comparison, measure: str = "spearman"
) -> tuple[list[tuple[str, np.ndarray]], list[tuple[str, np.ndarray]]]:
    """Named curves `(L,)` between the first pairs of groups, and within the groups over seeds.

    `measure` is "spearman" or "profile". Without several seeds the latter hold only NaN.
    """
    values = getattr(comparison.paths, measure)
    groups = [item.group for item in comparison.items]
    seeds = [item.seed for item in comparison.items]
    between, within = [], []
    for first, second in list(combinations(comparison.groups, 2))[:MAX_CURVES]:
        found = divergence(values, comparison.paths.layers, groups, seeds, first, second)
        between.append((f"{first} | {second}", found.between))
        within.append((f"within {first} and {second}", found.within))
    return between, within


def transfer_matrix(
    classifiers: Sequence[Classifier], images: Sequence[np.ndarray], class_index: int
) -> np.ndarray:
    """Probability `(P, M)` of one class on every image, as each of several models sees it.

    Images are resampled to each model's input size.
    """
    columns = []
    for classifier in classifiers:
        batch = [_resized(image, classifier.input_size) for image in images]
        logits = np.concatenate([image_logits(classifier, one).numpy() for one in batch])
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        columns.append((shifted / shifted.sum(axis=1, keepdims=True))[:, class_index])
    return np.stack(columns, axis=1)


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    """8-bit `(1, size, size, 3)` of an 8-bit image `(H, W, 3)`."""
    if image.shape[:2] == (size, size):
        return np.stack([image])
    pixels = as_images(image[None], size).mul(255).round().clamp(0, 255)
    return pixels.permute(0, 2, 3, 1).numpy().astype(np.uint8)


def _settings_title(own: GenerationSettings, all_settings: list[GenerationSettings]) -> str:
    """The preset's name, or the values that differ."""
    if preset := matching_preset(own):
        return preset.title
    values = [one.to_dict() for one in all_settings]
    mine = own.to_dict()
    differing = [name for name in mine if len({str(one[name]) for one in values}) > 1]
    return ", ".join(f"{name.replace('_', ' ')} {mine[name]}" for name in differing[:3])
