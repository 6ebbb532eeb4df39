"""The calls that a network makes for one image size, written down once and played again.

A tape is what the faster convolutions of protocore/models/fusion.py are put into. It is recorded
in one thread without touching any class: torch.fx would give the same, but while it traces it
replaces nn.Module.__call__ for the whole process, and networks in other threads fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Calls that tell something of a tensor's form, which is the same each time the tape is played.
_ABOUT_FORM = {
    *("__get__", "__len__", "size", "dim", "ndimension", "numel", "nelement", "element_size"),
    *("stride", "is_contiguous", "is_floating_point", "is_complex", "get_device", "_assert"),
}


class CannotRecordError(Exception):
    """The network does something that depends on more than the form of its input."""


@dataclass(frozen=True)
class Value:
    """Stands for a tensor that is there only while the tape is played."""

    index: int
    shape: tuple[int, ...]
    on_card: bool = False


@dataclass(kw_only=True)
class Call:
    """One call; every tensor that depends on the images is replaced by a Value."""

    function: Callable
    args: tuple
    kwargs: dict = field(default_factory=dict)
    output: object  # what comes back: a Value, or tuples and lists of them
    done_with: tuple[int, ...] = ()  # values that no later call needs

    def inputs(self) -> list[int]:
        """Indices of the values it takes, one for each mention."""
        return [value.index for value in leaves((self.args, self.kwargs), Value)]

    def outputs(self) -> list[int]:
        """Indices of the values that come back."""
        return [value.index for value in leaves(self.output, Value)]


class Tape:
    """Calls from the images, value 0, to the logits. Plays in any thread, differentiably."""

    def __init__(self, calls: list[Call], result: Value, count: int) -> None:
        self.calls = calls
        self.result = result
        self.count = count  # of values
        self._plan_release()

    def __call__(self, images: Tensor) -> Tensor:
        values: list = [None] * self.count
        values[0] = images
        for call in self.calls:
            args = _filled(call.args, values)
            kwargs = _filled(call.kwargs, values) if call.kwargs else {}
            _store(call.output, call.function(*args, **kwargs), values)
            for index in call.done_with:
                values[index] = None
        return values[self.result.index]

    def _plan_release(self) -> None:
        """Let go of each value after its last use, so that memory is free as early as it was."""
        last: dict[int, int] = {}
        for place, call in enumerate(self.calls):
            last |= dict.fromkeys([*call.inputs(), *call.outputs()], place)
        last.pop(self.result.index, None)
        for place, call in enumerate(self.calls):
            call.done_with = tuple(index for index, at in last.items() if at == place)


def record(module: nn.Module, images: Tensor) -> Tape:
    """Run `module` on `images` and write down its calls.

    Raises CannotRecordError where a Python value was computed from the images, or where a part of
    the network, such as a scripted module, does not show what it does.
    """
    images = images.detach().requires_grad_(True)
    recorder = _Recorder(images)
    with torch.enable_grad(), recorder:
        # Not a leaf, which a network could not change in place.
        result = module(images.clone())
    calls = recorder.calls
    # The copy above is the first call.
    if not isinstance(result, Tensor) or recorder.value_of(result) is None:
        raise CannotRecordError("the output is not one tensor made from the images")
    return Tape(calls[1:], recorder.value_of(result), recorder.count)


class _Recorder(TorchFunctionMode):
    """Writes down calls of torch's functions, in this thread alone."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.count = 0
        self._values: dict[int, Value] = {}
        self._kept: list[Tensor] = [images]  # so that ids stay unique

    def value_of(self, tensor: Tensor) -> Value | None:
        return self._values.get(id(tensor))

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not self.calls:
            self.calls.append(Call(function=func, args=(), output=self._note(result)))
        elif func is Tensor.__setitem__ or any(True for _ in leaves(result, Tensor)):
            given = self._symbolic(args), self._symbolic(kwargs)
            call = Call(function=func, args=given[0], kwargs=given[1], output=self._note(result))
            self.calls.append(call)
        elif func.__name__ not in _ABOUT_FORM:
            raise CannotRecordError(f"{func.__name__} turns a tensor into something else")
        return result

    def _note(self, result: object) -> object:
        """Give numbers to the tensors that came out. In-place calls return what they were given;
        their result has a number of its own all the same, for what is done with it later."""

        def number(tensor: Tensor) -> Value:
            self._kept.append(tensor)
            self._values[id(tensor)] = Value(self.count, tuple(tensor.shape), tensor.is_cuda)
            self.count += 1
            return self._values[id(tensor)]

        return _mapped(result, Tensor, number)

    def _symbolic(self, given: object) -> object:
        def replace(tensor: Tensor) -> object:
            value = self._values.get(id(tensor))
            if value is None and tensor.grad_fn is not None:
                raise CannotRecordError("a part of the network does not show what it does")
            return tensor if value is None else value

        return _mapped(given, Tensor, replace)


def leaves(given: object, kind: type) -> Iterator:
    """Everything of a kind in nested tuples, lists and dicts."""
    if isinstance(given, kind):
        yield given
    elif isinstance(given, tuple | list):
        for part in given:
            yield from leaves(part, kind)
    elif isinstance(given, dict):
        yield from leaves(list(given.values()), kind)


def _mapped(given: object, kind: type, change: Callable) -> object:
    """The same nesting with everything of a kind changed."""
    if isinstance(given, kind):
        return change(given)
    if isinstance(given, list):
        return [_mapped(part, kind, change) for part in given]
    if type(given) is dict:
        return {key: _mapped(part, kind, change) for key, part in given.items()}
    if isinstance(given, tuple) and not isinstance(given, torch.Size):
        return tuple(_mapped(part, kind, change) for part in given)
    return given


def _filled(given: object, values: list) -> object:
    return _mapped(given, Value, lambda value: values[value.index])


def _store(output: object, result: object, values: list) -> None:
    if isinstance(output, Value):
        values[output.index] = result
    elif isinstance(output, tuple | list):
        for part, piece in zip(output, result, strict=True):
            _store(part, piece, values)
