"""Which classes are related to an anchor class, by three kinds of evidence.

weights     the rows of the final layer point the same way; needs no data
prototype   the anchor's prototype excites them too (entanglement)
confusion   natural images of the anchor are taken for them
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from protocore.compare.head import class_weights, cosine_similarities
from protocore.errors import ModelError, NaturalReferenceError
from protocore.generation.recording import image_logits
from protocore.models.classifier import Classifier
from protocore.similarity.image_sets import open_folder
from protocore.similarity.sources import demo_reference, reference_from_set

# Reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009): 1 / (60 + rank), summed.
FUSION_CONSTANT = 60
EVIDENCE_RANKS = 20  # an evidence counts for the classes it ranks this high
NATURAL_IMAGES = 40  # enough to see a confusion of a few percent
# What is not above these says nothing for a relation: weights nearly at a right angle, a logit that
# does not stand out, a mean probability of a thousandth.
FLOORS = {"weights": 0.1, "prototype": 0.5, "confusion": 0.001}
STRONG = {"weights": 0.3, "prototype": 3.0, "confusion": 0.05}  # enough without other evidence
STRENGTHS = {"strong": 0.8, "moderate": 0.5, "weak": 0.0}  # least strength for each word


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Why a class is related to the anchor."""

    source: str  # one of FLOORS
    value: float  # cosine (-1..1), logit in standard deviations, or mean probability (0..1)
    rank: int  # among the other classes, from 1

    @property
    def strength(self) -> float:
        """0..1: 1 where this evidence is enough alone."""
        return min(1.0, max(0.0, self.value / STRONG[self.source]))

    @property
    def text(self) -> str:
        """For people, such as "final-layer weights: cosine 0.62 (1st)"."""
        texts = {
            "weights": f"final-layer weights: cosine {self.value:.2f}",
            "prototype": f"prototype raises its logit by {self.value:.1f} SD",
            "confusion": f"natural images: mean probability {self.value:.1%}",
        }
        return f"{texts[self.source]} ({ordinal(self.rank)})"


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A class to compare the anchor with."""

    class_index: int
    label: str
    score: float  # reciprocal ranks, summed; larger is more related
    evidence: tuple[Evidence, ...]

    @property
    def strength(self) -> float:
        """0..1 from all evidence, as if each kind could be wrong by itself (noisy or)."""
        return 1 - math.prod(1 - part.strength for part in self.evidence)

    @property
    def strength_text(self) -> str:
        """ "strong", "moderate" or "weak"."""
        return next(word for word, least in STRENGTHS.items() if self.strength >= least)

    @property
    def reason(self) -> str:
        """All evidence in one line."""
        return "; ".join(part.text for part in self.evidence)


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """Ranked suggestions, and what could not be used to make them."""

    anchor: int
    items: tuple[Suggestion, ...]
    notes: tuple[str, ...]


def suggest(
    classifier: Classifier,
    anchor: int,
    *,
    prototypes: np.ndarray | None = None,
    natural: np.ndarray | None = None,
    count: int = 8,
) -> Suggestions:
    """The classes most related to `anchor`, with their reasons.

    `prototypes` and `natural` are 8-bit images `(N, H, W, 3)` of the anchor class. Evidence that
    is not there, or a final layer that cannot be found, is left out and said in `notes`.
    """
    classifier.find_class(anchor)
    scores: dict[str, Tensor] = {}
    notes = []
    try:
        scores["weights"] = cosine_similarities(class_weights(classifier), anchor)
    except ModelError as error:
        notes.append(str(error))
    if prototypes is None or not len(prototypes):
        notes.append("the anchor has no prototype yet: what it excites is not known")
    else:
        scores["prototype"] = excitation(image_logits(classifier, prototypes))
    if natural is not None and len(natural):
        logits = image_logits(classifier, natural).double()
        scores["confusion"] = confusion(classifier.probabilities(logits))
    items = fuse(classifier, anchor, scores)[:count]
    return Suggestions(anchor=anchor, items=items, notes=tuple(notes))


def natural_images(
    classifier: Classifier, anchor: int, folder: str | Path | None = None
) -> np.ndarray | None:
    """Natural images `(N, S, S, 3)` of a class: from a folder, or else of the demo world.

    None when no folder is given and the demo world does not have the class. Raises
    NaturalReferenceError for a folder that has no images of it.
    """
    if folder:
        images = open_folder(folder)
        return reference_from_set(images, classifier, anchor, count=NATURAL_IMAGES).same
    if classifier.source != "demo":
        return None
    try:
        return demo_reference(classifier, anchor, count=NATURAL_IMAGES).same
    except NaturalReferenceError:
        return None


def excitation(logits: Tensor) -> Tensor:
    """How far each class stands out `(K,)`: mean logit over images, in sd over the classes."""
    mean = logits.double().mean(dim=0)
    spread = mean.std(correction=0)
    return (mean - mean.mean()) / spread if spread > 0 else torch.zeros_like(mean)


def confusion(probabilities: Tensor) -> Tensor:
    """Mean probability `(K,)` of each class over images `(N, K)`."""
    return probabilities.mean(dim=0)


def fuse(
    classifier: Classifier, anchor: int, scores: Mapping[str, Tensor]
) -> tuple[Suggestion, ...]:
    """Join several kinds of evidence, `(K,)` scores each: the strongest relation first.

    Classes for which no evidence is above its floor are left out.
    """
    evidence: dict[int, list[Evidence]] = {}
    for source, values in scores.items():
        order = [i for i in values.argsort(descending=True, stable=True).tolist() if i != anchor]
        for rank, index in enumerate(order[:EVIDENCE_RANKS], start=1):
            if not values[index] > FLOORS[source]:
                break
            found = Evidence(source=source, value=float(values[index]), rank=rank)
            evidence.setdefault(index, []).append(found)
    suggestions = (
        Suggestion(
            class_index=index,
            label=classifier.label(index),
            score=sum(1 / (FUSION_CONSTANT + part.rank) for part in parts),
            evidence=tuple(parts),
        )
        for index, parts in evidence.items()
    )
    return tuple(sorted(suggestions, key=lambda s: (-s.strength, -s.score, s.class_index)))


def ordinal(number: int) -> str:
    """ "1st", "2nd", "3rd", "4th", "11th"."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 <= number % 100 <= 20 else ending}"
