"""Is the result of a cohort test what it says? Computed, rendered and predicted again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from protocore.cohorts.cohort import Cohort
from protocore.cohorts.edits import edited_pair
from protocore.cohorts.plan import Prediction
from protocore.cohorts.prediction import predict
from protocore.cohorts.recipes import FilesRecipe, cohorts_from_recipe
from protocore.cohorts.result import TestResult
from protocore.errors import ProtocoreError
from protocore.generation.recording import encode_jpeg
from protocore.library import archive
from protocore.library.bundle import MAX_PIXELS
from protocore.library.checks import Check, differs, not_possible, ok
from protocore.library.review_bundle import thumbnail_paths
from protocore.library.verify_prototypes import LOGIT_TOLERANCE, Progress
from protocore.models.classifier import Classifier
from protocore.review.material import THUMBNAIL_QUALITY
from protocore.review.session import Test

JPEG_TOLERANCE = 1.0  # mean difference of 255 levels between two JPEG encoders of one quality


def check_test(
    folder: Path,
    test: Test,
    result: TestResult,
    name: str,
    classifier: Classifier | None,
    progress: Progress,
) -> Iterator[Check]:
    """A result that is as recorded: its analysis; images and predictions where they can be made."""
    yield ok(f"{name}: recorded", "the result is that of the session, with the plan of its test")
    progress(f"{name}: analysis")
    yield _analysis(f"{name}: analysis", result)
    try:
        cohorts = _cohorts(result, classifier)
    except ProtocoreError as error:
        yield differs(f"{name}: images", f"they cannot be made again: {error}")
        return
    if isinstance(cohorts, str):
        for step in ("images", "small copies", "predictions"):
            yield not_possible(f"{name}: {step}", cohorts)
        return
    yield _images(f"{name}: images", result, cohorts)
    yield _thumbnails(f"{name}: small copies", folder, test, result, cohorts)
    try:
        yield _predictions(f"{name}: predictions", result, cohorts, classifier, progress)
    except ProtocoreError as error:
        yield differs(f"{name}: predictions", f"the images cannot be predicted: {error}")


def _analysis(name: str, result: TestResult) -> Check:
    """The reported analysis against one computed from the predictions."""
    if wrong := result.misreported:
        return differs(name, wrong)
    count = len(result.a) + len(result.b)
    return ok(name, f"the same tables and tests come out of its {count} predictions")


def _cohorts(result: TestResult, classifier: Classifier | None) -> tuple[Cohort, Cohort] | str:
    """Both cohorts again, or why that is not possible."""
    no_images = "the images are files that are not in the bundle"
    if isinstance(result.recipe, FilesRecipe):
        return no_images
    if classifier is None:
        return "the model with its weights is not reachable here"
    made = cohorts_from_recipe(result.recipe, size=classifier.input_size)
    if made is not None and result.plan.edits:
        return edited_pair(made[0], result.plan.edits)
    return made or no_images


def _images(name: str, result: TestResult, cohorts: tuple[Cohort, Cohort]) -> Check:
    for side, cohort in zip("ab", cohorts, strict=True):
        known = [prediction.hash for prediction in result.side(side)]
        if len(known) != len(cohort):
            return differs(
                name, f"cohort {side.upper()} has {len(known)} images, not {len(cohort)}"
            )
        wrong = sum(mine != own for mine, own in zip(known, cohort.hashes, strict=True))
        if wrong:
            return differs(name, f"{wrong} of {len(known)} images of {side.upper()} are other ones")
    return ok(name, f"the demo world renders the same {sum(map(len, cohorts))} images")


def _thumbnails(
    name: str, folder: Path, test: Test, result: TestResult, cohorts: tuple[Cohort, Cohort]
) -> Check:
    """Whether the small copies, which readers of the report look at, show these images."""
    paths = thumbnail_paths(folder, test, result)
    by_side = dict(zip("ab", cohorts, strict=True))
    for (side, place), path in paths.items():
        if place >= len(by_side[side]):
            continue
        try:
            archive.check_image(path, MAX_PIXELS)
        except ProtocoreError as error:
            return differs(name, str(error))
        pixels = np.ascontiguousarray(by_side[side].pixels[place])
        wanted = _decoded(io.BytesIO(encode_jpeg(pixels, THUMBNAIL_QUALITY)))
        shown = _decoded(path)
        if shown.shape != wanted.shape or np.abs(shown - wanted).mean() > JPEG_TOLERANCE:
            return differs(name, f"{side}/{path.name} shows another image")
    if not paths:
        return not_possible(name, "there are none")
    return ok(name, f"{len(paths)} small copies show the images")


def _decoded(source: Path | BinaryIO) -> np.ndarray:
    """An image `(H, W, 3)` float64, 0..255."""
    with Image.open(source) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def _predictions(
    name: str,
    result: TestResult,
    cohorts: tuple[Cohort, Cohort],
    classifier: Classifier,
    progress: Progress,
) -> Check:
    largest = 0.0
    for side, cohort in zip("ab", cohorts, strict=True):
        progress(f"{name} on {len(cohort)} images of {side.upper()}")
        known = result.side(side)
        if len(known) != len(cohort):
            return not_possible(name, "there are other images than predictions")
        for mine, own in zip(known, predict(classifier, cohort, result.plan), strict=True):
            if wrong := _other(mine, own):
                return differs(name, f"{mine.name} of {side.upper()}: {wrong}")
            largest = max(largest, *_gaps(mine, own))
    return ok(name, f"the model says the same again (logits within {max(largest, 1e-6):.0e})")


def _other(mine: Prediction, own: Prediction) -> str:
    """How a prediction in the bundle is not the model's; "" when it is."""
    gap = max(_gaps(mine, own))
    if gap > LOGIT_TOLERANCE:
        return f"its scores are {gap:.3f} off (tolerance {LOGIT_TOLERANCE})"
    if mine.predicted != own.predicted:
        return f"it is taken for {own.predicted_name}, not {mine.predicted_name}"
    if (mine.predicted_name, mine.pair_key) != (own.predicted_name, own.pair_key):
        return "it has another name of its class or pair"
    return ""


def _gaps(mine: Prediction, own: Prediction) -> list[float]:
    said = (*mine.logits, *mine.probabilities)
    found = (*own.logits, *own.probabilities)
    return [abs(one - other) for one, other in zip(said, found, strict=True)]
