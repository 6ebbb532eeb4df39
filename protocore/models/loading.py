"""From a `ModelSpec` to a `Classifier`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor, nn

from protocore.errors import CheckpointError, ModelError, WeightsUnavailableError
from protocore.models import fitting
from protocore.models.catalog import CatalogEntry, find_entry, weights_member
from protocore.models.checkpoint import read_checkpoint
from protocore.models.class_names import inspect_class_names
from protocore.models.classifier import Classifier
from protocore.models.devices import find_device
from protocore.models.files import FileContent
from protocore.models.preprocessing import Preprocessing
from protocore.models.spec import ModelSpec

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Network:
    """A module with what its source says about it."""

    module: nn.Module
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing
    notes: tuple[str, ...] = ()


def load_classifier(spec: ModelSpec, progress: Progress | None = None) -> Classifier:
    """The classifier that `spec` names, on its device. Never downloads anything.

    `progress` is called with what is being done, for people who wait. Raises
    WeightsUnavailableError when torchvision's weights are not on disk, CheckpointError for a
    file that cannot be used and ModelError for weights, names or a device that do not go together.
    """
    say = progress or (lambda text: None)
    device = find_device(spec.device)
    say(f"Reading {spec.title}")
    network = _SOURCES[spec.kind](spec)
    names = network.class_names
    said: tuple[str, ...] = ()
    if spec.names_file is not None:
        reading = inspect_class_names(_unchanged(spec.names_file))
        names, said = reading.names, (f"class names: {reading.text}",)
    say(f"Checking {spec.title}")
    try:
        module = network.module.to(device)
    except RuntimeError as error:
        raise ModelError(
            f"{spec.title} could not be moved to {device}: {error}; choose another device"
        ) from error
    classifier = Classifier.from_module(
        module,
        class_names=names,
        name=spec.architecture,
        weights=spec.weights,
        source=spec.kind,
        preprocessing=network.preprocessing.changed(
            input_size=spec.input_size, resize=spec.resize, interpolation=spec.interpolation
        ),
        head=spec.head,
    )
    return dataclasses.replace(classifier, notes=(*network.notes, *said, *classifier.notes))


def demo_variants() -> tuple[str, ...]:
    """The variants of the demo model whose weights are there."""
    from protocore.demo import weights

    return tuple(v for v in weights.VARIANTS if weights.demo_weights_path(v).is_file())


def detect_architecture(path: str | Path) -> str:
    """The torchvision architecture that a weights file fits; raises CheckpointError for none.

    What was found is remembered until the file changes.
    """
    return _detect(FileContent.of(path))


@lru_cache(maxsize=64)
def _detect(file: FileContent) -> str:
    fit = fitting.closest_architecture(read_checkpoint(file.path).state)
    if fit.complete:
        return fit.architecture
    raise CheckpointError(
        f"{file.path.name} fits no torchvision architecture; {fit.architecture} is nearest with "
        f"{fit.share:.0%} of the tensors, there {fit.explain()}"
    )


def missing_weights(entry: CatalogEntry) -> WeightsUnavailableError:
    """The error for weights that are not on disk: which file, from where, and where to put it."""
    return WeightsUnavailableError(
        f"the weights of {entry.title} are not on disk: {entry.file_name} "
        f"({entry.file_size / 2**20:.1f} MB) is looked for in {entry.path.parent}. Download them "
        f"(`python -m protocore models --download {entry.architecture}:{entry.weights}`), or get "
        f"{entry.url} on a machine with a network and put the file there"
    )


def _load_demo(spec: ModelSpec) -> _Network:
    from protocore.demo import network, weights  # the demo is only imported where it is used

    return _Network(
        module=weights.load_demo_network(spec.weights),
        class_names=tuple(network.CLASS_NAMES),
        preprocessing=Preprocessing(
            input_size=network.INPUT_SIZE,
            resize=network.INPUT_SIZE,
            mean=spec.mean or network.MEAN,
            std=spec.std or network.STD,
        ),
    )


def _load_torchvision(spec: ModelSpec) -> _Network:
    entry = find_entry(spec.architecture, spec.weights)
    if not entry.classifies:
        raise ModelError(
            f"{entry.title} holds features for object detectors and no classifier; choose another "
            f"weights entry of {entry.architecture}"
        )
    if not entry.on_disk:
        raise missing_weights(entry)
    state = read_checkpoint(entry.path).state
    return _fitted(spec, state, tuple(weights_member(entry).meta["categories"]))


def _load_checkpoint(spec: ModelSpec) -> _Network:
    content = read_checkpoint(_unchanged(spec.file))
    network = _fitted(spec, content.state, content.class_names)
    default = weights_member(find_entry(spec.architecture))
    categories = tuple(default.meta["categories"])
    if network.class_names is None and _outputs(network.module) == len(categories):
        return dataclasses.replace(network, class_names=categories)
    return network


def _fitted(spec: ModelSpec, state: dict[str, Tensor], names: tuple[str, ...] | None) -> _Network:
    """The architecture with `state`, and the preprocessing of its weights entry."""
    entry = find_entry(spec.architecture, spec.weights if spec.kind == "torchvision" else None)
    preset = Preprocessing.from_torchvision(weights_member(entry).transforms())
    mean, std = spec.mean or preset.mean, spec.std or preset.std
    if spec.architecture in fitting.RESCALING and spec.transform_input is not False:
        mean, std = fitting.rescaled(mean, std)
    return _Network(
        module=fitting.build_fitted(spec.architecture, state),
        class_names=names,
        preprocessing=_preprocessing(spec, preset, state).changed(mean=mean, std=std),
    )


def _preprocessing(spec: ModelSpec, preset: Preprocessing, state: Mapping) -> Preprocessing:
    """The weights entry's own; for other weights only its input size, with the default rule."""
    if spec.kind == "torchvision":
        return preset
    size = fitting.image_size(spec.architecture, state) or preset.input_size
    return Preprocessing(input_size=spec.input_size or size)


def _outputs(module: nn.Module) -> int:
    return list(module.parameters())[-1].shape[0]


def _unchanged(file: FileContent) -> Path:
    """The file's path, unless something else is in it by now."""
    if FileContent.of(file.path) != file:
        raise CheckpointError(
            f"{file.path} has changed since it was chosen; choose it again to use what it holds now"
        )
    return file.path


_SOURCES: dict[str, Callable[[ModelSpec], _Network]] = {
    "demo": _load_demo,
    "torchvision": _load_torchvision,
    "checkpoint": _load_checkpoint,
}
