"""The weight of the high-frequency loss: how it rises, and where it gives way to the class.

How much smoothing a class bears differs from class to class and from model to model. The weight
of each prototype is a share of the one that the settings give; every few steps the share rises or
falls with the class probability, measured on the image itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from protocore.generation.settings import GenerationSettings

PROBE_EVERY = 4  # steps between two looks at the probability
# Factors on the share at each look below the floor, and above it, by hf_rise. Coming back to a
# rising weight is slower than giving way, so that the class does not flicker.
FACTORS = {"steps": (0.75, 1.1), "class": (0.8, 1.2)}
# Models whose gradients are smaller bear less than the first weight: where a class is not seen by
# half of the steps, a weight that rises with the class is let go below it until it is seen.
RESCUE_FROM, RESCUE_BELOW, RESCUE_FACTOR = 0.5, 0.05, 0.6  # steps, probability, per look
LEAST = 1e-3  # of the first weight


@dataclass(frozen=True)
class AdaptiveWeight:
    """The weight as the settings want it; tensors have one entry per prototype."""

    settings: GenerationSettings

    def first_share(self) -> float:
        """Of the weight that `hf_weight_at` gives: all of it, unless it rises with the class."""
        first = self.settings.hf_weight_at(0)
        return self.settings.hf_weight / first if first else 1.0

    def at(self, step: int, share: Tensor) -> Tensor:
        """The weight `(N,)` that holds in `step`, counted from 0."""
        return share * self.settings.hf_weight_at(step)

    def looks(self, step: int) -> bool:
        """Whether the share is to be changed after `step`, counted from 0."""
        adapts = self.settings.probability_floor > 0 or self.settings.hf_rise == "class"
        return adapts and (step + 1) % PROBE_EVERY == 0

    def changed(
        self, step: int, share: Tensor, probability: Tensor, wanted: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The share after a look at the class probability `(N,)` after `step`.

        `wanted` is False for targets that are to be avoided, which have no probability to keep
        up. Not below the first step's weight, since less smoothing gives noise, unless a weight
        that rises with the class has hidden it for half of the steps. The second tensor says by
        how much Adam's memory is to shrink: gradients that were mostly smoothing's would else
        keep its steps small for a thousand steps.
        """
        settings = self.settings
        lost = (probability < settings.probability_floor) & wanted
        weight = settings.hf_weight_at(step + 1)
        first = min(settings.hf_weight / weight, 1.0) if weight else 1.0
        factor = torch.where(lost, *FACTORS[settings.hf_rise])
        least = torch.full_like(share, first)
        memory = torch.ones_like(share)
        if self._may_let_go(step + 1):
            unseen = lost & (probability < RESCUE_BELOW)
            factor = torch.where(unseen, RESCUE_FACTOR, factor)
            memory = torch.where(unseen, RESCUE_FACTOR, memory)
            # Having been below, it comes back step by step and not at once.
            least = torch.where(unseen | (share < first), LEAST * first, least)
        return torch.maximum(share * factor, least).clamp_(max=1.0), memory

    def _may_let_go(self, step: int) -> bool:
        rises = self.settings.hf_rise == "class" and self.settings.hf_weight_end is not None
        return rises and step >= RESCUE_FROM * self.settings.steps
