"""The losses by hand."""

import math

import pytest
import torch

from protocore.generation import losses
from protocore.generation.settings import Target


def test_probability_variance_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0)], [5.0, 5.0]])
    # p = (1/4, 3/4): mean of (2/4 - 1)^2 and (6/4 - 1)^2; p = (1/2, 1/2): nothing.
    torch.testing.assert_close(losses.probability_variance(logits), torch.tensor([0.25, 0.0]))


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_probability_variance_of_a_certain_class(classes):
    logits = torch.zeros(1, classes)
    logits[0, 1] = 200.0
    assert losses.probability_variance(logits).item() == pytest.approx(classes - 1)


def test_probability_variance_falls_towards_equal_classes():
    logits = torch.tensor([[2.0, 0.0, -1.0]], requires_grad=True)
    losses.probability_variance(logits).sum().backward()
    after = logits.detach() - 0.1 * logits.grad
    assert losses.probability_variance(after) < losses.probability_variance(logits.detach())


def test_high_frequency_by_hand():
    image = torch.tensor([[0.0, 1.0], [0.5, 0.5]]).expand(1, 3, 2, 2)
    # across: 1 and 0; down: 1/2 and -1/2
    assert losses.high_frequency(image).tolist() == [1.0]
    assert losses.high_frequency(image, "squared").tolist() == [0.75]


@pytest.mark.parametrize("penalty", ["absolute", "squared"])
def test_high_frequency_is_per_image(penalty):
    flat, noise = torch.full((1, 3, 8, 8), 0.3), torch.rand(1, 3, 8, 8)
    both = losses.high_frequency(torch.cat([flat, noise]), penalty)
    assert both[0] == 0
    torch.testing.assert_close(both[1:], losses.high_frequency(noise, penalty))


def test_high_frequency_looks_at_single_pixels_of_every_channel():
    """A step counts where it is: 1 of 3 * 4 * 3 horizontal differences."""
    image = torch.zeros(1, 3, 4, 4)
    image[0, 2, :, 2:] = 1.0
    assert losses.high_frequency(image).item() == pytest.approx(4 / 36)


def test_the_colour_factor_counts_colour_alone():
    """A step in brightness counts once whatever the factor, one in colour alone as often more."""
    grey, coloured = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    grey[..., 2:] = 0.3
    coloured[0, 0, :, 2:], coloured[0, 2, :, 2:] = 0.3, -0.3  # a mean of 0 on both sides
    for penalty in ("absolute", "squared"):
        plain = losses.high_frequency(coloured, penalty)
        torch.testing.assert_close(losses.high_frequency(coloured, penalty, 4.0), 5 * plain)
        torch.testing.assert_close(
            losses.high_frequency(grey, penalty, 4.0), losses.high_frequency(grey, penalty)
        )


def test_gradient_size_by_hand():
    gradients = torch.zeros(2, 3, 4, 4)
    gradients[0, 1, 2, 3], gradients[0, 0, 0, 0], gradients[1, 2, 0, 0] = -2.0, 0.5, 1.0
    assert losses.gradient_size(gradients).tolist() == [2.5, 1.0]


def test_objective_by_hand():
    targets = (Target.of(1), Target.contrast(0, 2, 0.5), Target.antitype(2))
    weights = losses.target_weights(targets, 4)
    assert weights.tolist() == [[0, 1, 0, 0], [1, 0, -0.5, 0], [0, 0, -1, 0]]
    logits = torch.tensor([[1.0, 2.0, 4.0, 8.0]]).expand(3, 4)
    assert losses.class_objective(logits, weights).tolist() == [2.0, -1.0, -4.0]
