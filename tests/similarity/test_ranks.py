import math
import warnings

import numpy as np
import pytest
import torch
from scipy import stats

from protocore.similarity.ranks import average_ranks, correlate, rank_rows, spearman


def test_ranks_of_ties_are_averaged():
    values = torch.tensor([[3.0, -1.0, 0.0, 3.0, -0.0, 3.0]])
    # sorted: -1, 0, 0, 3, 3, 3
    assert average_ranks(values).tolist() == [[5.0, 1.0, 2.5, 5.0, 2.5, 5.0]]


def test_rows_are_ranked_apart():
    values = torch.tensor([[2.0, 1.0], [1.0, 1.0], [-5.0, 9.0]])
    assert average_ranks(values).tolist() == [[2.0, 1.0], [1.5, 1.5], [1.0, 2.0]]


def test_what_two_rows_share_is_no_tie():
    """The largest of one row and the smallest of the next are neighbours once they are sorted."""
    assert average_ranks(torch.tensor([[1.0, 5.0], [5.0, 9.0]])).tolist() == [[1, 2], [1, 2]]


def test_more_rows_than_a_byte_can_number():
    values = torch.arange(300 * 40, dtype=torch.float32).view(300, 40).flip(1)
    assert average_ranks(values).tolist() == [list(range(40, 0, -1))] * 300


def test_known_correlation():
    # d^2 = 1 + 1 + 0 + 0, so rho = 1 - 6 * 2 / (4 * 15) = 0.8
    score = spearman(torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([[20.0, 10, 30, 40]]))
    assert score.item() == pytest.approx(0.8, abs=1e-15)


def test_constant_rows_and_nan_have_no_correlation():
    varied = torch.tensor([[1.0, 2.0, 3.0]])
    odd = torch.tensor([[5.0, 5.0, 5.0], [1.0, math.nan, 2.0], [1.0, 2.0, 2.0]])
    scores = correlate(rank_rows(varied), odd)
    assert scores.isnan().tolist() == [True, True, False]
    assert correlate(rank_rows(odd), varied.expand(3, 3)).isnan().tolist() == [True, True, False]
    assert spearman(torch.ones(1, 1), torch.ones(1, 1)).isnan().all()


def test_a_nan_of_either_sign_is_seen():
    values = torch.tensor([[0.5, math.nan, math.inf], [0.5, -math.nan, -math.inf], [1.0, 2.0, 3.0]])
    assert values.signbit()[:2, 1].tolist() == [False, True]
    assert rank_rows(values).squares.isnan().tolist() == [True, True, False]
    assert rank_rows(values[1:2]).squares.isnan().all()


def test_the_largest_possible_key_stays_in_front_of_what_is_filled_up():
    """A NaN whose bits are all ones has the key that short rows are filled up with."""
    values = torch.arange(20_000, dtype=torch.float32)
    values[7] = torch.tensor(0x7FFFFFFF, dtype=torch.int32).view(torch.float32)
    ranks = rank_rows(values[None])
    assert ranks.squares.isnan().all()
    assert ranks.centred[0, 7] == 20_000 - 1
    assert ranks.centred[0, 8] == 2 * 8 - 20_000 + 1 - 2


def test_infinite_values_have_ranks():
    values = torch.tensor([[math.inf, 0.0, -math.inf]])
    assert average_ranks(values).tolist() == [[3.0, 2.0, 1.0]]


@pytest.mark.parametrize(
    ("rows", "n"), [(1, 200_000), (7, 3_000), (3, 90_000), (3, 20_000), (40, 17)]
)
@pytest.mark.parametrize("kind", ["plain", "relu", "coarse"])
def test_agrees_with_scipy(rows, n, kind):
    generator = torch.Generator().manual_seed(n)
    mean = torch.randn(1, n, generator=generator)
    values = 0.5 * mean + torch.randn(rows, n, generator=generator)
    if kind == "relu":
        values = (values - 1).relu()  # about 80% zeros: 160,000 ties in the longest row
    if kind == "coarse":
        values = (values * 20).round()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        expected = [stats.spearmanr(mean[0].numpy(), row.numpy()).statistic for row in values]
    np.testing.assert_allclose(correlate(rank_rows(mean), values), expected, rtol=0, atol=1e-12)
    both = spearman(mean.expand_as(values), values)
    np.testing.assert_allclose(both, expected, rtol=0, atol=1e-12)


def test_independent_sparse_vectors_do_not_correlate():
    """With ordinal ranks two such vectors would score about 0.65."""
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(2, 200_000, generator=generator)
    values[torch.rand(2, 200_000, generator=generator) < 0.9] = 0
    assert abs(spearman(values[:1], values[1:]).item()) < 0.01


def test_long_rows_keep_exact_ranks():
    """Doubled positions beyond 2^24 no longer fit float32."""
    n = 2**23 + 3
    rising = torch.arange(n, dtype=torch.float32)[None]
    assert rank_rows(rising).centred[0, -2:].tolist() == [n - 3, n - 1]


def test_other_memory_layouts_and_precisions():
    values = torch.tensor([[1.0, 3.0], [2.0, 1.0], [3.0, 2.0]]).T
    assert average_ranks(values).tolist() == [[1, 2, 3], [3, 1, 2]]
    assert average_ranks(values.bfloat16()).tolist() == [[1, 2, 3], [3, 1, 2]]
