"""Exact Spearman correlation of many large vectors.

Ties get average ranks, as in `scipy.stats.spearmanr`. Ranks are whole numbers: twice the average
rank, minus `n + 1`, so that every row sums to zero and nothing is rounded. Values are compared as
float32, by whole numbers that order as they do.

On a CPU NumPy sorts each value's number together with its place, as one whole number of 64 bits,
with the processor's vector instructions where it has them. That starts no threads of its own and
lets go of the interpreter's lock: rows are spread over as many threads as PyTorch may use.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Rows are taken together until their keys no longer fit the cache; a card wants more at once.
TOGETHER = 2**16  # elements
TOGETHER_CARD = 2**25
PIECE = 2**15  # of a dot product, so that it stays in the cache
LARGE_TIE = 4096  # elements from which a slice assignment beats index arithmetic
INFINITY_CODE = 0x7F800000  # the number of +infinity; that of -infinity is -INFINITY_CODE - 1
_LOW = 0 if sys.byteorder == "little" else 1  # which half of a key is the place


class Ranks(NamedTuple):
    """Ranks of the rows of a matrix, ready to be correlated with others."""

    centred: Tensor  # (B, n) int32: twice the average rank (from 1) minus n + 1
    squares: Tensor  # (B,) float64: sum of squares of each row of `centred`; NaN if undefined

    def to(self, device: torch.device) -> Ranks:
        """The same ranks on another device."""
        return Ranks(self.centred.to(device), self.squares.to(device))


def rank_rows(values: Tensor) -> Ranks:
    """Ranks within each row of `values` `(B, n)`; rows with NaN have NaN as sum of squares."""
    parts = _spread(_rank_block, blocks(values))
    return Ranks(torch.cat([p.centred for p in parts]), torch.cat([p.squares for p in parts]))


def average_ranks(values: Tensor) -> Tensor:
    """Ranks `(B, n)` from 1, float64, ties averaged, of the rows of `values` `(B, n)`."""
    return (rank_rows(values).centred.double() + values.shape[1] + 1) / 2


def correlate(reference: Ranks, values: Tensor) -> Tensor:
    """Spearman correlation `(B,)`, float64, of each row of `values` `(B, n)` with the reference.

    The reference has one row for all or one row for each. The correlation of a constant row, or
    of one with NaN, is not defined: NaN.
    """
    parts, first = [], 0
    for block in blocks(values):
        last = first + len(block)
        shared = len(reference.centred) == 1
        rows = reference if shared else Ranks(*(part[first:last] for part in reference))
        parts.append((rows, block))
        first = last
    return torch.cat(_spread(lambda part: _correlate_block(*part), parts))


def spearman(first: Tensor, second: Tensor) -> Tensor:
    """Spearman correlation `(B,)` of each row of `first` with the same row of `second`."""
    pairs = list(zip(blocks(first), blocks(second), strict=True))
    return torch.cat(_spread(lambda pair: _correlate_block(_rank_block(pair[0]), pair[1]), pairs))


def blocks(values: Tensor) -> tuple[Tensor, ...]:
    """The rows of `values` `(B, n)` in parts worth one sort each."""
    most = TOGETHER if values.device.type == "cpu" else TOGETHER_CARD
    return values.split(max(1, most // max(1, values.shape[1])))


def _spread(work: Callable, parts: Iterable) -> list:
    """`work` of every part, in order, in as many threads as PyTorch may use."""
    parts = list(parts)
    threads = min(torch.get_num_threads(), len(parts))
    on_card = any(t.is_cuda for t in _tensors(parts[:1]))
    if threads < 2 or on_card:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads, thread_name_prefix="protocore ranks") as pool:
        return list(pool.map(work, parts))


def _tensors(parts: object) -> Iterable[Tensor]:
    if isinstance(parts, Tensor):
        yield parts
    else:
        for part in parts:
            yield from _tensors(part)


def _rank_block(values: Tensor) -> Ranks:
    if values.is_cuda:
        return _rank_on_card(values)
    centred = np.empty(values.shape, dtype=np.int32)
    squares = np.empty(len(values))
    for place, row in enumerate(_rows(values)):
        centred[place], squares[place] = _ranked(row)
    return Ranks(torch.from_numpy(centred), torch.from_numpy(squares))


def _correlate_block(reference: Ranks, values: Tensor) -> Tensor:
    if values.is_cuda:
        return _correlate_on_card(reference, values)
    given, given_squares = (part.numpy() for part in reference)
    scores = np.full(len(values), math.nan)
    for place, row in enumerate(_rows(values)):
        own = place if len(given) > 1 else 0
        centred, squares = _ranked(row)
        norm = squares * given_squares[own]
        if norm > 0:
            scores[place] = _dot(centred, given[own]) / math.sqrt(norm)
    return torch.from_numpy(scores)


def _rows(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().float().numpy())


def _ranked(row: np.ndarray) -> tuple[np.ndarray, float]:
    """Centred ranks `(n,)` int32 of float32 values, and their sum of squares; NaN if undefined.

    Zeros, most of what a ReLU lets through, are counted and not sorted.
    """
    codes, n = _order_codes(row), len(row)
    places = np.flatnonzero(codes)
    zeros, below = n - len(places), int(np.count_nonzero(codes < 0))
    keys = np.empty(len(places), dtype=np.int64)
    halves = keys.view(np.int32).reshape(-1, 2)
    halves[:, _LOW] = places
    halves[:, 1 - _LOW] = codes[places] if zeros else codes
    keys.sort()
    ordered = halves[:, 1 - _LOW]
    ranks = np.arange(1 - n, 1 + n - 2 * zeros, 2, dtype=np.int32)
    ranks[below:] += 2 * zeros
    lost = _cubic(zeros) + _average_ties(ranks, ordered)
    centred = np.full(n, 2 * below + zeros - n, dtype=np.int32)
    least, most = (ordered[0], ordered[-1]) if len(ordered) else (0, 0)
    defined = n and least >= -INFINITY_CODE - 1 and most <= INFINITY_CODE
    keys &= 0xFFFFFFFF  # `ordered` is gone
    centred[keys] = ranks
    return centred, float(_cubic(n) - lost) / 3 if defined else math.nan


def _order_codes(values: np.ndarray) -> np.ndarray:
    """int32 numbers that order as the float32 values do; -0.0 equals 0.0."""
    bits = (values + np.float32(0)).view(np.int32)
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


def _average_ties(ranks: np.ndarray, ordered: np.ndarray) -> float:
    """Give equal values their average rank, in place; returns the sum of _cubic of their counts."""
    same = np.zeros(len(ordered) + 1, dtype=bool)
    np.equal(ordered[1:], ordered[:-1], out=same[1:-1])
    edges = np.flatnonzero(same[1:] != same[:-1])
    first, last = edges[0::2], edges[1::2]
    counts = last - first + 1
    average = (ranks[first] + ranks[last]) // 2  # without remainder: both odd, or both even
    large = counts >= LARGE_TIE
    for start, end, rank in zip(first[large], last[large], average[large], strict=True):
        ranks[start : end + 1] = rank
    small = counts[~large]
    shift = np.repeat(np.cumsum(small) - small - first[~large], small)
    ranks[np.arange(len(shift)) - shift] = np.repeat(average[~large], small)
    return float(_cubic(counts).sum())


def _cubic(count):
    count = np.float64(count)
    return count * count * count - count


def _dot(first: np.ndarray, second: np.ndarray) -> float:
    """In float64, in pieces that stay in the cache, without BLAS and its threads."""
    total = 0.0
    for start in range(0, len(first), PIECE):
        part = slice(start, start + PIECE)
        total += np.einsum("n,n->", first[part].astype(float), second[part].astype(float))
    return total


# --- on a card: the same without waiting for anything ---


def _sort_on_card(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Places and centred ranks of the rows in ascending order `(B, n)`; each row's squares."""
    n = values.shape[1]
    if not n:
        empty = torch.empty_like(values, dtype=torch.int32)
        return empty.long(), empty, values.new_full((len(values),), math.nan, dtype=torch.float64)
    bits = (values.float() + 0.0).contiguous().view(torch.int32)
    keys, order = torch.sort(bits ^ ((bits >> 31) & 0x7FFFFFFF), dim=1)
    before = torch.searchsorted(keys, keys, out_int32=True)
    until = torch.searchsorted(keys, keys, out_int32=True, right=True)
    ranks = before + until - n
    squares = torch.linalg.vecdot(ranks.double(), ranks.double())
    nan = (keys[:, 0] < -INFINITY_CODE - 1) | (keys[:, -1] > INFINITY_CODE)
    return order, ranks, squares.masked_fill(nan, math.nan)


def _rank_on_card(values: Tensor) -> Ranks:
    order, ranks, squares = _sort_on_card(values)
    return Ranks(torch.empty_like(ranks).scatter_(1, order, ranks), squares)


def _correlate_on_card(reference: Ranks, values: Tensor) -> Tensor:
    order, ranks, squares = _sort_on_card(values)
    partners = reference.centred.expand(values.shape).gather(1, order)
    products = torch.linalg.vecdot(ranks.double(), partners.double())
    norms = squares * reference.squares
    return (products / norms.sqrt()).masked_fill(~(norms > 0), math.nan)
