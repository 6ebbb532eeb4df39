"""A frozen convolution that gives the gradient in its input alone, as fast as oneDNN can.

PyTorch brings the weights into the layout that the processor likes in every call, forward and
backward, and takes separate passes for activation and sum. Here the weights are laid out once,
and sum and activation happen while the result is still in the cache. The backward pass is a
forward pass too wherever it can be: with the weights flipped, input and output exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW_CHANNELS = 4  # oneDNN's own backward pass to so few channels is up to 8 times slower
_OPERATORS = (
    "_convolution_pointwise",
    "_convolution_transpose_pointwise",
    "_reorder_convolution_weight",
    "_reorder_convolution_transpose_weight",
)


@dataclass(frozen=True, kw_only=True)
class Clamp:
    """max(least, min(x, most)): ReLU, ReLU6 and hardtanh."""

    least: float = 0.0
    most: float = float("inf")

    @property
    def relu(self) -> bool:
        return self.least == 0.0 and self.most == float("inf")

    def backward(self, gradient: Tensor, output: Tensor) -> Tensor:
        """Gradient in the output -> gradient in the input: 0 where it was cut off."""
        if self.relu:
            return torch.ops.aten.threshold_backward(gradient, output, 0)
        return torch.ops.aten.hardtanh_backward(gradient, output, self.least, self.most)


@dataclass(frozen=True, kw_only=True)
class Form:
    """The numbers of a 2-dimensional convolution, each pair along height and width."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def available() -> bool:
    """Whether this PyTorch has oneDNN with the operators that are needed."""
    operators = torch.ops.mkldnn
    return torch.backends.mkldnn.is_available() and all(hasattr(operators, n) for n in _OPERATORS)


class FrozenConvolution:
    """`activation(convolution(x) + other)` and its gradient; x and the result are `(N, C, H, W)`.

    `size` is x's height and width. Float32 or bfloat16, on the CPU.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, form: Form, size: tuple[int, int]
    ) -> None:
        self.bias = bias
        self.form = form
        self._size = size
        channels = (weight.shape[1] * form.groups, *size)
        self._weight = _packed(weight, form, channels)
        self._backward = _backward(weight, form, channels)

    def forward(self, x: Tensor, other: Tensor | None, clamp: Clamp | None) -> Tensor:
        """Without gradients; see protocore/models/segment.py."""
        x = x.contiguous(memory_format=torch.channels_last)
        numbers = _numbers(self.form)
        if other is None:
            name, values = _activation(clamp)
            operator = torch.ops.mkldnn._convolution_pointwise.default
            return operator(x, self._weight, self.bias, *numbers, name, values, "")
        other = other.contiguous(memory_format=torch.channels_last)
        name = "relu" if clamp else None  # see fits
        operator = torch.ops.mkldnn._convolution_pointwise.binary
        return operator(x, other, self._weight, self.bias, *numbers, "add", None, name, [], None)

    def backward(self, gradient: Tensor, plus: Tensor | None = None) -> Tensor:
        """Gradient in the convolution's output -> gradient in x, added to `plus`."""
        return self._backward(gradient.contiguous(memory_format=torch.channels_last), plus)

    @staticmethod
    def cut(clamp: Clamp, gradient: Tensor, output: Tensor) -> Tensor:
        """Gradient behind the activation that gave `output` -> before it."""
        return clamp.backward(gradient, output)

    @staticmethod
    def whole(gradient: Tensor) -> Tensor:
        """What `backward` gave, as one tensor."""
        return gradient

    @staticmethod
    def fits(clamp: Clamp | None, *, with_sum: bool) -> bool:
        """oneDNN takes no bounds together with a sum."""
        return clamp is None or clamp.relu or not with_sum


# --- the backward pass, three ways ---


def _backward(weight: Tensor, form: Form, channels: tuple[int, int, int]):
    """A function from the gradient in the output to that in the input, of shape `channels`."""
    dense = form.groups == 1 and form.dilation == (1, 1)
    square = form.stride[0] == form.stride[1] > 1
    if dense and square and channels[0] <= _FEW_CHANNELS:
        return _BySubpixels(weight, form, channels)
    reach = [d * (k - 1) for d, k in zip(form.dilation, weight.shape[2:], strict=True)]
    if form.stride == (1, 1) and all(r >= p for r, p in zip(reach, form.padding, strict=True)):
        return _ByFlippedWeights(weight, form, channels)
    return _ByTransposition(weight, form, channels)


