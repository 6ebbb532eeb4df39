"""Atlases without a network: pictures and logits that are known."""

from dataclasses import replace

import numpy as np

from protocore.generation.settings import Target
from protocore.jobs.atlas.folder import FORMAT, VERSION, Atlas, AtlasManifest, Made
from tests.library.samples import SETTINGS, tiny_prototype

NAMES = ("tench", "golf ball", "<script>window.evil=1</script>&\u202e'\"", "horn")
# Logits of each class's prototype: 0 and 1 respond alike, 2 and 3 alike, and against each other.
LOGITS = np.array([[9, 8, 0, 0], [8, 9, 0, 0], [0, 0, 9, 8], [0, 0, 8, 9]], dtype=np.float16)


def atlas_in(folder, names=NAMES, seeds=(0, 1), made=(0, 1, 2, 3), level=None, title="net · TEST"):
    """An atlas of four classes; `level` is the grey of all pictures, None: random ones."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prototypes").mkdir()
    manifest = AtlasManifest(
        format=FORMAT, version=VERSION, model_title=title, model_link="demo", identity="ab" * 32,
        weight_hash="cd" * 32, class_names=names, classes=tuple(range(len(names))), seeds=seeds,
        settings=SETTINGS.to_dict(), preset="", width=2, versions={"torch": "2"},
    )  # fmt: skip
    atlas = Atlas(folder, manifest)
    atlas.keep(
        Made(prototype_of(index, seed, names[index], level), LOGITS[index % 4])
        for index in made
        for seed in seeds
    )
    return atlas


def prototype_of(index, seed, name, level):
    made = tiny_prototype(index, seed, size=32)
    top = ((index, name, 0.9), (99, "elsewhere", 0.1))
    record = replace(made.record, class_name=name, top=top, target=Target.of(index, seed))
    image = made.image if level is None else np.full_like(made.image, level)
    return replace(made, image=image, record=record)
