"""Measurements of a demo classifier on held-out renders: accuracy, and effects on pairs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from protocore.demo.biases import KnownClaim
from protocore.demo.classes import CLASS_NAMES
from protocore.demo.network import MEAN, STD
from protocore.demo.training.ascent import l2_attack
from protocore.demo.world import render_class
from protocore.errors import SettingsError

_BATCH = 100


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Share of held-out renders whose largest logit is the right class's."""

    overall: float
    per_class: Mapping[str, float]
    images_per_class: int


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What an attribute does to a class on counterfactual pairs: favoured minus other, mean.

    `logit_gap` is of the class's own logit, with a 95% interval (normal approximation over pairs);
    probabilities are softmax; `favoured_share` is the share of pairs with a positive gap. The rival
    figures are the rival class's: its probability, and its logit gap other minus favoured, because
    `other` is what should help it. None where the claim names no rival.
    """

    pairs: int
    logit_gap: float
    logit_gap_interval: tuple[float, float]
    favoured_share: float
    probability_favoured: float
    probability_other: float
    accuracy_favoured: float
    accuracy_other: float
    rival_favoured: float | None
    rival_other: float | None
    rival_logit_gap: float | None
    rival_logit_gap_interval: tuple[float, float] | None


def to_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W) in [0, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def class_scores(network: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, 12), float32, of images (N, 3, H, W) in [0, 1]."""
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return torch.cat([network((batch - mean) / std) for batch in images.split(_BATCH)])


def heldout(class_index: int, count: int, seed: int = 0) -> Tensor:
    """Held-out renders of one class: float32 (count, 3, H, W) in [0, 1]."""
    return to_tensor(render_class(class_index, count, seed, "heldout"))


def accuracy(network: nn.Module, images_per_class: int, seed: int = 0) -> Accuracy:
    """Accuracy on held-out renders, which share no seed stream with the training images."""
    if images_per_class < 1:
        raise SettingsError(f"images_per_class must be >= 1, got {images_per_class}")
    per_class = {}
    for index, name in enumerate(CLASS_NAMES):
        guesses = class_scores(network, heldout(index, images_per_class, seed)).argmax(dim=1)
        per_class[name] = (guesses == index).float().mean().item()
    return Accuracy(
        overall=float(np.mean(list(per_class.values()))),
        per_class=per_class,
        images_per_class=images_per_class,
    )


def attacked_accuracy(
    network: nn.Module, images_per_class: int, *, radius: float, steps: int = 10, seed: int = 0
) -> float:
    """Accuracy under an L2 attack of this radius (projected gradient ascent)."""
    generator = torch.Generator().manual_seed(seed)
    hits = []
    for index in range(len(CLASS_NAMES)):
        images = heldout(index, images_per_class, seed)
        labels = torch.full((len(images),), index)
        attacked = l2_attack(
            network, images, labels, radius=radius, steps=steps, generator=generator
        )
        hits.append((class_scores(network, attacked).argmax(dim=1) == index).float().mean().item())
    return float(np.mean(hits))


def measure_effect(network: nn.Module, claim: KnownClaim, pairs: int, seed: int = 0) -> Effect:
    """Render `pairs` held-out counterfactual pairs and compare the classifier's answers."""
    if pairs < 2:
        raise SettingsError(f"pairs must be >= 2, got {pairs}")
    scores = {}
    for value in (claim.favoured, claim.other):
        overrides = {**claim.context, claim.attribute: value}
        pictures = render_class(claim.class_index, pairs, seed, "heldout", **overrides)
        scores[value] = class_scores(network, to_tensor(pictures))
    favoured, other = scores[claim.favoured], scores[claim.other]
    gaps = (favoured - other)[:, claim.class_index]
    mean, interval = _mean_and_interval(gaps)

    def probability(values: Tensor, index: int) -> float:
        return values.softmax(dim=1)[:, index].mean().item()

    def hit_rate(values: Tensor) -> float:
        return (values.argmax(dim=1) == claim.class_index).float().mean().item()

    rival = None if claim.rival is None else CLASS_NAMES.index(claim.rival)
    rival_gap, rival_interval = (
        (None, None) if rival is None else _mean_and_interval((other - favoured)[:, rival])
    )
    return Effect(
        pairs=pairs,
        logit_gap=mean,
        logit_gap_interval=interval,
        favoured_share=(gaps > 0).float().mean().item(),
        probability_favoured=probability(favoured, claim.class_index),
        probability_other=probability(other, claim.class_index),
        accuracy_favoured=hit_rate(favoured),
        accuracy_other=hit_rate(other),
        rival_favoured=None if rival is None else probability(favoured, rival),
        rival_other=None if rival is None else probability(other, rival),
        rival_logit_gap=rival_gap,
        rival_logit_gap_interval=rival_interval,
    )


def _mean_and_interval(values: Tensor) -> tuple[float, tuple[float, float]]:
    """Mean of values (N,) and its 95% interval, normal approximation."""
    mean = values.mean().item()
    margin = 1.96 * values.std().item() / math.sqrt(len(values))
    return mean, (mean - margin, mean + margin)
