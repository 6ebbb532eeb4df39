"""From the predictions on single images to the two tables of the paper and an outcome.

A pure function of the predictions: whoever has them gets the same numbers again. How each
difference is tested is fixed beforehand, never chosen by the result:

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
from protocore.cohorts.differences import CohortComparison, compare_measure
from protocore.cohorts.outcomes import Outcome, comparison_outcome
from protocore.cohorts.plan import Prediction, TestPlan, plan_content
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
    comparisons: tuple[
        CohortComparison, ...
    ]  # one per measure of the plan, in the order of MEASURES
    warnings: tuple[str, ...]

    @property
    def primary(self) -> CohortComparison:
        """The comparison that the plan is about; the others are for orientation."""
        return next(found for found in self.comparisons if found.primary)

    def outcome(self, p_adjusted: float | None = None) -> Outcome:
        """What the plan's own rule says; `p_adjusted` replaces p where several claims are tested.

        See `protocore.cohorts.outcomes.comparison_outcome`.
        """
        return comparison_outcome(self.plan, self.primary, p_adjusted)

    def to_dict(self) -> dict:
        """A summary in plain values for JSON, outcome included."""
        return {
            "plan": plan_content(self.plan),
            "class_names": list(self.class_names),
            "cohorts": [asdict(row) for row in self.rows],
            "comparisons": [found.to_dict() for found in self.comparisons],
            "outcome": asdict(self.outcome()),
            "warnings": list(self.warnings),
        }


def analyse(
    plan: TestPlan,
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    *,
    labels: tuple[str, str] = ("A", "B"),
    class_names: Sequence[str] = (),
) -> CohortAnalysis:
    """Both cohorts' rows, a comparison for every measure, and what to mind.

    `class_names` are of (target, *rivals) and default to "class 574". Pairs are found by
    their key. Raises ReviewError when a cohort has fewer than MIN_IMAGES, when the predictions were
    made for another plan, or when a plan for pairs meets images without a partner.
    """
    check_predictions(plan, a, b, labels)
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


def check_predictions(
    plan: TestPlan, a: Sequence[Prediction], b: Sequence[Prediction], labels: tuple[str, str]
) -> None:
    """Raise ReviewError for predictions that the plan's analysis cannot use; see `analyse`."""
    for label, predictions in zip(labels, (a, b), strict=True):
        _check(plan, label, predictions)
    if plan.paired:
        _in_pairs(a, b)


def _warnings(plan: TestPlan, a: Sequence[Prediction], b: Sequence[Prediction]) -> tuple[str, ...]:
    said = [size_warning(len(a), len(b))]
    shared = len({prediction.hash for prediction in a} & {prediction.hash for prediction in b})
    if shared:
        said.append(f"{shared} images are in both cohorts: they cannot show a difference")
    for name, predictions in (("A", a), ("B", b)):
        again = len(predictions) - len({prediction.hash for prediction in predictions})
        if again:
            said.append(
                f"{again} images of cohort {name} repeat others: intervals are narrower than they "
                "should be"
            )
    return tuple(text for text in said if text)


def _check(plan: TestPlan, label: str, predictions: Sequence[Prediction]) -> None:
    if len(predictions) < MIN_IMAGES:
        raise ReviewError(
            f"a cohort needs at least {MIN_IMAGES} images, {label} has {len(predictions)}; "
            "add images"
        )
    classes = 1 + len(plan.rivals)
    for prediction in predictions:
        fits = len(prediction.logits) == len(prediction.probabilities) == classes
        if not fits or prediction.correct != (prediction.predicted == plan.target):
            raise ReviewError(
                f"the prediction on {prediction.name!r} is for other classes than the plan's; "
                "predict the images again"
            )


def _in_pairs(
    a: Sequence[Prediction], b: Sequence[Prediction]
) -> tuple[list[Prediction], list[Prediction]]:
    partners = {prediction.pair_key: prediction for prediction in b}
    keys = [prediction.pair_key for prediction in a]
    if None in keys or len(set(keys)) < len(keys) or set(keys) != set(partners):
        raise ReviewError(
            "a test of pairs needs every image to have one partner in the other cohort; leave out "
            "the others (pair_up), or test unpaired"
        )
    if len(b) != len(partners):
        raise ReviewError("a pair key belongs to several images of cohort B; rename the files")
    return list(a), [partners[key] for key in keys]


def _row(plan: TestPlan, label: str, predictions: Sequence[Prediction]) -> CohortRow:
    confidence = 1 - plan.alpha
    correct = sum(prediction.correct for prediction in predictions)

    return CohortRow(
        label=label,
        count=len(predictions),
        correct=correct,
        accuracy=Estimate(
            value=correct / len(predictions),
            interval=wilson_interval(correct, len(predictions), confidence),
        ),
        taken_for=tuple(
            sum(prediction.predicted == index for prediction in predictions)
            for index in (plan.target, *plan.rivals)
        ),
        probabilities=_means([v.probabilities for v in predictions], confidence, (0.0, 1.0)),
        logits=_means([v.logits for v in predictions], confidence, (-math.inf, math.inf)),
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
