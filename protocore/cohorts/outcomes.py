"""What a comparison says about a claim: supported, not supported, or undecided.

The rule is fixed by the plan before the test. It asks more than "p is small": the whole interval
must lie beyond the smallest effect of interest, so that a large cohort cannot make a trifle a
finding; and a claim is rejected only when the interval rules the effect out, so that a small cohort
cannot make it vanish (Lakens 2017, on equivalence tests).
"""

from __future__ import annotations

from dataclasses import dataclass

from protocore.cohorts.differences import CohortComparison
from protocore.cohorts.plan import TestPlan
from protocore.cohorts.statistics.sizes import size_to_tell
from protocore.errors import ReviewError

OUTCOMES = ("supported", "not supported", "undecided")
MOST_IMAGES = 1_000_000  # beyond, a size is no advice


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One of OUTCOMES and why; `size_needed` only where a larger cohort could decide."""

    outcome: str
    reason: str  # a sentence
    size_needed: int | None = None  # images per cohort, or pairs


def comparison_outcome(
    plan: TestPlan, found: CohortComparison, p_adjusted: float | None = None
) -> Outcome:
    """Apply the plan's rule to its own measure.

    Supported: the interval lies wholly beyond `smallest_effect` in the predicted direction and p
    (Holm-adjusted where given) is below alpha. Not supported: it lies wholly on the other side of
    `smallest_effect`; for "a != b", wholly within +-smallest_effect. Undecided: anything else.
    Raises ReviewError for an adjusted p outside [p, 1].
    """
    if p_adjusted is not None and not found.p <= p_adjusted <= 1:  # True for NaN
        raise ReviewError(
            f"an adjusted p must be between p = {found.p:.4g} and 1, got {p_adjusted}"
        )
    p = found.p if p_adjusted is None else p_adjusted
    beyond, within = _sides(plan, found.interval)
    facts = _facts(plan, found, p, p_adjusted is not None)
    border = number_text(found.measure, plan.smallest_effect)
    if beyond and p < plan.alpha:
        way = "" if plan.direction == "a != b" else " in the predicted direction"
        return Outcome(
            outcome="supported",
            reason=f"{facts}: the whole interval lies beyond the smallest effect of {border}{way}.",
        )
    if within:
        return Outcome(outcome="not supported", reason=f"{facts}: {_why_not(plan, found, border)}.")
    if beyond:
        return Outcome(
            outcome="undecided",
            reason=f"{facts}: the interval lies beyond the smallest effect of {border}, but p is "
            f"not below {plan.alpha:g}.",
        )
    return _undecided(plan, found, facts, border)


def number_text(measure: str, value: float, *, signed: bool = False) -> str:
    """A value of a measure for people: shares in per cent, probabilities and logits as numbers.

    A signed value (a difference) that three places would round to 0 keeps its magnitude.
    """
    sign = "+" if signed else ""
    if measure == "accuracy":
        return f"{100 * value:{sign}.1f} %"
    if signed and 0 < abs(value) < 0.0005:
        return f"{value:+.0e}"
    return f"{value:{sign}.3f}"


def interval_text(measure: str, interval: tuple[float, float], *, signed: bool = False) -> str:
    """An interval of a measure for people: "+1.2 to +5.0 %"."""
    low, high = (number_text(measure, value, signed=signed) for value in interval)
    return f"{low.removesuffix(' %')} to {high}"


def _sides(plan: TestPlan, interval: tuple[float, float]) -> tuple[bool, bool]:
    """Whether the interval lies beyond the smallest effect, and whether it lies short of it."""
    low, high = interval
    border = plan.smallest_effect
    if plan.direction == "a > b":
        return low > border, high <= border
    if plan.direction == "a < b":
        return high < -border, low >= -border
    return low > border or high < -border, -border <= low and high <= border


def _facts(plan: TestPlan, found: CohortComparison, p: float, adjusted: bool) -> str:
    difference = number_text(found.measure, found.difference, signed=True)
    interval = interval_text(found.measure, found.interval, signed=True)
    after = " after Holm's correction" if adjusted else ""
    return (
        f"{found.measure}, A - B: {difference} ({100 * (1 - plan.alpha):g} % interval {interval}), "
        f"{found.test} p = {p:.3g}{after}"
    )


def _why_not(plan: TestPlan, found: CohortComparison, border: str) -> str:
    low, high = found.interval
    opposite = (plan.direction == "a > b" and high < 0) or (plan.direction == "a < b" and low > 0)
    if opposite:
        return "the whole interval lies on the opposite side of 0 than predicted"
    return f"the interval rules out a difference of {border} or more" + (
        "" if plan.direction == "a != b" else " in the predicted direction"
    )


def _undecided(plan: TestPlan, found: CohortComparison, facts: str, border: str) -> Outcome:
    low, high = found.interval
    sign = -1 if plan.direction == "a < b" or (plan.direction == "a != b" and low + high < 0) else 1
    margin = abs(sign * found.difference - plan.smallest_effect)
    half_width = (high - low) / 2
    size = size_to_tell(max(found.count_a, found.count_b), half_width, margin, alpha=plan.alpha)
    what = "pairs" if plan.paired else "images each"
    if size is None or size > MOST_IMAGES:
        size, advice = None, "the difference is so close to it that no cohort would tell"
    else:
        advice = f"larger cohorts of about {rounded(size)} {what} would tell"
    reason = (
        f"{facts}: the interval reaches both sides of the smallest effect of {border}; {advice}."
    )
    return Outcome(outcome="undecided", reason=reason, size_needed=size)


def rounded(size: int) -> str:
    """A planned size to two digits, rounded up: more would claim more than is known."""
    step = 10 ** max(0, len(str(size)) - 2)
    return str(-(-size // step) * step)
