"""What is kept of a run besides its last image: curves, frames, changes of the settings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from protocore.generation.loop import Snapshot
from protocore.generation.prototype import (
    Prototype,
    PrototypeRecord,
    SettingsChange,
    library_versions,
)
from protocore.generation.settings import GenerationSettings, Target, prototype_key
from protocore.generation.where import encode_map
from protocore.models.classifier import Classifier

FRAMES_PER_RUN = 64  # at most, and the first; for the frame slider and the animation
FRAME_QUALITY = 90  # JPEG; about 15 kB per frame at 224 px
_TOP_CLASSES = 5
_IMAGES_PER_PASS = 8  # when measuring finished images
CURVES = ("probability", "logit", "hf_loss")


@dataclass(kw_only=True, eq=False)
class Recording:
    """Collects the snapshots of one run. Lists run along the targets, then along the steps."""

    classifier: Classifier
    targets: tuple[Target, ...]
    settings: GenerationSettings  # at the start
    history: list[SettingsChange] = field(default_factory=list)
    curves: list[dict[str, list[float]]] = field(default_factory=list)  # "step" and CURVES
    frames: list[list[tuple[int, bytes]]] = field(default_factory=list)  # (step, JPEG file)
    last: Snapshot | None = None
    changed_by: str = ""  # who sent the settings that the next snapshots may have

    def __post_init__(self) -> None:
        self.history = self.history or [SettingsChange(step=0, settings=self.settings)]
        count = range(len(self.targets))
        self.curves = self.curves or [{name: [] for name in ("step", *CURVES)} for _ in count]
        self.frames = self.frames or [[] for _ in count]

    def add(self, snapshot: Snapshot) -> None:
        """Take in one snapshot, in order."""
        self.last = snapshot
        if snapshot.settings != self.history[-1].settings:
            first = snapshot.step if snapshot.stage == "prototype" else 0
            self.history.append(
                SettingsChange(step=first, settings=snapshot.settings, by=self.changed_by)
            )
        if snapshot.stage != "prototype":
            return
        for row, curve in enumerate(self.curves):
            curve["step"].append(snapshot.step)
            for name in CURVES:
                curve[name].append(float(getattr(snapshot, name)[row]))
        every = -(-snapshot.total // FRAMES_PER_RUN)  # rounded up
        if snapshot.step % every == 0 or snapshot.step in (1, snapshot.total):
            self.keep_last_frame()

    def keep_last_frame(self) -> None:
        """Make sure that the frames end with the last snapshot, also when it was not its turn."""
        taken = self.steps_taken
        if self.last is None or (self.frames[0] and self.frames[0][-1][0] == taken):
            return
        for frames, image in zip(self.frames, to_uint8(self.last.images()), strict=True):
            frames.append((taken, encode_jpeg(image, FRAME_QUALITY)))

    @property
    def steps_taken(self) -> int:
        """Of the stage that makes the prototype; 0 before it."""
        return self.last.step if self.last and self.last.stage == "prototype" else 0

    def prototypes(self, seconds: float) -> tuple[Prototype, ...]:
        """What there is now, as finished prototypes; `seconds` is the wall time it took.

        Logit and probability are those of the 8-bit image without transform, so that anybody who
        opens the file measures the same.
        """
        if self.last is None:
            return ()
        images = to_uint8(self.last.images())
        logits = image_logits(self.classifier, images)
        return tuple(
            Prototype(image=image, record=self._record(target, row, where, seconds))
            for target, image, row, where in zip(
                self.targets, images, logits, self.last.state.where, strict=True
            )
        )

    def _record(
        self, target: Target, logits: Tensor, where: Tensor, seconds: float
    ) -> PrototypeRecord:
        classifier, snapshot = self.classifier, self.last
        probabilities = classifier.probabilities(logits)
        return PrototypeRecord(
            key=prototype_key(classifier.identity, target, self.history[-1].settings),
            model=classifier.name,
            weights=classifier.weights,
            source=classifier.source,
            weight_hash=classifier.weight_hash,
            class_index=target.class_index,
            class_name=classifier.class_names[target.class_index],
            target=target,
            history=tuple(self.history),
            steps=self.steps_taken,
            completed=self.steps_taken == self.history[-1].settings.steps,
            logit=float(logits[target.class_index]),
            probability=float(probabilities[target.class_index]),
            top=likeliest(classifier, logits),
            seconds=round(seconds, 2),
            device=str(classifier.device),
            precision=snapshot.precision,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=library_versions(),
            where=encode_map(where),
            preprocessing=classifier.preprocessing.text,
            network_repeatable=classifier.repeatable,
            network_notes=classifier.notes,
        )


def to_uint8(images: Tensor) -> np.ndarray:
    """Images `(N, 3, H, W)` in [0, 1] -> `(N, H, W, 3)` 8-bit, rounded to nearest."""
    rounded = images.detach().mul(255).round().clamp(0, 255).to(torch.uint8)
    return rounded.permute(0, 2, 3, 1).cpu().numpy()


def to_float(images: np.ndarray) -> Tensor:
    """8-bit images `(N, H, W, 3)` -> `(N, 3, H, W)` float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def image_logits(classifier: Classifier, images: np.ndarray) -> Tensor:
    """Logits `(N, K)` on the CPU of 8-bit images `(N, H, W, 3)`, a few at a time."""
    parts = [
        classifier.logits(to_float(images[start : start + _IMAGES_PER_PASS])).cpu()
        for start in range(0, len(images), _IMAGES_PER_PASS)
    ]
    return torch.cat(parts)


def likeliest(classifier: Classifier, logits: Tensor) -> tuple[tuple[int, str, float], ...]:
    """The five likeliest classes of one row of logits `(K,)`: index, name, probability."""
    count = min(_TOP_CLASSES, classifier.num_classes)
    values, indices = classifier.probabilities(logits).topk(count)
    return tuple(
        (int(index), classifier.class_names[int(index)], float(value))
        for index, value in zip(indices, values, strict=True)
    )


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """An 8-bit image `(H, W, 3)` as a JPEG file, without colour subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def encode_animation(frames: Sequence[bytes], *, milliseconds: int = 60) -> bytes:
    """Image files of one size as an animated WebP that holds its last frame for two seconds."""
    images = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in frames]
    buffer = io.BytesIO()
    durations = [milliseconds] * (len(images) - 1) + [2000]
    images[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=images[1:],
        duration=durations,
        loop=0,
        quality=80,
        method=2,
    )
    return buffer.getvalue()
