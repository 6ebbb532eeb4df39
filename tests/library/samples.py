"""Small prototypes and runs for tests of whatever uses the library."""

import io

import numpy as np
from PIL import Image

from protocore.generation.prototype import Prototype, PrototypeRecord, SettingsChange
from protocore.generation.settings import GenerationSettings, Target
from protocore.library.library import SavedRun

SETTINGS = GenerationSettings(steps=4, baseline_steps=0)
NAMES = {0: "tench", 1: "golf ball", 2: "French horn"}


def tiny_prototype(
    class_index=1, seed=0, *, model="tiny", probability=0.9, completed=True, tuned=False, size=16
):
    """A prototype of random pixels that depend on class and seed."""
    generator = np.random.default_rng([class_index, seed])
    target = Target.of(class_index, seed)
    history = [SettingsChange(step=0, settings=SETTINGS)]
    if tuned:
        history.append(SettingsChange(step=2, settings=SETTINGS.replace(hf_weight=300.0)))
    return Prototype(
        image=generator.integers(0, 256, (size, size, 3), dtype=np.uint8),
        record=PrototypeRecord(
            key=key(class_index, seed, model),
            model=model,
            weights="TEST_V1",
            source="module",
            weight_hash="ab" * 32,
            class_index=class_index,
            class_name=NAMES.get(class_index, f"class {class_index}"),
            target=target,
            history=tuple(history),
            steps=4,
            completed=completed,
            logit=3.5,
            probability=probability,
            top=((class_index, NAMES.get(class_index, "?"), probability),),
            seconds=0.5,
            device="cpu",
            precision="float32",
            created="2025-01-01T00:00:00+00:00",
            versions={"python": "3.11"},
        ),
    )


def key(class_index, seed=0, model="tiny"):
    """A key of 64 hexadecimal digits, different for each argument."""
    return f"{model.encode().hex()[:16]:0<16}{class_index:024x}{seed:024x}"


def tiny_run(*prototypes, title="a tiny run", **changes):
    """A run of the prototypes with two frames and curves of three steps each."""
    prototypes = prototypes or (tiny_prototype(),)
    values = {
        "frames": [[(0, encoded("JPEG")), (4, encoded("WEBP"))] for _ in prototypes],
        "curves": [
            {"step": [0, 2, 4], "probability": np.float32([0.1, 0.5, 0.9]), "logit": [1.0, 2.0, 3]}
            for _ in prototypes
        ],
        "state": b"not really safetensors",
        "state_info": {"step": 4},
        "model_link": "module:tiny",
        "preset": "Paper",
        "seconds": 1.5,
    }
    return SavedRun(title=title, prototypes=prototypes, **(values | changes))


def encoded(format, size=16):
    """The bytes of a small image file."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (200, 30, 60)).save(buffer, format=format)
    return buffer.getvalue()
