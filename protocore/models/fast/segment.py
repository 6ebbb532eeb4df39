"""Frozen convolutions that follow one another, as one step of autograd.

One step for each of them would cost about as much as the smaller ones take, and would keep a sum
of gradients from being formed while the result is in the cache.
"""

from __future__ import annotations

import torch
from torch import Tensor

from protocore.models.fast.convolution import FrozenConvolution
from protocore.models.fast.tape import Call, Value


def segments(calls: list[Call], result: Value) -> list[Call]:
    """The calls with each run of frozen convolutions as one call."""
    joined: list[Call] = []
    run: list[Call] = []
    for place, call in enumerate(calls):
        if isinstance(call.function, FrozenConvolution):
            run.append(call)
            continue
        if run:
            joined.append(_segment(run, calls[place:], result))
            run = []
        joined.append(call)
    return joined + ([_segment(run, [], result)] if run else [])


def _segment(run: list[Call], later: list[Call], result: Value) -> Call:
    """One call in place of `run`, before the calls `later`."""
    made = {call.output.index: call.output for call in run}
    given = {
        value.index: value
        for call in run
        for value in call.args[:2]
        if value is not None and value.index not in made
    }
    wanted = {index for call in later for index in call.inputs()} | {result.index}
    outputs = tuple(value for index, value in made.items() if index in wanted)
    segment = Segment(run, tuple(given), tuple(value.index for value in outputs))
    return Call(function=segment, args=tuple(given.values()), output=outputs)


class Segment:
    """Tensors in, tensors out, differentiable; `inputs` and `outputs` are indices of values."""

    def __init__(self, calls: list[Call], inputs: tuple[int, ...], outputs: tuple[int, ...]):
        # Plain numbers: (convolution, x, other or None, clamp or None, output)
        self._calls = [
            (call.function, x.index, other and other.index, clamp, call.output.index)
            for call in calls
            for x, other, clamp in [call.args]
        ]
        self._whole = calls[0].function.whole
        self._inputs = inputs
        self._outputs = outputs
        self._clamped = [output for *_, clamp, output in self._calls if clamp]
        self._last = {}
        for place, (_, x, other, _, output) in enumerate(self._calls):
            self._last |= dict.fromkeys([x, other, output], place)

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        return _Function.apply(self, *given)

    def forward(self, given: tuple[Tensor, ...], *, keep: bool):
        """The outputs and, if they are to be kept, those that the backward pass needs."""
        values = dict(zip(self._inputs, given, strict=True))
        needed = {*self._outputs, *(self._clamped if keep else ())}
        for place, (convolution, x, other, clamp, output) in enumerate(self._calls):
            added = None if other is None else values[other]
            values[output] = convolution.forward(values[x], added, clamp)
            for index in (x, other):
                if self._last[index] == place and index not in needed:
                    values.pop(index, None)
        return tuple(values[i] for i in self._outputs), [values[i] for i in self._clamped if keep]

    def backward(self, kept: tuple[Tensor, ...], gradients: tuple[Tensor, ...]):
        """Gradients in the outputs -> gradients in the inputs."""
        outputs = dict(zip(self._clamped, kept, strict=True))
        found: dict[int, Tensor] = dict(zip(self._outputs, gradients, strict=True))
        for convolution, x, other, clamp, output in reversed(self._calls):
            gradient = found.pop(output, None)
            if gradient is None:
                continue
            if clamp:
                gradient = convolution.cut(clamp, gradient, outputs.pop(output))
            else:
                gradient = convolution.whole(gradient)
            if other is not None:
                before = found.get(other)
                found[other] = gradient if before is None else self._whole(before) + gradient
            found[x] = convolution.backward(gradient, found.get(x))
        whole = (found.get(index) for index in self._inputs)
        return tuple(None if part is None else self._whole(part) for part in whole)


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, segment, *given):
        outputs, kept = segment.forward(given, keep=any(ctx.needs_input_grad))
        ctx.segment = segment
        ctx.save_for_backward(*kept)
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    def backward(ctx, *gradients):
        return None, *ctx.segment.backward(ctx.saved_tensors, gradients)
