"""How natural images are, layer by layer: their scores against a class's natural images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from protocore.errors import NaturalReferenceError
from protocore.models.classifier import Classifier
from protocore.similarity.activations import LayerInfo, LayerReader, open_reader
from protocore.similarity.measures import MEASURES, find_measure, rank_mean, score_against
from protocore.similarity.statistics import ReferenceStatistics, batches

# A layer is unstable when same-class and different-class images score so alike that dividing by
# the difference says nothing: less than MIN_GAP apart (correlations), or within MIN_ERRORS
# standard errors of each other.
MIN_GAP = 0.01
MIN_ERRORS = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class PathSimilarity:
    """Scores of images in every layer, and the natural scores to hold them against."""

    reference: ReferenceStatistics
    scores: np.ndarray  # (3, P, L) float64, first axis as MEASURES; NaN: not defined
    logits: np.ndarray  # (P,) of the reference's class
    probabilities: np.ndarray  # (P,) of the reference's class, 0..1

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """The layers, in the order of the last axis of `scores`."""
        return self.reference.layers


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerCurves:
    """The three curves of one measure, raw (paper, Figure 8) and normalised (Figure 4)."""

    prototypes: np.ndarray  # (P, L)
    same: np.ndarray  # (L,) mean over images of the class
    same_sd: np.ndarray  # (L,) standard deviation over these images
    different: np.ndarray  # (L,) mean over images of other classes
    different_sd: np.ndarray
    normalised: np.ndarray  # (P, L) 1: same class, 0: different class; NaN where unstable
    unstable: np.ndarray  # (L,) bool


def evaluate_images(
    classifier: Classifier, images: np.ndarray | Tensor, reference: ReferenceStatistics
) -> PathSimilarity:
    """Score images against a class's mean activations in every layer (paper, section 3.2).

    `images` is uint8 `(P, H, W, 3)` or float `(P, 3, H, W)` in [0, 1]. Raises
    NaturalReferenceError when the statistics belong to another network, ImageError for images of
    another form.
    """
    reader = open_reader(classifier, reference.layer_set)
    check_reader(reader, reference)
    scores = np.empty((len(MEASURES), len(images), len(reader.layers)))
    logits = []
    for place, batch in batches(classifier, images):

        def score(layer: LayerInfo, output: Tensor, place: slice = place) -> None:
            mean = rank_mean(layer, reference.mean_of(layer).to(output.device))
            scores[:, place, layer.index] = score_against(mean, output).cpu().numpy()

        logits.append(reader.read(batch, score).cpu())
    rows = torch.cat(logits) if logits else torch.empty(0, classifier.num_classes)
    return PathSimilarity(
        reference=reference,
        scores=scores,
        logits=rows[:, reference.class_index].numpy(),
        probabilities=classifier.probabilities(rows)[:, reference.class_index].numpy(),
    )


def join(parts: Sequence[PathSimilarity]) -> PathSimilarity:
    """Several evaluations against one reference as one, in order."""
    return PathSimilarity(
        reference=parts[0].reference,
        scores=np.concatenate([part.scores for part in parts], axis=1),
        logits=np.concatenate([part.logits for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
    )


def check_reader(reader: LayerReader, reference: ReferenceStatistics) -> None:
    """Raise NaturalReferenceError when the statistics belong to another network."""
    if reader.layers != reference.layers:
        raise NaturalReferenceError(
            f"the natural statistics have {len(reference.layers)} layers that do not match the "
            f"{len(reader.layers)} of {reader.classifier.title}; measure the reference with this "
            "model"
        )


def layer_curves(similarity: PathSimilarity, measure: str = "spearman") -> LayerCurves:
    """The curves of one measure: "spearman", "l1" or "profile"."""
    place = find_measure(measure)
    prototypes = similarity.scores[place]
    same, same_sd = mean_and_sd(similarity.reference.same[place])
    different, different_sd = mean_and_sd(similarity.reference.different[place])
    unstable = _unstable(similarity.reference, place)
    gap = np.where(unstable, np.nan, same - different)
    return LayerCurves(
        prototypes=prototypes,
        same=same,
        same_sd=same_sd,
        different=different,
        different_sd=different_sd,
        normalised=(prototypes - different) / gap,
        unstable=unstable,
    )


def mean_and_sd(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (n - 1) over the first axis, without NaN; NaN if none is left."""
    count = np.isfinite(values).sum(axis=0)
    total = np.nansum(values, axis=0)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    squares = np.nansum((values - mean) ** 2, axis=0)
    variance = np.divide(squares, count - 1, out=np.full(total.shape, np.nan), where=count > 1)
    return mean, np.sqrt(variance)


def _unstable(reference: ReferenceStatistics, place: int) -> np.ndarray:
    """Layers `(L,)` where same-class and different-class images cannot be told apart."""
    same, same_sd = mean_and_sd(reference.same[place])
    different, different_sd = mean_and_sd(reference.different[place])
    error = np.sqrt(
        same_sd**2 / reference.same.shape[1] + different_sd**2 / reference.different.shape[1]
    )
    sign = 1 if MEASURES[place].larger_is_closer else -1
    gap = sign * (same - different)
    least = MIN_GAP if MEASURES[place].larger_is_closer else 0.0
    return ~((gap > least) & (gap > MIN_ERRORS * error))
