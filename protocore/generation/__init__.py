"""How a prototype is made: settings, transforms, losses, parametrisation, the loop."""

from protocore.generation.api import TrainingPrototypes, generate_prototype, generate_prototypes
from protocore.generation.loop import Snapshot, generate
from protocore.generation.presets import PRESETS, Preset, find_preset
from protocore.generation.prototype import Prototype, PrototypeRecord
from protocore.generation.settings import GenerationSettings, Target

__all__ = [
    "PRESETS",
    "GenerationSettings",
    "Preset",
    "Prototype",
    "PrototypeRecord",
    "Snapshot",
    "Target",
    "TrainingPrototypes",
    "find_preset",
    "generate",
    "generate_prototype",
    "generate_prototypes",
]
