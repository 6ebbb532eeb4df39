"""A frozen convolution on a graphics card: the gradient in its input alone, in few passes.

cuDNN does the convolution; bias, sum and activation follow in one pass over the result, and in
place. The same bytes in every run, as long as cuDNN is held to algorithms that give them (see
`repeatable`).
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from protocore.models.fast.convolution import Clamp, Form, FrozenConvolution

_FEW_CHANNELS = 4
_ALIGNED = 8  # channels that tensor cores want
_BLOCK = 1024
_PLAIN = ([1, 1], [0, 0], [1, 1], 1)  # stride, padding, dilation, groups
_MOST = 3e38  # stands for infinity
_MOST_VALUES = 2**31 - _BLOCK  # of a tensor: see card_kernels
TRITON = importlib.util.find_spec("triton") is not None


class _Held:
    """How many threads hold cuDNN to what repeats, and its flags before the first."""

    lock = threading.Lock()
    count = 0
    before: ExitStack | None = None


@contextmanager
def repeatable() -> Iterator[None]:
    """Let cuDNN choose only what gives the same bytes each time, and by rule instead of by timing.

    And let float32 be float32, not TensorFloat-32. Holds for the process, until the last thread
    that is within leaves.
    """
    with _Held.lock:
        if _Held.count == 0:
            _Held.before = ExitStack()
            flags = torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            )
            _Held.before.enter_context(flags)
        _Held.count += 1
    try:
        yield
    finally:
        with _Held.lock:
            _Held.count -= 1
            if _Held.count == 0:
                _Held.before.close()


class Sum(NamedTuple):
    """A gradient in two parts, to be added when it is read next; the first may be changed."""

    first: Tensor
    second: Tensor


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
        low = weight.dtype in (torch.bfloat16, torch.float16)
        # What cuDNN takes in itself: bias, sum and ReLU.
        self._joined = weight.is_cuda and low and form.groups == 1 and bias is not None

    def forward(self, x: Tensor, other: Tensor | None, clamp: Clamp | None) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        if other is not None:
            other = other.contiguous(memory_format=torch.channels_last)
        weight, numbers = self._weight, _numbers(self.form)
        if self._parts is not None:
            x, weight, numbers = self._parts.spread(x), self._parts.weight, _PLAIN
        if self._joined and clamp is not None and clamp.relu:
            if other is None:
                return torch.cudnn_convolution_relu(x, weight, self.bias, *numbers)
            return torch.cudnn_convolution_add_relu(x, weight, other, 1.0, self.bias, *numbers)
        result = torch.conv2d(x, weight, None, *numbers)
        result = result.contiguous(memory_format=torch.channels_last)
        return finish_(result, self.bias, other, clamp)

    def backward(self, gradient: Tensor, plus: Tensor | None = None) -> Tensor | Sum:
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
        return result if plus is None else Sum(result, self.whole(plus))

    @staticmethod
    def cut(clamp: Clamp, gradient: Tensor | Sum, output: Tensor) -> Tensor:
        """Gradient behind the activation -> before it; a sum is formed on the way."""
        if not (output.is_cuda and TRITON and output.numel() < _MOST_VALUES):
            return clamp.backward(CardConvolution.whole(gradient), output)
        return _cut(clamp, gradient, output)

    @staticmethod
    def whole(gradient: Tensor | Sum) -> Tensor:
        return gradient.first.add_(gradient.second) if isinstance(gradient, Sum) else gradient

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
    if not (values.is_cuda and TRITON and values.numel() < _MOST_VALUES):
        if bias is not None:
            values.add_(bias.view(-1, 1, 1))
        if other is not None:
            values.add_(other)
        return values if clamp is None else values.clamp_(clamp.least, clamp.most)
    from protocore.models.fast import card_kernels

    least, most = (0.0, 0.0) if clamp is None else (clamp.least, min(clamp.most, _MOST))
    size = values.numel()
    card_kernels.finish_kernel[(-(-size // _BLOCK),)](
        values,
        values if bias is None else bias,
        values if other is None else other,
        size, values.shape[1], least, most,
        BIAS=bias is not None, OTHER=other is not None, CLAMP=clamp is not None, BLOCK=_BLOCK,
    )  # fmt: skip
    return values


def _cut(clamp: Clamp, gradient: Tensor | Sum, output: Tensor) -> Tensor:
    from protocore.models.fast import card_kernels

    first, plus = gradient if isinstance(gradient, Sum) else (gradient, None)
    layout = torch.channels_last if output.dim() == 4 else torch.contiguous_format
    first, output = (tensor.contiguous(memory_format=layout) for tensor in (first, output))
    plus = first if plus is None else plus.contiguous(memory_format=layout)
    result, size = torch.empty_like(first), first.numel()
    card_kernels.cut_kernel[(-(-size // _BLOCK),)](
        first, output, plus, result, size, clamp.least, min(clamp.most, _MOST),
        PLUS=isinstance(gradient, Sum), BLOCK=_BLOCK,
    )  # fmt: skip
    return result


class CardPool:
    """The largest value of each window, `(N, C, H, W)` with channels last; differentiable.

    PyTorch's own takes several times as long with channels last.
    """

    def __init__(self, window: int, stride: int, padding: int, shape: tuple[int, ...]) -> None:
        self.numbers = (window, stride, padding)
        self.shape = tuple(shape)  # of the result, without the number of images

    def __call__(self, images: Tensor) -> Tensor:
        if images.numel() >= _MOST_VALUES:
            raise torch.OutOfMemoryError(
                "a pass is too large to be pooled"
            )  # so it is made smaller
        return _Pooling.apply(images, self)

    def launch(self, kernel, first: Tensor, second: Tensor, third: Tensor, over: Tensor, inner):
        """One call for each value of `over`; `inner` is the form of what is pooled."""
        size, (channels, height, width) = over.numel(), inner
        kernel[(-(-size // _BLOCK),)](
            first, second, third, size, channels, height, width, *self.shape[1:], *self.numbers,
            BLOCK=_BLOCK,
        )  # fmt: skip


class _Pooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images, pool):
        from protocore.models.fast.card_kernels import pool_kernel

        images = images.contiguous(memory_format=torch.channels_last)
        like = images.new_empty(len(images), *pool.shape)
        result = like.contiguous(memory_format=torch.channels_last)
        places = torch.empty_like(result, dtype=torch.uint8)
        pool.launch(pool_kernel, images, result, places, result, images.shape[1:])
        ctx.save_for_backward(places)
        ctx.pool, ctx.shape = pool, images.shape
        return result

    @staticmethod
    def backward(ctx, gradient):
        from protocore.models.fast.card_kernels import unpool_kernel

        gradient = gradient.contiguous(memory_format=torch.channels_last)
        result = torch.empty(
            ctx.shape, dtype=gradient.dtype, device=gradient.device,
            memory_format=torch.channels_last,
        )  # fmt: skip
        (places,) = ctx.saved_tensors
        ctx.pool.launch(unpool_kernel, gradient, places, result, result, ctx.shape[1:])
        return result, None


class _Subpixels:
    """A convolution over few channels: see convolution._BySubpixels, the same idea both ways.

    A kernel that moves by s sees s * s positions of a pixel; each has its part of the weights.
    Forward these positions become channels, so that the kernel moves by 1 and tensor cores find
    enough of them; back they are the channels of one convolution forward, which is then
    interleaved. cuDNN is several times slower at three channels as they are.
    """

    def __init__(self, weight: Tensor, form: Form, size: tuple[int, int]) -> None:
        self._stride, (self._top, self._left) = form.stride[0], form.padding
        self._height, self._width = size
        outputs, self._inputs, high, wide = weight.shape
        s = self._stride
        self._reach = [
            ((length + 2 * pad - kernel) // s + -(-kernel // s)) * s
            for length, pad, kernel in zip(size, form.padding, (high, wide), strict=True)
        ]
        rows, columns = -(-high // s), -(-wide // s)
        filled = F.pad(weight, (0, columns * s - wide, 0, rows * s - high))
        parts = filled.view(outputs, self._inputs, rows, s, columns, s).flip(2, 4)
        parts = parts.permute(3, 5, 1, 0, 2, 4).reshape(-1, outputs, rows, columns)
        self._channels = self._inputs if s == 1 else _FEW_CHANNELS
        self.weight = self._spread_weight(filled, rows, columns)
        self._used = len(parts)
        parts = F.pad(parts, (0, 0, 0, 0, 0, 0, 0, -self._used % _ALIGNED))
        self._weight = parts.contiguous(memory_format=torch.channels_last)
        self._padding = (rows - 1, columns - 1)

    def _spread_weight(self, filled: Tensor, rows: int, columns: int) -> Tensor:
        s = self._stride
        filled = F.pad(filled, (0, 0, 0, 0, 0, self._channels - self._inputs))
        parts = filled.view(len(filled), self._channels, rows, s, columns, s)
        parts = parts.permute(0, 3, 5, 1, 2, 4).reshape(len(filled), -1, rows, columns)
        return parts.contiguous(memory_format=torch.channels_last)

    def spread(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` -> what `weight` is convolved with, without padding, by steps of 1."""
        s, (high, wide) = self._stride, self._reach
        across = (self._left, wide - self._width - self._left)
        down = (self._top, high - self._height - self._top)
        more = self._channels - self._inputs
        filled = F.pad(x.permute(0, 2, 3, 1), (0, more, *across, *down))
        parts = filled.reshape(len(x), high // s, s, wide // s, s, -1).transpose(2, 3)
        return parts.reshape(len(x), high // s, wide // s, -1).permute(0, 3, 1, 2)

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
