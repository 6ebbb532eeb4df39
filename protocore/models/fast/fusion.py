"""Put frozen convolutions into a tape, each with the sum and the activation that follow it."""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from protocore.models.fast.card import TRITON, CardPool
from protocore.models.fast.convolution import Clamp, Form, FrozenConvolution
from protocore.models.fast.segment import segments
from protocore.models.fast.tape import Call, Tape, Value

_RELUS = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
_SUMS = {torch.add, Tensor.add}  # also of the operator +
_SUMS_IN_PLACE = {Tensor.add_}  # also of +=


def _convolution(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """torch.conv2d's signature, which Python cannot see."""


def _pooling(x, window, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """F.max_pool2d's signature."""


_SIGNATURE = inspect.signature(_convolution)
_POOLING = inspect.signature(_pooling)
_WIDEST_POOL = 15  # what is counted within a window fits a byte
Frozen = dict[tuple, FrozenConvolution]


def fuse(tape: Tape, frozen: Frozen, kind: type = FrozenConvolution) -> Tape:
    """The same tape with frozen convolutions, kept in `frozen` for tapes of other batch sizes.

    `kind` is FrozenConvolution on a CPU, CardConvolution on a card.
    """
    fusion = _Fusion(tape, frozen, kind)
    for call in tape.calls:
        fusion.add(call)
    return Tape(segments(fusion.calls, tape.result), tape.result, tape.count)


class _Fusion:
    """The calls so far, and where each value comes from."""

    def __init__(self, tape: Tape, frozen: Frozen, kind: type) -> None:
        self.calls: list[Call] = []
        self._kind = kind
        self._frozen = frozen
        self._made_by: dict[int, int] = {}
        self._uses = Counter(index for call in tape.calls for index in call.inputs())
        self._uses[tape.result.index] += 1

    def add(self, call: Call) -> None:
        if call.function is torch.conv2d:
            call = self._with_frozen(call)
        elif call.function is F.max_pool2d:
            call = _with_pool(call)
        elif call.function in _SUMS or call.function in _SUMS_IN_PLACE:
            if self._take_in_sum(call):
                return
        elif (clamp := _clamp(call)) and self._take_in_clamp(call, clamp):
            return
        if isinstance(call.output, Value):
            self._made_by[call.output.index] = len(self.calls)
        self.calls.append(call)

    def _with_frozen(self, call: Call) -> Call:
        given = _SIGNATURE.bind(*call.args, **call.kwargs)
        given.apply_defaults()
        x, weight, bias, *numbers = given.arguments.values()
        if not (_is_image(x) and _is_constant(weight) and (bias is None or _is_constant(bias))):
            return call
        form = _form(*numbers)
        if form is None:
            return call
        key = (id(weight), id(bias), form, x.shape[2:])
        if key not in self._frozen:
            self._frozen[key] = self._kind(weight, bias, form, x.shape[2:])
        return replace(call, function=self._frozen[key], args=(x, None, None), kwargs={})

    def _take_in_sum(self, call: Call) -> bool:
        """Let the call before add its result to the other operand, when nobody else needs it."""
        if len(call.args) != 2 or call.kwargs or not self.calls:
            return False
        one, other = call.args
        before = self.calls[-1]
        if before.output == one:
            one, other = other, one
        fits = (
            isinstance(one, Value)
            and before.output == other
            and one.shape == other.shape == call.output.shape
            and one != other
            and self._is_bare(before)
            and before.args[1:] == (None, None)
            # What is changed in place must not be seen by others.
            and (call.function in _SUMS or self._uses[call.args[0].index] == 1)
        )
        if fits:
            self._replace(len(self.calls) - 1, before, call, (before.args[0], one, None))
        return fits

    def _take_in_clamp(self, call: Call, clamp: Clamp) -> bool:
        place = self._made_by.get(call.args[0].index)
        if place is None:
            return False
        before = self.calls[place]
        x, other, nothing = before.args if self._is_bare(before) else (None, None, clamp)
        fits = nothing is None and before.function.fits(clamp, with_sum=other is not None)
        if fits:
            self._replace(place, before, call, (x, other, clamp))
        return fits

    def _is_bare(self, call: Call) -> bool:
        """A frozen convolution whose output is used once."""
        frozen = isinstance(call.function, FrozenConvolution)
        return frozen and self._uses[call.output.index] == 1

    def _replace(self, place: int, before: Call, after: Call, args: tuple) -> None:
        self.calls[place] = replace(before, args=args, output=after.output)
        self._made_by[after.output.index] = place


def _with_pool(call: Call) -> Call:
    """On a card with a pooling of our own where that can do it."""
    given = _POOLING.bind(*call.args, **call.kwargs)
    given.apply_defaults()
    x, window, stride, padding, dilation, _, indices = given.arguments.values()
    numbers = (window, window if stride is None else stride, padding)
    numbers = [n[0] if isinstance(n, tuple | list) and len(set(n)) == 1 else n for n in numbers]
    plain = all(isinstance(n, int) for n in numbers) and numbers[0] <= _WIDEST_POOL
    plain = plain and dilation in (1, (1, 1)) and not indices
    if not (plain and TRITON and _is_image(x) and x.on_card):
        return call
    pool = CardPool(*numbers, call.output.shape[1:])
    return replace(call, function=pool, args=(x,), kwargs={})


def _is_image(x: object) -> bool:
    return isinstance(x, Value) and len(x.shape) == 4


def _is_constant(weight: object) -> bool:
    return isinstance(weight, Tensor) and not weight.requires_grad


def _form(stride, padding, dilation, groups) -> Form | None:
    if isinstance(padding, str):
        return None
    pairs = [(n, n) if isinstance(n, int) else tuple(n) for n in (stride, padding, dilation)]
    pairs = [pair * 2 if len(pair) == 1 else pair for pair in pairs]
    return Form(stride=pairs[0], padding=pairs[1], dilation=pairs[2], groups=groups)


def _clamp(call: Call) -> Clamp | None:
    """The bounds of an activation that cuts off."""
    if not (call.args and isinstance(call.args[0], Value)):
        return None
    if call.function in _RELUS:
        return Clamp()
    if call.function is F.relu6:
        return Clamp(most=6.0)
    if call.function is F.hardtanh:
        bounds = inspect.signature(F.hardtanh).bind(*call.args, **call.kwargs)
        bounds.apply_defaults()
        return Clamp(
            least=float(bounds.arguments["min_val"]), most=float(bounds.arguments["max_val"])
        )
    return None
