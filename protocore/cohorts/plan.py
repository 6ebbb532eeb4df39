"""What a cohort test asks, fixed before any prediction, and what the model says of each image."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field

from protocore.cohorts.edits import Edits
from protocore.errors import ReviewError
from protocore.schema import Number, Whole, checked, dump, items, matching, number, one_of, text

__all__ = [
    "DEFAULT_ALPHA",
    "DEFAULT_SMALLEST",
    "DIRECTIONS",
    "MEASURES",
    "Prediction",
    "TestPlan",
    "plan_content",
]

MAX_CLASSES = 1000  # that one session or claim is about
Classes = Annotated[tuple[Whole, ...], items(MAX_CLASSES)]  # class indices
Digest = Annotated[str, matching("[0-9a-f]{64}")]  # SHA-256

MEASURES = ("accuracy", "probability", "logit", "rival probability", "rival logit")
DIRECTIONS = ("a > b", "a < b", "a != b")
ALTERNATIVES = {"a > b": "greater", "a < b": "less", "a != b": "two-sided"}  # SciPy's words
# The smallest difference worth telling, in the measure's own unit: 1 image in 20, 2 points of
# probability, and a tenth of a natural log-odds unit, which changes the odds by 10 %.
DEFAULT_SMALLEST = {
    "accuracy": 0.05,
    "probability": 0.02,
    "logit": 0.1,
    "rival probability": 0.02,
    "rival logit": 0.1,
}
DEFAULT_ALPHA = 0.05


@checked(ReviewError)
class TestPlan:
    """Which difference between cohort A and cohort B is predicted, and how large it must be.

    `smallest_effect` is the smallest difference of interest, >= 0, in the measure's unit (a share
    or a logit); None takes DEFAULT_SMALLEST. `alpha` is the level of the test; intervals have
    the confidence 1 - alpha. Rival measures are about `rivals[0]`. With `paired`, the images of
    both cohorts are compared pair by pair. Raises ReviewError for what is out of range.
    """

    __test__ = False  # not a test case, whatever pytest makes of the name

    target: Whole  # class index
    rivals: Classes = ()
    measure: Annotated[str, one_of(MEASURES)] = "accuracy"
    direction: Annotated[str, one_of(DIRECTIONS)] = "a > b"
    paired: bool = False
    smallest_effect: Number | None = None
    alpha: Annotated[float, Field(gt=0, le=0.5)] = DEFAULT_ALPHA
    edits: Edits = ()  # cohort B is cohort A after these; (): B has images of its own

    def __post_init__(self) -> None:
        classes = (self.target, *self.rivals)
        if len(set(classes)) < len(classes):
            raise ReviewError(
                f"the target and its rivals must be different classes, got {list(classes)}"
            )
        if self.measure.startswith("rival") and not self.rivals:
            raise ReviewError(f"the measure {self.measure!r} needs a rival class; name one")
        if self.edits and not self.paired:
            raise ReviewError("an edited image is the partner of its original: set paired")
        if self.smallest_effect is None:
            object.__setattr__(self, "smallest_effect", DEFAULT_SMALLEST[self.measure])
        limit = math.inf if self.measure.endswith("logit") else 1.0
        if not 0 <= self.smallest_effect < limit:
            below = "" if math.isinf(limit) else " and < 1"
            raise ReviewError(
                f"the smallest effect must be >= 0{below} for {self.measure}, "
                f"got {self.smallest_effect}"
            )

    @property
    def measures(self) -> tuple[str, ...]:
        """Every measure that can be reported: those of rivals need a rival."""
        return tuple(m for m in MEASURES if self.rivals or not m.startswith("rival"))

    @property
    def alternative(self) -> str:
        """The direction in SciPy's words: "greater", "less" or "two-sided"."""
        return ALTERNATIVES[self.direction]


def plan_content(plan: TestPlan) -> dict[str, Any]:
    """Plain values, without edits where there are none, as in files of earlier versions."""
    content = dump(plan)
    if not plan.edits:
        content.pop("edits")
    return content


@checked(ReviewError)
class Prediction:
    """What the model says of one image: its guess, and its scores of (target, *rivals)."""

    name: Annotated[str, text(4000)]
    hash: Digest  # see protocore.cohorts.cohort.Cohort
    predicted: Whole  # index of the class with the largest logit
    predicted_name: Annotated[str, text(1000)]
    correct: bool  # whether that is the target
    logits: Annotated[tuple[Annotated[float, number(-1e6, 1e6)], ...], items(MAX_CLASSES + 1)]
    probabilities: Annotated[  # softmax over all classes
        tuple[Annotated[float, number(0, 1)], ...], items(MAX_CLASSES + 1)
    ]
    pair_key: Annotated[str, text(4000, empty=True)] | None = None

    def value(self, measure: str) -> float:
        """The image's value of one of MEASURES; accuracy counts 1.0 or 0.0."""
        if measure == "accuracy":
            return float(self.correct)
        place = 1 if measure.startswith("rival") else 0
        scores = self.logits if measure.endswith("logit") else self.probabilities
        return scores[place]
