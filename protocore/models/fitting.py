"""Fit a state dict into a torchvision architecture, or say why it does not fit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from protocore.errors import CheckpointError
from protocore.models.catalog import (
    architectures,
    find_architecture,
    find_entry,
    torchvision_models,
)
from protocore.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD

Shape = tuple[int, ...]
Triple = tuple[float, float, float]

RESCALING = ("googlenet", "inception_v3")  # may rescale their input inside, see `rescaled`
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads of the same two, used in training only
_COUNTERS = "num_batches_tracked"  # absent in files older than PyTorch 0.4.1, unused in eval mode
_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")
_POSITIONS = "encoder.pos_embedding"  # of vision transformers: (1, patches + 1, width)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a state dict compares with an architecture; shapes are (expected, found)."""

    architecture: str
    num_classes: int
    matching: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[tuple[str, Shape, Shape], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the state dict can be loaded."""
        return not (self.missing or self.unexpected or self.misshapen)

    @property
    def share(self) -> float:
        """Matching keys among all keys of either side, 0..1."""
        others = len(self.missing) + len(self.unexpected) + len(self.misshapen)
        return self.matching / max(self.matching + others, 1)

    def explain(self) -> str:
        """What does not fit: counts and the first few of each kind."""
        shapes = [f"{key}: expected {want}, found {got}" for key, want, got in self.misshapen]
        parts = [
            _some("missing", self.missing),
            _some("unexpected", self.unexpected),
            _some("of another shape", shapes),
        ]
        return "; ".join(part for part in parts if part)


def build_fitted(architecture: str, state: Mapping[str, Tensor]) -> nn.Module:
    """The architecture with these weights, float32, frozen, in eval mode, on the CPU.

    The number of classes is read from the head; auxiliary heads are left out, they serve
    training only. googlenet and inception_v3 do not rescale their input inside, see `rescaled`.
    Raises CheckpointError that explains what does not fit and which architecture would.
    """
    architecture = find_architecture(architecture)
    state = adapt_keys(architecture, state)
    fit = compare(architecture, state)
    if not fit.complete:
        raise CheckpointError(_misfit(fit, state))
    module = _skeleton(architecture, fit.num_classes, **_options(architecture, state))
    targets = module.state_dict()
    weights = _Versioned({key: _cast(key, state[key], targets[key]) for key in state})
    module.load_state_dict(weights, strict=False, assign=True)
    return module.eval().requires_grad_(False)


def compare(architecture: str, state: Mapping[str, Tensor]) -> Fit:
    """Compare names and shapes; `state` has gone through `adapt_keys`."""
    num_classes = _head_outputs(architecture, state)
    wanted = outline(architecture, num_classes, **_options(architecture, state))
    found = {key: tuple(value.shape) for key, value in state.items()}
    return Fit(
        architecture=architecture,
        num_classes=num_classes,
        matching=sum(found.get(key) == shape for key, shape in wanted.items()),
        missing=tuple(k for k in wanted if k not in found and not k.endswith(_COUNTERS)),
        unexpected=tuple(key for key in found if key not in wanted),
        misshapen=tuple(
            (key, shape, found[key])
            for key, shape in wanted.items()
            if key in found and found[key] != shape
        ),
    )


def closest_architecture(state: Mapping[str, Tensor]) -> Fit:
    """The torchvision architecture that shares most keys and shapes with the state dict.

    Those of a similar size are tried first and a complete fit ends the search, since no two
    architectures have the same names and shapes. Without one, outlines of all are built, which
    takes a few seconds the first time.
    """
    fits = []
    for name in _by_size(state):
        fit = compare(name, adapt_keys(name, state))
        if fit.complete:
            return fit
        fits.append(fit)
    return max(fits, key=lambda fit: fit.share)


def adapt_keys(architecture: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without auxiliary heads, with today's names, and the last layer under its usual name."""
    renamed = {
        _OLD_DENSENET.sub(r"\1\2", key): value
        for key, value in state.items()
        if not (architecture in RESCALING and key.startswith(_AUXILIARY))
    }
    return _rename_head(architecture, renamed)


def rescaled(mean: Triple, std: Triple) -> tuple[Triple, Triple]:
    """Mean and std with which googlenet and inception_v3 need no `transform_input`.

    torchvision's own weights for these two expect input normalised with ImageNet's mean and
    std and then moved, inside the network, to mean and std 0.5 (`_transform_input`). Both
    steps in one keep the network free of preprocessing.
    """
    steps = zip(mean, std, IMAGENET_MEAN, IMAGENET_STD, strict=True)
    pairs = [(m + s * (0.5 - m0) / s0, s * 0.5 / s0) for m, s, m0, s0 in steps]
    return tuple(m for m, _ in pairs), tuple(s for _, s in pairs)


def image_size(architecture: str, state: Mapping[str, Tensor]) -> int | None:
    """The only size in pixels a vision transformer accepts; None where the weights fix none."""
    return _options(architecture, state).get("image_size")


def outline(architecture: str, num_classes: int = 1000, **options: int | bool) -> dict[str, Shape]:
    """Names and shapes of the state dict of an architecture."""
    shapes = dict(_imagenet_outline(architecture, **options))
    for key in shapes:
        if key.rpartition(".")[0] == head_name(architecture):
            shapes[key] = (num_classes, *shapes[key][1:])
    return shapes


@lru_cache(maxsize=128)
def head_name(architecture: str) -> str:
    """The last layer, whose shape follows the number of classes, such as "classifier.1"."""
    shapes = _imagenet_outline(architecture, **_options(architecture, {}))
    return next(key for key in reversed(shapes) if key.endswith(".weight")).removesuffix(".weight")


@lru_cache(maxsize=256)
def _imagenet_outline(architecture: str, **options: int | bool) -> dict[str, Shape]:
    module = _skeleton(architecture, 1000, **options)
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def _by_size(state: Mapping[str, Tensor]) -> list[str]:
    buffers = (_COUNTERS, "running_mean", "running_var")
    size = sum(value.numel() for key, value in state.items() if not key.endswith(buffers))
    return sorted(architectures(), key=lambda name: abs(find_entry(name).parameters - size))


class _WeightsOnMeta(TorchFunctionMode):
    """Lets layers allocate their weights on the meta device: no memory, no random numbers.

    Everything else stays real, because RegNet computes its widths with tensors.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def _skeleton(architecture: str, num_classes: int, **options: int | bool) -> nn.Module:
    with _WeightsOnMeta():
        build = torchvision_models().get_model
        return build(architecture, weights=None, num_classes=num_classes, **options)


def _options(architecture: str, state: Mapping[str, Tensor]) -> dict[str, int | bool]:
    """What a builder needs to know beside the number of classes."""
    if architecture in RESCALING:
        return {"aux_logits": False, "init_weights": False}
    positions = state.get(_POSITIONS)
    if architecture.startswith("vit_") and positions is not None and positions.ndim == 3:
        patch = int(architecture.rsplit("_", 1)[1])
        side = math.isqrt(max(positions.shape[1] - 1, 1))
        return {"image_size": side * patch}
    return {}


def _head_outputs(architecture: str, state: Mapping[str, Tensor]) -> int:
    weight = state.get(f"{head_name(architecture)}.weight")
    return 1000 if weight is None or weight.ndim == 0 else max(weight.shape[0], 1)


def _rename_head(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo what wraps a last layer: `fc.1` of Sequential(Dropout, Linear) becomes `fc`."""
    head = head_name(architecture)
    if f"{head}.weight" in state:
        return state
    known = outline(architecture, **_options(architecture, state))
    inner = known[f"{head}.weight"][1:]
    strange = [key for key in state if key not in known]
    root = head.split(".", 1)[0]
    layers = {key.rpartition(".")[0] for key in strange}
    fits = any(key.endswith(".weight") and tuple(state[key].shape[1:]) == inner for key in strange)
    if len(layers) != 1 or not fits or not strange[0].startswith(f"{root}."):
        return state
    old = layers.pop()
    return {
        (f"{head}.{key.removeprefix(old + '.')}" if key in strange else key): value
        for key, value in state.items()
    }


def _cast(key: str, value: Tensor, target: Tensor) -> Tensor:
    """`value` in the type the network computes with."""
    if target.is_floating_point() and not value.is_floating_point():
        raise CheckpointError(
            f"the weights must be floating-point numbers, got {value.dtype} in {key!r}; a "
            "quantised network cannot be loaded here, convert it back first"
        )
    return value.detach().to(target.dtype)


class _Versioned(dict):
    """A state dict with the metadata that MNASNet asks for.

    safetensors and copied dicts lack it. Version 2 is the one whose shapes have been compared.
    """

    _metadata = {"": {"version": 2}}  # noqa: RUF012 - the name and form PyTorch reads


def _misfit(fit: Fit, state: Mapping[str, Tensor]) -> str:
    text = f"the weights do not fit {fit.architecture}: {fit.explain()}"
    other = closest_architecture(state)
    if other.complete:
        return f"{text}. They fit {other.architecture}: choose that architecture"
    if other.architecture != fit.architecture and other.share > max(fit.share, 0.5):
        return (
            f"{text}. {other.architecture} is nearest with {other.share:.0%} of the tensors; "
            f"there, {other.explain()}"
        )
    return f"{text}. No torchvision architecture fits them; a changed network cannot be loaded here"


def _some(kind: str, items: Sequence[str], shown: int = 3) -> str:
    if not items:
        return ""
    listed = ", ".join(items[:shown])
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return f"{len(items)} {kind} ({listed}{more})"
