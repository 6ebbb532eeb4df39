"""Convolutions and pooling on a card, by the same code without one and by Triton's interpreter."""

import math
import os

import pytest
import torch
import torch.nn.functional as F

from protocore.models.fast.card import CardConvolution, CardPool, Sum, finish_, repeatable
from protocore.models.fast.convolution import Clamp
from protocore.models.fast.fusion import fuse
from protocore.models.fast.tape import record
from tests.models.fast.test_convolution import FORMS, random
from tests.networks import tiny_network

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
needs_triton = pytest.mark.skipif(
    DEVICE.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1",
    reason="neither a card nor Triton's interpreter, see tests/conftest.py",
)


@pytest.mark.parametrize(("inputs", "outputs", "kernel", "size", "numbers"), FORMS)
@pytest.mark.parametrize("count", [1, 3])
def test_both_passes_are_pytorchs(inputs, outputs, kernel, size, numbers, count):
    weight = random(outputs, inputs // numbers.groups, *kernel).to(DEVICE)
    bias = random(outputs, seed=1).to(DEVICE)
    x = random(count, inputs, *size, seed=2).to(DEVICE).requires_grad_(True)
    with repeatable():
        expected = F.conv2d(
            x, weight, bias, numbers.stride, numbers.padding, numbers.dilation, numbers.groups
        )
        gradient = random(*expected.shape, seed=3).to(DEVICE)
        (of_x,) = torch.autograd.grad(expected, x, gradient)
        frozen = CardConvolution(weight, bias, numbers, size)
        with torch.no_grad():
            found = frozen.forward(x, None, None)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
            back = frozen.backward(gradient)
            torch.testing.assert_close(back, of_x, rtol=1e-4, atol=1e-4)
            plus = random(*x.shape, seed=4).to(DEVICE)
            kept = plus.clone()
            back = frozen.whole(frozen.backward(gradient, plus))
            torch.testing.assert_close(back, of_x + plus, rtol=1e-4, atol=1e-4)
            assert torch.equal(plus, kept)


@pytest.mark.parametrize("clamp", [None, Clamp(), Clamp(most=6.0)])
@pytest.mark.parametrize("summed", [False, True])
def test_bias_sum_and_activation(clamp, summed):
    values, other = (10 * random(2, 5, 3, 4, seed=seed).to(DEVICE) for seed in (1, 2))
    bias = random(5, seed=3).to(DEVICE)
    expected = values + bias.view(-1, 1, 1) + (other if summed else 0)
    if clamp:
        expected = expected.clamp(clamp.least, clamp.most)
    found = finish_(values.clone(memory_format=torch.preserve_format), bias,
                    other if summed else None, clamp)  # fmt: skip
    torch.testing.assert_close(found, expected)


def test_a_whole_network_with_sums():
    """A residual block: two gradients meet, and pass the activation together."""

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = tiny_network()[:6]
            self.one, self.two = (torch.nn.Conv2d(8, 8, 3, padding=1) for _ in range(2))

        def forward(self, images):
            middle = self.body(images)
            return torch.relu(self.two(torch.relu(self.one(middle))) + middle).flatten(1)

    torch.manual_seed(0)
    network = Block().to(DEVICE).requires_grad_(False)
    x = random(2, 3, 16, 16).to(DEVICE).requires_grad_(True)
    tape = fuse(record(network, x.detach()), {}, CardConvolution)
    results = []
    with repeatable():
        for play in (network, tape):
            logits = play(x.clone(memory_format=torch.preserve_format))
            weights = torch.linspace(-1, 1, logits.numel(), device=DEVICE).view(logits.shape)
            results.append((logits, torch.autograd.grad((logits * weights).sum(), x)[0]))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


# --- kernels ---


@needs_triton
@pytest.mark.parametrize("clamp", [Clamp(), Clamp(most=6.0)])
@pytest.mark.parametrize("summed", [False, True])
def test_the_cut_is_the_activations_gradient(clamp, summed):
    kernels = pytest.importorskip("protocore.models.fast.card_kernels")
    before = 10 * random(300, seed=1).to(DEVICE)
    gradient, plus = (random(300, seed=seed).to(DEVICE) for seed in (2, 3))
    output = before.clamp(clamp.least, clamp.most)
    result = torch.empty_like(gradient)
    kernels.cut_kernel[(3,)](
        gradient, output, plus, result, 300, clamp.least, min(clamp.most, 3e38),
        PLUS=summed, BLOCK=128,
    )  # fmt: skip
    total = gradient + plus if summed else gradient
    passes = (before > clamp.least) & (before < clamp.most)
    assert torch.equal(result, torch.where(passes, total, 0))


@needs_triton
@pytest.mark.parametrize("clamp", [None, Clamp(), Clamp(most=6.0)])
def test_the_finishing_kernel(clamp):
    kernels = pytest.importorskip("protocore.models.fast.card_kernels")
    values, other = (10 * random(2, 5, 3, 4, seed=seed).to(DEVICE) for seed in (1, 2))
    bias = random(5, seed=3).to(DEVICE)
    values[0, 0, 0, 0] = math.nan
    expected = finish_(values.cpu(), bias.cpu(), other.cpu(), clamp)
    least, most = (clamp.least, min(clamp.most, 3e38)) if clamp else (0.0, 0.0)
    kernels.finish_kernel[(1,)](
        values, bias, other, values.numel(), 5, least, most,
        BIAS=True, OTHER=True, CLAMP=clamp is not None, BLOCK=128,
    )  # fmt: skip
    torch.testing.assert_close(values.cpu(), expected, equal_nan=True)


@needs_triton
@pytest.mark.parametrize("numbers", [(3, 2, 1), (3, 1, 1), (2, 2, 0), (3, 2, 0)])
@pytest.mark.parametrize("ceil", [False, True])
def test_pooling_is_pytorchs(numbers, ceil):
    pytest.importorskip("triton")
    window, stride, padding = numbers
    x = random(2, 3, 9, 10).round(decimals=1).to(DEVICE).requires_grad_(True)  # with equal values
    expected = F.max_pool2d(x, window, stride, padding, ceil_mode=ceil)
    gradient = random(*expected.shape, seed=1).to(DEVICE)
    (of_x,) = torch.autograd.grad(expected, x, gradient)
    found = CardPool(*numbers, expected.shape[1:])(x)
    assert torch.equal(found, expected)
    (back,) = torch.autograd.grad(found, x, gradient)
    torch.testing.assert_close(back, of_x)


@needs_triton
def test_pooling_shows_nan():
    pytest.importorskip("triton")
    x = torch.zeros(1, 1, 4, 4, device=DEVICE)
    x[0, 0, 1, 1] = math.nan
    pooled = CardPool(2, 2, 0, (1, 2, 2))(x)
    assert pooled.isnan().flatten().tolist() == [True, False, False, False]


def test_settings_of_cudnn_are_put_back():
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32
    with pytest.raises(KeyError), repeatable():
        assert torch.backends.cudnn.deterministic
        raise KeyError
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32) == before


def test_a_sum_is_formed_once():
    first, second = torch.ones(2), torch.tensor([1.0, 2.0])
    assert CardConvolution.whole(Sum(first, second)).tolist() == [2, 3]
    assert second.tolist() == [1, 2]
