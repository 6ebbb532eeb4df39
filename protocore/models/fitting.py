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
from protocore.models.stems import Stem, put_stem, stem_of, stem_shape

Shape = tuple[int, ...]
Triple = tuple[float, float, float]

RESCALING = ("googlenet", "inception_v3")  # may rescale their input inside, see `rescaled`
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads of the same two, used in training only
_COUNTERS = "num_batches_tracked"  # absent in files older than PyTorch 0.4.1, unused in eval mode
_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")
_ANCHORS, _TRIED = 24, 4  # names that a prefix is looked for with, and prefixes compared in full
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
    left_out: tuple[str, ...] = ()  # of other parts than the network's own: losses, metrics
    stem: Stem | None = None

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
            _some("unexpected", (*self.unexpected, *self.left_out)),
            _some("of another shape", shapes),
        ]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True, eq=False)
class Located:
    """A part of a state dict, and how an architecture fits it."""

    prefix: str  # before every name, "" or with a dot at the end
    state: dict[str, Tensor]  # without the prefix, see `adapt_keys`
    fit: Fit
    outside: tuple[str, ...]  # names without the prefix


def build_fitted(architecture: str, state: Mapping[str, Tensor]) -> nn.Module:
    """The architecture with these weights, float32, frozen, in eval mode, on the CPU.

    The number of classes is read from the head, other stems from the first layer; auxiliary heads
    are left out, they serve training only. googlenet and inception_v3 do not rescale their input
    inside, see `rescaled`. Raises CheckpointError that explains what does not fit and which
    architecture would.
    """
    architecture = find_architecture(architecture)
    return build_located(locate(architecture, state)[0], state)


def build_located(located: Located, whole: Mapping[str, Tensor]) -> nn.Module:
    """The network of a located part; `whole` is the state dict that errors speak of."""
    fit, state = located.fit, located.state
    if not fit.complete:
        raise CheckpointError(_misfit(fit, whole))
    module = _skeleton(fit.architecture, fit.num_classes, **_options(fit.architecture, state))
    put_stem(module, fit.stem)
    targets = module.state_dict()
    weights = _Versioned({k: _cast(k, state[k], targets[k]) for k in state if k in targets})
    module.load_state_dict(weights, strict=False, assign=True)
    return module.eval().requires_grad_(False)


def locate(architecture: str, state: Mapping[str, Tensor]) -> tuple[Located, ...]:
    """Where under which prefix the architecture's names are; what fits first, then the most.

    Frameworks and wrappers put the network under a name ("model.", "module.", "student.") beside
    losses, metrics and other networks.
    """
    wanted = list(_imagenet_outline(architecture, **_options(architecture, state)))[:_ANCHORS]
    ends = {key[: -len(anchor)] for anchor in wanted[:2] for key in state if key.endswith(anchor)}
    prefixes = [""] + [end for end in sorted(ends) if end.endswith(".")]
    prefixes.sort(key=lambda prefix: -sum(prefix + key in state for key in wanted))
    found = [_located(architecture, prefix, state) for prefix in prefixes[:_TRIED]]
    return tuple(
        sorted(found, key=lambda at: (not at.fit.complete, -at.fit.matching, len(at.prefix)))
    )


def find_networks(
    architecture: str, parts: Mapping[str, Mapping[str, Tensor]]
) -> dict[str, Located]:
    """All networks of that architecture in a file's parts, by a name that says where; best first.

    The first is the raw one of "state_dict" beside "state_dict_ema", "student" before "teacher".
    """
    architecture = find_architecture(architecture)
    found: dict[str, Located] = {}
    for part, state in parts.items():
        fitting = [located for located in locate(architecture, state) if located.fit.complete]
        for located in fitting:
            inner = located.prefix.rstrip(".") if len(fitting) > 1 else ""
            found["/".join(filter(None, (part, inner))) or "weights"] = located
    return found


def _located(architecture: str, prefix: str, state: Mapping[str, Tensor]) -> Located:
    inside = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    adapted = adapt_keys(architecture, inside)
    return Located(
        prefix=prefix,
        state=adapted,
        fit=compare(architecture, adapted),
        outside=tuple(key for key in state if not key.startswith(prefix)),
    )


def compare(architecture: str, state: Mapping[str, Tensor]) -> Fit:
    """Compare names and shapes; `state` has gone through `adapt_keys`.

    Names outside of the network's own children are left out, since they cannot belong to it.
    """
    num_classes = _head_outputs(architecture, state)
    found = {key: tuple(value.shape) for key, value in state.items()}
    wanted = outline(architecture, num_classes, **_options(architecture, state))
    stem = stem_of(architecture, wanted, found)
    if stem.key:
        wanted[stem.key] = stem_shape(stem, wanted[stem.key])
    roots = {key.partition(".")[0] for key in wanted}
    strange = [key for key in found if key not in wanted]
    return Fit(
        architecture=architecture,
        num_classes=num_classes,
        matching=sum(found.get(key) == shape for key, shape in wanted.items()),
        missing=tuple(k for k in wanted if k not in found and not k.endswith(_COUNTERS)),
        unexpected=tuple(key for key in strange if key.partition(".")[0] in roots),
        misshapen=tuple(
            (key, shape, found[key])
            for key, shape in wanted.items()
            if key in found and found[key] != shape
        ),
        left_out=tuple(key for key in strange if key.partition(".")[0] not in roots),
        stem=stem,
    )


def closest_architecture(state: Mapping[str, Tensor]) -> Fit:
    """The torchvision architecture that shares most keys and shapes with the state dict.

    Those of a similar size are tried first and a complete fit ends the search, since no two
    architectures have the same names and shapes. Without one, outlines of all are built, which
    takes a few seconds the first time.
    """
    fits = []
    for name in _by_size(state):
        fit = locate(name, state)[0].fit
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
    sizes: dict[str, int] = {}
    for key, value in state.items():
        if not key.endswith(buffers):
            for group in ("", key.partition(".")[0]):  # the whole, and what may be one of several
                sizes[group] = sizes.get(group, 0) + value.numel()
    return sorted(
        architectures(),
        key=lambda name: min(abs(find_entry(name).parameters - size) for size in sizes.values()),
    )


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
    root = head.split(".", 1)[0]
    strange = [key for key in state if key not in known and key.startswith(f"{root}.")]
    layers = {key.rpartition(".")[0] for key in strange}
    fits = any(key.endswith(".weight") and tuple(state[key].shape[1:]) == inner for key in strange)
    if len(layers) != 1 or not fits:
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
