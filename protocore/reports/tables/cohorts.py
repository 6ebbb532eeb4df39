"""Tables of a cohort test: raw rows for files, one formatted table for every surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocore.cohorts.analysis import CohortAnalysis, Estimate
from protocore.cohorts.differences import CohortComparison, EffectSize
from protocore.cohorts.outcomes import interval_text, number_text, rounded
from protocore.cohorts.plan import Prediction, TestPlan
from protocore.files import csv_text
from protocore.reports.tables import NOTHING, Table, table

CSV_HEAD = (
    "measure", "class", "primary", "n_a", "n_b", "a", "b", "difference", "low", "high",
    "interval", "level", "test", "alternative", "p", "effect_size", "effect", "size_needed",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One measure of a test with what a table adds to it."""

    comparison: CohortComparison
    class_name: str
    level: float  # of the interval, 0..1
    p_adjusted: float | None = None  # Holm's, where several claims were tested

    @property
    def label(self) -> str:
        """ "▸ accuracy (golf ball)"; ▸ marks the measure that was predicted."""
        mark = "▸ " if self.comparison.primary else ""
        return f"{mark}{self.comparison.measure} ({self.class_name})"


def level_text(alpha: float) -> str:
    """The level of a plan's intervals: "95 %", "99.5 %"."""
    return f"{100 * (1 - alpha):g} %"


def comparison_rows(
    analysis: CohortAnalysis, p_adjusted: float | None = None
) -> list[ComparisonRow]:
    """One row per measure; `p_adjusted` belongs to the predicted one."""
    classes = (analysis.plan.target, *analysis.plan.rivals)
    return [
        ComparisonRow(
            comparison=found,
            class_name=analysis.class_names[classes.index(found.class_index)],
            level=1 - analysis.plan.alpha,
            p_adjusted=p_adjusted if found.primary else None,
        )
        for found in analysis.comparisons
    ]


def comparison_table(analysis: CohortAnalysis, p_adjusted: float | None = None) -> Table:
    """Differences with their intervals, tests and effect sizes; p after Holm where given."""
    needed = "pairs needed" if analysis.plan.paired else "images needed in each"
    adjusted = p_adjusted is not None
    head = [
        "measure", "A − B", f"{level_text(analysis.plan.alpha)} interval", "test", "p",
        *(["Holm p"] if adjusted else []), "effect size", needed,
    ]  # fmt: skip
    rows = [_comparison_cells(row, adjusted) for row in comparison_rows(analysis, p_adjusted)]
    last = len(head) - 1
    return table(head, rows, numbers=[1, 2, *range(4, last - 1), last], title="Comparisons")


def _comparison_cells(row: ComparisonRow, adjusted: bool) -> list[str]:
    found = row.comparison
    holm = NOTHING if row.p_adjusted is None else f"{row.p_adjusted:.3g}"
    return [
        row.label,
        number_text(found.measure, found.difference, signed=True),
        interval_text(found.measure, found.interval, signed=True),
        f"{found.test}, {found.alternative}",
        f"{found.p:.3g}",
        *([holm] if adjusted else []),
        "; ".join(map(effect_text, found.effects)) or NOTHING,
        NOTHING if found.size_needed is None else rounded(found.size_needed),
    ]


def effect_text(effect: EffectSize) -> str:
    """ "Cohen's h 0.27", with what to note about it."""
    value = NOTHING if effect.value is None else f"{effect.value:.2f}"
    return f"{effect.name} {value}" + (f" ({effect.note})" if effect.note else "")


def cohort_table(analysis: CohortAnalysis) -> Table:
    """Accuracy of each cohort and what its images are taken for (the paper's Tables 1 and 2)."""
    level = level_text(analysis.plan.alpha)
    head = ["cohort", "images", "correct", f"accuracy ({level} interval)"]
    head += [f"taken for {name}" for name in analysis.class_names[1:]]
    rows = [
        [row.label, row.count, row.correct, estimate_text("accuracy", row.accuracy),
         *row.taken_for[1:]]
        for row in analysis.rows
    ]  # fmt: skip
    return table(head, rows, numbers=range(1, len(head)), title="Cohorts")


def score_table(analysis: CohortAnalysis) -> Table:
    """Mean probability and logit of every class in each cohort."""
    level = level_text(analysis.plan.alpha)
    labels = [f"{letter}: {row.label}" for letter, row in zip("AB", analysis.rows, strict=True)]
    kinds = (("P", "probability", "probabilities"), ("logit", "logit", "logits"))
    rows = [
        [f"{form}({name})"]
        + [estimate_text(kind, getattr(row, many)[place]) for row in analysis.rows]
        for form, kind, many in kinds
        for place, name in enumerate(analysis.class_names)
    ]
    return table([f"mean ({level} interval)", *labels], rows, numbers=(1, 2), title="Mean scores")


def estimate_text(measure: str, estimate: Estimate) -> str:
    """A value with its interval: "72.5 % (57.2 to 83.9 %)"."""
    value = number_text(measure, estimate.value)
    return f"{value} ({interval_text(measure, estimate.interval)})"


def analysis_text(analysis: CohortAnalysis, p_adjusted: float | None = None) -> str:
    """Tables and outcome for a terminal."""
    outcome = analysis.outcome(p_adjusted)
    tables = (cohort_table(analysis), score_table(analysis), comparison_table(analysis, p_adjusted))
    parts = [
        *(one.text() for one in tables),
        f"{outcome.outcome}: {outcome.reason}",
        *(f"warning: {text}" for text in analysis.warnings),
    ]
    return "\n\n".join(parts)


def analysis_csv(analysis: CohortAnalysis) -> str:
    """One line per measure, with full precision; the plan's own is marked as primary."""
    return csv_text([CSV_HEAD, *map(_csv_cells, comparison_rows(analysis))])


def _csv_cells(row: ComparisonRow) -> tuple[object, ...]:
    found, effect = row.comparison, row.comparison.effects[0]
    return (
        found.measure, row.class_name, found.primary, found.count_a, found.count_b, found.a,
        found.b, found.difference, *found.interval, found.interval_name, row.level, found.test,
        found.alternative, found.p, effect.name, effect.value, found.size_needed,
    )  # fmt: skip


def predictions_csv(
    plan: TestPlan,
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    *,
    labels: tuple[str, str] = ("A", "B"),
) -> str:
    """One line per image; classes by their index."""
    classes = (plan.target, *plan.rivals)
    head = ["cohort", "image", "sha256", "pair", "predicted", "predicted_name", "correct"]
    head += [f"{kind}_{index}" for index in classes for kind in ("logit", "probability")]
    lines: list[Sequence[object]] = [head]
    for label, predictions in zip(labels, (a, b), strict=True):
        for one in predictions:
            scores = zip(one.logits, one.probabilities, strict=True)
            lines.append(
                (
                    label, one.name, one.hash, one.pair_key, one.predicted,
                    one.predicted_name, one.correct, *(v for both in scores for v in both),
                )
            )  # fmt: skip
    return csv_text(lines)
