"""What the page shows of a running generation, made seldom enough to cost little."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocore.generation.loop import Snapshot
from protocore.generation.recording import (
    Recording,
    encode_jpeg,
    image_logits,
    likeliest,
    to_uint8,
)
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.checkpoint import Tuned
from protocore.jobs.job import JobControl
from protocore.models.classifier import Classifier

if TYPE_CHECKING:  # loaded on demand: it brings torchvision along, two seconds
    from protocore.jobs.live_similarity import SimilarityCurve, SimilarityTracker

__all__ = ["LiveView", "Views", "target_labels", "thin"]

INTERVAL = 0.2  # seconds between two views at least
SHARE = 0.03  # of the time may go into making views; the page costs as much again
QUALITY = 80  # JPEG
CURVE_POINTS = 200  # per curve; a screen shows no more


@dataclass(frozen=True, kw_only=True)
class LiveView:
    """What the page shows of a running job. Sequences run along the targets."""

    stage: str  # "baseline" or "prototype"
    step: int
    total: int
    images: tuple[bytes, ...]  # JPEG files
    targets: tuple[Target, ...]
    labels: tuple[str, ...]  # class name and seed
    size: int  # pixels, width of the images
    probability: tuple[float, ...]  # on the views of this step
    top: tuple[tuple[tuple[int, str, float], ...], ...]  # likeliest classes without transform
    curves: tuple[Mapping[str, list[float]], ...]  # thinned, see recording.CURVES
    settings: GenerationSettings
    changes: tuple[int, ...]  # steps from which tuned settings held
    measured_at: int  # step that `top` belongs to
    similarity: tuple[SimilarityCurve, ...] = ()  # estimated; empty when it was not asked for
    tuned: tuple[Tuned, ...] = ()  # who has changed what, in order
    kept_step: int = 0  # of the last checkpoint; 0: none yet
    resumed: bool = False  # whether it goes on after an interruption


@dataclass(kw_only=True, eq=False)
class Views:
    """Publishes live views, seldom enough that making them takes SHARE of the time."""

    recording: Recording
    tracker: SimilarityTracker | None = None
    facts: Callable[[], Mapping] = dict  # more fields of LiveView
    next_image: float = 0.0
    next_top: float = 0.0
    top: tuple = ()
    measured_at: int = 0
    clock: Callable[[], float] = field(default=time.monotonic)

    def maybe_publish(self, control: JobControl, snapshot: Snapshot, *, now_please: bool) -> None:
        """Publish when it is time, at the end of a stage, or when asked to."""
        started = self.clock()
        if started < self.next_image and not now_please and snapshot.step < snapshot.total:
            return
        images = to_uint8(self.recording.classifier.visible(snapshot.images()))
        if started >= self.next_top or now_please:
            logits = image_logits(self.recording.classifier, images)
            self.top = tuple(likeliest(self.recording.classifier, row) for row in logits)
            self.measured_at = snapshot.step
            spent = self.clock() - started
            self.next_top = started + max(2 * INTERVAL, 2 * spent / SHARE)
        control.publish(self._view(snapshot, images))
        spent = self.clock() - started
        self.next_image = started + max(INTERVAL, spent / SHARE)

    def _view(self, snapshot: Snapshot, images) -> LiveView:
        return LiveView(
            stage=snapshot.stage,
            step=snapshot.step,
            total=snapshot.total,
            images=tuple(encode_jpeg(image, QUALITY) for image in images),
            targets=self.recording.targets,
            labels=target_labels(self.recording.classifier, self.recording.targets),
            size=images.shape[2],
            probability=tuple(snapshot.probability.tolist()),
            top=self.top,
            curves=tuple(thin(curve) for curve in self.recording.curves),
            settings=snapshot.settings,
            changes=tuple(change.step for change in self.recording.history[1:]),
            measured_at=self.measured_at,
            similarity=self.tracker.curves() if self.tracker else (),
            **self.facts(),
        )


def target_labels(classifier: Classifier, targets: tuple[Target, ...]) -> tuple[str, ...]:
    """A short name for each target, such as "golf ball · seed 0"."""
    names = dict(enumerate(classifier.class_names))
    return tuple(target.title(names) for target in targets)


def thin(curve: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """At most about CURVE_POINTS evenly spaced points of each list, the last one included."""
    count = len(curve["step"])
    every = max(1, -(-count // CURVE_POINTS))
    kept = list(range(0, count, every))
    if count and kept[-1] != count - 1:
        kept.append(count - 1)
    return {name: [values[i] for i in kept] for name, values in curve.items()}
