"""Triton kernels around convolutions on a card.

Places are 32-bit whole numbers, since those of 64 bits are slow to divide: tensors have fewer than
2^31 values.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def finish_kernel(
    values, bias, other, size, channels, least, most,
    BIAS: tl.constexpr, OTHER: tl.constexpr, CLAMP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """max(least, min(values + bias + other, most)) in place; channels last."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
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
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    value = tl.load(gradient + place, mask=inside, other=0.0)
    if PLUS:
        value += tl.load(plus + place, mask=inside, other=0.0)
    seen = tl.load(output + place, mask=inside, other=0.0).to(tl.float32)
    value = tl.where((seen <= least) | (seen >= most), 0.0, value)
    tl.store(result + place, value, mask=inside)


@triton.jit
def pool_kernel(
    images, result, places, size, channels, height, width, high, wide, window, stride, padding,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Largest value in each window, and which of the window it is; channels last.

    The first of equal values counts, and a NaN counts as the largest, as in PyTorch.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    channel, pixel = place % channels, place // channels
    x, y, image = pixel % wide, (pixel // wide) % high, pixel // wide // high
    best = tl.full((BLOCK,), float("-inf"), tl.float32)
    found = tl.full((BLOCK,), -1, tl.int32)
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


@triton.jit
def unpool_kernel(
    gradient, places, result, size, channels, height, width, high, wide, window, stride, padding,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The adjoint of pool_kernel: each value asks the windows it lies in, in order."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    channel, pixel = place % channels, place // channels
    x, y, image = pixel % width, (pixel // width) % height, pixel // width // height
    last_x, last_y = (x + padding) // stride, (y + padding) // stride
    total = tl.zeros((BLOCK,), tl.float32)
    for up in range((window + stride - 1) // stride):
        for left in range((window + stride - 1) // stride):
            row, column = last_y - up, last_x - left
            down, across = y + padding - row * stride, x + padding - column * stride
            there = inside & (row >= 0) & (row < high) & (column >= 0) & (column < wide)
            there &= (down < window) & (across < window)
            at = ((image * high + row) * wide + column) * channels + channel
            taken = tl.load(places + at, mask=there, other=255).to(tl.int32)
            hit = there & (taken == down * window + across)
            total += tl.load(gradient + at, mask=hit, other=0.0).to(tl.float32)
    tl.store(result + place, total.to(result.dtype.element_ty), mask=inside)
