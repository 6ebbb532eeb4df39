"""Exact Spearman correlation of many large vectors.

Ties get average ranks, as in `scipy.stats.spearmanr`. Ranks are kept as whole numbers: twice the
average rank, minus `n + 1`, so that every row sums to zero and nothing is rounded. Values are
compared as float32. The sort is a radix sort of integers that order as the floats do; rows too
short to be worth a call are sorted together, with the row number in the upper half of the key.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# On a CPU torch sorts whole numbers with its fast radix sort from RADIX_FROM elements on (up to
# four times as fast): somewhat less is filled up to that. One row of 32-bit keys sorts twice as
# fast as several with 64-bit keys; shorter rows are taken together as long as their keys fit the
# cache. A GPU wants more at once.
RADIX_FROM = 2**15  # elements
SORT_ALONE = 2**14
SORT_TOGETHER = 2**18
SORT_TOGETHER_GPU = 2**24
LARGE_TIE = 4096  # elements from which a slice assignment beats index arithmetic


class Ranks(NamedTuple):
    """Ranks of the rows of a matrix, ready to be correlated with others."""

    centred: Tensor  # (B, n) int32: twice the average rank (from 1) minus n + 1
    squares: Tensor  # (B,) float64: sum of squares of each row of `centred`; NaN if undefined

    def to(self, device: torch.device) -> Ranks:
        """The same ranks on another device."""
        return Ranks(self.centred.to(device), self.squares.to(device))


def rank_rows(values: Tensor) -> Ranks:
    """Ranks within each row of `values` `(B, n)`; rows with NaN have NaN as sum of squares."""
    parts = [_rank_block(block) for block in blocks(values)]
    return Ranks(torch.cat([p.centred for p in parts]), torch.cat([p.squares for p in parts]))


def average_ranks(values: Tensor) -> Tensor:
    """Ranks `(B, n)` from 1, float64, ties averaged, of the rows of `values` `(B, n)`."""
    return (rank_rows(values).centred.double() + values.shape[1] + 1) / 2


def correlate(reference: Ranks, values: Tensor) -> Tensor:
    """Spearman correlation `(B,)`, float64, of each row of `values` `(B, n)` with the reference.

    The reference has one row for all or one row for each. The correlation of a constant row, or
    of one with NaN, is not defined: NaN.
    """
    shared = len(reference.centred) == 1
    scores, first = [], 0
    for block in blocks(values):
        last = first + len(block)
        rows = reference if shared else Ranks(*(part[first:last] for part in reference))
        scores.append(_correlate_block(rows, block))
        first = last
    return torch.cat(scores)


def spearman(first: Tensor, second: Tensor) -> Tensor:
    """Spearman correlation `(B,)` of each row of `first` with the same row of `second`."""
    return correlate(rank_rows(first), second)


def _blocks(values: Tensor) -> tuple[Tensor, ...]:
    return values.split(max(1, SORT_TOGETHER // max(1, values.shape[1])))


def blocks(values: Tensor) -> tuple[Tensor, ...]:
    """The rows of `values` `(B, n)` in parts worth one sort each."""
    n = max(1, values.shape[1])
    if values.device.type != "cpu":
        return values.split(max(1, SORT_TOGETHER_GPU // n))
    return values.split(1 if n >= SORT_ALONE else SORT_TOGETHER // n)


def _rank_block(values: Tensor) -> Ranks:
    rows, n = values.shape
    keys, order = _sort_rows(values)
    positions, squares = _doubled_positions(keys, rows, n)
    centred = torch.empty(rows * n, dtype=torch.int32, device=values.device)
    centred[order] = positions.to(torch.int32)
    offsets = 2 * n * torch.arange(rows, device=values.device, dtype=torch.int32) + (n - 1)
    undefined = values.isnan().any(dim=1)
    return Ranks(centred.view(rows, n) - offsets[:, None], squares.masked_fill(undefined, math.nan))


def _correlate_block(reference: Ranks, values: Tensor) -> Tensor:
    rows, n = values.shape
    keys, order = _sort_rows(values)
    positions, squares = _doubled_positions(keys, rows, n)
    partners = reference.centred.expand(rows, n).reshape(-1)[order]
    # The partners sum to zero in each row, so the positions need not be centred.
    products = _row_dots(positions.view(rows, n), partners.view(rows, n))
    norms = squares * reference.squares
    undefined = ~(norms > 0) | values.isnan().any(dim=1)
    return (products / norms.sqrt()).masked_fill(undefined, math.nan)


def _sort_rows(values: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted keys and, for each, the place in the flattened `values` it comes from."""
    rows = len(values)
    keys, highest = _order_codes(values), 2**31 - 1
    if rows > 1:
        row = torch.arange(rows, device=values.device, dtype=torch.int64)[:, None]
        keys, highest = (row << 32) + (keys.to(torch.int64) + 2**31), rows << 32
    keys, count = keys.reshape(-1), values.numel()
    if keys.device.type == "cpu" and RADIX_FROM // 4 <= count < RADIX_FROM:
        keys = F.pad(keys, (0, RADIX_FROM - count), value=highest)
    ordered, places = torch.sort(keys, stable=True)  # stable: what was filled up stays last
    return ordered[:count], places[:count]


def _order_codes(values: Tensor) -> Tensor:
    """int32 numbers that order as the float32 values do; -0.0 equals 0.0."""
    bits = (values.float() + 0.0).contiguous().view(torch.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _doubled_positions(keys: Tensor, rows: int, n: int) -> tuple[Tensor, Tensor]:
    """Twice the average position (from 0) of each sorted key, and each row's sum of squares."""
    exact = torch.float32 if 2 * keys.numel() < 2**24 else torch.float64
    positions = torch.arange(keys.numel(), device=keys.device, dtype=exact).mul_(2)
    first, last = _tied_runs(keys)
    count = last - first + 1
    lost = torch.zeros(rows, dtype=torch.float64, device=keys.device)
    lost.index_add_(0, first // n, _cubic(count))
    large = count >= LARGE_TIE
    for start, end in zip(first[large].tolist(), last[large].tolist(), strict=True):
        positions[start : end + 1] = start + end
    _average_small_ties(positions, first[~large], last[~large])
    return positions, (_cubic(torch.full_like(lost, n)) - lost) / 3


def _tied_runs(keys: Tensor) -> tuple[Tensor, Tensor]:
    """First and last index of every run of two or more equal keys."""
    same = torch.zeros(keys.numel() + 1, dtype=torch.bool, device=keys.device)
    torch.eq(keys[1:], keys[:-1], out=same[1:-1])
    edges = (same[1:] != same[:-1]).nonzero().flatten()
    return edges[0::2], edges[1::2]


def _average_small_ties(positions: Tensor, first: Tensor, last: Tensor) -> None:
    count = last - first + 1
    before = (count.cumsum(0) - count - first).repeat_interleave(count)
    places = torch.arange(len(before), device=positions.device) - before
    positions[places] = (first + last).repeat_interleave(count).to(positions.dtype)


def _cubic(count: Tensor) -> Tensor:
    count = count.double()
    return count * count * count - count


def _row_dots(positions: Tensor, partners: Tensor) -> Tensor:
    """Dot products of the rows in float64, in pieces that stay in the cache."""
    pieces = zip(positions.split(SORT_TOGETHER, 1), partners.split(SORT_TOGETHER, 1), strict=True)
    return sum(torch.linalg.vecdot(p.double(), q.double()) for p, q in pieces)
