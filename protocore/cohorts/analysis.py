"""From the verdicts on single images to the two tables of the paper and an outcome.

A pure function of the verdicts: whoever has them gets the same numbers again. How each difference
is tested is fixed beforehand and never chosen by what comes out:

|               | interval of the difference      | exact test                | effect size       |
|---------------|---------------------------------|---------------------------|-------------------|
| shares        | Newcombe 1998, method 10        | Fisher                    | odds ratio, h     |
| shares, pairs | Newcombe 1998 (pairs), method 10| McNemar, exact            | odds ratio, h     |
| means         | bootstrap (BCa)                 | permutation of images     | Cohen's d         |
| means, pairs  | bootstrap of pairs (BCa)        | permutation of signs      | Cohen's d_z       |

Means of fewer than 10 images get Student's interval instead of the bootstrap's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from protocore.cohorts.cohort import MIN_IMAGES, size_warning
from protocore.cohorts.differences import Comparison, compare_measure
from protocore.cohorts.outcomes import Outcome, judge_comparison
from protocore.cohorts.plan import ImageVerdict, TestPlan
from protocore.cohorts.statistics.means import mean_interval
from protocore.cohorts.statistics.proportions import Interval, wilson_interval
from protocore.errors import ReviewError


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A share or a mean and its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class CohortRow:
    """One line of the paper's tables. Tuples run along (target, *rivals)."""

    label: str
    count: int  # images
    correct: int  # whose largest logit is the target's
    accuracy: Estimate  # Wilson interval
    taken_for: tuple[int, ...]  # images whose largest logit is that class's; first: `correct`
    probabilities: tuple[Estimate, ...]  # means, bootstrap intervals
    logits: tuple[Estimate, ...]


@dataclass(frozen=True, kw_only=True)
class CohortAnalysis:
    """What two cohorts say about a plan."""

    plan: TestPlan
    class_names: tuple[str, ...]  # of (target, *rivals)
    rows: tuple[CohortRow, CohortRow]  # A, B
    comparisons: tuple[Comparison, ...]  # one per measure of the plan, in the order of MEASURES
    warnings: tuple[str, ...]

    @property
    def primary(self) -> Comparison:
        """The comparison that the plan is about; the others are for orientation."""
        return next(found for found in self.comparisons if found.primary)

    def outcome(self, p_adjusted: float | None = None) -> Outcome:
        """What the plan's own rule says; `p_adjusted` replaces p where several claims are tested.

        See `protocore.cohorts.outcomes.judge_comparison`.
        """
        return judge_comparison(self.plan, self.primary, p_adjusted)

    def to_dict(self) -> dict:
        """A summary in plain values for JSON, outcome included."""
        return {
            "plan": self.plan.to_dict(),
            "class_names": list(self.class_names),
            "cohorts": [asdict(row) for row in self.rows],
            "comparisons": [found.to_dict() for found in self.comparisons],
            "outcome": asdict(self.outcome()),
            "warnings": list(self.warnings),
        }


def analyse(
    plan: TestPlan,
    a: Sequence[ImageVerdict],
    b: Sequence[ImageVerdict],
    *,
    labels: tuple[str, str] = ("A", "B"),
    class_names: Sequence[str] = (),
) -> CohortAnalysis:
    """Both cohorts' rows, a comparison for every measure, and what to mind.

    `class_names` are of (target, *rivals) and default to "class 574". Pairs are found by
    their key. Raises ReviewError when a cohort has fewer than MIN_IMAGES, when the verdicts were
    made for another plan, or when a plan for pairs meets images without a partner.
    """
    for label, verdicts in zip(labels, (a, b), strict=True):
        _check(plan, label, verdicts)
    if plan.paired:
        a, b = _in_pairs(a, b)
    classes = (plan.target, *plan.rivals)
    return CohortAnalysis(
        plan=plan,
        class_names=tuple(class_names) or tuple(f"class {index}" for index in classes),
        rows=tuple(_row(plan, *both) for both in zip(labels, (a, b), strict=True)),
        comparisons=tuple(compare_measure(plan, measure, a, b) for measure in plan.measures),
        warnings=_warnings(plan, a, b),
    )


def _warnings(
    plan: TestPlan, a: Sequence[ImageVerdict], b: Sequence[ImageVerdict]
) -> tuple[str, ...]:
    said = [size_warning(len(a), len(b))]
    shared = len({verdict.hash for verdict in a} & {verdict.hash for verdict in b})
    if shared:
        said.append(f"{shared} images are in both cohorts: they cannot show a difference")
    for name, verdicts in (("A", a), ("B", b)):
        again = len(verdicts) - len({verdict.hash for verdict in verdicts})
        if again:
            said.append(
                f"{again} images of cohort {name} repeat others: intervals are narrower than they "
                "should be"
            )
    return tuple(text for text in said if text)


def _check(plan: TestPlan, label: str, verdicts: Sequence[ImageVerdict]) -> None:
    if len(verdicts) < MIN_IMAGES:
        raise ReviewError(
            f"a cohort needs at least {MIN_IMAGES} images, {label} has {len(verdicts)}; add images"
        )
    classes = 1 + len(plan.rivals)
    for verdict in verdicts:
        fits = len(verdict.logits) == len(verdict.probabilities) == classes
        if not fits or verdict.correct != (verdict.predicted == plan.target):
            raise ReviewError(
                f"the verdict on {verdict.name!r} was made for other classes than the plan's; "
                "judge the images again"
            )


def _in_pairs(
    a: Sequence[ImageVerdict], b: Sequence[ImageVerdict]
) -> tuple[list[ImageVerdict], list[ImageVerdict]]:
    partners = {verdict.pair_key: verdict for verdict in b}
    keys = [verdict.pair_key for verdict in a]
    if None in keys or len(set(keys)) < len(keys) or set(keys) != set(partners):
        raise ReviewError(
            "a test of pairs needs every image to have one partner in the other cohort; leave out "
            "the others (pair_up), or test unpaired"
        )
    if len(b) != len(partners):
        raise ReviewError("a pair key belongs to several images of cohort B; rename the files")
    return list(a), [partners[key] for key in keys]


def _row(plan: TestPlan, label: str, verdicts: Sequence[ImageVerdict]) -> CohortRow:
    confidence = 1 - plan.alpha
    correct = sum(verdict.correct for verdict in verdicts)

    return CohortRow(
        label=label,
        count=len(verdicts),
        correct=correct,
        accuracy=Estimate(
            value=correct / len(verdicts),
            interval=wilson_interval(correct, len(verdicts), confidence),
        ),
        taken_for=tuple(
            sum(verdict.predicted == index for verdict in verdicts)
            for index in (plan.target, *plan.rivals)
        ),
        probabilities=_means([v.probabilities for v in verdicts], confidence, (0.0, 1.0)),
        logits=_means([v.logits for v in verdicts], confidence, (-math.inf, math.inf)),
    )


def _means(
    values: list[tuple[float, ...]], confidence: float, bounds: Interval
) -> tuple[Estimate, ...]:
    """Of each column, with intervals kept within what the scores can be."""
    found = []
    for column in np.array(values, dtype=np.float64).T:
        low, high = mean_interval(column, confidence)
        interval = (max(low, bounds[0]), min(high, bounds[1]))
        found.append(Estimate(value=float(column.mean()), interval=interval))
    return tuple(found)
