"""A network as its source gives it, before it becomes a `Classifier`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from protocore.models.preprocessing import Preprocessing


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A module with what its source says about it."""

    module: nn.Module
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing
    notes: tuple[str, ...] = ()  # for people
