"""Path similarity of an evolving prototype, estimated cheaply enough for every few steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from protocore.models.classifier import Classifier
from protocore.similarity.activations import LayerInfo, LayerReader, open_reader
from protocore.similarity.path import check_reader, mean_and_sd
from protocore.similarity.pixels import as_images
from protocore.similarity.ranks import Ranks, correlate, rank_rows
from protocore.similarity.statistics import ReferenceStatistics

# Activations per layer. The estimate of one layer is then off by about 1 / sqrt(4096) = 0.016 at
# most, the mean over dozens of layers by a few thousandths (tests/similarity/test_live.py).
SAMPLE = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveMeter:
    """A seeded sample of every layer's activations, with the class mean ranked on it."""

    reader: LayerReader
    places: dict[int, Tensor]  # by layer index: which activations
    ranks: dict[int, Ranks]  # of the mean there
    same: float  # mean Spearman over layers of same-class images, for comparison
    different: float


def open_meter(
    classifier: Classifier, reference: ReferenceStatistics, sample: int = SAMPLE
) -> LiveMeter:
    """Prepare for `live_similarity`; takes about as long as ranking the sample once.

    Raises NaturalReferenceError when the statistics belong to another network.
    """
    reader = open_reader(classifier, reference.layer_set)
    check_reader(reader, reference)
    generator = torch.Generator().manual_seed(0)
    places, ranks = {}, {}
    for layer in reader.layers:
        place = torch.randperm(layer.size, generator=generator)[:sample].to(classifier.device)
        places[layer.index] = place
        mean = reference.mean_of(layer).to(classifier.device)
        ranks[layer.index] = rank_rows(mean[place][None])
    same, different = (mean_and_sd(s[0])[0] for s in (reference.same, reference.different))
    return LiveMeter(
        reader=reader,
        places=places,
        ranks=ranks,
        same=float(np.nanmean(same)),
        different=float(np.nanmean(different)),
    )


def live_similarity(meter: LiveMeter, images: np.ndarray | Tensor) -> np.ndarray:
    """Mean Spearman over layers `(P,)`, estimated, of images as `evaluate_images` takes them.

    Costs little more than one forward pass. Not for use by two threads at once.
    """
    batch = as_images(images, meter.reader.classifier.input_size)
    scores = torch.empty(len(meter.reader.layers), len(batch), dtype=torch.float64)

    def score(layer: LayerInfo, output: Tensor) -> None:
        values = output.flatten(1)[:, meter.places[layer.index]].float()
        scores[layer.index] = correlate(meter.ranks[layer.index], values).cpu()

    meter.reader.read(batch, score)
    return mean_and_sd(scores.numpy())[0]
