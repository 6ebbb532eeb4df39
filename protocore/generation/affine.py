"""Random affine transforms: what keeps a prototype from becoming an adversarial pattern.

Paper, section 3.1 and appendix A: scale, rotation and translation are drawn uniformly for each
step. The geometry is torchvision's `affine` (scaling and rotation about the centre, then the
shift), so that its parameters mean the same here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from protocore.generation.settings import GenerationSettings

_PADDING = {"edge": "border", "reflect": "reflection"}  # grid_sample's names
_CONSTANT = {"black": 0.0, "grey": 0.5, "white": 1.0}  # in image units


@dataclass(frozen=True, kw_only=True)
class Fill:
    """What a transform shows where there is no image: grid_sample's padding and a colour."""

    padding: str
    colour: Tensor  # (1, 3, 1, 1)

    @classmethod
    def of(cls, name: str, mean: tuple[float, float, float], device: torch.device) -> Fill:
        """`name` is one of settings.FILLS; "mean" is the classifier's mean colour."""
        if name in _PADDING:
            return cls(padding=_PADDING[name], colour=torch.zeros(1, 3, 1, 1, device=device))
        values = mean if name == "mean" else (_CONSTANT[name],) * 3
        colour = torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        return cls(padding="zeros", colour=colour)


def draw_matrices(settings: GenerationSettings, generator: torch.Generator) -> Tensor:
    """Inverse affine matrices `(T, 2, 3)` for one step of one prototype, on the CPU.

    Takes exactly 4 numbers per transform from `generator`, whatever the settings, so that the
    sequence goes on unchanged when they are tuned in mid-run.
    """
    return matrices_of(settings, torch.rand(settings.transforms_per_step, 4, generator=generator))


def matrices_of(settings: GenerationSettings, draw: Tensor) -> Tensor:
    """Inverse affine matrices `(T, 2, 3)` of numbers `(T, 4)` drawn from 0..1."""
    smallest, largest = settings.scale
    scale = smallest + (largest - smallest) * draw[:, 0]
    angle = (2 * draw[:, 1] - 1) * math.radians(settings.rotation)
    shift_x = (2 * draw[:, 2] - 1) * settings.translation[0]
    shift_y = (2 * draw[:, 3] - 1) * settings.translation[1]
    return inverse_matrices(scale, angle, shift_x, shift_y)


def inverse_matrices(scale: Tensor, angle: Tensor, shift_x: Tensor, shift_y: Tensor) -> Tensor:
    """Matrices `(T, 2, 3)` from output to input coordinates, both in -1..1, for `affine_grid`.

    `scale` is a factor, `angle` in radians (clockwise, as in torchvision), the shifts are shares
    of the image size; all of shape `(T,)`. For square images.
    """
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    x, y = 2 * shift_x, 2 * shift_y  # an image is 2 units wide in normalised coordinates
    rows = (cos, sin, -(cos * x + sin * y), -sin, cos, sin * x - cos * y)
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def transform(images: Tensor, matrices: Tensor, fill: Fill) -> Tensor:
    """Images `(N, 3, H, W)` seen through the matrices `(N, 2, 3)`; bilinear, differentiable."""
    moved = F.grid_sample(
        images - fill.colour,
        _grid(matrices, images),
        padding_mode=fill.padding,
        align_corners=False,
    )
    return moved + fill.colour


def _grid(matrices: Tensor, images: Tensor) -> Tensor:
    """Where each output pixel looks: `(N, H, W, 2)`, F.affine_grid in a quarter of its time."""
    height, width = images.shape[2:]
    x = (2 * torch.arange(width, device=images.device) + 1) / width - 1  # centres of pixels
    y = (2 * torch.arange(height, device=images.device) + 1) / height - 1
    of_x, of_y, constant = matrices[:, None, :, :].unbind(-1)  # (N, 1, 2)
    across = x[:, None] * of_x  # (N, W, 2)
    down = y[:, None] * of_y + constant  # (N, H, 2)
    return across[:, None] + down[:, :, None]
