"""What a foreign network returns, and how that becomes one row of logits per image.

A network is run a few times when it is loaded. What is found (a softmax at the end, a tuple or
dictionary of outputs, a single output, random numbers, buffers that change) is put right by
`Adapted` and told in notes.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from protocore.errors import ModelError

HEADS = ("softmax", "sigmoid")
_ENDS = {"softmax": "softmax", "log_softmax": "log-softmax", "sigmoid": "sigmoid"}
_LAYERS = {"softmax": nn.Softmax, "log-softmax": nn.LogSoftmax, "sigmoid": nn.Sigmoid}
_NAMED_OUTPUTS = ("logits", "out", "output", "outputs", "pred", "preds", "predictions", "scores")
_SMALLEST = torch.finfo(torch.float32).tiny
_isolating = threading.Lock()  # the global random states are of the whole process

Names = tuple[str, ...]
NOT_DIFFERENTIABLE = (
    "no gradient reaches the image: the network uses detach, no_grad or quantised operations"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A module that returns logits `(N, K)`, and what was found about it."""

    module: nn.Module
    outputs: int  # K
    head: str  # one of HEADS: how logits become probabilities
    single: bool = False  # the network has one output, which is now the second of two
    repeatable: bool = True
    differentiable: bool = True
    notes: Names = ()  # for people


class Adapted(nn.Module):
    """A network whose output is taken, undone and laid out by rule; runs it apart if need be."""

    def __init__(
        self,
        network: nn.Module,
        *,
        key: str | int | None = None,  # of the tuple, dictionary or object that is returned
        end: str = "",  # what is undone: "softmax" or "sigmoid"
        signed: bool = False,  # one output z -> (-z, z)
        apart: bool = False,  # keep the global random states and the buffers as they were
    ) -> None:
        super().__init__()
        self.network = network
        self.key, self.end, self.signed, self.apart = key, end, signed, apart
        self._random: list[Any] = []  # the network's own random states, once it has run
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        output = self._run_apart(images) if self.apart else self.network(images)
        logits = _two_dimensional(pick(output, self.key))
        if self.end == "softmax":
            logits = logits.clamp_min(_SMALLEST).log()
        elif self.end == "sigmoid":
            logits = torch.logit(logits, eps=1e-7)
        return torch.cat([-logits, logits], dim=1) if self.signed else logits

    def _run_apart(self, images: Tensor) -> Any:
        with _isolating, kept_random_states(images.device), kept_buffers(self.network):
            if self._random:
                _set_random_states(images.device, self._random)
            else:
                _seed(images.device)
            try:
                return self.network(images)
            finally:
                self._random = _random_states(images.device)


def read_outputs(module: nn.Module, images: Tensor, head: str | None = None) -> Reading:
    """Find out what `module`, a private copy in eval mode, returns for normalised images.

    `images` are two different ones, `(2, C, H, W)`. The process's random states and the module's
    buffers are as before afterwards. Raises ModelError when no row of logits can be had.
    """
    with _isolating, kept_random_states(images.device), kept_buffers(module) as buffers:
        return _read(module, images, head, buffers)


def _read(module: nn.Module, images: Tensor, head: str | None, buffers: _Buffers) -> Reading:
    before = _random_states(images.device)
    watch = _Ends()
    output, key = _run(module, images[:1], watch)
    first = _two_dimensional(pick(output, key), count=1)
    again = _two_dimensional(pick(_run(module, images[:1])[0], key))
    drew = not _same_states(before, _random_states(images.device))
    changed = buffers.changed()
    # Two passes of dropout can be equal by chance; what draws is not repeatable.
    repeatable = _alike(first, again) and not drew
    other = _two_dimensional(pick(_run(module, images[1:])[0], key))
    end = watch.end_of(first) or _end_by_values(torch.cat([first, other]))
    undo, note = _undo(module, images[:1], key, end, first) if end else ("", "")
    single = first.shape[1] == 1
    if single and end in ("softmax", "log-softmax"):
        raise ModelError(
            f"the network has one output behind a {end}, which is the same for every image; give "
            "the network without it, or one with an output per class"
        )
    if key is not None or undo or single or drew or changed or pick(output, key).ndim == 1:
        apart = drew or bool(changed)
        module = Adapted(module, key=key, end=undo, signed=single, apart=apart)
    differentiable = _differentiable(module, images[:1])
    notes = (
        f"the network returns several values; {_key_text(key)} is taken as its logits"
        if key is not None
        else "",
        note,
        'one output: read as sigmoid, p("yes") = sigmoid(output), p("no") = 1 - p'
        if single
        else "",
        *_state_notes(drew, changed, repeatable),
        "" if differentiable else NOT_DIFFERENTIABLE,
    )
    return Reading(
        module=module,
        outputs=2 if single else first.shape[1],
        head="sigmoid" if single else head or ("sigmoid" if end == "sigmoid" else "softmax"),
        single=single,
        repeatable=repeatable,
        differentiable=differentiable,
        notes=tuple(note for note in notes if note),
    )


