"""A cohort test: two groups of images, one classifier, one difference predicted beforehand.

    plan = TestPlan(target=574, measure="logit", direction="a > b")
    a, b = (predict(classifier, cohort, plan) for cohort in (cohort_a, cohort_b))
    analysis = analyse(plan, a, b)
    analysis.outcome().outcome  # "supported", "not supported" or "undecided"

(Paper, section 4, Tables 1 and 2.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from protocore.cohorts.analysis import (
    CohortAnalysis,
    CohortRow,
    Estimate,
    analyse,
)
from protocore.cohorts.cohort import Cohort, size_warning
from protocore.cohorts.differences import CohortComparison, EffectSize
from protocore.cohorts.outcomes import OUTCOMES, Outcome
from protocore.cohorts.plan import (
    DEFAULT_SMALLEST,
    DIRECTIONS,
    MEASURES,
    Prediction,
    TestPlan,
)
from protocore.errors import ReviewError
from protocore.generation.recording import image_logits
from protocore.models.classifier import Classifier

__all__ = [
    "DEFAULT_SMALLEST",
    "DIRECTIONS",
    "MEASURES",
    "OUTCOMES",
    "CohortAnalysis",
    "CohortComparison",
    "CohortRow",
    "EffectSize",
    "Estimate",
    "Outcome",
    "Prediction",
    "TestPlan",
    "analyse",
    "predict",
    "size_warning",
]

BATCH = 32  # images between two calls of `progress`

Progress = Callable[[int, int], None]  # images done, images in all; may raise to stop


def predict(
    classifier: Classifier, cohort: Cohort, plan: TestPlan, progress: Progress | None = None
) -> tuple[Prediction, ...]:
    """What the classifier says of every image of the cohort, in its order.

    `progress(done, total)` is called after each batch; what it raises ends the work. Raises
    ReviewError when the plan's classes are not the classifier's, the images have another size than
    it takes, or a logit is not finite.
    """
    _check(classifier, cohort, plan)
    predictions: list[Prediction] = []
    for first in range(0, len(cohort.pixels), BATCH):
        logits = image_logits(classifier, cohort.pixels[first : first + BATCH]).double()
        for row, scores in enumerate(logits, start=first):
            predictions.append(_prediction(classifier, cohort, plan, row, scores))
        if progress is not None:
            progress(len(predictions), len(cohort.pixels))
    return tuple(predictions)


def _check(classifier: Classifier, cohort: Cohort, plan: TestPlan) -> None:
    unknown = [i for i in (plan.target, *plan.rivals) if i >= classifier.num_classes]
    if unknown:
        raise ReviewError(
            f"{classifier.name} has no class {unknown[0]}; its classes are 0 to "
            f"{classifier.num_classes - 1}"
        )
    size = classifier.input_size
    if cohort.pixels.shape[1:] != (size, size, 3):
        raise ReviewError(
            f"{classifier.name} takes images of {size}x{size} pixels, those of cohort "
            f"{cohort.label!r} have the shape {cohort.pixels.shape[1:]}; load them at that size"
        )


def _prediction(
    classifier: Classifier, cohort: Cohort, plan: TestPlan, row: int, scores: Tensor
) -> Prediction:
    """`scores`: logits `(K,)` float64 of the image at `row`."""
    if not bool(scores.isfinite().all()):
        raise ReviewError(
            f"{classifier.name} gives logits that are not finite for {cohort.names[row]!r}; leave "
            "the image out, or check the weights"
        )
    classes = [plan.target, *plan.rivals]
    predicted = int(np.argmax(scores.numpy()))
    return Prediction(
        name=cohort.names[row],
        hash=cohort.hashes[row],
        predicted=predicted,
        predicted_name=classifier.class_names[predicted],
        correct=predicted == plan.target,
        logits=tuple(scores[classes].tolist()),
        probabilities=tuple(classifier.probabilities(scores)[classes].tolist()),
        pair_key=None if cohort.pair_keys is None else cohort.pair_keys[row],
    )
