"""Path similarity as files that others can read: a CSV of all layers and a JSON summary."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from protocore.generation.prototype import library_versions
from protocore.similarity.activations import LayerInfo
from protocore.similarity.measures import MEASURES, find_measure
from protocore.similarity.path import layer_curves
from protocore.similarity.summary import Evaluation, naturalness, table4
from protocore.text import aligned, finite

COLUMNS = (
    "prototype", "class", "measure", "layer", "name", "kind", "shape", "calls",
    "prototype_score", "same_mean", "same_sd", "different_mean", "different_sd",
    "normalised", "unstable",
)  # fmt: skip


def layer_text(layer: LayerInfo) -> str:
    """One line on a layer, for hovering: place, name, type, shape."""
    shape = " × ".join(str(side) for side in layer.shape)
    calls = f", last of {layer.calls} calls" if layer.calls > 1 else ""
    return f"{layer.index} · {layer.name}<br>{layer.kind} {shape}{calls}"


def layers_csv(evaluations: Sequence[Evaluation]) -> str:
    """One row per prototype, measure and layer; empty where a score is not defined."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for evaluation in evaluations:
        for measure in MEASURES:
            writer.writerows(_rows(evaluation, measure.name))
    return buffer.getvalue()


def summary_content(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Everything but the layers, as plain JSON values; None where a figure is not defined."""
    tables = {}
    for measure in MEASURES:
        pairs = [
            (evaluation.similarity.reference.class_index, summary)
            for evaluation in evaluations
            for summary in evaluation.summaries(measure.name)
        ]
        tables[measure.name] = [asdict(row) for row in table4(pairs)]
    content = {
        "classes": [_class_content(evaluation) for evaluation in evaluations],
        "table4": tables,
        "versions": library_versions(),
    }
    return finite(content)


def table_text(evaluations: Sequence[Evaluation]) -> str:
    """All prototypes and, below, the means over classes, for a terminal or a README."""
    header = ("prototype", "similarity", "same", "different", "Eq. 1", "unstable", "profile",
              "same", "different", "p")  # fmt: skip
    rows = [header]
    for evaluation in evaluations:
        pairs = zip(evaluation.summaries(), evaluation.summaries("profile"), strict=True)
        for label, (path, profile) in zip(evaluation.labels, pairs, strict=True):
            rows.append(
                (
                    label,
                    *(f"{x.mean:.3f}" for x in (path.prototype, path.same, path.different)),
                    f"{path.share.mean:.1%}",
                    f"{path.unstable}/{len(evaluation.similarity.layers)}",
                    *(f"{x.mean:.3f}" for x in (profile.prototype, profile.same)),
                    f"{profile.different.mean:.3f}",
                    f"{path.probability:.2f}",
                )
            )
    return "\n".join([aligned(rows), "", _table4_text(evaluations)])


def _table4_text(evaluations: Sequence[Evaluation]) -> str:
    pairs = [
        (evaluation.similarity.reference.class_index, summary)
        for evaluation in evaluations
        for summary in evaluation.summaries()
    ]
    table = table4(pairs)
    lines = [f"mean over {table[0].classes} class(es), ± standard deviation over classes"]
    for row in table:
        spread = f" ± {row.sd:.3f}" if math.isfinite(row.sd) else ""
        lines.append(f"  {row.quantity:<32} {row.mean:.3f}{spread}")
    return "\n".join(lines)


def _rows(evaluation: Evaluation, measure: str) -> list[list[str]]:
    curves = layer_curves(evaluation.similarity, measure)
    rows = []
    for place, label in enumerate(evaluation.labels):
        for layer in evaluation.similarity.layers:
            i = layer.index
            scores = (
                curves.prototypes[place, i], curves.same[i], curves.same_sd[i],
                curves.different[i], curves.different_sd[i], curves.normalised[place, i],
            )  # fmt: skip
            shape = "x".join(str(side) for side in layer.shape)
            rows.append(
                [
                    *(label, evaluation.class_label, measure, i, layer.name, layer.kind, shape),
                    layer.calls,
                    *(f"{score:.7g}" if math.isfinite(score) else "" for score in scores),
                    int(curves.unstable[i]),
                ]
            )
    return rows


def _class_content(evaluation: Evaluation) -> dict[str, Any]:
    natural, statistics = evaluation.natural, evaluation.similarity.reference
    badges = naturalness(evaluation.similarity)
    by_measure = {m.name: evaluation.summaries(m.name) for m in MEASURES}
    return {
        "class_index": statistics.class_index,
        "class": evaluation.class_label,
        "model": evaluation.model,
        "layer_set": statistics.layer_set,
        "layers": len(statistics.layers),
        "reference": {
            "source": natural.source,
            "seed": natural.seed,
            "same": len(natural.same_names),
            "different": len(natural.different_names),
            "skipped": [asdict(skipped) for skipped in natural.skipped],
            "images": natural.key,
            "statistics": statistics.key,
        },
        "prototypes": [
            {
                "label": label,
                "naturalness": badges[place].to_dict(),
                "logit": float(evaluation.similarity.logits[place]),
                "measures": {name: asdict(found[place]) for name, found in by_measure.items()},
            }
            for place, label in enumerate(evaluation.labels)
        ],
    }


def place_among(evaluation: Evaluation, measure: str, layer: int, prototype: int) -> float:
    """Share of the same-class images that the prototype is at least as close as, in one layer."""
    place = find_measure(measure)
    sign = 1 if MEASURES[place].larger_is_closer else -1
    natural = sign * evaluation.similarity.reference.same[place, :, layer]
    score = sign * evaluation.similarity.scores[place, prototype, layer]
    known = natural[np.isfinite(natural)]
    return float((score >= known).mean()) if len(known) and math.isfinite(score) else math.nan
