"""Path similarity between prototypes: where in the network do two classes part?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from protocore.models.classifier import Classifier
from protocore.similarity.activations import LayerInfo, open_reader
from protocore.similarity.measures import channel_profile
from protocore.similarity.pixels import as_images
from protocore.similarity.ranks import Ranks, rank_rows

Progress = Callable[[int, int], None]  # work done, work in all; may raise to stop
_PIECE = 2**18  # activations multiplied at once: 24 images take 50 MB as float64


@dataclass(frozen=True, kw_only=True, eq=False)
class PathMatrix:
    """Similarity of every prototype with every other in every layer; NaN: not defined."""

    layers: tuple[str, ...]  # in execution order
    layer_set: str
    spearman: np.ndarray  # (P, P, L) float64: rank correlation of all activations
    profile: np.ndarray  # (P, P, L): of the activations averaged over space


@dataclass(frozen=True, kw_only=True, eq=False)
class Divergence:
    """Layer by layer, how alike the prototypes of two groups are."""

    first: str
    second: str
    between: np.ndarray  # (L,) mean over pairs of one prototype of each
    within: np.ndarray  # (L,) mean over pairs of the same group; NaN with one seed
    from_layer: str  # from here to the end they differ more than seeds do; "" if never or unknown


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How alike the prototypes of one group are under different seeds."""

    group: str
    seeds: int
    mean: float  # over pairs of seeds, of the mean over layers; NaN with one seed
    low: float  # the least similar pair
    high: float
    others: float  # the same between this group and the others; NaN without others


def path_matrix(
    classifier: Classifier,
    images: np.ndarray | Tensor,
    layer_set: str = "weighted",
    progress: Progress | None = None,
) -> PathMatrix:
    """Compare images `(P, H, W, 3)` 8-bit with one another in every layer of a set.

    Each activation vector is ranked once; a correlation is then a dot product. `progress(done,
    total)` is called after each layer; what it raises ends the computation.
    """
    reader = open_reader(classifier, layer_set)
    batch = as_images(images, classifier.input_size)
    shape = (len(batch), len(batch), len(reader.layers))
    spearman, profile = np.empty(shape), np.empty(shape)
    done = 0

    def compare(layer: LayerInfo, output: Tensor) -> None:
        nonlocal done
        rows = output.flatten(1).float()
        spearman[:, :, layer.index] = correlations(rank_rows(rows))
        profile[:, :, layer.index] = correlations(rank_rows(channel_profile(layer, rows)))
        done += 1
        if progress is not None:
            progress(done, len(reader.layers))

    reader.read(batch, compare)
    names = tuple(layer.name for layer in reader.layers)
    return PathMatrix(layers=names, layer_set=layer_set, spearman=spearman, profile=profile)


def correlations(ranks: Ranks) -> np.ndarray:
    """Spearman correlation `(P, P)` of all rows with one another; NaN for constant rows."""
    products = sum(
        piece.double() @ piece.double().T for piece in ranks.centred.split(_PIECE, dim=1)
    )
    norms = ranks.squares[:, None] * ranks.squares[None, :]
    undefined = ~(norms > 0)
    return (products / norms.sqrt()).masked_fill(undefined, torch.nan).cpu().numpy()


def divergence(
    values: np.ndarray,
    layers: Sequence[str],
    groups: Sequence[str],
    seeds: Sequence[int],
    first: str,
    second: str,
) -> Divergence:
    """Where two groups part: `values` `(P, P, L)` averaged over pairs.

    With several seeds only pairs of different seeds count, between groups as within them: two
    prototypes of one seed share their start image, which makes them alike for no other reason.
    """
    within = np.concatenate(
        [_pairs(values, groups, seeds, name, name, same_seed=False) for name in (first, second)]
    )
    between = _pairs(values, groups, seeds, first, second, same_seed=False)
    if not len(between) or not len(within):
        between = _pairs(values, groups, seeds, first, second, same_seed=True)
    between_mean, within_mean = _mean(between), _mean(within)
    return Divergence(
        first=first,
        second=second,
        between=between_mean,
        within=within_mean,
        from_layer=_divergence_layer(between_mean, within_mean, layers),
    )


def stability(
    values: np.ndarray, groups: Sequence[str], seeds: Sequence[int]
) -> tuple[Stability, ...]:
    """One row per group, in order of appearance, from `values` `(P, P, L)`."""
    rows = []
    for name in dict.fromkeys(groups):
        own = _over_layers(_pairs(values, groups, seeds, name, name, same_seed=False))
        others = [
            _over_layers(_pairs(values, groups, seeds, name, other, same_seed=None))
            for other in dict.fromkeys(groups)
            if other != name
        ]
        rows.append(
            Stability(
                group=name,
                seeds=sum(group == name for group in groups),
                mean=_nan_mean(own),
                low=float(own.min()) if len(own) else np.nan,
                high=float(own.max()) if len(own) else np.nan,
                others=_nan_mean(np.concatenate(others)) if others else np.nan,
            )
        )
    return tuple(rows)


def _pairs(
    values: np.ndarray,
    groups: Sequence[str],
    seeds: Sequence[int],
    first: str,
    second: str,
    *,
    same_seed: bool | None,
) -> np.ndarray:
    """Rows `(pairs, L)` of unordered pairs of the two groups; None: whatever their seeds."""
    found = [
        values[i, j]
        for i in range(len(groups))
        for j in range(len(groups))
        if groups[i] == first
        and groups[j] == second
        and (first != second or i < j)
        and (same_seed is None or (seeds[i] == seeds[j]) == same_seed)
    ]
    return np.array(found).reshape(-1, values.shape[2])


def _mean(pairs: np.ndarray) -> np.ndarray:
    known = np.isfinite(pairs)
    counts = known.sum(axis=0)
    totals = np.where(known, pairs, 0.0).sum(axis=0)
    return np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)


def _over_layers(pairs: np.ndarray) -> np.ndarray:
    means = _mean(pairs.T)
    return means[np.isfinite(means)]


def _nan_mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _divergence_layer(between: np.ndarray, within: np.ndarray, layers: Sequence[str]) -> str:
    """The first layer from which on, to the end, between stays below within."""
    known = [i for i in range(len(layers)) if np.isfinite(between[i]) and np.isfinite(within[i])]
    start = None
    for index in reversed(known):
        if between[index] >= within[index]:
            break
        start = index
    return layers[start] if start is not None else ""
