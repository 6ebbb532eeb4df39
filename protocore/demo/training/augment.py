"""Random changes to images while training: affine transforms, light and colour."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class AffineLimits:
    """How far a random affine transform goes. Rotation in degrees, shift as a share of the side."""

    rotation: float
    shift: float
    scale: tuple[float, float]


TRAINING_AFFINE = AffineLimits(rotation=15.0, shift=0.12, scale=(0.8, 1.2))
ASCENT_AFFINE = AffineLimits(rotation=12.0, shift=0.12, scale=(0.8, 1.2))
_PADDING = ("zeros", "reflection", "border")


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`count` numbers between `low` and `high`, drawn on the CPU: (count,)."""
    return torch.rand(count, generator=generator) * (high - low) + low


def random_affine(
    images: Tensor, limits: AffineLimits, generator: torch.Generator, padding: str = "zeros"
) -> Tensor:
    """Each image (N, C, H, W) under a transform of its own; differentiable."""
    count = len(images)
    scale = uniform(count, *limits.scale, generator)
    angle = uniform(count, -limits.rotation, limits.rotation, generator) * math.pi / 180
    shift = uniform(2 * count, -2 * limits.shift, 2 * limits.shift, generator).view(count, 2, 1)
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    turn = torch.stack([cosine, sine, -sine, cosine], dim=1).view(count, 2, 2)
    matrix = torch.cat([turn, -turn @ shift], dim=2).to(images.device)  # output to input, (N, 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=padding, align_corners=False)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """A training view of images (N, 3, H, W) in [0, 1]: moved, and seen in another light."""
    count = len(images)
    padding = _PADDING[int(torch.randint(len(_PADDING), (1,), generator=generator))]
    moved = random_affine(images, TRAINING_AFFINE, generator, padding)
    contrast = uniform(count, 0.85, 1.15, generator).view(-1, 1, 1, 1).to(images.device)
    brightness = uniform(count, 0.9, 1.1, generator).view(-1, 1, 1, 1).to(images.device)
    tint = 1 + 0.04 * torch.randn(count, 3, 1, 1, generator=generator).to(images.device)
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    return (((moved - mean) * contrast + mean * brightness) * tint).clamp(0, 1)
