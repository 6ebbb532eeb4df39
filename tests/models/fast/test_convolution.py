"""Frozen convolutions and their gradients are PyTorch's, in every form."""

import pytest
import torch
import torch.nn.functional as F

from protocore.models.fast.convolution import Clamp, Form, FrozenConvolution, available

pytestmark = pytest.mark.skipif(not available(), reason="this PyTorch has no oneDNN")


def form(stride=1, padding=1, dilation=1, groups=1):
    pairs = [(n, n) if isinstance(n, int) else n for n in (stride, padding, dilation)]
    return Form(stride=pairs[0], padding=pairs[1], dilation=pairs[2], groups=groups)


def random(*shape, seed=0):
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return tensor.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else tensor


FORMS = [  # input channels, output channels, kernel, height and width, form
    (8, 6, (3, 3), (9, 7), form()),
    (8, 6, (1, 1), (5, 5), form(padding=0)),
    (6, 6, (3, 3), (8, 8), form(groups=6)),
    (6, 12, (3, 3), (8, 8), form(groups=3)),
    (4, 5, (1, 7), (9, 9), form(padding=(0, 3))),
    (5, 4, (3, 3), (9, 9), form(padding=2, dilation=2)),
    (5, 4, (1, 1), (6, 6), form(padding=1)),  # more padding than reach
    (3, 8, (7, 7), (16, 16), form(stride=2, padding=3)),  # subpixels
    (3, 8, (3, 3), (11, 12), form(stride=2, padding=0)),  # and a column out of reach
    (3, 8, (4, 4), (18, 18), form(stride=4, padding=0)),  # two of them
    (3, 8, (11, 11), (35, 35), form(stride=4, padding=2)),
    (3, 4, (3, 5), (14, 15), form(stride=2, padding=(1, 2))),
    (1, 4, (2, 2), (9, 9), form(stride=3, padding=0)),
    (3, 4, (3, 3), (9, 9), form(stride=(2, 1))),  # unequal strides
    (6, 6, (3, 3), (9, 8), form(stride=2, groups=6)),
    (16, 8, (1, 1), (7, 7), form(stride=2, padding=0)),
    (16, 8, (3, 3), (10, 10), form(stride=2, dilation=2)),
]


@pytest.mark.parametrize(("inputs", "outputs", "kernel", "size", "numbers"), FORMS)
@pytest.mark.parametrize("count", [1, 3])
def test_both_passes_are_pytorchs(inputs, outputs, kernel, size, numbers, count):
    weight = random(outputs, inputs // numbers.groups, *kernel)
    bias = random(outputs, seed=1)
    x = random(count, inputs, *size, seed=2).requires_grad_(True)
    numbers_of_torch = numbers.stride, numbers.padding, numbers.dilation, numbers.groups
    expected = F.conv2d(x, weight, bias, *numbers_of_torch)
    gradient = random(*expected.shape, seed=3)
    (of_x,) = torch.autograd.grad(expected, x, gradient)
    frozen = FrozenConvolution(weight, bias, numbers, size)
    with torch.no_grad():
        torch.testing.assert_close(frozen.forward(x, None, None), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(frozen.backward(gradient), of_x, rtol=1e-4, atol=1e-4)
        plus = random(*x.shape, seed=4)
        kept = plus.clone()
        found = frozen.backward(gradient, plus)
        torch.testing.assert_close(found, of_x + plus, rtol=1e-4, atol=1e-4)
        assert torch.equal(plus, kept)


def test_any_layout_is_taken():
    weight = random(4, 4, 3, 3)
    frozen = FrozenConvolution(weight, None, form(), (8, 8))
    x = random(1, 8, 8, 8)[:, ::2]
    torch.testing.assert_close(
        frozen.forward(x, None, None), F.conv2d(x, weight, padding=1), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(
        frozen.backward(x), F.conv_transpose2d(x, weight, padding=1), rtol=1e-4, atol=1e-4
    )


def test_the_weight_is_not_changed_nor_looked_at_again():
    weight = random(4, 3, 3, 3)
    before = weight.clone()
    frozen = FrozenConvolution(weight, None, form(), (8, 8))
    x = random(1, 3, 8, 8, seed=5)
    first = frozen.forward(x, None, None)
    assert torch.equal(weight, before)
    weight.zero_()
    assert torch.equal(frozen.forward(x, None, None), first)


@pytest.mark.parametrize("clamp", [Clamp(), Clamp(most=6.0), Clamp(least=-1.0, most=1.0)])
def test_activations_by_hand(clamp):
    weight = torch.ones(1, 1, 1, 1)
    frozen = FrozenConvolution(weight, None, form(padding=0), (1, 4))
    x = torch.tensor([-3.0, -0.5, 0.5, 9.0]).view(1, 1, 1, 4)
    output = frozen.forward(x, None, clamp)
    assert torch.equal(output, x.clamp(clamp.least, clamp.most))
    passes = ((x > clamp.least) & (x < clamp.most)).float()
    assert torch.equal(clamp.backward(torch.ones_like(x), output), passes)


@pytest.mark.parametrize("clamp", [None, Clamp()])
def test_sums_by_hand(clamp):
    frozen = FrozenConvolution(torch.full((1, 1, 1, 1), 2.0), None, form(padding=0), (1, 3))
    x = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    other = torch.tensor([-5.0, 1.0, 10.0]).view(1, 1, 1, 3)
    expected = torch.tensor([-3.0, 5.0, 16.0]).view(1, 1, 1, 3)
    output = frozen.forward(x, other, clamp)
    assert torch.equal(output, expected.relu() if clamp else expected)
    assert other[0, 0, 0, 0] == -5


def test_bounds_together_with_a_sum_do_not_fit():
    assert FrozenConvolution.fits(Clamp(most=6.0), with_sum=False)
    assert not FrozenConvolution.fits(Clamp(most=6.0), with_sum=True)
    assert FrozenConvolution.fits(Clamp(), with_sum=True)
    assert FrozenConvolution.fits(None, with_sum=True)
