"""What a cohort test asks, fixed before any prediction, and what the model says of each image."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

from protocore.errors import ReviewError

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


@dataclass(frozen=True, kw_only=True)
class TestPlan:
    """Which difference between cohort A and cohort B is predicted, and how large it must be.

    `smallest_effect` is the smallest difference of interest, >= 0, in the measure's unit (a share
    or a logit); None takes DEFAULT_SMALLEST. `alpha` is the level of the test; intervals have
    the confidence 1 - alpha. Rival measures are about `rivals[0]`. With `paired`, the images of
    both cohorts are compared pair by pair. Raises ReviewError for what is out of range.
    """

    __test__ = False  # not a test case, whatever pytest makes of the name

    target: int  # class index
    rivals: tuple[int, ...] = ()  # class indices
    measure: str = "accuracy"
    direction: str = "a > b"
    paired: bool = False
    smallest_effect: float | None = None
    alpha: float = DEFAULT_ALPHA

    def __post_init__(self) -> None:
        self._check_classes()
        if self.measure not in MEASURES:
            raise ReviewError(f"measure must be one of {', '.join(MEASURES)}, got {self.measure!r}")
        if self.direction not in DIRECTIONS:
            raise ReviewError(
                f"direction must be one of {', '.join(DIRECTIONS)}, got {self.direction!r}"
            )
        if self.measure.startswith("rival") and not self.rivals:
            raise ReviewError(f"the measure {self.measure!r} needs a rival class; name one")
        if not isinstance(self.paired, bool):
            raise ReviewError(f"paired must be true or false, got {self.paired!r}")
        if self.smallest_effect is None:
            object.__setattr__(self, "smallest_effect", DEFAULT_SMALLEST[self.measure])
        self._check_numbers()

    def _check_classes(self) -> None:
        classes = (self.target, *self.rivals)
        if not all(type(index) is int and index >= 0 for index in classes):
            raise ReviewError(f"classes are given by their index >= 0, got {list(classes)}")
        if len(set(classes)) < len(classes):
            raise ReviewError(
                f"the target and its rivals must be different classes, got {list(classes)}"
            )

    def _check_numbers(self) -> None:
        limit = math.inf if self.measure.endswith("logit") else 1.0
        if not 0 <= self.smallest_effect < limit:  # False for NaN
            below = "" if math.isinf(limit) else " and < 1"
            raise ReviewError(
                f"the smallest effect must be >= 0{below} for {self.measure}, "
                f"got {self.smallest_effect}"
            )
        if not 0 < self.alpha <= 0.5:
            raise ReviewError(f"alpha must be above 0 and at most 0.5, got {self.alpha}")

    @property
    def measures(self) -> tuple[str, ...]:
        """Every measure that can be reported: those of rivals need a rival."""
        return tuple(m for m in MEASURES if self.rivals or not m.startswith("rival"))

    @property
    def alternative(self) -> str:
        """The direction in SciPy's words: "greater", "less" or "two-sided"."""
        return ALTERNATIVES[self.direction]

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return {**asdict(self), "rivals": list(self.rivals)}

    @classmethod
    def from_dict(cls, content: dict) -> TestPlan:
        """The inverse of `to_dict`; raises ReviewError when something is missing or wrong."""
        try:
            values = {field.name: content[field.name] for field in fields(cls)}
            values["rivals"] = tuple(values["rivals"])
            for name in ("smallest_effect", "alpha"):
                values[name] = float(values[name])
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReviewError(f"this is not the plan of a cohort test: {error!r}") from error


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the model says of one image: its guess, and its scores of (target, *rivals)."""

    name: str
    hash: str  # SHA-256, see protocore.cohorts.cohort.Cohort
    predicted: int  # index of the class with the largest logit
    predicted_name: str
    correct: bool  # whether that is the target
    logits: tuple[float, ...]
    probabilities: tuple[float, ...]  # softmax over all classes, 0..1
    pair_key: str | None = None

    def value(self, measure: str) -> float:
        """The image's value of one of MEASURES; accuracy counts 1.0 or 0.0."""
        if measure == "accuracy":
            return float(self.correct)
        place = 1 if measure.startswith("rival") else 0
        scores = self.logits if measure.endswith("logit") else self.probabilities
        return scores[place]

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        lists = {"logits": list(self.logits), "probabilities": list(self.probabilities)}
        return {**asdict(self), **lists}

    @classmethod
    def from_dict(cls, content: dict) -> Prediction:
        """The inverse of `to_dict`; raises ReviewError when something is missing or wrong."""
        try:
            prediction = cls(
                name=str(content["name"]),
                hash=str(content["hash"]),
                predicted=int(content["predicted"]),
                predicted_name=str(content["predicted_name"]),
                correct=bool(content["correct"]),
                logits=tuple(float(value) for value in content["logits"]),
                probabilities=tuple(float(value) for value in content["probabilities"]),
                pair_key=None if content["pair_key"] is None else str(content["pair_key"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ReviewError(f"this is not the prediction on an image: {error!r}") from error
        if not all(math.isfinite(v) for v in (*prediction.logits, *prediction.probabilities)):
            raise ReviewError(
                f"the prediction on {prediction.name!r} holds scores that are not finite"
            )
        return prediction
