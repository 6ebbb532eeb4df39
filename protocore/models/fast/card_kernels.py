"""Triton kernels around convolutions on a card."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def finish_kernel(
    values, bias, other, size, channels, least, most,
    BIAS: tl.constexpr, OTHER: tl.constexpr, CLAMP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """max(least, min(values + bias + other, most)) in place; channels last."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    value = tl.load(values + place, mask=inside, other=0.0).to(tl.float32)
    if BIAS:
        value += tl.load(bias + place % channels, mask=inside, other=0.0).to(tl.float32)
    if OTHER:
        value += tl.load(other + place, mask=inside, other=0.0).to(tl.float32)
    if CLAMP:  # written so that NaN stays NaN
        value = tl.where(value < least, least, value)
        value = tl.where(value > most, most, value)
    tl.store(values + place, value.to(values.dtype.element_ty), mask=inside)


@triton.jit
def cut_kernel(
    gradient, output, plus, result, size, least, most, PLUS: tl.constexpr, BLOCK: tl.constexpr
):
    """Gradient behind a clamp that gave `output` -> before it; `plus` is added first."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    value = tl.load(gradient + place, mask=inside, other=0.0)
    if PLUS:
        value += tl.load(plus + place, mask=inside, other=0.0)
    seen = tl.load(output + place, mask=inside, other=0.0).to(tl.float32)
    value = tl.where((seen > least) & (seen < most), value, 0.0)
    tl.store(result + place, value, mask=inside)


@triton.jit
def pool_kernel(
    images, result, places, channels, height, width, high, wide, window, stride, padding,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Largest value in each window and which of the window it is; channels last: grid (N * tiles).

    The first of equal values counts, row by row; a NaN counts as the largest, as in PyTorch.
    """
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    channel = place % channels
    x = (place // channels) % wide
    y = (place // channels // wide) % high
    image = place // channels // wide // high
    inside = image < tl.num_programs(1)
    best = tl.full((BLOCK,), float("-inf"), tl.float32)
    found = tl.zeros((BLOCK,), tl.int32) - 1
    for down in range(window):
        for across in range(window):
            row, column = y * stride - padding + down, x * stride - padding + across
            there = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            at = ((image * height + row) * width + column) * channels + channel
            value = tl.load(images + at, mask=there, other=float("-inf")).to(tl.float32)
            better = there & ((value > best) | (value != value) | (found < 0))
            best = tl.where(better, value, best)
            found = tl.where(better, down * window + across, found)
    tl.store(result + place, best.to(result.dtype.element_ty), mask=inside)
    tl.store(places + place, found.to(tl.uint8), mask=inside)
