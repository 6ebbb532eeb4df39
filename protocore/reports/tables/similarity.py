"""Path similarity in tables: a CSV of all layers and a JSON summary for files, one for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from protocore.files import csv_text
from protocore.generation.prototype import library_versions
from protocore.reports.tables import NOTHING, Table, table
from protocore.similarity.activations import LayerInfo
from protocore.similarity.measures import MEASURES, find_measure
from protocore.similarity.path import layer_curves
from protocore.similarity.summary import Evaluation, Spread, Summary, naturalness, table4
from protocore.text import finite, plural

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
    rows = [
        row
        for evaluation in evaluations
        for measure in MEASURES
        for row in layer_rows(evaluation, measure.name)
    ]
    return csv_text([COLUMNS, *rows])


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


@dataclass(frozen=True, kw_only=True)
class SimilarityRow:
    """One prototype under one measure."""

    label: str
    class_label: str
    class_index: int
    layers: int
    summary: Summary


def similarity_rows(
    evaluations: Sequence[Evaluation], measure: str = "spearman"
) -> list[SimilarityRow]:
    """One row per prototype of all evaluations."""
    return [
        SimilarityRow(
            label=label,
            class_label=evaluation.class_label,
            class_index=evaluation.similarity.reference.class_index,
            layers=len(evaluation.similarity.layers),
            summary=summary,
        )
        for evaluation in evaluations
        for label, summary in zip(evaluation.labels, evaluation.summaries(measure), strict=True)
    ]


def similarity_table(evaluations: Sequence[Evaluation], measure: str = "spearman") -> Table:
    """Every prototype beside natural images; ± over layers, bootstrap intervals in brackets."""
    head = ("prototype", "class", "similarity", "same class", "different class", "Equation 1",
            "normalised", "masked layers", "class probability")  # fmt: skip
    rows = [
        (
            row.label,
            row.class_label,
            _with_spread(row.summary.prototype.mean, row.summary.prototype.sd),
            _with_interval(row.summary.same),
            _with_interval(row.summary.different),
            _with_interval(row.summary.share, percent=True),
            _number(row.summary.normalised.mean),
            f"{row.summary.unstable} of {row.layers}",
            _number(row.summary.probability),
        )
        for row in similarity_rows(evaluations, measure)
    ]
    return table(head, rows, numbers=range(2, 9), title="Every prototype")


def class_means(evaluations: Sequence[Evaluation], measure: str = "spearman") -> Table:
    """Means over classes (the paper's Table 4); the title says over how many."""
    pairs = [(row.class_index, row.summary) for row in similarity_rows(evaluations, measure)]
    found = table4(pairs)
    rows = [(row.quantity, _with_spread(row.mean, row.sd)) for row in found]
    over = f"Mean ± standard deviation over {plural(found[0].classes, 'class', 'classes')}"
    return table(("quantity", "mean"), rows, numbers=(1,), title=over)


def witness_table(evaluations: Sequence[Evaluation]) -> Table | None:
    """What other networks make of every prototype, and of photos; None where nobody was asked."""
    head = ("image", "class", "witnesses", "top 1", "top 5", "rank", "probability",
            "log probability")  # fmt: skip
    asked = [
        (label, evaluation.class_label, seen)
        for evaluation in evaluations
        for label, seen in (
            *zip(evaluation.labels, evaluation.witnesses, strict=False),
            ("natural images", evaluation.ceiling),
        )
        if seen is not None
    ]
    rows = [
        (
            label,
            class_label,
            ", ".join(seen.witnesses),
            *(f"{share:.0%}" for share in (seen.top1, seen.top5)),
            f"{seen.rank + 1:.1f}",
            *(_number(value) for value in (seen.probability, seen.log_probability)),
        )
        for label, class_label, seen in asked
    ]
    title = "Recognised by other networks"
    return table(head, rows, numbers=range(3, 8), title=title) if rows else None


def similarity_text(evaluations: Sequence[Evaluation]) -> str:
    """Spearman and channel profile of all prototypes and the means over classes, for a terminal."""
    spearman, profile = (similarity_table(evaluations, name) for name in ("spearman", "profile"))
    means = class_means(evaluations)
    parts = [
        spearman.text(),
        f"Channel profile\n{profile.text()}",
        f"{means.title}\n{means.text()}",
    ]
    if witnesses := witness_table(evaluations):
        parts.append(f"{witnesses.title}\n{witnesses.text()}")
    return "\n\n".join(parts)


def layer_rows(evaluation: Evaluation, measure: str) -> list[list[object]]:
    """Raw values of COLUMNS, one row per prototype and layer."""
    curves = layer_curves(evaluation.similarity, measure)
    rows: list[list[object]] = []
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
                    *(float(f"{score:.7g}") if math.isfinite(score) else "" for score in scores),
                    int(curves.unstable[i]),
                ]
            )
    return rows


def _class_content(evaluation: Evaluation) -> dict[str, Any]:
    natural, statistics = evaluation.natural, evaluation.similarity.reference
    badges = naturalness(evaluation.similarity)
    by_measure = {m.name: evaluation.summaries(m.name) for m in MEASURES}
    witnesses = evaluation.witnesses or (None,) * len(evaluation.labels)
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
        "witness_ceiling": evaluation.ceiling.to_dict() if evaluation.ceiling else None,
        "prototypes": [
            {
                "label": label,
                "naturalness": badges[place].to_dict(),
                "logit": float(evaluation.similarity.logits[place]),
                "measures": {name: asdict(found[place]) for name, found in by_measure.items()},
                "witness": witnesses[place].to_dict() if witnesses[place] else None,
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


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else NOTHING


def _with_spread(mean: float, sd: float) -> str:
    return f"{_number(mean)} ± {sd:.3f}" if math.isfinite(sd) else _number(mean)


def _with_interval(spread: Spread, *, percent: bool = False) -> str:
    def show(value: float) -> str:
        return f"{value:.1%}" if percent and math.isfinite(value) else _number(value)

    if not math.isfinite(spread.low):
        return show(spread.mean)
    return f"{show(spread.mean)} [{show(spread.low)}, {show(spread.high)}]"
