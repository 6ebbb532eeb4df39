"""What natural images do in every layer: mean activations and the scores of single images.

Two passes over the images, one for the means and one for the scores, hand each layer's output on
as soon as it exists. Memory does not grow with the number of images; where a network has more
activations than ELEMENTS_AT_ONCE, its layers are done in several rounds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from protocore.models.classifier import Classifier
from protocore.similarity.activations import LayerInfo, LayerReader, open_reader
from protocore.similarity.measures import (
    MEASURES,
    MeanActivations,
    rank_mean,
    score_against,
    score_leaving_out,
)
from protocore.similarity.pixels import as_images
from protocore.similarity.reference import NaturalReference

METHOD_VERSION = 1  # changes when the same images would give other numbers
ELEMENTS_AT_ONCE = 2**25  # 16 bytes each (sum, mean, ranks): 0.5 GiB
BATCH = {"cpu": 4, "cuda": 32}  # images; more gains nothing, and each takes its activations
# Work per image in units of one forward pass, measured: one sort, or two when it is left out.
SUM_WORK, SAME_WORK, DIFFERENT_WORK = 1, 40, 20

Progress = Callable[[int, int], None]  # work done, work in all; may raise to stop


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceStatistics:
    """The natural side of path similarity for one classifier, class, image set and layer set."""

    key: str  # statistics_key
    class_index: int
    layer_set: str
    layers: tuple[LayerInfo, ...]
    means: Tensor  # (sum of layer sizes,) float32, on the CPU: A_I of all layers in a row
    same: np.ndarray  # (3, N, L) float64: each image of the class against the mean of the others
    different: np.ndarray  # (3, M, L) float64: images of other classes against the mean

    def mean_of(self, layer: LayerInfo) -> Tensor:
        """The class's mean activations `(layer.size,)` in one layer."""
        start = sum(other.size for other in self.layers[: layer.index])
        return self.means[start : start + layer.size]

    def without_means(self) -> ReferenceStatistics:
        """Scores alone, a thousandth of the size: enough for curves and summaries."""
        return replace(self, means=torch.empty(0))


def statistics_key(classifier: Classifier, reference: NaturalReference, layer_set: str) -> str:
    """What makes two requests the same statistics: 64 hexadecimal digits."""
    content = [METHOD_VERSION, classifier.identity, reference.key, layer_set]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def measure_reference(
    classifier: Classifier,
    reference: NaturalReference,
    layer_set: str = "all",
    progress: Progress | None = None,
) -> ReferenceStatistics:
    """Mean activations and the scores of every natural image (paper, section 3.2).

    `progress(done, total)` is called after each batch; what it raises ends the measurement.
    """
    reader = open_reader(classifier, layer_set)
    rounds = list(_rounds(reader.layers))
    same, different = (
        np.empty((len(MEASURES), len(images), len(reader.layers)))
        for images in (reference.same, reference.different)
    )
    means = []
    tick = _ticker(progress, len(rounds) * _work(len(reference.same), len(reference.different)))
    for layers in rounds:
        totals = _sum_outputs(reader, layers, reference.same, tick)
        _score_same(reader, totals, reference.same, same, tick)
        ranked = _rank_means(layers, totals, len(reference.same))
        _score_different(reader, ranked, reference.different, different, tick)
        means.extend(ranked[layer.index].mean.cpu() for layer in layers)
    return ReferenceStatistics(
        key=statistics_key(classifier, reference, layer_set),
        class_index=reference.class_index,
        layer_set=layer_set,
        layers=reader.layers,
        means=torch.cat(means),
        same=same,
        different=different,
    )


def batches(classifier: Classifier, images: np.ndarray | Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Images in batches fit for the device: where they lie, and float32 `(n, 3, S, S)`."""
    size = BATCH.get(classifier.device.type, BATCH["cpu"])
    for first in range(0, len(images), size):
        place = slice(first, min(first + size, len(images)))
        yield place, as_images(images[place], classifier.input_size)


def _rounds(layers: tuple[LayerInfo, ...]) -> Iterator[list[LayerInfo]]:
    """Consecutive layers of at most ELEMENTS_AT_ONCE activations together, or one larger."""
    part: list[LayerInfo] = []
    for layer in layers:
        if part and sum(other.size for other in part) + layer.size > ELEMENTS_AT_ONCE:
            yield part
            part = []
        part.append(layer)
    yield part


def _sum_outputs(
    reader: LayerReader, layers: list[LayerInfo], images: np.ndarray, tick: Callable[[int], None]
) -> dict[int, Tensor]:
    """Sums over the images `(layer.size,)` float64 by layer index."""
    device = reader.classifier.device
    totals = {
        layer.index: torch.zeros(layer.size, dtype=torch.float64, device=device) for layer in layers
    }

    def add(layer: LayerInfo, output: Tensor) -> None:
        if output.is_cuda:
            totals[layer.index] += output.flatten(1).sum(dim=0, dtype=torch.float64)
            return
        for row in output.flatten(1):
            totals[layer.index] += row

    for _, batch in batches(reader.classifier, images):
        reader.read(batch, add, only=totals)
        tick(len(batch) * SUM_WORK)
    return totals


def _score_same(
    reader: LayerReader,
    totals: dict[int, Tensor],
    images: np.ndarray,
    scores: np.ndarray,
    tick: Callable[[int], None],
) -> None:
    for place, batch in batches(reader.classifier, images):

        def score(layer: LayerInfo, output: Tensor, place: slice = place) -> None:
            found = score_leaving_out(layer, totals[layer.index], len(images), output)
            scores[:, place, layer.index] = found.cpu().numpy()

        reader.read(batch, score, only=totals)
        tick(len(batch) * SAME_WORK)


def _rank_means(
    layers: list[LayerInfo], totals: dict[int, Tensor], count: int
) -> dict[int, MeanActivations]:
    """Means ready for comparison; takes the sums out of `totals`, so that memory stays flat."""
    return {
        layer.index: rank_mean(layer, (totals.pop(layer.index) / count).float()) for layer in layers
    }


def _score_different(
    reader: LayerReader,
    ranked: dict[int, MeanActivations],
    images: np.ndarray,
    scores: np.ndarray,
    tick: Callable[[int], None],
) -> None:
    for place, batch in batches(reader.classifier, images):

        def score(layer: LayerInfo, output: Tensor, place: slice = place) -> None:
            found = score_against(ranked[layer.index], output)
            scores[:, place, layer.index] = found.cpu().numpy()

        reader.read(batch, score, only=ranked)
        tick(len(batch) * DIFFERENT_WORK)


def _work(same: int, different: int) -> int:
    return same * (SUM_WORK + SAME_WORK) + different * DIFFERENT_WORK


def _ticker(progress: Progress | None, total: int) -> Callable[[int], None]:
    done = 0

    def tick(work: int) -> None:
        nonlocal done
        done += work
        if progress is not None:
            progress(done, total)

    return tick