def _differentiable(module: nn.Module, images: Tensor) -> bool:
    """Whether logits depend on the image in a way that autograd can follow."""
    leaf = images.detach().clone().requires_grad_(True)
    network = module.network if isinstance(module, Adapted) else module
    try:
        with torch.enable_grad():
            output = network(leaf)
            logits = _two_dimensional(pick(output, _find_key(output)))
            if not logits.requires_grad:
                return False
            (gradient,) = torch.autograd.grad(logits.sum(), leaf, allow_unused=True)
    except RuntimeError:  # quantised operations have no derivative
        return False
    return gradient is not None


def pick(output: Any, key: str | int | None) -> Tensor:
    """The logits in what a network returns; `key` is what `_find_key` chose."""
    if key is None:
        return output
    if isinstance(key, str) and not isinstance(output, Mapping):
        return getattr(output, key)
    return output[key]


def _run(module: nn.Module, images: Tensor, watch: TorchFunctionMode | None = None):
    """What the module returns for the images, and where in it the logits are."""
    try:
        with torch.no_grad():
            if watch is None:
                output = module(images)
            else:
                with watch:
                    output = module(images)
    except Exception as error:  # a foreign module may raise anything
        raise ModelError(
            f"the model does not accept images of shape {(1, *images.shape[1:])}: {error}"
        ) from error
    return output, _find_key(output)


def _find_key(output: Any) -> str | int | None:
    """None for a tensor; else the name or place of the logits. Raises ModelError."""
    if isinstance(output, Tensor):
        return None
    if isinstance(getattr(output, "logits", None), Tensor):
        return "logits"
    if isinstance(output, Mapping):
        tensors = [name for name, value in output.items() if _is_logits(value)]
        for name in _NAMED_OUTPUTS:
            if name in tensors:
                return name
        if len(tensors) == 1:
            return tensors[0]
        raise ModelError(
            f"the model returns a dictionary with the keys {', '.join(map(str, output))}, none of "
            "which is plainly the logits; wrap the network and return them alone"
        )
    if isinstance(output, tuple | list) and output and _is_logits(output[0]):
        return 0
    raise ModelError(
        f"a classifier must return logits of shape (N, classes), got {type(output).__name__}; "
        "wrap the network and return the logits alone"
    )


