"""Natural statistics on disk, by the hash of everything they follow from."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from protocore.models.classifier import Classifier
from protocore.similarity.activations import LayerInfo
from protocore.similarity.reference import NaturalReference
from protocore.similarity.statistics import (
    Progress,
    ReferenceStatistics,
    measure_reference,
    statistics_key,
)

log = logging.getLogger(__name__)


def cached_statistics(
    classifier: Classifier,
    reference: NaturalReference,
    layer_set: str = "all",
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> ReferenceStatistics:
    """The statistics from `folder` when they are there, measured and kept otherwise.

    A file that is damaged or cannot be written costs a new measurement, never the result.
    """
    if folder is None:
        return measure_reference(classifier, reference, layer_set, progress)
    path = folder / f"{statistics_key(classifier, reference, layer_set)}.safetensors"
    found = load_statistics(path)
    if found is None:
        found = measure_reference(classifier, reference, layer_set, progress)
        save_statistics(found, path)
    return found


def save_statistics(statistics: ReferenceStatistics, path: Path) -> bool:
    """Write whole or not at all; says whether it was written."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    info = {
        "key": statistics.key,
        "class_index": statistics.class_index,
        "layer_set": statistics.layer_set,
        "layers": [asdict(layer) for layer in statistics.layers],
    }
    tensors = {
        "means": statistics.means,
        "same": torch.from_numpy(statistics.same),
        "different": torch.from_numpy(statistics.different),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, draft, metadata={"info": json.dumps(info)})
        draft.replace(path)
    except (OSError, SafetensorError) as error:
        log.warning("natural statistics are not kept in %s: %s", path.parent, error)
        return False
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be what is wrong
            draft.unlink(missing_ok=True)
    return True


def load_statistics(path: Path) -> ReferenceStatistics | None:
    """What `save_statistics` wrote, or None when it is not there or damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            info = json.loads(file.metadata()["info"])
            tensors = {name: file.get_tensor(name) for name in ("means", "same", "different")}
        layers = tuple(
            LayerInfo(**{**layer, "shape": tuple(layer["shape"])}) for layer in info["layers"]
        )
        return ReferenceStatistics(
            key=info["key"],
            class_index=info["class_index"],
            layer_set=info["layer_set"],
            layers=layers,
            means=tensors["means"],
            same=tensors["same"].numpy(),
            different=tensors["different"].numpy(),
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        log.warning("natural statistics %s cannot be read (%s), measured again", path, error)
        return None
