"""What is kept of a run besides its last image: curves, frames, changes of the settings."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from protocore.generation.loop import Snapshot
from protocore.generation.measured import NAMES, Measured
from protocore.generation.prototype import (
    Prototype,
    PrototypeRecord,
    SettingsChange,
    library_versions,
)
from protocore.generation.settings import GenerationSettings, Target, prototype_key
from protocore.generation.where import encode_map
from protocore.models.classifier import Classifier
from protocore.models.fast.card import repeatable

FRAMES_PER_RUN = 64  # at most, and the first; for the frame slider and the animation
FRAME_QUALITY = 90  # JPEG; about 15 kB per frame at 224 px
_TOP_CLASSES = 5
_IMAGES_PER_PASS = 8  # when measuring finished images
CURVES = ("probability", "logit", "hf_loss")
_ALL_FRAMES, _FEWEST_FRAMES = 1024, 8  # of a run on a card, together and for each prototype
_THREADS = 4  # that encode frames
_BLOCK = 64  # steps whose values are taken over together


class Recording:
    """Collects the snapshots of one run. Lists run along the targets, then along the steps.

    Where a card computes, nothing is waited for until it is asked for: measured values are taken
    over in blocks, frames are encoded in threads.
    """

    def __init__(
        self,
        *,
        classifier: Classifier,
        targets: tuple[Target, ...],
        settings: GenerationSettings,
        history: list[SettingsChange] | None = None,
        curves: list[dict[str, list[float]]] | None = None,
        frames: list[list[tuple[int, bytes]]] | None = None,
        most_frames: int | None = None,
        changed_by: str = "",
    ) -> None:
        """`settings` at the start; the lists of a run that goes on; at most `most_frames`.

        FRAMES_PER_RUN, fewer where a card makes so many prototypes at once that encoding them
        would take longer than making them.
        """
        self.classifier = classifier
        self.targets = targets
        self.settings = settings
        self.history = history or [SettingsChange(step=0, settings=settings)]
        self.last: Snapshot | None = None
        self.changed_by = changed_by  # who sent the settings that the next snapshots may have
        count = range(len(targets))
        self._curves = curves or [{name: [] for name in ("step", *CURVES)} for _ in count]
        self._pending: list[tuple[int, Measured]] = []  # of the curves
        self._frames = frames or [[] for _ in count]
        if most_frames is None:
            on_card = classifier.device.type == "cuda"
            most_frames = FRAMES_PER_RUN
            if on_card:
                most_frames = max(_FEWEST_FRAMES, min(most_frames, _ALL_FRAMES // len(targets)))
        self._most_frames = most_frames
        self._kept_at = self._frames[0][-1][0] if self._frames[0] else None
        self._threads: ThreadPoolExecutor | None = None

    def add(self, snapshot: Snapshot) -> None:
        """Take in one snapshot, in order."""
        self.last = snapshot
        if snapshot.settings is not self.history[-1].settings:
            self._note_change(snapshot)
        if snapshot.stage != "prototype":
            return
        self._pending.append((snapshot.step, snapshot.measured))
        if len(self._pending) >= _BLOCK:
            self._settle()
        every = -(-snapshot.total // max(self._most_frames, 1))  # rounded up
        ends = snapshot.step in (1, snapshot.total) and self._most_frames > 1
        if ends or (self._most_frames and snapshot.step % every == 0):
            self.keep_last_frame()

    def _note_change(self, snapshot: Snapshot) -> None:
        if snapshot.settings != self.history[-1].settings:
            first = snapshot.step if snapshot.stage == "prototype" else 0
            self.history.append(
                SettingsChange(step=first, settings=snapshot.settings, by=self.changed_by)
            )

    @property
    def curves(self) -> list[dict[str, list[float]]]:
        """For each target "step" and CURVES, up to the last snapshot."""
        self._settle()
        return self._curves

    def _settle(self) -> None:
        if not self._pending:
            return
        steps = [step for step, _ in self._pending]
        values = torch.stack([measured.values() for _, measured in self._pending], dim=2)
        self._pending.clear()
        for name in CURVES:
            of_targets = values[NAMES.index(name)].tolist()
            for curve, numbers in zip(self._curves, of_targets, strict=True):
                curve[name].extend(numbers)
        for curve in self._curves:
            curve["step"].extend(steps)

    @property
    def frames(self) -> list[list[tuple[int, bytes]]]:
        """For each target (step, JPEG file), up to the last one that was kept."""
        for frames in self._frames:
            for place, (step, frame) in enumerate(frames):
                if isinstance(frame, Future):
                    frames[place] = (step, frame.result())
        return self._frames

    def keep_last_frame(self) -> None:
        """Make sure that the frames end with the last snapshot, also when it was not its turn."""
        taken = self.steps_taken
        if self.last is None or self._kept_at == taken:
            return
        self._kept_at = taken
        images = self.classifier.visible(self.last.images())
        encode = self._encoder(on_card=images.is_cuda)
        for frames, image in zip(self._frames, to_uint8(images), strict=True):
            frames.append((taken, encode(image, FRAME_QUALITY)))

    def _encoder(self, *, on_card: bool) -> Callable[[np.ndarray, int], bytes | Future[bytes]]:
        """On a CPU in this thread: the others are busy with the network."""
        if not on_card:
            return encode_jpeg
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="protocore frames")
        return functools.partial(self._threads.submit, encode_jpeg)

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
        images = to_uint8(self.classifier.visible(self.last.images()))
        logits = image_logits(self.classifier, images)
        rows = zip(self.targets, images, logits, self.last.state.where.cpu(), strict=True)
        return tuple(
            Prototype(image=image, record=self._record(target, row, where, seconds))
            for target, image, row, where in rows
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
            execution=snapshot.execution,
        )


def to_uint8(images: Tensor) -> np.ndarray:
    """Images `(N, 3, H, W)` in [0, 1] -> `(N, H, W, 3)` 8-bit, rounded to nearest."""
    rounded = images.detach().mul(255).round().clamp(0, 255).to(torch.uint8)
    return rounded.permute(0, 2, 3, 1).cpu().numpy()


def to_float(images: np.ndarray) -> Tensor:
    """8-bit images `(N, H, W, 3)` -> `(N, 3, H, W)` float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def image_logits(classifier: Classifier, images: np.ndarray) -> Tensor:
    """Logits `(N, K)` on the CPU of 8-bit images `(N, H, W, 3)`, a few at a time.

    On a card in exact float32 and always as many at a time, so that those of an image do not
    depend on the others.
    """
    if classifier.device.type != "cuda":
        parts = [classifier.logits(to_float(part)).cpu() for part in _passes(images)]
        return torch.cat(parts)
    parts = []
    with repeatable():
        for part in _passes(images):
            more = _IMAGES_PER_PASS - len(part)
            filled = np.concatenate([part, np.repeat(part[-1:], more, axis=0)])
            parts.append(classifier.logits(to_float(filled))[: len(part)])
    return torch.cat(parts).cpu()


def _passes(images: np.ndarray) -> list[np.ndarray]:
    return [images[i : i + _IMAGES_PER_PASS] for i in range(0, len(images), _IMAGES_PER_PASS)]


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
