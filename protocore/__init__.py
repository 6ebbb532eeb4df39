"""Protocore: find out what an image classifier has learned.

Names are imported at their first use, so that the package itself is light.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocore.errors import ProtocoreError
    from protocore.generation import (
        GenerationSettings,
        Prototype,
        Target,
        TrainingPrototypes,
        find_preset,
        generate,
        generate_prototype,
        generate_prototypes,
    )
    from protocore.models import Classifier

__all__ = [
    "Classifier",
    "GenerationSettings",
    "ProtocoreError",
    "Prototype",
    "Target",
    "TrainingPrototypes",
    "find_preset",
    "generate",
    "generate_prototype",
    "generate_prototypes",
]
__version__ = "0.1.0"
_ELSEWHERE = {"Classifier": "protocore.models", "ProtocoreError": "protocore.errors"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'protocore' has no attribute {name!r}")
    value = getattr(importlib.import_module(_ELSEWHERE.get(name, "protocore.generation")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
