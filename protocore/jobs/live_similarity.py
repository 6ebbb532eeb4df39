"""Path similarity of the prototypes of a running generation, measured every few steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocore.errors import SettingsError
from protocore.generation.loop import Snapshot
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier
from protocore.similarity.image_sets import open_folder
from protocore.similarity.live import LiveMeter, live_similarity, open_meter
from protocore.similarity.sources import demo_reference, reference_from_set
from protocore.similarity.store import cached_statistics


@dataclass(frozen=True, kw_only=True)
class LiveSimilarityRequest:
    """How often to measure, and against which natural images."""

    every: int = 16  # steps
    folder: str = ""  # with one subfolder of images per class; "": the demo world's images
    count: int = 50  # images of the class, and as many of others
    layers: str = "all"

    def __post_init__(self) -> None:
        if self.every < 1:
            raise SettingsError(
                f"path similarity must be measured every >= 1 steps, got {self.every}"
            )
        if self.count < 2:
            raise SettingsError(f"path similarity needs >= 2 images per class, got {self.count}")


@dataclass(frozen=True, kw_only=True)
class SimilarityCurve:
    """Estimated mean Spearman over layers, for one prototype, and what photos reach."""

    steps: tuple[int, ...]
    values: tuple[float, ...]
    same: float  # same-class images on average
    different: float  # different-class images on average


class SimilarityTracker:
    """Measures the snapshots of one run. Building it may take minutes the first time for a class.

    `progress(done, total)` is called while natural references are measured; what it raises ends
    that. The statistics are kept in `cache`, so that the next run begins at once.
    """

    def __init__(
        self,
        request: LiveSimilarityRequest,
        classifier: Classifier,
        targets: tuple[Target, ...],
        settings: GenerationSettings,
        cache: Path,
        progress: Callable[[int, int], None],
    ) -> None:
        size = settings.image_size or classifier.input_size
        if size != classifier.input_size:
            raise SettingsError(
                f"path similarity compares with natural images of {classifier.input_size} pixels, "
                f"got prototypes of {size}; choose the model's image size, or switch it off"
            )
        self._every = request.every
        self._classes = [target.class_index for target in targets]
        self._meters = {
            index: _meter(request, classifier, index, cache, progress)
            for index in dict.fromkeys(self._classes)
        }
        self._steps: list[int] = []
        self._values: list[np.ndarray] = []  # (N,) each

    def add(self, snapshot: Snapshot) -> None:
        """Measure the snapshot when it is its turn."""
        last = snapshot.step == snapshot.total
        if snapshot.stage == "baseline" or (snapshot.step % self._every and not last):
            return
        images = snapshot.images()
        values = np.empty(len(self._classes))
        for index, meter in self._meters.items():
            rows = [row for row, own in enumerate(self._classes) if own == index]
            values[rows] = live_similarity(meter, images[rows])
        self._steps.append(snapshot.step)
        self._values.append(values)

    def curves(self) -> tuple[SimilarityCurve, ...]:
        """One curve per target, up to now."""
        return tuple(
            SimilarityCurve(
                steps=tuple(self._steps),
                values=tuple(float(values[row]) for values in self._values),
                same=self._meters[index].same,
                different=self._meters[index].different,
            )
            for row, index in enumerate(self._classes)
        )


def _meter(
    request: LiveSimilarityRequest,
    classifier: Classifier,
    class_index: int,
    cache: Path,
    progress: Callable[[int, int], None],
) -> LiveMeter:
    if request.folder:
        images = open_folder(request.folder)
        reference = reference_from_set(images, classifier, class_index, count=request.count)
    else:
        reference = demo_reference(classifier, class_index, count=request.count)
    statistics = cached_statistics(
        classifier, reference, request.layers, folder=cache, progress=progress
    )
    return open_meter(classifier, statistics)
