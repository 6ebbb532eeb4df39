"""The paper's method in plain PyTorch, nothing else: read this first.

`protocore.generation` does the same faster and with more settings; tests hold it against this.

    image = naive.prototype(resnet18(weights=weights), class_index=574, weight=1000)

Source: "Prototype Generation: Robust Feature Visualisation for Data Independent
Interpretability", sections 3.1 and appendix A. What it leaves open is said in the comments.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation


def prototype(
    network: nn.Module,
    class_index: int,
    *,
    seed: int = 0,
    size: int = 224,  # pixels
    steps: int = 512,
    baseline_steps: int = 32,  # length of stage 1: not in the paper
    weight: float = 1000.0,  # of L_hf: not in the paper
    normalisation: tuple = IMAGENET,
) -> Tensor:
    """The image `(3, size, size)` in [0, 1] that `network` holds for typical of the class."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in normalisation)
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed))
    image.requires_grad_(True)
    views = torch.Generator().manual_seed(seed ^ 0x9E3779B9)  # a sequence of its own

    def logits(matrix: Tensor) -> Tensor:
        grid = F.affine_grid(matrix, image.shape, align_corners=False)
        moved = F.grid_sample(image, grid, align_corners=False)  # black outside: not in the paper
        return network((moved - mean) / std)

    def descend(loss_of_view, count: int) -> None:
        adam = torch.optim.Adam([image], lr=0.05)
        for _ in range(count):
            adam.zero_grad()
            loss_of_view().backward(inputs=[image])
            adam.step()
            image.data.clamp_(0, 1)  # not in the paper

    still = torch.eye(2, 3)[None]
    descend(lambda: probability_variance(logits(still)), baseline_steps)
    descend(
        lambda: weight * high_frequency(image) - logits(random_affine(views))[0, class_index],
        steps,
    )
    return image.detach()[0]


def probability_variance(logits: Tensor) -> Tensor:
    """L_pv: variance of the class probabilities in units of their mean, 1/K."""
    return (logits.shape[1] * logits.softmax(dim=1) - 1).square().mean()


def high_frequency(image: Tensor) -> Tensor:
    """L_hf: mean |difference| of adjacent pixels, across and down, over all channels."""
    across = image[..., :, 1:] - image[..., :, :-1]
    down = image[..., 1:, :] - image[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


def random_affine(generator: torch.Generator) -> Tensor:
    """One transform (appendix A): scale .7 to 1.3, rotation to 180 degrees, shift to half the size.

    Maps output to input coordinates, both in -1..1, for `affine_grid`: `(1, 2, 3)`.
    """
    a, b, c, d = torch.rand(1, 4, generator=generator)[0].tolist()
    scale, angle = 0.7 + 0.6 * a, (2 * b - 1) * math.pi
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    x, y = 2 * c - 1, 2 * d - 1  # half the size is 1 in these coordinates
    return torch.tensor([[[cos, sin, -cos * x - sin * y], [-sin, cos, sin * x - cos * y]]])
