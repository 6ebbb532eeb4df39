"""Small atlases of the demo model: three steps at 32 pixels."""

import os
import signal
from pathlib import Path

from protocore.generation.presets import find_preset
from protocore.jobs.atlas import Atlas, start_atlas
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec

SPEC = ModelSpec.demo(device="cpu")
SETTINGS = find_preset("paper").settings.patch({"steps": 3, "image_size": 32})


def started(
    folder: Path, classifier: Classifier, classes=(0, 3, 5), seeds=(0, 1), width=2
) -> Atlas:
    return start_atlas(folder, classifier, classes, SETTINGS, seeds=seeds, width=width)


def contents(atlas: Atlas) -> dict[str, bytes]:
    """Every prototype's files by name."""
    return {path.name: path.read_bytes() for path in (atlas.folder / "prototypes").iterdir()}


def dying(*_args, **_kwargs):
    """In place of work: the end of the process, as a kill would be."""
    os.kill(os.getpid(), signal.SIGKILL)
