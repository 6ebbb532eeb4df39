"""Protocore: find out what an image classifier has learned."""

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
