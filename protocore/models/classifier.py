"""A classifier as the rest of Protocore sees it: images in [0, 1] in, logits out."""

from __future__ import annotations

import hashlib
import json
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from protocore.errors import ModelError, UnknownClassError
from protocore.models.modules import check_finite, count_outputs, hash_weights, private_copy

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision.transforms.ImageClassification's default
IMAGENET_STD = (0.229, 0.224, 0.225)


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
    source: str  # "demo", "torchvision", "checkpoint" or "module"
    class_names: tuple[str, ...]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    input_size: int = 224  # pixels, height and width
    weight_hash: str  # SHA-256 of the state dict, see hash_weights

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

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

    def label(self, index: int) -> str:
        """Index and name, because names repeat ("crane" is 134 and 517 in ImageNet)."""
        return f"{index} · {self.class_names[index]}"

    def find_class(self, query: int | str) -> int:
        """The index of a class given as an index, as digits or as an exact name.

        Raises UnknownClassError when nothing or more than one class fits.
        """
        index = _whole_number(query)
        if index is not None:
            if 0 <= index < self.num_classes:
                return index
            raise UnknownClassError(
                f"class index must be between 0 and {self.num_classes - 1} for {self.name}, "
                f"got {index}"
            )
        wanted = query.strip().casefold()
        found = [i for i, name in enumerate(self.class_names) if name.casefold() == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownClassError(
                f"the name {query!r} belongs to the classes {found} of {self.name}; give the index"
            )
        raise UnknownClassError(
            f"{self.name} has no class {query!r}{self._suggestion(wanted)}; give its index "
            f"(0 to {self.num_classes - 1}) or its exact name"
        )

    def _suggestion(self, wanted: str) -> str:
        near = [self.label(i) for i, name in enumerate(self.class_names) if wanted in name.lower()]
        return f" (did you mean {', '.join(near[:5])}?)" if near and wanted else ""

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        *,
        class_names: Sequence[str] | None = None,
        name: str | None = None,
        weights: str = "in memory",
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        input_size: int = 224,
        source: str = "module",
    ) -> Classifier:
        """Wrap any module that maps `(N, 3, H, W)` to `(N, K)` logits.

        `class_names` defaults to "class 0", "class 1", ...; `mean` and `std` are per channel
        for images in [0, 1]; `input_size` is in pixels. The module is not changed: Protocore
        works on a tree of its own over the same weights. Raises ModelError when it does not
        return one row of logits per image or holds values that are not finite.
        """
        own = private_copy(module)
        check_finite(own)
        outputs = count_outputs(own, input_size)
        names = tuple(class_names) if class_names else tuple(f"class {i}" for i in range(outputs))
        if len(names) != outputs:
            raise ModelError(
                f"the model has {outputs} outputs but {len(names)} class names were given; "
                "give one name per output"
            )
        return cls(
            module=own,
            name=name or type(module).__name__,
            weights=weights,
            source=source,
            class_names=names,
            mean=_triple(mean, "mean"),
            std=_triple(std, "std", positive=True),
            input_size=input_size,
            weight_hash=hash_weights(own),
        )

    @classmethod
    def from_torchvision(cls, module: nn.Module, weights: object) -> Classifier:
        """Wrap a torchvision model with what its weights entry says of it.

        `weights` is a `torchvision.models.WeightsEnum` member; normalisation, input size and
        class names come from its `transforms()` and `meta`.
        """
        preset = weights.transforms()
        return cls.from_module(
            module,
            class_names=weights.meta["categories"],
            name=type(weights).__name__.removesuffix("_Weights").lower(),
            weights=weights.name,
            mean=preset.mean,
            std=preset.std,
            input_size=preset.crop_size[0],
            source="torchvision",
        )


def _whole_number(query: object) -> int | None:
    """An index from an integer of any type or from digits; None for a name."""
    if isinstance(query, str):
        return int(query) if re.fullmatch(r"\s*[+-]?[0-9]+\s*", query) else None
    try:
        return operator.index(query)
    except TypeError:
        raise UnknownClassError(
            f"a class is given by its index or its exact name, got {query!r}"
        ) from None


def _triple(values: Sequence[float], name: str, *, positive: bool = False):
    triple = tuple(float(v) for v in values)
    if len(triple) != 3 or not np.isfinite(triple).all() or (positive and min(triple) <= 0):
        kind = "positive " if positive else ""
        raise ModelError(f"{name} must be three {kind}finite numbers, got {list(values)}")
    return triple
