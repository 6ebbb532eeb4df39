"""Predictions made by hand for tests of what is done with them."""

import hashlib
from collections.abc import Sequence

import numpy as np

from protocore.cohorts.plan import Prediction

TARGET, RIVAL = 3, 1


def prediction(
    name: str, *, correct: bool = True, logit: float = 2.0, rival: float = 0.0
) -> Prediction:
    """Of an image whose probabilities follow from the two logits alone; its name is its key."""
    odds = np.exp([logit, rival])
    return Prediction(
        name=name,
        hash=hashlib.sha256(name.encode()).hexdigest(),
        predicted=TARGET if correct else RIVAL,
        predicted_name="golf ball" if correct else "tench",
        correct=correct,
        logits=(float(logit), float(rival)),
        probabilities=tuple((odds / odds.sum()).tolist()),
        pair_key=name.split("/")[-1],
    )


def with_logits(side: str, logits: Sequence[float]) -> tuple[Prediction, ...]:
    """One image for each logit, all taken for the target."""
    return tuple(prediction(f"{side}/{i}", logit=float(x)) for i, x in enumerate(logits))


def with_hits(side: str, hits: int, count: int) -> tuple[Prediction, ...]:
    """`count` images of which the first `hits` are right."""
    return tuple(prediction(f"{side}/{i}", correct=i < hits) for i in range(count))
