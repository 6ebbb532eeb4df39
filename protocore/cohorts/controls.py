"""The control of an edited cohort: does the same edit at a random place do as much?"""

from __future__ import annotations

from collections.abc import Sequence

from protocore.cohorts.analysis import CohortAnalysis, analyse
from protocore.cohorts.cohort import Cohort
from protocore.cohorts.edits import control_cohort, edit_text
from protocore.cohorts.plan import Prediction, TestPlan
from protocore.cohorts.prediction import predict
from protocore.models.classifier import Classifier

__all__ = ["control_analysis", "edit_notes"]


def control_analysis(
    classifier: Classifier, plan: TestPlan, a: Cohort, before: Sequence[Prediction], seed: int = 0
) -> CohortAnalysis | None:
    """Cohort A against A with the plan's edits at random places; None where none has a place.

    `a` has pair keys, `before` are the predictions on it. The control decides nothing: it stands
    beside the test.
    """
    control = control_cohort(a, plan.edits, seed)
    if control is None:
        return None
    after = predict(classifier, control, plan)
    return analyse(plan, before, after, labels=(a.label, control.label))


def edit_notes(
    classifier: Classifier, plan: TestPlan, a: Cohort, before: Sequence[Prediction]
) -> list[str]:
    """What a result says of its edits: which they are, and what the control gives."""
    notes = [f"cohort B is cohort A after: {edit_text(plan.edits)}"]
    control = control_analysis(classifier, plan, a, before)
    if control is None:
        return [*notes, "no control: these edits have no place that another could stand for"]
    return [*notes, f"control, the same edit at a random place: {control.outcome().reason}"]
