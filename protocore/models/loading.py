"""From a `ModelSpec` to a `Classifier`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from protocore.errors import CheckpointError, ModelError, WeightsUnavailableError
from protocore.models import external, fitting
from protocore.models.catalog import CatalogEntry, find_entry, weights_member
from protocore.models.checkpoint import read_checkpoint
from protocore.models.class_names import inspect_class_names
from protocore.models.classifier import Classifier
from protocore.models.devices import find_device
from protocore.models.files import FileContent
from protocore.models.network import Network
from protocore.models.preprocessing import Preprocessing
from protocore.models.spec import ModelSpec
from protocore.models.stems import SMALL_SIZE, with_bands

Progress = Callable[[str], None]


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
            input_size=spec.input_size,
            resize=spec.resize,
            interpolation=spec.interpolation,
            mean=spec.mean if spec.kind in ("timm", "hf") else None,
            std=spec.std if spec.kind in ("timm", "hf") else None,
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
    fits = []
    for state in read_checkpoint(file.path).parts.values():
        fits.append(fitting.closest_architecture(state))
        if fits[-1].complete:
            return fits[-1].architecture
    fit = max(fits, key=lambda fit: fit.share)
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


def _load_demo(spec: ModelSpec) -> Network:
    from protocore.demo import network, weights  # the demo is only imported where it is used

    return Network(
        module=weights.load_demo_network(spec.weights),
        class_names=tuple(network.CLASS_NAMES),
        preprocessing=Preprocessing(
            input_size=network.INPUT_SIZE,
            resize=network.INPUT_SIZE,
            mean=spec.mean or network.MEAN,
            std=spec.std or network.STD,
        ),
    )


def _load_torchvision(spec: ModelSpec) -> Network:
    entry = find_entry(spec.architecture, spec.weights)
    if not entry.classifies:
        raise ModelError(
            f"{entry.title} holds features for object detectors and no classifier; choose another "
            f"weights entry of {entry.architecture}"
        )
    if not entry.on_disk:
        raise missing_weights(entry)
    state = read_checkpoint(entry.path).state
    located = fitting.locate(spec.architecture, state)[0]
    return _fitted(spec, located, state, tuple(weights_member(entry).meta["categories"]))


def _load_checkpoint(spec: ModelSpec) -> Network:
    content = read_checkpoint(_unchanged(spec.file))
    found = fitting.find_networks(spec.architecture, content.parts)
    if not found:
        fitting.build_fitted(spec.architecture, content.state)  # says what does not fit
    name = spec.part or next(iter(found))
    if name not in found:
        raise CheckpointError(
            f"{spec.weights} holds no network {spec.part!r} of the architecture "
            f"{spec.architecture}; it holds {', '.join(found)}"
        )
    located = found[name]
    network = _fitted(spec, located, located.state, content.class_names)
    notes = (*_part_notes(name, found), *network.notes)
    default = weights_member(find_entry(spec.architecture))
    categories = tuple(default.meta["categories"])
    names = network.class_names
    if names is None and located.fit.num_classes == len(categories):
        names = categories
    return dataclasses.replace(network, class_names=names, notes=notes)


def networks_in(path: str | Path, architecture: str) -> tuple[str, ...]:
    """Names of the networks of that architecture in a weights file, best first, for a choice.

    Raw and averaged weights ("state_dict_ema"), student and teacher. Raises CheckpointError.
    """
    return tuple(fitting.find_networks(architecture, read_checkpoint(path).parts))


def _part_notes(name: str, found: Mapping[str, fitting.Located]) -> tuple[str, ...]:
    """Which network of the file is taken, and what of it is left out."""
    notes = []
    others = [other for other in found if other != name]
    if others:
        notes.append(
            f"the file holds {len(found)} networks: {name} is used; choose another with part "
            f"({', '.join(others)})"
        )
    located = found[name]
    prefixes = tuple(at.prefix for at in found.values() if at.prefix)
    left_out = [k for k in located.outside if not k.startswith(prefixes or ("\0",))]
    left_out += located.fit.left_out
    if left_out:
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        notes.append(f"left out of the weights file: {', '.join(left_out[:3])}{more}")
    return tuple(notes)


def _fitted(
    spec: ModelSpec,
    located: fitting.Located,
    whole: Mapping[str, Tensor],
    names: tuple[str, ...] | None,
) -> Network:
    """The architecture with the located weights, and the preprocessing of its weights entry."""
    entry = find_entry(spec.architecture, spec.weights if spec.kind == "torchvision" else None)
    preset = Preprocessing.from_torchvision(weights_member(entry).transforms())
    mean, std = spec.mean or preset.mean, spec.std or preset.std
    if spec.architecture in fitting.RESCALING and spec.transform_input is not False:
        mean, std = fitting.rescaled(mean, std)
    stem = located.fit.stem
    module, grey = with_bands(fitting.build_located(located, whole), stem.channels, spec.bands)
    if grey and not spec.mean:
        mean = (sum(mean) / 3,) * 3
    if grey and not spec.std:
        std = (sum(std) / 3,) * 3
    fitted = _preprocessing(spec, preset, located)
    return Network(
        module=module,
        class_names=names,
        preprocessing=dataclasses.replace(fitted, mean=mean, std=std, grey=grey),
        notes=stem.notes,
    )


def _preprocessing(
    spec: ModelSpec, preset: Preprocessing, located: fitting.Located
) -> Preprocessing:
    """The weights entry's own; for other weights only its input size, with the default rule."""
    if spec.kind == "torchvision":
        return preset
    size = fitting.image_size(spec.architecture, located.state) or preset.input_size
    if located.fit.stem.small:
        size = SMALL_SIZE
    return Preprocessing(input_size=spec.input_size or size)


def _load_timm(spec: ModelSpec) -> Network:
    return external.load_timm(spec.architecture, _unchanged(spec.file) if spec.file else None)


def _load_transformers(spec: ModelSpec) -> Network:
    return external.load_transformers(_unchanged(spec.file).parent)


def _unchanged(file: FileContent) -> Path:
    """The file's path, unless something else is in it by now."""
    if FileContent.of(file.path) != file:
        raise CheckpointError(
            f"{file.path} has changed since it was chosen; choose it again to use what it holds now"
        )
    return file.path


_SOURCES: dict[str, Callable[[ModelSpec], Network]] = {
    "demo": _load_demo,
    "torchvision": _load_torchvision,
    "checkpoint": _load_checkpoint,
    "timm": _load_timm,
    "hf": _load_transformers,
}
