"""What a step measured, on the CPU when somebody asks."""

from __future__ import annotations

import torch
from torch import Tensor

NAMES = ("logit", "probability", "hf_loss")


class Measured:
    """One number per target for each of NAMES; immediately there."""

    def __init__(self, values: Tensor) -> None:
        self._values = values  # (3, N)

    def values(self) -> Tensor:
        """`(3, N)` float32 on the CPU."""
        return self._values


class Landing(Measured):
    """On the way from a card: waits for it when asked, and only then."""

    def __init__(self, place: Tensor, event: torch.cuda.Event | None) -> None:
        self._place = place  # (rows, N): written by the card, used again by a later step
        self._event = event
        self._kept: Tensor | None = None

    def settle(self) -> Tensor:
        """Wait, and take the values out of their place; all rows."""
        if self._kept is None:
            if self._event is not None:
                self._event.synchronize()
            self._kept = self._place.clone()
            self._place = self._event = None
        return self._kept

    def values(self) -> Tensor:
        """`(3, N)` float32 on the CPU."""
        return self.settle()[: len(NAMES)]