def _is_logits(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim in (1, 2) and value.is_floating_point()


def _two_dimensional(logits: Any, count: int = 0) -> Tensor:
    """`(N, K)` as it is; `(N,)` of a squeezed single output as `(N, 1)`. Raises ModelError.

    `count` is the N that it must be; 0: any.
    """
    if isinstance(logits, Tensor) and logits.ndim == 1:
        logits = logits[:, None]
    fits = isinstance(logits, Tensor) and logits.ndim == 2 and logits.is_floating_point()
    if not fits or (count and len(logits) != count):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(f"a classifier must return logits of shape (N, classes), got {shape}")
    return logits


def _key_text(key: str | int) -> str:
    return f"the first one ([{key}])" if isinstance(key, int) else f"{key!r}"


class _Ends(TorchFunctionMode):
    """Remembers what a softmax, log-softmax or sigmoid has returned; in this thread alone."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[tuple[str, Tensor]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        end = _ENDS.get(getattr(func, "__name__", "").rstrip("_"))
        if end and isinstance(output, Tensor):
            self._seen.append((end, output))
        return output

    def end_of(self, output: Tensor) -> str:
        """Which of them gave the output; "" for none."""
        place = output.untyped_storage().data_ptr()
        found = [e for e, seen in self._seen if seen.untyped_storage().data_ptr() == place]
        return found[-1] if found else ""


def _end_by_values(rows: Tensor) -> str:
    """For programs that cannot be watched: rows of probabilities, or of their logarithms."""
    rows = rows.double()
    if rows.shape[1] < 2 or not bool(rows.isfinite().all()):
        return ""

    def sums_to_one(values: Tensor) -> bool:
        return bool((values.sum(dim=1) - 1).abs().max() < 1e-3)

    if bool((rows >= 0).all()) and sums_to_one(rows):
        return "softmax"
    if bool((rows <= 0).all()) and sums_to_one(rows.exp()):
        return "log-softmax"
    return ""


def _undo(
    module: nn.Module, images: Tensor, key: str | int | None, end: str, expected: Tensor
) -> tuple[str, str]:
    """Take the last layer off where it is a module; else what has to be undone, and a note."""
    function = {
        "softmax": lambda z: z.softmax(dim=1),
        "log-softmax": lambda z: z.log_softmax(dim=1),
        "sigmoid": torch.sigmoid,
    }[end]
    scripted = isinstance(module, torch.jit.ScriptModule)
    for name, child in [] if scripted else list(module.named_modules()):
        if not isinstance(child, _LAYERS[end]) or not name:
            continue
        module.set_submodule(name, nn.Identity())
        try:
            bare = _two_dimensional(pick(_run(module, images)[0], key))
            if torch.allclose(function(bare), expected, rtol=1e-4, atol=1e-6):
                return "", f"the network ends in a {end}, which is taken off: logits are used"
        except ModelError:
            pass
        module.set_submodule(name, child)
    if end == "log-softmax":
        return "", "the network ends in a log-softmax: its log-probabilities are used as logits"
    return end, (
        f"the network ends in a {end}: logits are computed back from its probabilities, which "
        "saturate near 0 and 1"
    )


def _state_notes(drew: bool, changed: Names, repeatable: bool) -> list[str]:
    notes = []
    if drew:
        notes.append(
            "the network draws random numbers (dropout left on, noise?); it gets random states of "
            "its own, those of the process stay as they are"
        )
    if changed:
        notes.append(
            f"the network changes its buffers ({', '.join(changed[:3])}); they are restored after "
            "every pass"
        )
    if not repeatable:
        notes.append("not repeatable: the same image gives other logits each time")
    return notes


def _alike(a: Tensor, b: Tensor) -> bool:
    if a.device.type == "cpu":
        return torch.equal(a, b)
    return torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)


@contextmanager
def kept_random_states(device: torch.device) -> Iterator[None]:
    """Put the global random states (Python, NumPy, torch, the device's) back afterwards."""
    states = _random_states(device)
    try:
        yield
    finally:
        _set_random_states(device, states)


def _random_states(device: torch.device) -> list[Any]:
    states = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    elif device.type == "mps":
        states.append(torch.mps.get_rng_state())
    return states


def _set_random_states(device: torch.device, states: list[Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[3], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states[3])


def _seed(device: torch.device) -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def _same_states(a: list[Any], b: list[Any]) -> bool:
    numpy_same = all(np.array_equal(x, y) for x, y in zip(a[1], b[1], strict=True))
    tensors_same = all(torch.equal(x, y) for x, y in zip(a[2:], b[2:], strict=True))
    return a[0] == b[0] and numpy_same and tensors_same


class _Buffers:
    def __init__(self, module: nn.Module) -> None:
        self._kept = [
            (f"{path}.{name}".lstrip("."), owner, name, value, value.detach().clone())
            for path, owner in module.named_modules()
            for name, value in owner._buffers.items()
            if value is not None
        ]

    def changed(self) -> Names:
        """Names of the buffers that are no longer what they were."""
        return tuple(
            path
            for path, owner, name, value, before in self._kept
            if owner._buffers.get(name) is not value or not _equal(value, before)
        )

    def restore(self) -> None:
        for _, owner, name, value, before in self._kept:
            if owner._buffers.get(name) is not value:
                owner._buffers[name] = value
            if not _equal(value, before):
                with torch.no_grad():
                    value.copy_(before)


@contextmanager
def kept_buffers(module: nn.Module) -> Iterator[_Buffers]:
    """Put the buffers of a module back afterwards, whether reassigned or changed in place."""
    buffers = _Buffers(module) if not isinstance(module, torch.jit.ScriptModule) else _NoBuffers()
    try:
        yield buffers
    finally:
        buffers.restore()


class _NoBuffers(_Buffers):
    """A TorchScript program keeps its buffers to itself."""

    def __init__(self) -> None:
        self._kept = []


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
