"""What torchvision offers: every classification model with each of its weights entries."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from protocore.errors import UnknownModelError

if TYPE_CHECKING:
    from torchvision import models


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """One weights entry of one torchvision model, as its `meta` describes it."""

    architecture: str  # for example "mobilenet_v2"
    weights: str  # for example "IMAGENET1K_V2"
    is_default: bool  # torchvision's own choice among the architecture's entries
    parameters: int
    input_size: int  # pixels, height and width
    classes: int  # 0 for features without a classifier
    acc1: float | None  # ImageNet top-1 accuracy, percent
    acc5: float | None
    gflops: float  # multiply-adds of one image, in billions
    file_size: int  # bytes, as torchvision states it
    url: str

    @property
    def file_name(self) -> str:
        """Name of the weights file."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def path(self) -> Path:
        """Where the weights file is looked for: torch's own folder for checkpoints."""
        return weights_folder() / self.file_name

    @property
    def on_disk(self) -> bool:
        """Whether the weights file is there now."""
        return self.path.is_file()

    @property
    def classifies(self) -> bool:
        """False for the one entry that holds features for detectors (vgg16's)."""
        return self.classes > 0

    @property
    def title(self) -> str:
        """Short name for people, such as "mobilenet_v2 · IMAGENET1K_V2"."""
        return f"{self.architecture} · {self.weights}"


def torchvision_models():
    """The module torchvision.models, loaded when it is first asked for.

    It brings torch's compiler along, which takes two seconds; a page can be drawn before.
    """
    from torchvision import models

    return models


def weights_folder() -> Path:
    """The folder torch keeps downloaded weights in; set by TORCH_HOME."""
    return Path(torch.hub.get_dir()) / "checkpoints"


@lru_cache(maxsize=1)
def architectures() -> tuple[str, ...]:
    """Names of all torchvision classification models, sorted."""
    models = torchvision_models()
    return tuple(models.list_models(module=models))


@lru_cache(maxsize=1)
def catalog() -> tuple[CatalogEntry, ...]:
    """All entries, sorted by architecture; read from torchvision's tables, no model is built."""
    members = torchvision_models().get_model_weights
    return tuple(_describe(name, member) for name in architectures() for member in members(name))


def search_catalog(text: str = "", *, on_disk: bool = False) -> tuple[CatalogEntry, ...]:
    """Entries whose name, weights name or file name contain every word of `text`.

    Underscores and hyphens need not be typed: "resnet 50 v2" finds resnet50 IMAGENET1K_V2.
    `on_disk` leaves only entries that can be used without a download.
    """
    folder = weights_folder()
    if on_disk and not (folder.is_dir() and any(folder.iterdir())):
        return ()  # without a look into torchvision, see torchvision_models
    words = text.casefold().split()
    return tuple(
        entry
        for entry in catalog()
        if all(_occurs(word, entry) for word in words) and (entry.on_disk or not on_disk)
    )


def find_entry(architecture: str, weights: str | None = None) -> CatalogEntry:
    """The entry of that name; without `weights` (or with "DEFAULT") torchvision's own choice.

    Raises UnknownModelError.
    """
    name = find_architecture(architecture)
    entries = [entry for entry in catalog() if entry.architecture == name]
    if weights is None or weights.upper() == "DEFAULT":
        return next(entry for entry in entries if entry.is_default)
    for entry in entries:
        if entry.weights == weights.upper():
            return entry
    raise UnknownModelError(
        f"{name} has no weights entry {weights!r}; "
        f"it has {', '.join(entry.weights for entry in entries)}"
    )


def find_architecture(name: str) -> str:
    """torchvision's spelling of `name`, whatever its case; raises UnknownModelError."""
    wanted = name.strip().casefold().replace("-", "_")
    if wanted in architectures():
        return wanted
    near = difflib.get_close_matches(wanted, architectures(), n=3)
    hint = f" (did you mean {', '.join(near)}?)" if near else ""
    raise UnknownModelError(
        f"torchvision has no classification model {name!r}{hint}; "
        "`python -m protocore models` lists the ones it has"
    )


def weights_member(entry: CatalogEntry) -> models.WeightsEnum:
    """torchvision's own object for an entry, with `transforms()` and `meta`."""
    return torchvision_models().get_model_weights(entry.architecture)[entry.weights]


def _describe(name: str, member: models.WeightsEnum) -> CatalogEntry:
    meta = member.meta
    accuracy = meta["_metrics"].get("ImageNet-1K", {})
    return CatalogEntry(
        architecture=name,
        weights=member.name,
        is_default=member == type(member).DEFAULT,
        parameters=meta["num_params"],
        input_size=member.transforms().crop_size[0],
        classes=len(meta["categories"] or ()),
        acc1=_known(accuracy.get("acc@1")),
        acc5=_known(accuracy.get("acc@5")),
        gflops=meta["_ops"],
        file_size=round(meta["_file_size"] * 2**20),  # given in MiB
        url=member.url,
    )


def _known(accuracy: float | None) -> float | None:
    return None if accuracy is None or math.isnan(accuracy) else accuracy


def _occurs(word: str, entry: CatalogEntry) -> bool:
    text = f"{entry.architecture} {entry.weights} {entry.file_name}".casefold()
    return word in text or _plain(word) in _plain(text)


def _plain(text: str) -> str:
    return text.replace("_", "").replace("-", "")
