"""Tables of a comparison: raw rows for files, one formatted table for page and report."""

from __future__ import annotations

import numpy as np

from protocore.compare.comparison import Asymmetry, Comparison, asymmetries
from protocore.files import csv_text
from protocore.reports.tables import NOTHING, Table, table

ONE_SIDED = 0.05  # difference of probabilities that is worth a line
STABILITY_HEAD = (
    "group", "seeds", "mean", "least similar pair", "most similar pair", "other groups",
)  # fmt: skip


def matrix_csv(comparison: Comparison, values: np.ndarray) -> str:
    """`values` `(P, C)`, logits or probabilities: a row per prototype, a column per class."""
    rows = [("prototype", "group", "seed", *comparison.matrix.labels)]
    rows += [
        (item.title, item.group, item.seed, *map(_raw, line))
        for item, line in zip(comparison.items, values, strict=True)
    ]
    return csv_text(rows)


def top_table(comparison: Comparison) -> Table:
    """The likeliest classes of each prototype, one column a rank."""
    matrix = comparison.matrix
    rows = [
        (title, *(f"{name} {share:.2f}" for _, name, share in top))
        for title, top in zip(matrix.titles, matrix.top, strict=True)
    ]
    most = max(len(row) for row in rows)
    filled = [(*row, *(NOTHING,) * (most - len(row))) for row in rows]
    return table(["prototype", *(f"{rank}." for rank in range(1, most))], filled)


def top_csv(comparison: Comparison) -> str:
    """The likeliest classes of each prototype, one line a class."""
    rows = [("prototype", "rank", "class index", "class", "probability")]
    for item, top in zip(comparison.items, comparison.matrix.top, strict=True):
        rows += [
            (item.title, rank, index, name, _raw(probability))
            for rank, (index, name, probability) in enumerate(top, start=1)
        ]
    return csv_text(rows)


def paths_csv(comparison: Comparison) -> str:
    """Similarity between every two prototypes in every layer; empty where it is not defined."""
    rows = [("layer", "first", "second", "spearman", "profile")]
    titles, paths = [item.title for item in comparison.items], comparison.paths
    for place, layer in enumerate(paths.layers):
        for i, first in enumerate(titles):
            for j in range(i + 1, len(titles)):
                values = paths.spearman[i, j, place], paths.profile[i, j, place]
                rows.append((layer, first, titles[j], *map(_raw, values)))
    return csv_text(rows)


def stability_rows(comparison: Comparison) -> list[tuple[str, int, float, float, float, float]]:
    """By group: seeds, mean, least and most similar pair, similarity to the other groups."""
    return [
        (row.group, row.seeds, row.mean, row.low, row.high, row.others)
        for row in comparison.stability
    ]


def stability_table(comparison: Comparison) -> Table:
    """Similarity under different seeds, and whether that makes a group stable."""
    rows = [
        (group, seeds, *(_shown(value) for value in (mean, low, high, others)),
         _stability_text(mean, others))
        for group, seeds, mean, low, high, others in stability_rows(comparison)
    ]  # fmt: skip
    head = (*STABILITY_HEAD, "assessment")
    return table(head, rows, numbers=range(1, 6), title="Stability under other seeds")


def stability_csv(comparison: Comparison) -> str:
    """Similarity under different seeds, by group."""
    rows = [(group, seeds, *map(_raw, rest)) for group, seeds, *rest in stability_rows(comparison)]
    return csv_text([STABILITY_HEAD, *rows])


def one_sided(comparison: Comparison) -> list[Asymmetry]:
    """Pairs of classes of which one has more probability on the other's prototypes than back."""
    return [
        pair
        for pair in asymmetries(comparison)
        if abs(pair.second_in_first - pair.first_in_second) >= ONE_SIDED
    ]


def _stability_text(mean: float, others: float) -> str:
    if not np.isfinite(mean):
        return "one seed: unknown"
    if not np.isfinite(others):
        return "nothing to compare with"
    return "stable" if mean > others else "no more alike than other groups"


def _shown(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else NOTHING


def _raw(value: float) -> float | str:
    """Six digits for a file; a number, so that a negative one is not taken for a formula."""
    return float(f"{value:.6g}") if np.isfinite(value) else ""
