"""What the kernels compute, in PyTorch's words: the reference of tests, the way without Triton.

The same functions as in protocore/generation/card/fused.py. On a card the adjoint of this module
adds up in an order that differs from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from protocore.generation import losses
from protocore.generation.affine import Fill, transform
from protocore.generation.card.draws import MATRIX
from protocore.generation.update import ADAM_BETAS, ADAM_EPSILON
from protocore.generation.views import vary

REPEATABLE = False  # on a card


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How views `(V)` see images `(N)`: image n by views n * T to n * T + T - 1, the last image
    also by those that are left.
    """

    drawn: Tensor  # (V, PER_VIEW): matrix and variation
    transforms: int  # T
    fill: Fill
    colours: Tensor  # (3, 3): fill, mean and 1 / standard deviation
    pattern: Tensor | None  # (3, H, W) of the noise; None: the views do not vary


def draw_views(images: Tensor, seen: Seen, views: Tensor) -> None:
    """Images `(N, 3, H, W)` into `views` `(V, H, W, 3)`, normalised."""
    moved = _moved(images[_rows(seen, len(views), len(images))], seen)
    normalised = (moved - seen.colours[1].view(3, 1, 1)) * seen.colours[2].view(3, 1, 1)
    views.copy_(normalised.permute(0, 2, 3, 1))


def image_gradient(
    gradients: Tensor, seen: Seen, count: int, where: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The adjoint of `draw_views`: gradients `(V, H, W, 3)` in the views -> `(N, 3, H, W)`.

    Those of views beyond `count * transforms` are left out. The second value is the sum of
    |gradient| of each image, `(N,)`. To `where` `(N, H, W)` the mean of |gradient| over the
    colours is added.
    """
    used = count * seen.transforms
    given = gradients[:used].permute(0, 3, 1, 2).float() * seen.colours[2].view(3, 1, 1)
    with torch.enable_grad():
        source = torch.zeros_like(given).requires_grad_(True)
        (of_views,) = torch.autograd.grad(_moved(source, seen), source, given)
    result = of_views.view(count, seen.transforms, *given.shape[1:]).sum(dim=1)
    if where is not None:
        where.add_(result.abs().mean(dim=1))
    return result, losses.gradient_size(result)


def _moved(source: Tensor, seen: Seen) -> Tensor:
    drawn = seen.drawn[: len(source)]
    moved = transform(source, drawn[:, :MATRIX].reshape(-1, 2, 3), seen.fill)
    return moved if seen.pattern is None else vary(moved, drawn[:, MATRIX:])


def roughness(images: Tensor, penalty: str, colour: float) -> tuple[Tensor, Tensor]:
    """L_hf `(N,)` of losses.high_frequency, and its gradient in the images."""
    with torch.enable_grad():
        leaf = images.detach().requires_grad_(True)
        found = losses.high_frequency(leaf, penalty, colour)
        (slopes,) = torch.autograd.grad(found.sum(), leaf)
    return found.detach(), slopes


def row_sums(values: Tensor) -> Tensor:
    """Sums of the rows of `(N, T)`, in an order that does not depend on N."""
    return torch.stack([row.sum() for row in values])


def adam_(
    parameters: Tensor,
    gradient: Tensor,
    slopes: Tensor | None,
    weight: Tensor,
    first: Tensor,
    second: Tensor,
    average: Tensor,
    scalars: Tensor,
    *,
    clamp: bool,
) -> None:
    """One update of Adam with `gradient + weight * slopes`, in place, and of the average.

    The first `scalars`: learning rate, 1 / (1 - beta^t) for both betas, share of the newest
    iterate.
    """
    beta1, beta2 = ADAM_BETAS
    rate, correction1, correction2, newest = scalars[:4]
    if slopes is not None:
        gradient = gradient + weight.view(-1, *(1,) * (gradient.dim() - 1)) * slopes
    first.lerp_(gradient, 1 - beta1)
    second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    deviation = (second * correction2).sqrt_().add_(ADAM_EPSILON)
    parameters.sub_(rate * (first * correction1) / deviation)
    if clamp:
        parameters.clamp_(0, 1)
    average.lerp_(parameters, newest)


def _rows(seen: Seen, views: int, count: int) -> Tensor:
    numbers = torch.arange(views, device=seen.drawn.device)
    return (numbers // seen.transforms).clamp_(max=count - 1)
