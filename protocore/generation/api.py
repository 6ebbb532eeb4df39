"""The short way: from a classifier to finished prototypes in one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from torch import nn

from protocore.errors import SettingsError
from protocore.generation.loop import Snapshot, generate
from protocore.generation.presets import default_preset
from protocore.generation.prototype import Prototype
from protocore.generation.recording import Recording
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Destination: TypeAlias = "str | Path | SummaryWriter | Callable[[Prototype, int], object]"


def generate_prototypes(
    classifier: Classifier,
    targets: Sequence[Target],
    settings: GenerationSettings | None = None,
    *,
    on_step: Callable[[Snapshot], None] | None = None,
    views_per_pass: int | None = None,
) -> tuple[Prototype, ...]:
    """Generate one prototype per target, all in one batch; raises what `generate` raises.

    `settings` defaults to the preset for this classifier (see presets.default_preset);
    `on_step` sees every snapshot; `views_per_pass` is generate's.
    """
    settings = settings or default_preset(classifier.source).settings
    recording = Recording(classifier=classifier, targets=tuple(targets), settings=settings)
    started = time.monotonic()
    for snapshot in generate(classifier, targets, settings, views_per_pass=views_per_pass):
        recording.add(snapshot)
        if on_step:
            on_step(snapshot)
    return recording.prototypes(time.monotonic() - started)


def generate_prototype(
    classifier: Classifier,
    wanted: int | str,
    settings: GenerationSettings | None = None,
    *,
    seed: int = 0,
) -> Prototype:
    """The prototype of one class, given by index or exact name.

    classifier = Classifier.from_torchvision(resnet18(weights=weights), weights)
    prototype = generate_prototype(classifier, "golf ball")
    prototype.save("prototypes")
    """
    target = Target.of(classifier.find_class(wanted), seed)
    return generate_prototypes(classifier, [target], settings)[0]


class TrainingPrototypes:
    """Saves prototypes of a model in training; call it once per epoch.

    snapshots = TrainingPrototypes("prototypes", classes=["cat", "dog"], every=5,
                                   class_names=names, input_size=64)
    for epoch in range(epochs):
        train_one_epoch(model)
        snapshots(model, epoch)

    Every `every`-th epoch it makes the prototypes of `classes` and returns them; otherwise it
    returns an empty tuple. `to` is where they go: a folder, written as `<folder>/epoch_<n>`; a
    TensorBoard SummaryWriter; or any callable, called as `to(prototype, epoch)` for each; or
    several of these in a list. The same seed is used every time, so that differences come from
    the weights. `about` is passed to Classifier.from_module. The model is
    left as it was: mode, gradients, hooks and weights.
    """

    def __init__(
        self,
        to: Destination | Sequence[Destination],
        *,
        classes: Sequence[int | str],
        every: int = 1,
        settings: GenerationSettings | None = None,
        seed: int = 0,
        **about: object,
    ) -> None:
        if every < 1:
            raise SettingsError(f"every (epochs) must be >= 1, got {every}")
        if not classes:
            raise SettingsError("choose at least one class: there is nothing to generate")
        several = to if isinstance(to, list | tuple) else (to,)
        self._receivers = [_receiver(destination) for destination in several]
        self._classes = tuple(classes)
        self._every = every
        self._settings = settings
        self._seed = seed
        self._about = about

    def __call__(self, module: nn.Module, epoch: int) -> tuple[Prototype, ...]:
        if epoch % self._every:
            return ()
        about = {"name": type(module).__name__, "weights": f"epoch {epoch}", **self._about}
        classifier = Classifier.from_module(module, **about)
        targets = [Target.of(classifier.find_class(c), self._seed) for c in self._classes]
        prototypes = generate_prototypes(classifier, targets, self._settings)
        for prototype in prototypes:
            for receive in self._receivers:
                receive(prototype, epoch)
        return prototypes


def _receiver(to: Destination) -> Callable[[Prototype, int], object]:
    """What takes a prototype and its epoch on its way to `to`; raises SettingsError."""
    if isinstance(to, str | Path):
        folder = Path(to)
        return lambda prototype, epoch: prototype.save(folder / f"epoch_{epoch:04d}")
    if hasattr(to, "add_image") and hasattr(to, "add_scalar"):
        return lambda prototype, epoch: _log_to(to, prototype, epoch)
    if callable(to):
        return to
    raise SettingsError(
        "prototypes of a training go to a folder, a SummaryWriter or a callable, got "
        f"{type(to).__name__}"
    )


def _log_to(writer: SummaryWriter, prototype: Prototype, epoch: int) -> None:
    """Image and class probability, under the prototype's title."""
    title = prototype.record.title
    writer.add_image(f"prototype/{title}", prototype.image, epoch, dataformats="HWC")
    writer.add_scalar(f"prototype probability/{title}", prototype.record.probability, epoch)
