"""Exact Spearman correlation of many large vectors.

Ties get average ranks, as in `scipy.stats.spearmanr`. Ranks are kept as whole numbers: twice the
average rank, minus `n + 1`, so that every row sums to zero and nothing is rounded. Values are
compared as float32. The sort is a radix sort of integers that order as the floats do; rows too
short to be worth a call are sorted together, and then once more by the number of their row.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# On a CPU torch sorts whole numbers with its fast radix sort from RADIX_FROM elements on (up to
# four times as fast): somewhat less is filled up to that. Rows that would be filled up by more
# than a quarter, which is what sorting by row costs, are taken together as long as their keys fit
# the cache. A GPU wants more at once.
RADIX_FROM = 2**15  # elements
SORT_ALONE = 26_000
SORT_TOGETHER = 2**18
SORT_TOGETHER_GPU = 2**24
MOST_ROWS = 255  # in one sort: a row's number must fit one byte, and what is filled up has one too
DOT_PIECE = 2**15
LARGE_TIE = 4096  # elements from which a slice assignment beats index arithmetic
HIGHEST = 2**31 - 1  # the largest key
INFINITY_CODE = 0x7F800000  # the key of +infinity; that of -infinity is -INFINITY_CODE - 1


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
    pairs = zip(blocks(first), blocks(second), strict=True)
    return torch.cat([_correlate_block(_rank_block(a), b) for a, b in pairs])


def blocks(values: Tensor) -> tuple[Tensor, ...]:
    """The rows of `values` `(B, n)` in parts worth one sort each."""
    n = max(1, values.shape[1])
    if values.device.type != "cpu":
        return values.split(max(1, min(SORT_TOGETHER_GPU // n, MOST_ROWS)))
    return values.split(1 if n >= SORT_ALONE else min(SORT_TOGETHER // n, MOST_ROWS))


def _rank_block(values: Tensor) -> Ranks:
    rows, n = values.shape
    keys, order = _sort_rows(values)
    ranks, squares = _sorted_ranks(keys, rows, n)
    # scatter_ and index_select are two to four times as fast as indexing with the same numbers.
    centred = torch.empty_like(ranks).scatter_(0, order, ranks)
    return Ranks(centred.view(rows, n), squares)


def _correlate_block(reference: Ranks, values: Tensor) -> Tensor:
    rows, n = values.shape
    keys, order = _sort_rows(values)
    ranks, squares = _sorted_ranks(keys, rows, n)
    partners = reference.centred.expand(rows, n).reshape(-1).index_select(0, order)
    products = _row_dots(ranks.view(rows, n), partners.view(rows, n))
    norms = squares * reference.squares
    return (products / norms.sqrt()).masked_fill(~(norms > 0), math.nan)


def _sort_rows(values: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted keys, row by row, and for each the place in the flattened `values` it comes from.

    Several rows: sort all by key, then, stably, by row number, whose single byte takes one pass.
    """
    rows, n = values.shape
    keys, count = _order_codes(values).view(-1), values.numel()
    if keys.device.type == "cpu" and RADIX_FROM // 4 <= count < RADIX_FROM:
        keys = F.pad(keys, (0, RADIX_FROM - count), value=HIGHEST)
    ordered, places = torch.sort(keys, stable=True)  # stable: what was filled up stays last
    if rows > 1:
        numbers = torch.arange(rows, dtype=torch.uint8, device=keys.device)
        numbers = F.pad(numbers.repeat_interleave(n), (0, len(keys) - count), value=rows)
        by_row = torch.sort(numbers.index_select(0, places), stable=True).indices
        ordered, places = ordered.index_select(0, by_row), places.index_select(0, by_row)
    return ordered[:count], places[:count]


def _has_nan(keys: Tensor, rows: int) -> Tensor:
    """Which rows `(rows,)` hold a NaN: their sorted keys go beyond those of the infinities."""
    keys = keys.view(rows, -1)
    if not keys.shape[1]:
        return torch.zeros(rows, dtype=torch.bool, device=keys.device)
    return (keys[:, 0] < -INFINITY_CODE - 1) | (keys[:, -1] > INFINITY_CODE)


def _order_codes(values: Tensor) -> Tensor:
    """int32 numbers that order as the float32 values do; -0.0 equals 0.0."""
    bits = (values.float() + 0.0).contiguous().view(torch.int32)  # the sum is a copy
    return bits.bitwise_xor_((bits >> 31).bitwise_and_(0x7FFFFFFF))


def _sorted_ranks(keys: Tensor, rows: int, n: int) -> tuple[Tensor, Tensor]:
    """Centred rank of each sorted key, and each row's sum of squares, NaN where there is one."""
    ranks = torch.arange(1 - n, n, 2, device=keys.device, dtype=torch.int32)
    ranks = ranks.expand(rows, n).reshape(-1)  # one row is not copied
    first, last = _tied_runs(keys, n)
    count = last - first + 1
    lost = torch.zeros(rows, dtype=torch.float64, device=keys.device)
    lost.index_add_(0, first // n, _cubic(count))
    squares = (_cubic(torch.full_like(lost, n)) - lost) / 3
    average = (ranks[first] + ranks[last]) // 2  # without remainder: both are odd, or both even
    large = count >= LARGE_TIE
    runs = (part[large].tolist() for part in (first, last, average))
    for start, end, rank in zip(*runs, strict=True):
        ranks[start : end + 1] = rank
    _set_small_runs(ranks, first[~large], count[~large], average[~large])
    return ranks, squares.masked_fill(_has_nan(keys, rows), math.nan)


def _tied_runs(keys: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """First and last index of every run of two or more equal keys in a row of `n`."""
    same = torch.zeros(keys.numel() + 1, dtype=torch.bool, device=keys.device)
    torch.eq(keys[1:], keys[:-1], out=same[1:-1])
    same[::n] = False
    edges = (same[1:] != same[:-1]).nonzero().flatten()
    return edges[0::2], edges[1::2]


def _set_small_runs(ranks: Tensor, first: Tensor, count: Tensor, average: Tensor) -> None:
    before = (count.cumsum(0) - count - first).repeat_interleave(count)
    places = torch.arange(len(before), device=ranks.device) - before
    ranks[places] = average.repeat_interleave(count)


def _cubic(count: Tensor) -> Tensor:
    count = count.double()
    return count * count * count - count


def _row_dots(first: Tensor, second: Tensor) -> Tensor:
    """Dot products of the rows in float64, in pieces that stay in the cache."""
    pieces = zip(first.split(DOT_PIECE, 1), second.split(DOT_PIECE, 1), strict=True)
    return sum(torch.linalg.vecdot(p.double(), q.double()) for p, q in pieces)
