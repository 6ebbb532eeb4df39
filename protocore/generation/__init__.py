"""How a prototype is made: settings, transforms, losses, parametrisation, the loop."""

from protocore.generation.prototype import Prototype, PrototypeRecord
from protocore.generation.settings import GenerationSettings, Target

__all__ = ["GenerationSettings", "Prototype", "PrototypeRecord", "Target"]
