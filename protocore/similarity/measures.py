"""The three measures of how close an image's activations in one layer are to a class's mean.

spearman   rank correlation of all activations: the paper's measure (section 3.2)
l1         mean absolute difference: the paper's second measure; depends on the layer's scale
profile    rank correlation of the activations averaged over space, one value per channel: the
           mean of many photos is spatially smooth, so that a smooth image comes close to it in
           `spearman`, but not here
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from protocore.errors import SettingsError
from protocore.similarity.activations import LayerInfo
from protocore.similarity.ranks import Ranks, correlate, rank_rows, spearman


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Name and direction of a measure."""

    name: str
    title: str  # for people
    larger_is_closer: bool
    explanation: str  # one line for people


MEASURES = (
    Measure(
        name="spearman",
        title="Spearman similarity",
        larger_is_closer=True,
        explanation="rank correlation of all activations of a layer: the paper's measure",
    ),
    Measure(
        name="l1",
        title="L1 distance",
        larger_is_closer=False,
        explanation="mean absolute difference of the activations of a layer, smaller is closer",
    ),
    Measure(
        name="profile",
        title="Channel profile",
        larger_is_closer=True,
        explanation="rank correlation of channel means, which a smooth image cannot win by being "
        "smooth",
    ),
)


def find_measure(name: str) -> int:
    """Place of a measure in MEASURES, which is its place in every score array.

    Raises SettingsError for an unknown name.
    """
    names = [measure.name for measure in MEASURES]
    if name not in names:
        raise SettingsError(f"the measure must be one of {', '.join(names)}, got {name!r}")
    return names.index(name)


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanActivations:
    """A class's mean activations in one layer, ranked once for many comparisons."""

    layer: LayerInfo
    mean: Tensor  # (n,) float32
    ranks: Ranks  # of the mean
    profile_ranks: Ranks  # of its channel profile


def rank_mean(layer: LayerInfo, mean: Tensor) -> MeanActivations:
    """Prepare a mean `(n,)` for `score_against`."""
    return MeanActivations(
        layer=layer,
        mean=mean,
        ranks=rank_rows(mean[None]),
        profile_ranks=rank_rows(channel_profile(layer, mean[None])),
    )


def score_against(reference: MeanActivations, output: Tensor) -> Tensor:
    """Scores `(3, N)` float64, in the order of MEASURES, of outputs `(N, *shape)`."""
    rows = output.flatten(1).float()
    profiles = channel_profile(reference.layer, rows)
    return torch.stack(
        [
            correlate(reference.ranks, rows),
            _mean_difference(rows, reference.mean[None]),
            correlate(reference.profile_ranks, profiles),
        ]
    )


def score_leaving_out(layer: LayerInfo, total: Tensor, count: int, output: Tensor) -> Tensor:
    """Scores `(3, N)` of images that belong to the mean, each against the mean of the others.

    `total` `(n,)` float64 is the sum over `count` images, of which the N of `output` are some.
    An image inside its own mean would come out too similar (with 5 images .64 instead of .42).
    The sum of float32 numbers in float64 is exact but for extreme ranges, so a unit that this
    image alone excites is exactly zero, and tied as it should be, in the mean of the others.
    """
    rows = output.flatten(1).float()
    others = ((total - rows.double()) / (count - 1)).float()
    profiles = channel_profile(layer, others), channel_profile(layer, rows)
    return torch.stack(
        [spearman(others, rows), _mean_difference(rows, others), spearman(*profiles)]
    )


def channel_profile(layer: LayerInfo, rows: Tensor) -> Tensor:
    """Mean over space `(N, C)` of flattened outputs `(N, n)`.

    An output without spatial axes is its own profile.
    """
    outputs = rows.view(len(rows), *layer.shape)
    axis = layer.channel_axis + 1
    space = [a for a in range(1, outputs.ndim) if a != axis]
    return outputs.mean(dim=space) if space else outputs


def _mean_difference(rows: Tensor, reference: Tensor) -> Tensor:
    return (rows - reference).abs().mean(dim=1, dtype=torch.float64)
