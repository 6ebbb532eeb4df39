import pytest
import torch
from scipy import stats

from protocore.similarity.activations import LayerInfo
from protocore.similarity.measures import (
    MEASURES,
    channel_profile,
    find_measure,
    rank_mean,
    score_against,
    score_leaving_out,
)


def layer(*shape: int) -> LayerInfo:
    return LayerInfo(index=0, name="x", kind="X", shape=shape, calls=1)


def test_hand_computed_scores():
    # two channels of 1 x 2; profiles: mean (1.5, 3.5), image (3.5, 1.5)
    reference = rank_mean(layer(2, 1, 2), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    scores = score_against(reference, torch.tensor([[[[3.0, 4.0]], [[1.0, 2.0]]]]))
    # d = (2, 2, 2, 2): rho = 1 - 6 * 16 / 60 = -0.6; |difference| = 2 everywhere
    assert scores[:, 0].tolist() == pytest.approx([-0.6, 2.0, -1.0])
    assert [m.name for m in MEASURES] == ["spearman", "l1", "profile"]
    assert find_measure("profile") == 2


def test_leave_one_out_by_hand():
    images = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0]])
    scores = score_leaving_out(layer(3), images.sum(0).double(), 3, images)
    # means of the others: (2, 2.5, 1.5), (1, 2.5, 2.5), (2, 2, 2)
    expected = [stats.spearmanr([2, 2.5, 1.5], images[0]).statistic]
    expected.append(stats.spearmanr([1, 2.5, 2.5], images[1]).statistic)
    assert scores[0, :2].tolist() == pytest.approx(expected)
    assert scores[0, 2].isnan()
    assert scores[1].tolist() == pytest.approx([(1 + 0.5 + 1.5) / 3, (2 + 0.5 + 1.5) / 3, 2 / 3])
    assert scores[2, :2].tolist() == pytest.approx(expected)  # no space: its own profile


def test_a_unit_that_one_image_alone_excites_is_zero_for_the_others():
    """A rounding residue would break its tie with the zeros."""
    images = torch.tensor([[0.1, 0.0, 0.3, 0.7], [0.3, 0.0, 0.0, 0.1], [0.7, 0.0, 0.0, 0.2]])
    total = images.double().sum(0)
    score = score_leaving_out(layer(4), total, 3, images[:1])[0, 0].item()
    # mean of the others: (0.5, 0, 0, 0.15), ranks 4, 1.5, 1.5, 3 against 2, 1, 3, 4
    assert score == pytest.approx(stats.spearmanr([4, 1.5, 1.5, 3], [2, 1, 3, 4]).statistic)


def test_leaving_out_lowers_the_score():
    images = torch.randn(5, 400, generator=torch.Generator().manual_seed(1))
    total = images.double().sum(0)
    inside = score_against(rank_mean(layer(400), (total / 5).float()), images)[0].mean()
    outside = score_leaving_out(layer(400), total, 5, images)[0].mean()
    assert inside > 0.35  # 1 / sqrt(5), although the images have nothing in common
    assert abs(outside) < 0.1


def test_many_rows_and_single_rows_agree():
    images = torch.randn(6, 3, 50, 40, generator=torch.Generator().manual_seed(1)).relu()
    total = images.double().sum(0).flatten()
    together = score_leaving_out(layer(3, 50, 40), total, 6, images)
    apart = [score_leaving_out(layer(3, 50, 40), total, 6, image[None]) for image in images]
    assert torch.allclose(together, torch.cat(apart, 1), atol=1e-9)


def test_channel_profile_of_maps_tokens_and_vectors():
    values = torch.arange(12.0)[None]
    assert channel_profile(layer(3, 2, 2), values).tolist() == [[1.5, 5.5, 9.5]]
    assert channel_profile(layer(2, 2, 3), values).tolist() == [[4.5, 5.5, 6.5]]
    assert channel_profile(layer(4, 3), values).tolist() == [[4.5, 5.5, 6.5]]
    assert channel_profile(layer(12), values).tolist() == values.tolist()


def test_a_layer_that_is_constant_has_no_correlation_but_a_distance():
    scores = score_against(rank_mean(layer(3), torch.tensor([1.0, 2.0, 3.0])), torch.zeros(1, 3))
    assert scores.isnan().flatten().tolist() == [True, False, True]
    assert scores[1, 0].item() == 2.0
