"""What can go wrong while a prototype is made, and what to say then."""

from __future__ import annotations

import torch

from protocore.errors import DivergedError, OutOfMemoryError
from protocore.generation.settings import GenerationSettings


def diverged(settings: GenerationSettings, step: int, *, baseline: bool) -> DivergedError:
    """`step` counts from 0 within its stage."""
    where = f"baseline step {step + 1}" if baseline else f"step {step + 1}"
    weight = settings.hf_weight_at(0 if baseline else step)
    return DivergedError(
        f"the loss became NaN or infinite in {where}; lower the learning rate "
        f"({settings.learning_rate:g}) or the high-frequency weight ({weight:g}), or use "
        "precision float32"
    )


def no_room(device: torch.device) -> OutOfMemoryError:
    """Not even one view at a time fits."""
    return OutOfMemoryError(
        f"not even one view at a time fits into the memory of {device}; choose fewer classes or "
        "seeds, a smaller image size or another device"
    )
