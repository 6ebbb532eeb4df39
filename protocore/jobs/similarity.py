"""Path similarity as a background job: prototypes of the library against natural images."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from protocore.errors import LibraryError
from protocore.generation.recording import encode_jpeg
from protocore.jobs.engine import JobControl, JobEngine
from protocore.library.entries import PrototypeInfo
from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec
from protocore.similarity.datasets import download_imagenette
from protocore.similarity.image_sets import ImageSet
from protocore.similarity.matching import FolderMatch
from protocore.similarity.path import evaluate_images, join
from protocore.similarity.reference import DEFAULT_IMAGES, NaturalReference
from protocore.similarity.sources import demo_reference, reference_from_set
from protocore.similarity.statistics import ReferenceStatistics
from protocore.similarity.store import cached_statistics
from protocore.similarity.summary import Evaluation, naturalness
from protocore.similarity.witness import summarise_readings

KIND = "similarity"
THUMBNAIL_QUALITY = 85  # JPEG
PARTS = 1000  # into which the progress of each class is divided

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityRequest:
    """Which prototypes, which images, which layers."""

    prototype_ids: tuple[str, ...]
    images: ImageSet | None = None  # None: the demo world
    matches: tuple[FolderMatch, ...] = ()  # which group of `images` is which class
    count: int = DEFAULT_IMAGES  # of the class, and of others
    seed: int = 0  # of the draw
    layer_set: str = "all"


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredClass:
    """The outcome for the prototypes of one class and one model."""

    evaluation: Evaluation  # without the mean activations
    prototype_ids: tuple[str, ...]  # in the order of the evaluation's labels
    same: tuple[bytes, ...]  # JPEG files of the natural images
    different: tuple[bytes, ...]


class _StopError(Exception):
    """The user has asked to stop."""


def submit_similarity(
    engine: JobEngine,
    library: Library,
    pool: ModelPool,
    request: SimilarityRequest,
    *,
    device: str | None = None,
) -> str:
    """Queue the request on the device of its models; returns the job's identifier.

    The job publishes and returns a tuple of MeasuredClass, as far as it got when it was stopped,
    and notes each prototype's badge in the library.
    """
    groups = group_prototypes([library.prototype(i) for i in request.prototype_ids])
    specs = [ModelSpec.from_link(link, device=device) for link, _ in groups]

    def work(control: JobControl) -> tuple[MeasuredClass, ...]:
        measured: list[MeasuredClass] = []
        try:
            for (_, infos), spec in zip(groups.items(), specs, strict=True):
                step = _Step(control, len(measured), len(groups), infos[0].class_label)
                measured.append(_measure(library, pool.get(spec), infos, request, step))
                control.publish(tuple(measured))
        except _StopError:
            log.info("path similarity stopped after %d of %d classes", len(measured), len(groups))
        return tuple(measured)

    names = sorted({infos[0].class_name for infos in groups.values()})
    title = f"Path similarity of {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
    return engine.submit(kind=KIND, title=title, device=specs[0].device, queue=KIND, work=work)


def group_prototypes(
    infos: Sequence[PrototypeInfo],
) -> dict[tuple[str, int], tuple[PrototypeInfo, ...]]:
    """Prototypes by model link and class, in the order given. Raises LibraryError for none."""
    if not infos:
        raise LibraryError("choose at least one prototype to measure, got none")
    groups: dict[tuple[str, int], tuple[PrototypeInfo, ...]] = {}
    for info in infos:
        if not info.model_link:
            raise LibraryError(
                f"{info.title!r} does not say with which model it was made; make it again, or "
                "measure it on the command line with --model"
            )
        key = (info.model_link, info.class_index)
        groups[key] = (*groups.get(key, ()), info)
    return groups


def natural_images(
    request: SimilarityRequest, classifier: Classifier, class_index: int
) -> NaturalReference:
    """The images that the request names, for one class."""
    options = {"count": request.count, "seed": request.seed}
    if request.images is None:
        return demo_reference(classifier, class_index, **options)
    return reference_from_set(
        request.images, classifier, class_index, matches=request.matches, **options
    )


@dataclass(frozen=True, eq=False)
class _Step:
    """Tells of progress within one class of several."""

    control: JobControl
    done: int  # classes
    total: int
    name: str  # of the class

    def say(self, share: float, text: str) -> None:
        """Raises _StopError when the user wants it."""
        self.control.wait_if_paused()
        if self.control.stopping:
            raise _StopError
        done = round(PARTS * (self.done + share))
        self.control.progress(done, PARTS * self.total, f"{text} for {self.name}")


def _measure(
    library: Library,
    classifier: Classifier,
    infos: Sequence[PrototypeInfo],
    request: SimilarityRequest,
    step: _Step,
) -> MeasuredClass:
    for info in infos:
        if library.run(info.run_id).weight_hash != classifier.weight_hash:
            raise LibraryError(
                f"the weights of {classifier.title} have changed since {info.title!r} was made; "
                "make the prototype again"
            )
    step.say(0.0, "reading natural images")
    natural = natural_images(request, classifier, infos[0].class_index)
    statistics = cached_statistics(
        classifier,
        natural,
        request.layer_set,
        folder=library.folder / "cache" / "similarity",
        progress=lambda done, total: step.say(0.95 * done / total, "measuring natural images"),
    )
    evaluation = _evaluate(library, classifier, infos, natural, statistics, step)
    for info, badge in zip(infos, naturalness(evaluation.similarity), strict=True):
        if np.isfinite(badge.similarity):
            library.set_naturalness(info.id, badge.to_dict())
    return MeasuredClass(
        evaluation=evaluation,
        prototype_ids=tuple(info.id for info in infos),
        same=tuple(encode_jpeg(image, THUMBNAIL_QUALITY) for image in natural.same),
        different=tuple(encode_jpeg(image, THUMBNAIL_QUALITY) for image in natural.different),
    )


def _evaluate(
    library: Library,
    classifier: Classifier,
    infos: Sequence[PrototypeInfo],
    natural: NaturalReference,
    statistics: ReferenceStatistics,
    step: _Step,
) -> Evaluation:
    scored, witnesses = [], []
    for place, info in enumerate(infos):
        step.say(0.95 + 0.05 * place / len(infos), "measuring prototypes")
        prototype = library.load_prototype(info.id)
        scored.append(evaluate_images(classifier, prototype.image[None], statistics))
        readings = prototype.record.witnesses
        witnesses.append(summarise_readings(readings) if readings else None)
    joined = join(scored)
    return Evaluation(
        labels=tuple(info.title for info in infos),
        class_label=infos[0].class_label,
        model=classifier.title,
        natural=natural.info,
        similarity=replace(joined, reference=statistics.without_means()),
        witnesses=tuple(witnesses),
    )


def submit_download(engine: JobEngine, root: Path, size: str) -> str:
    """Fetch Imagenette below `root` in the background; returns the job's identifier."""

    def work(control: JobControl) -> None:
        def advance(done: int, total: int) -> None:
            if control.stopping:
                raise _StopError
            control.progress(done, total, "downloading")

        with contextlib.suppress(_StopError):
            download_imagenette(root, size=size, progress=advance)

    return engine.submit(
        kind="download",
        title=f"Imagenette {size}",
        queue="download",
        work=work,
        meta={"dataset": (str(root), size)},
    )