class _ByFlippedWeights:
    """Stride 1: a convolution with the weights turned by 180 degrees."""

    def __init__(self, weight: Tensor, form: Form, channels: tuple[int, int, int]) -> None:
        outputs, inputs, *kernel = weight.shape
        turned = weight.view(form.groups, outputs // form.groups, inputs, *kernel).flip(3, 4)
        turned = turned.transpose(1, 2).reshape(-1, outputs // form.groups, *kernel)
        reach = [d * (k - 1) for d, k in zip(form.dilation, kernel, strict=True)]
        padding = tuple(r - p for r, p in zip(reach, form.padding, strict=True))
        self._form = Form(
            stride=(1, 1), padding=padding, dilation=form.dilation, groups=form.groups
        )
        self._weight = _packed(turned, self._form, _output_shape(weight, form, channels))

    def __call__(self, gradient: Tensor, plus: Tensor | None) -> Tensor:
        return _convolve(gradient, self._weight, self._form, plus)


class _BySubpixels:
    """Few input channels, equal strides s: each of the s * s positions that a pixel can have
    beneath the kernel sees its own part of the weights, so that these parts are the channels of
    one convolution with stride 1, whose output is then interleaved.
    """

    def __init__(self, weight: Tensor, form: Form, channels: tuple[int, int, int]) -> None:
        self._stride, (self._top, self._left) = form.stride[0], form.padding
        self._height, self._width = channels[1:]
        outputs, inputs, high, wide = weight.shape
        s = self._stride
        rows, columns = -(-high // s), -(-wide // s)
        filled = F.pad(weight, (0, columns * s - wide, 0, rows * s - high))
        parts = filled.view(outputs, inputs, rows, s, columns, s).flip(2, 4)
        parts = parts.permute(3, 5, 1, 0, 2, 4).reshape(s * s * inputs, outputs, rows, columns)
        self._form = Form(stride=(1, 1), padding=(rows - 1, columns - 1), dilation=(1, 1), groups=1)
        self._weight = _packed(parts, self._form, _output_shape(weight, form, channels))

    def __call__(self, gradient: Tensor, plus: Tensor | None) -> Tensor:
        parts = _convolve(gradient, self._weight, self._form).permute(0, 2, 3, 1)
        count, high, wide, channels = parts.shape
        s = self._stride
        rows = parts.reshape(count, high, wide, s, channels // s).transpose(2, 3)
        whole = rows.reshape(count, high * s, wide * s, -1).permute(0, 3, 1, 2)
        # The last rows and columns may be beyond the reach of any kernel.
        below = max(0, self._top + self._height - whole.shape[2])
        right = max(0, self._left + self._width - whole.shape[3])
        whole = F.pad(whole, (0, right, 0, below)) if below or right else whole
        whole = whole.narrow(2, self._top, self._height).narrow(3, self._left, self._width)
        return whole if plus is None else whole + plus


class _ByTransposition:
    """Any other: oneDNN's transposed convolution, which is its backward pass."""

    def __init__(self, weight: Tensor, form: Form, channels: tuple[int, int, int]) -> None:
        outer = _output_shape(weight, form, channels)
        self._form = form
        lengths = zip(channels[1:], outer[1:], weight.shape[2:], *_numbers(form)[:3], strict=True)
        self._rest = [
            size - ((out - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)
            for size, out, kernel, padding, stride, dilation in lengths
        ]
        padding, *others = _numbers(form)
        self._weight = torch.ops.mkldnn._reorder_convolution_transpose_weight(
            weight, padding, self._rest, *others, [1, *outer]
        )

    def __call__(self, gradient: Tensor, plus: Tensor | None) -> Tensor:
        padding, *others = _numbers(self._form)
        operator = torch.ops.mkldnn._convolution_transpose_pointwise.default
        whole = operator(gradient, self._weight, None, padding, self._rest, *others, "none", [], "")
        return whole if plus is None else whole.add_(plus)


def _packed(weight: Tensor, form: Form, channels: tuple[int, int, int]) -> Tensor:
    """The weights in the layout that oneDNN prefers for one image of that shape."""
    weight = weight.contiguous(memory_format=torch.channels_last)
    operator = torch.ops.mkldnn._reorder_convolution_weight
    return operator(weight, *_numbers(form), [1, *channels])


def _convolve(x: Tensor, weight: Tensor, form: Form, plus: Tensor | None = None) -> Tensor:
    if plus is None:
        operator = torch.ops.mkldnn._convolution_pointwise.default
        return operator(x, weight, None, *_numbers(form), "none", [], "")
    operator = torch.ops.mkldnn._convolution_pointwise.binary
    plus = plus.contiguous(memory_format=torch.channels_last)
    return operator(x, plus, weight, None, *_numbers(form), "add", None, None, [], None)


def _numbers(form: Form) -> tuple[list[int], list[int], list[int], int]:
    """In the order in which the operators want them."""
    return list(form.padding), list(form.stride), list(form.dilation), form.groups


def _output_shape(weight: Tensor, form: Form, channels: tuple[int, int, int]):
    lengths = zip(channels[1:], weight.shape[2:], *_numbers(form)[:3], strict=True)
    return weight.shape[0], *(
        (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for size, kernel, padding, stride, dilation in lengths
    )


def _activation(clamp: Clamp | None) -> tuple[str, list[float]]:
    if clamp is None:
        return "none", []
    return ("relu", []) if clamp.relu else ("hardtanh", [clamp.least, clamp.most])
