"""A frozen convolution on a graphics card: the gradient in its input alone, in few passes.

cuDNN does the convolution; bias, sum and activation follow in one pass over the result, and in
place. The same bytes in every run, as long as cuDNN is held to algorithms that give them (see
`repeatable`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from protocore.models.fast.convolution import Clamp, Form, FrozenConvolution

_FEW_CHANNELS = 4
_ALIGNED = 8  # channels that tensor cores want
_BLOCK = 1024
TRITON = importlib.util.find_spec("triton") is not None


@contextmanager
def repeatable(*, exact: bool) -> Iterator[None]:
    """Let cuDNN choose only what gives the same bytes each time, and by rule instead of by timing.

    `exact`: float32 is float32, not TensorFloat-32. Holds for the process while it lasts.
    """
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=not exact
    ):
        yield


class CardConvolution(FrozenConvolution):
    """`activation(convolution(x) + other)` and its gradient; see FrozenConvolution."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, form: Form, size: tuple[int, int]
    ) -> None:
        self.bias = bias
        self.form = form
        self._size = size
        self._weight = weight.contiguous(memory_format=torch.channels_last)
        dense = form.groups == 1 and form.dilation == (1, 1) and form.stride[0] == form.stride[1]
        few = dense and weight.shape[1] <= _FEW_CHANNELS
        self._parts = _Subpixels(weight, form, size) if few else None

    def forward(self, x: Tensor, other: Tensor | None, clamp: Clamp | None) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        result = torch.conv2d(x, self._weight, None, *_numbers(self.form))
        result = result.contiguous(memory_format=torch.channels_last)
        if other is not None:
            other = other.contiguous(memory_format=torch.channels_last)
        return finish_(result, self.bias, other, clamp)

    def backward(self, gradient: Tensor, plus: Tensor | None = None) -> Tensor:
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        if self._parts is not None:
            result = self._parts(gradient)
        else:
            shape = (len(gradient), self._weight.shape[1] * self.form.groups, *self._size)
            like = gradient.new_empty(1).expand(shape)  # only its form is looked at
            stride, padding, dilation, groups = _numbers(self.form)
            result = torch.ops.aten.convolution_backward(
                gradient, like, self._weight, None, stride, padding, dilation, False, [0, 0],
                groups, [True, False, False],
            )[0]  # fmt: skip
        return result if plus is None else result.add_(plus)

    @staticmethod
    def fits(clamp: Clamp | None, *, with_sum: bool) -> bool:
        """Everything does."""
        return True


def finish_(
    values: Tensor, bias: Tensor | None, other: Tensor | None, clamp: Clamp | None
) -> Tensor:
    """Bias, sum and activation on `(N, C, H, W)` in channels-last order, in place."""
    if bias is None and other is None and clamp is None:
        return values
    if not (values.is_cuda and TRITON):
        if bias is not None:
            values.add_(bias.view(-1, 1, 1))
        if other is not None:
            values.add_(other)
        return values if clamp is None else values.clamp_(clamp.least, clamp.most)
    from protocore.models.fast import card_kernels

    least, most = (0.0, 0.0) if clamp is None else (clamp.least, min(clamp.most, 3e38))
    size = values.numel()
    card_kernels.finish_kernel[(-(-size // _BLOCK),)](
        values,
        values if bias is None else bias,
        values if other is None else other,
        size, values.shape[1], least, most,
        BIAS=bias is not None, OTHER=other is not None, CLAMP=clamp is not None, BLOCK=_BLOCK,
    )  # fmt: skip
    return values


class _Subpixels:
    """The gradient in few channels: see convolution._BySubpixels, the same idea.

    A kernel that moves by s sees s * s positions of a pixel; each has its part of the weights,
    and these parts are the channels of one convolution forward, which is then interleaved. cuDNN
    is several times slower at the gradient in three channels.
    """

    def __init__(self, weight: Tensor, form: Form, size: tuple[int, int]) -> None:
        self._stride, (self._top, self._left) = form.stride[0], form.padding
        self._height, self._width = size
        outputs, self._inputs, high, wide = weight.shape
        s = self._stride
        rows, columns = -(-high // s), -(-wide // s)
        filled = F.pad(weight, (0, columns * s - wide, 0, rows * s - high))
        parts = filled.view(outputs, self._inputs, rows, s, columns, s).flip(2, 4)
        parts = parts.permute(3, 5, 1, 0, 2, 4).reshape(-1, outputs, rows, columns)
        self._used = len(parts)
        parts = F.pad(parts, (0, 0, 0, 0, 0, 0, 0, -self._used % _ALIGNED))
        self._weight = parts.contiguous(memory_format=torch.channels_last)
        self._padding = (rows - 1, columns - 1)

    def __call__(self, gradient: Tensor) -> Tensor:
        parts = torch.conv2d(gradient, self._weight, None, 1, self._padding)
        parts = parts.permute(0, 2, 3, 1)[..., : self._used]
        count, high, wide, _ = parts.shape
        s = self._stride
        rows = parts.view(count, high, wide, s, s, self._inputs).transpose(2, 3)
        below = max(0, self._top + self._height - high * s)
        right = max(0, self._left + self._width - wide * s)
        whole = rows.reshape(count, high * s, wide * s, self._inputs).permute(0, 3, 1, 2)
        whole = F.pad(whole, (0, right, 0, below)) if below or right else whole
        return whole.narrow(2, self._top, self._height).narrow(3, self._left, self._width)


def _numbers(form: Form) -> tuple[list[int], list[int], list[int], int]:
    return list(form.stride), list(form.padding), list(form.dilation), form.groups
