"""One measure in two cohorts: how much it differs, how surely, and how many images that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from protocore.cohorts.plan import Prediction, TestPlan
from protocore.cohorts.statistics import means, sizes
from protocore.cohorts.statistics import proportions as shares
from protocore.cohorts.statistics.proportions import Interval


@dataclass(frozen=True, kw_only=True)
class EffectSize:
    """A difference on a scale of its own; None where nothing varies, `note` says what to mind."""

    name: str
    value: float | None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class CohortComparison:
    """One measure: A, B, A - B. In the measure's unit (shares, probabilities, logits)."""

    measure: str
    class_index: int  # the class whose accuracy, probability or logit it is
    primary: bool  # the measure that the plan names
    count_a: int  # images
    count_b: int
    a: float
    b: float
    difference: float
    interval: Interval  # of the difference
    interval_name: str
    test: str  # name of the exact test
    alternative: str  # "greater", "less", "two-sided": the plan's where primary, else two-sided
    p: float
    effects: tuple[EffectSize, ...]  # the first is the one to show where there is room for one
    size_needed: int | None  # per cohort (pairs), for a difference as observed; None: it is 0

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return asdict(self)


def compare_measure(
    plan: TestPlan, measure: str, a: Sequence[Prediction], b: Sequence[Prediction]
) -> CohortComparison:
    """Compare one of the plan's measures; for pairs, `a[i]` and `b[i]` belong together.

    Only the plan's own measure is tested in the predicted direction: of the others nothing was
    predicted.
    """
    primary = measure == plan.measure
    values = [np.array([prediction.value(measure) for prediction in side]) for side in (a, b)]
    alternative = plan.alternative if primary else "two-sided"
    if measure == "accuracy":
        found = (_paired_shares if plan.paired else _shares)(*values, alternative, plan.alpha)
    else:
        found = (_paired_means if plan.paired else _means)(*values, alternative, plan.alpha)
    if not measure.endswith("logit"):
        low, high = found["interval"]
        found["interval"] = (max(low, -1.0), min(high, 1.0))  # Student's knows no bounds
    return CohortComparison(
        measure=measure,
        class_index=plan.rivals[0] if measure.startswith("rival") else plan.target,
        primary=primary,
        count_a=len(a),
        count_b=len(b),
        a=float(values[0].mean()),
        b=float(values[1].mean()),
        alternative=alternative,
        **found,
    )


def _shares(a: np.ndarray, b: np.ndarray, alternative: str, alpha: float) -> dict:
    counts = (int(a.sum()), len(a), int(b.sum()), len(b))
    share_a, share_b = counts[0] / counts[1], counts[2] / counts[3]
    return {
        "difference": share_a - share_b,
        "interval": shares.newcombe_interval(*counts, 1 - alpha),
        "interval_name": "Newcombe",
        "test": "Fisher",
        "p": shares.fisher_p(*counts, alternative),
        "effects": _share_effects(shares.odds_ratio(*counts), share_a, share_b),
        "size_needed": sizes.size_for_proportions(share_a, share_b, alpha=alpha),
    }


def _paired_shares(a: np.ndarray, b: np.ndarray, alternative: str, alpha: float) -> dict:
    pairs = shares.PairTable.count(a, b)
    only_a, only_b = pairs.only_a / pairs.total, pairs.only_b / pairs.total
    return {
        "difference": only_a - only_b,
        "interval": shares.newcombe_paired_interval(pairs, 1 - alpha),
        "interval_name": "Newcombe, pairs",
        "test": "McNemar",
        "p": shares.mcnemar_p(pairs, alternative),
        "effects": _share_effects(shares.paired_odds_ratio(pairs), a.mean(), b.mean()),
        "size_needed": sizes.size_for_pairs(only_a, only_b, alpha=alpha),
    }


def _share_effects(
    odds: shares.OddsRatio, share_a: float, share_b: float
) -> tuple[EffectSize, ...]:
    note = "0.5 added to every count because one is 0" if odds.corrected else ""
    return (
        EffectSize(name="odds ratio", value=float(odds.value), note=note),
        EffectSize(name="Cohen's h", value=shares.cohens_h(share_a, share_b)),
    )


def _means(a: np.ndarray, b: np.ndarray, alternative: str, alpha: float) -> dict:
    difference = float(a.mean() - b.mean())
    spread = means.pooled_deviation(a, b)
    return {
        "difference": difference,
        "interval": means.mean_difference_interval(a, b, 1 - alpha),
        "interval_name": means.interval_name(min(len(a), len(b))),
        "test": "permutation",
        "p": means.permutation_p(a, b, alternative),
        "effects": (_effect("Cohen's d", means.cohens_d(a, b)),),
        "size_needed": sizes.size_for_means(difference, spread, alpha=alpha),
    }


def _paired_means(a: np.ndarray, b: np.ndarray, alternative: str, alpha: float) -> dict:
    difference = float((a - b).mean())
    spread = means.deviation(a - b)
    return {
        "difference": difference,
        "interval": means.paired_difference_interval(a, b, 1 - alpha),
        "interval_name": f"{means.interval_name(len(a))}, pairs",
        "test": "permutation, pairs",
        "p": means.paired_permutation_p(a, b, alternative),
        "effects": (_effect("Cohen's d_z", means.cohens_dz(a, b)),),
        "size_needed": sizes.size_for_mean_pairs(difference, spread, alpha=alpha),
    }


def _effect(name: str, value: float | None) -> EffectSize:
    note = "nothing varies within the cohorts" if value is None else ""
    return EffectSize(name=name, value=value, note=note)
