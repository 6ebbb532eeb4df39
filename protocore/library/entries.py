"""What goes into the library and what comes out of it: plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocore.generation.prototype import Prototype

SORTS = ("newest", "oldest", "class", "title", "probability", "similarity")


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedRun:
    """A finished generation, to be kept. Sequences run along the prototypes."""

    title: str
    prototypes: tuple[Prototype, ...]
    model_link: str = ""  # with which pages reopen the model
    preset: str = ""  # name of the preset it started from; "" when there was none
    kind: str = "generation"
    status: str = "done"  # "done" or "stopped"
    seconds: float = 0.0  # wall time without pauses
    frames: Sequence[Sequence[tuple[int, bytes]]] = ()  # (step, JPEG, WebP or PNG file)
    curves: Sequence[Mapping[str, Sequence]] = ()  # "step" and arrays of the same length
    state: bytes | None = None  # safetensors file to continue from
    state_info: Mapping[str, Any] = field(default_factory=dict)  # JSON beside it
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """A run as the library knows it."""

    id: str
    title: str
    kind: str
    created: str  # ISO 8601, UTC
    status: str
    seconds: float
    model: str
    weights: str
    source: str
    weight_hash: str
    model_title: str  # such as "mobilenet_v2 · IMAGENET1K_V2"
    model_link: str
    note: str
    folder: Path
    prototypes: tuple[str, ...]  # identifiers by position, without those in the trash

    @property
    def damaged(self) -> bool:
        """Whether its files are gone."""
        return not (self.folder / "manifest.json").is_file()


@dataclass(frozen=True, kw_only=True)
class PrototypeInfo:
    """A prototype as the library knows it."""

    id: str
    run_id: str
    position: int  # in its run
    title: str
    created: str  # ISO 8601, UTC
    key: str  # prototype_key
    repeatable: bool
    preset: str
    model: str
    weights: str
    model_title: str
    model_link: str
    class_index: int
    class_name: str
    class_label: str  # such as "574 · golf ball"
    seed: int
    steps: int
    logit: float
    probability: float  # 0..1
    naturalness: Mapping[str, Any] | None  # written by path similarity
    similarity: float | None  # naturalness["similarity"], mean over layers, -1..1
    tags: tuple[str, ...]
    deleted_at: str | None  # ISO 8601, UTC; None: not in the trash
    picture: Path  # PNG
    record: Path  # JSON

    @property
    def damaged(self) -> bool:
        """Whether its files are gone."""
        return not (self.picture.is_file() and self.record.is_file())


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The image at one step of a run."""

    step: int
    path: Path  # JPEG, WebP or PNG


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which prototypes to list; empty values do not restrict."""

    model: str = ""  # RunInfo.model_title
    class_label: str = ""
    tag: str = ""
    text: str = ""  # anywhere in titles, model, class or tags; every word must occur
    run_id: str = ""
    deleted: bool = False  # the trash instead of the library


@dataclass(frozen=True, kw_only=True)
class Facets:
    """Values to filter by, with the number of prototypes of each."""

    models: Mapping[str, int]
    classes: Mapping[str, int]
    tags: Mapping[str, int]
