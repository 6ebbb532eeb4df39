"""A cohort test as text for the terminal and as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from protocore.cohorts.analysis import CohortAnalysis, Estimate
from protocore.cohorts.cohort import printable
from protocore.cohorts.differences import CohortComparison
from protocore.cohorts.outcomes import interval_text, number_text, rounded
from protocore.cohorts.plan import Prediction, TestPlan

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # OWASP: what spreadsheets take for a formula


def table_text(analysis: CohortAnalysis, p_adjusted: float | None = None) -> str:
    """The cohorts (the paper's Tables 1 and 2), the comparisons and the outcome, for a terminal."""
    outcome = analysis.outcome(p_adjusted)
    parts = [
        _aligned(_score_lines(analysis)),
        _aligned(_logit_lines(analysis)),
        _aligned(_comparison_lines(analysis)),
        f"{outcome.outcome}: {outcome.reason}",
        *(f"warning: {text}" for text in analysis.warnings),
    ]
    return "\n\n".join(parts)


def analysis_csv(analysis: CohortAnalysis) -> str:
    """One line per measure, with full precision; the plan's own is marked as primary."""
    lines = [
        (
            "measure", "class", "primary", "n_a", "n_b", "a", "b", "difference", "low", "high",
            "interval", "test", "alternative", "p", "effect_size", "effect", "size_needed",
        )
    ]  # fmt: skip
    for found in analysis.comparisons:
        effect = found.effects[0]
        lines.append(
            (
                found.measure, _class_name(analysis, found), found.primary, found.count_a,
                found.count_b, found.a, found.b, found.difference, *found.interval,
                found.interval_name, found.test, found.alternative, found.p, effect.name,
                effect.value, found.size_needed,
            )
        )  # fmt: skip
    return _csv(lines)


def predictions_csv(
    plan: TestPlan,
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    *,
    labels: tuple[str, str] = ("A", "B"),
) -> str:
    """One line per image; classes by their index. Text that looks like a formula gets a quote."""
    classes = (plan.target, *plan.rivals)
    head = ["cohort", "image", "sha256", "pair", "predicted", "predicted_name", "correct"]
    head += [f"{kind}_{index}" for index in classes for kind in ("logit", "probability")]
    lines: list[Sequence[object]] = [head]
    for label, predictions in zip(labels, (a, b), strict=True):
        for prediction in predictions:
            scores = zip(prediction.logits, prediction.probabilities, strict=True)
            lines.append(
                (
                    label, prediction.name, prediction.hash, prediction.pair_key,
                    prediction.predicted, prediction.predicted_name, prediction.correct,
                    *(v for both in scores for v in both),
                )
            )  # fmt: skip
    return _csv(lines)


def _csv(lines: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_safe(c) for c in line] for line in lines)
    return text.getvalue()


def _safe(cell: object) -> object:
    """Numbers stay numbers, also negative ones; a text that starts a formula gets a quote."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return "" if cell is None else cell


def _score_lines(analysis: CohortAnalysis) -> list[list[str]]:
    """The paper's tables: accuracy and mean probabilities."""
    head = ["cohort", "images", "accuracy", "interval"]
    for name in analysis.class_names:
        head += [f"P({printable(name)})", "interval"]
    lines = [head]
    for row in analysis.rows:
        columns = [("accuracy", row.accuracy), *(("probability", p) for p in row.probabilities)]
        lines.append([printable(row.label), str(row.count), *_cells(columns)])
    return lines


def _logit_lines(analysis: CohortAnalysis) -> list[list[str]]:
    head = ["cohort"]
    for name in analysis.class_names:
        head += [f"logit({printable(name)})", "interval"]
    rows = (
        [printable(row.label), *_cells([("logit", value) for value in row.logits])]
        for row in analysis.rows
    )
    return [head, *rows]


def _cells(columns: Iterable[tuple[str, Estimate]]) -> list[str]:
    texts = (
        (number_text(measure, one.value), interval_text(measure, one.interval))
        for measure, one in columns
    )
    return [text for both in texts for text in both]


def _comparison_lines(analysis: CohortAnalysis) -> list[list[str]]:
    needed = "pairs needed" if analysis.plan.paired else "n needed"
    lines = [["", "measure", "A - B", "interval", "test", "p", "effect size", "", needed]]
    for found in analysis.comparisons:
        effect = found.effects[0]
        lines.append(
            [
                "*" if found.primary else "",
                f"{found.measure} ({printable(_class_name(analysis, found))})",
                number_text(found.measure, found.difference, signed=True),
                interval_text(found.measure, found.interval, signed=True),
                f"{found.test}, {found.alternative}",
                f"{found.p:.3g}",
                effect.name,
                "-" if effect.value is None else f"{effect.value:.2f}",
                "-" if found.size_needed is None else rounded(found.size_needed),
            ]
        )
    return lines


def _class_name(analysis: CohortAnalysis, found: CohortComparison) -> str:
    classes = (analysis.plan.target, *analysis.plan.rivals)
    return analysis.class_names[classes.index(found.class_index)]


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
