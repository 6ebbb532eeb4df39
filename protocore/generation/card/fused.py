"""The functions of protocore/generation/card/plain.py by the Triton kernels beside it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from protocore.generation.card import kernels
from protocore.generation.card.draws import MATRIX
from protocore.generation.card.plain import Seen
from protocore.generation.update import ADAM_BETAS, ADAM_EPSILON

REPEATABLE = True
_BLOCK = 256
_TALL, _WIDE = 8, 32  # pixels of a tile: neighbours share what they look up
_FOLDS = {"zeros": kernels.ZEROS, "border": kernels.EDGE, "reflection": kernels.REFLECT}
_HEADROOM = 34  # bits: with the exponent of the largest gradient, sums of 2^28 fit 63 bits


def draw_views(images: Tensor, seen: Seen, views: Tensor) -> None:
    """See plain.draw_views."""
    count, _, height, width = images.shape
    grid = (len(views), _parts(height * width, _BLOCK))
    kernels.views_kernel[grid](
        images, seen.drawn, seen.colours, _pattern(seen), views,
        count, seen.transforms, height, width,
        FOLD=_FOLDS[seen.fill.padding], VARIES=seen.pattern is not None, BLOCK=_BLOCK,
    )  # fmt: skip


def image_gradient(
    gradients: Tensor, seen: Seen, count: int, where: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See plain.image_gradient; the same bytes in every run."""
    _, height, width, _ = gradients.shape
    if seen.fill.padding != "zeros":
        return _scattered(gradients, seen, count, where)
    result = torch.empty(count, 3, height, width, device=gradients.device)
    across, tiles = _tiles(height, width)
    sizes = torch.empty(count, tiles, device=gradients.device)
    kernels.adjoint_kernel[(count, tiles)](
        gradients, seen.drawn, seen.colours, result, result if where is None else where, sizes,
        seen.transforms, height, width, across,
        VARIES=seen.pattern is not None, WHERE=where is not None, TALL=_TALL, WIDE=_WIDE,
    )  # fmt: skip
    return result, row_sums(sizes)


def _scattered(gradients: Tensor, seen: Seen, count: int, where: Tensor | None):
    _, height, width, _ = gradients.shape
    views = count * seen.transforms
    largest = gradients[:views].abs().float().view(count, -1).amax(dim=1)
    # What contrast and standard deviation can make of it.
    contrast = seen.drawn[:views, MATRIX].view(count, -1).amax(dim=1)
    exponent = torch.frexp(largest * contrast * seen.colours[2].max()).exponent.clamp(-80, 80)
    scales = torch.ldexp(torch.ones_like(largest), _HEADROOM - exponent)
    sums = torch.zeros(count, 3, height, width, dtype=torch.int64, device=gradients.device)
    grid = (views, _parts(height * width, _BLOCK))
    kernels.scatter_kernel[grid](
        gradients, seen.drawn, seen.colours, scales, sums, seen.transforms, height, width,
        FOLD=_FOLDS[seen.fill.padding], VARIES=seen.pattern is not None, BLOCK=_BLOCK,
    )  # fmt: skip
    # What is not finite has no whole number: it is passed on as it is.
    back = torch.where(largest.isfinite(), scales.reciprocal(), math.nan)
    result = sums.double().mul_(back.double().view(-1, 1, 1, 1)).float()
    size = result.abs()
    if where is not None:
        where.add_((size[:, 0] + size[:, 1] + size[:, 2]) / 3)
    return result, row_sums(size.view(count, -1))


def _pattern(seen: Seen) -> Tensor:
    return seen.colours if seen.pattern is None else seen.pattern


def roughness(images: Tensor, penalty: str, colour: float) -> tuple[Tensor, Tensor]:
    """See plain.roughness."""
    count, _, height, width = images.shape
    across, tiles = _tiles(height, width)
    slopes = torch.empty_like(images)
    parts = torch.empty(count, tiles, device=images.device)
    share_x = 1 / (3 * height * (width - 1))
    share_y = 1 / (3 * (height - 1) * width)
    kernels.roughness_kernel[(count, tiles)](
        images, slopes, parts, height, width, across, float(colour), share_x, share_y,
        SQUARED=penalty == "squared", COLOUR=colour != 0, TALL=_TALL, WIDE=_WIDE,
    )  # fmt: skip
    return row_sums(parts), slopes


def row_sums(values: Tensor) -> Tensor:
    """See plain.row_sums."""
    sums = torch.empty(len(values), device=values.device)
    kernels.row_sums_kernel[(len(values),)](values, sums, values.shape[1], BLOCK=_BLOCK)
    return sums


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
    """See plain.adam_."""
    count, per_row = len(parameters), parameters[0].numel()
    kernels.adam_kernel[(count, _parts(per_row, 4 * _BLOCK))](
        parameters, gradient, gradient if slopes is None else slopes, weight, first, second,
        average, scalars, per_row, *ADAM_BETAS, ADAM_EPSILON,
        SLOPES=slopes is not None, CLAMP=clamp, BLOCK=4 * _BLOCK,
    )  # fmt: skip


def _parts(size: int, part: int) -> int:
    return -(-size // part)


def _tiles(height: int, width: int) -> tuple[int, int]:
    """Tiles side by side, and in all."""
    across = _parts(width, _WIDE)
    return across, across * _parts(height, _TALL)
