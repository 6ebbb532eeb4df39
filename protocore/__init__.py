"""Protocore: find out what an image classifier has learned."""

import os

# Read once, when torch is loaded. Threads that spin for long while they wait starve each other as
# soon as a page or a second job runs beside a generation; threads that do not spin at all make a
# step of MobileNetV2 on 2 cores take 64 ms instead of 34. So they spin for a fraction of a
# millisecond and then sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "100000")

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
