"""A classifier as the rest of Protocore sees it: images in [0, 1] in, logits out."""

from __future__ import annotations

import hashlib
import json
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from protocore.errors import ModelError, UnknownClassError
from protocore.models.class_names import names_from
from protocore.models.modules import (
    check_finite,
    check_usable,
    count_outputs,
    hash_weights,
    private_copy,
    probe_images,
)
from protocore.models.outputs import HEADS, NOT_DIFFERENTIABLE, Reading, read_outputs
from protocore.models.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    Triple,
)
from protocore.text import composed

KNOWN_SOURCES = ("demo", "torchvision", "checkpoint")  # architectures that hold no surprises
YES_NO = ("no", "yes")  # classes of a network with one output


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """An image classifier together with what is needed to use and to name it.

    Only this class normalises: everything else handles images as float32 `(N, 3, H, W)` in
    [0, 1]. The module is in eval mode, frozen, shared by everyone and never changed; whoever
    needs hooks takes a `protocore.models.modules.private_copy` of it.
    """

    module: nn.Module
    name: str  # architecture, for example "mobilenet_v2"
    weights: str  # weights entry or file name, for example "IMAGENET1K_V2"
    source: str  # "demo", "torchvision", "checkpoint", "timm", "hf" or "module"
    class_names: tuple[str, ...]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    head: str = "softmax"  # how logits become probabilities; "sigmoid": each class by itself
    repeatable: bool = True  # whether the same image gives the same logits
    differentiable: bool = True  # whether a gradient reaches the image
    notes: tuple[str, ...] = ()  # what was found when it was loaded, for people
    weight_hash: str  # SHA-256 of the state dict, see hash_weights

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def mean(self) -> Triple:
        """Per channel, for images in [0, 1]."""
        return self.preprocessing.mean

    @property
    def std(self) -> Triple:
        """Per channel, for images in [0, 1]."""
        return self.preprocessing.std

    @property
    def input_size(self) -> int:
        """Pixels, height and width of what the module takes."""
        return self.preprocessing.input_size

    @property
    def num_classes(self) -> int:
        """How many logits the module returns."""
        return len(self.class_names)

    @property
    def title(self) -> str:
        """Short name for people, such as "mobilenet_v2 · IMAGENET1K_V2"."""
        return f"{self.name} · {self.weights}"

    @property
    def identity(self) -> str:
        """SHA-256 over everything that changes the logits: weights, architecture, preprocessing."""
        content = [self.weight_hash, self.name, self.mean, self.std, self.input_size]
        if self.head != "softmax":
            content.append(self.head)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def normalise(self, images: Tensor) -> Tensor:
        """Shift images `(N, 3, H, W)` in [0, 1] to what the module was trained on."""
        mean = torch.tensor(self.mean, dtype=images.dtype, device=images.device)
        std = torch.tensor(self.std, dtype=images.dtype, device=images.device)
        return (images - mean[:, None, None]) / std[:, None, None]

    def logits(self, images: Tensor) -> Tensor:
        """Logits `(N, K)` of images `(N, 3, H, W)` in [0, 1], without gradients."""
        weight = next(self.module.parameters())
        with torch.inference_mode():
            normalised = self.normalise(images.to(weight.device))
            return self.module(normalised.to(weight.dtype)).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Class probabilities of logits `(..., K)`: the one place where they are computed.

        Softmax over the classes; with a sigmoid head each class by itself, so that they need not
        sum to 1.
        """
        return logits.sigmoid() if self.head == "sigmoid" else logits.softmax(dim=-1)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """The logarithms of `probabilities`, exact where those round to 0 or 1."""
        if self.head == "sigmoid":
            return nn.functional.logsigmoid(logits)
        return logits.log_softmax(dim=-1)

    def visible(self, images: Tensor) -> Tensor:
        """Images `(N, 3, H, W)` without what the network cannot see: grey for one channel."""
        if not self.preprocessing.grey:
            return images
        return images.mean(dim=1, keepdim=True).expand_as(images)

    def check_differentiable(self) -> None:
        """Raise ModelError where no gradient reaches the image, so prototypes cannot be made."""
        if not self.differentiable:
            raise ModelError(
                f"{self.title}: {NOT_DIFFERENTIABLE}; a prototype needs the gradient, use the "
                "ordinary floating-point network without them"
            )

    def label(self, index: int) -> str:
        """Index and name, because names repeat ("crane" is 134 and 517 in ImageNet)."""
        return f"{index} · {self.class_names[index]}"

    def find_class(self, query: int | str) -> int:
        """The index of a class given as an index or as a text: its exact name or digits.

        A name wins over digits, whatever its case and Unicode form; "index:10" and "name:10" say
        which is meant. Raises UnknownClassError when nothing or more than one class fits.
        """
        if not isinstance(query, str):
            return self._in_range(_index(query))
        wanted = composed(query).strip()
        if named := self._named(wanted):
            return self._one_of(wanted, named)
        kind, _, rest = wanted.partition(":")
        if kind.lower() == "index" and _is_digits(rest):
            return self._in_range(int(rest))
        if kind.lower() == "name" and (named := self._named(rest.strip())):
            return self._single(rest, named)
        if _is_digits(wanted):
            return self._in_range(int(wanted))
        raise UnknownClassError(
            f"{self.name} has no class {query!r}{self._suggestion(wanted)}; give its index "
            f"(0 to {self.num_classes - 1}) or its exact name"
        )

    def _named(self, wanted: str) -> list[int]:
        """Classes of that name: those with the same case if there are any, else in any case."""
        names = [_comparable(name) for name in self.class_names]
        wanted = _comparable(wanted)
        exact = [i for i, name in enumerate(names) if name == wanted]
        folded = wanted.casefold()
        return (
            exact
            or [i for i, name in enumerate(names) if name.casefold() == folded]
            # "tench, Tinca tinca": any of ImageNet's synonyms
            or [i for i, name in enumerate(names) if folded in name.casefold().split(", ")]
        )

    def _one_of(self, wanted: str, named: list[int]) -> int:
        """The class of that name, unless the name is also the index of another class."""
        if _is_digits(wanted) and int(wanted) < self.num_classes and named != [int(wanted)]:
            raise UnknownClassError(
                f"{wanted!r} is the name of class {self.label(named[0])} and the index of class "
                f"{self.label(int(wanted))}; say which: name:{wanted} or index:{int(wanted)}"
            )
        return self._single(wanted, named)

    def _single(self, wanted: str, named: list[int]) -> int:
        if len(named) > 1:
            raise UnknownClassError(
                f"the name {wanted!r} belongs to the classes {named} of {self.name}; give the "
                f"index, such as index:{named[0]}"
            )
        return named[0]

    def _in_range(self, index: int) -> int:
        if 0 <= index < self.num_classes:
            return index
        raise UnknownClassError(
            f"class index must be between 0 and {self.num_classes - 1} for {self.name}, got {index}"
        )

    def _suggestion(self, wanted: str) -> str:
        near = [
            self.label(i)
            for i, name in enumerate(self.class_names)
            if wanted.casefold() in composed(name).casefold()
        ]
        return f" (did you mean {', '.join(near[:5])}?)" if near and wanted else ""

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        *,
        class_names: Sequence[str] | Mapping | None = None,
        name: str | None = None,
        weights: str = "in memory",
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        input_size: int = 224,
        preprocessing: Preprocessing | None = None,
        head: str | None = None,
        source: str = "module",
    ) -> Classifier:
        """Wrap any module that maps `(N, 3, H, W)` to `(N, K)` logits.

        `class_names` defaults to "class 0", "class 1", ...; `mean` and `std` are per channel
        for images in [0, 1]; `input_size` is in pixels; `preprocessing` replaces the three.
        `head` is "softmax" or "sigmoid" (several classes may apply to one image); by default it
        is found out. The module is not changed: Protocore works on a tree of its own over the
        same weights. One output becomes the two classes "no" and "yes", a softmax at the end is
        undone, of several return values the logits are taken: see `notes`. Raises ModelError when
        no row of logits per image can be had or values are not finite.
        """
        if head is not None and head not in HEADS:
            raise ModelError(f"head must be one of {', '.join(HEADS)}, got {head!r}")
        fitted = preprocessing or Preprocessing(input_size=input_size, mean=mean, std=std)
        check_usable(module)
        own = private_copy(module)
        check_finite(own)
        weight_hash = hash_weights(own)
        reading = _reading(own, fitted, head, source)
        return cls(
            module=reading.module,
            name=name or type(module).__name__,
            weights=weights,
            source=source,
            class_names=_names(class_names, reading),
            preprocessing=fitted,
            head=reading.head,
            repeatable=reading.repeatable,
            differentiable=reading.differentiable,
            notes=reading.notes,
            weight_hash=weight_hash,
        )

    @classmethod
    def from_torchvision(cls, module: nn.Module, weights: object) -> Classifier:
        """Wrap a torchvision model with what its weights entry says of it.

        `weights` is a `torchvision.models.WeightsEnum` member; preprocessing and class names come
        from its `transforms()` and `meta`.
        """
        return cls.from_module(
            module,
            class_names=weights.meta["categories"],
            name=type(weights).__name__.removesuffix("_Weights").lower(),
            weights=weights.name,
            preprocessing=Preprocessing.from_torchvision(weights.transforms()),
            source="torchvision",
        )


def _reading(module: nn.Module, fitted: Preprocessing, head: str | None, source: str) -> Reading:
    """What the module returns; foreign ones are run several times to find out."""
    if source in KNOWN_SOURCES:
        outputs = count_outputs(module, fitted.input_size)
        if outputs > 1:
            return Reading(module=module, outputs=outputs, head=head or "softmax")
    return read_outputs(module, probe_images(module, fitted), head)


def _names(given: object, reading: Reading) -> tuple[str, ...]:
    """One name per output, in any of the forms that class names come in. Raises ModelError."""
    if given is None or len(given) == 0:
        return YES_NO if reading.single else tuple(f"class {i}" for i in range(reading.outputs))
    names = names_from(given)
    if names is None:
        raise ModelError(
            "class names must be texts that are not empty, one per output in order, or "
            f"{{index: name}}, got {str(given)[:80]}"
        )
    if reading.single and len(names) == 1:
        return (f"not {names[0]}", names[0])
    if len(names) != reading.outputs:
        expected = "1 output" if reading.single else f"{reading.outputs} outputs"
        raise ModelError(
            f"the model has {expected} but {len(names)} class names were given; "
            "give one name per output"
        )
    return names


def _comparable(name: str) -> str:
    """The form in which names are compared: composed, spaces and commas in one way."""
    return re.sub(r"\s*,\s*", ", ", re.sub(r"\s+", " ", composed(name).strip()))


def _is_digits(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?[0-9]+\s*", text) is not None


def _index(query: object) -> int:
    """An index from an integer of any type."""
    try:
        return operator.index(query)
    except TypeError:
        raise UnknownClassError(
            f"a class is given by its index or its exact name, got {query!r}"
        ) from None
