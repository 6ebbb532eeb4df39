"""Is a picture of a blind round what its record says? Looked at and made again by the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from protocore.errors import ProtocoreError
from protocore.generation.api import generate_prototypes
from protocore.generation.prototype import Prototype, PrototypeRecord, library_versions
from protocore.generation.recording import image_logits
from protocore.library.checks import Check, differs, not_possible, ok
from protocore.library.review_bundle import check_picture, record_name
from protocore.library.rows import read_record
from protocore.models.classifier import Classifier
from protocore.review.events import RoundItem
from protocore.review.material import picture_name

LOGIT_TOLERANCE = 0.01  # other processors, and graphics cards, round differently
# What remains of a start of other roundings after hundreds of steps; only where versions or
# machine are other ones.
PIXEL_TOLERANCE = 0.02  # mean difference, as a share of the range
PROBABILITY_TOLERANCE = 0.05

Progress = Callable[[str], None]  # told what is being done


def check_prototype(
    folder: Path,
    item: RoundItem,
    name: str,
    weight_hash: str,
    classifier: Classifier | None,
    progress: Progress,
) -> Iterator[Check]:
    """Picture and record as recorded; the record's logit; the picture made again.

    `classifier` has the weights `weight_hash`; None: they are not reachable here.
    """
    try:
        check_picture(folder, item.prototype_id, item.digest)
        record = read_record(folder / record_name(item.prototype_id))
    except ProtocoreError as error:
        yield differs(f"{name}: recorded", str(error).replace(f"{folder}/", ""))
        return
    yield _fits(f"{name}: recorded", item, record, weight_hash)
    if record.weight_hash != weight_hash or classifier is None:
        reason = "the model with its weights is not reachable here"
        yield not_possible(f"{name}: what the model sees", reason)
        yield not_possible(f"{name}: made again", reason)
        return
    picture = _pixels(folder / picture_name(item.prototype_id))
    try:
        yield _seen(f"{name}: what the model sees", record, picture, classifier)
        yield _again(f"{name}: made again", record, picture, classifier, progress)
    except ProtocoreError as error:
        yield differs(f"{name}: made again", f"the record asks for what cannot be: {error}")


def _fits(name: str, item: RoundItem, record: PrototypeRecord, weight_hash: str) -> Check:
    """Whether the record is of the class, seed and weights that the session speaks of."""
    pairs = {
        "class": (record.target.class_index, item.class_index),
        "class of the record": (record.class_index, item.class_index),
        "seed": (record.seed, item.seed),
        "weights": (record.weight_hash, weight_hash),
    }
    wrong = [f"{what} {mine}, not {own}" for what, (mine, own) in pairs.items() if mine != own]
    if wrong:
        return differs(name, f"the record says {'; '.join(wrong)}")
    return ok(name, f"{record.title}: the picture and its record are those of the session")


def _seen(name: str, record: PrototypeRecord, picture: np.ndarray, classifier: Classifier) -> Check:
    logits = image_logits(classifier, picture[None])[0].double()
    index = classifier.find_class(record.class_index)
    logit, probability = float(logits[index]), float(classifier.probabilities(logits)[index])
    found = f"logit {logit:.3f}, p {probability:.4f}"
    said = f"logit {record.logit:.3f}, p {record.probability:.4f}"
    gaps = abs(logit - record.logit), abs(probability - record.probability)
    if max(gaps) <= LOGIT_TOLERANCE:
        return ok(name, f"{found}, as recorded (within {LOGIT_TOLERANCE})")
    return differs(name, f"{found}; the record says {said}")


def _again(
    name: str,
    record: PrototypeRecord,
    picture: np.ndarray,
    classifier: Classifier,
    progress: Progress,
) -> Check:
    if not record.repeatable:
        return not_possible(name, "it was tuned or stopped while running: settings alone give less")
    made = generate_prototypes(
        classifier,
        [record.target],
        record.settings.replace(precision=record.precision),
        views_per_pass=record.execution.views_per_pass or None,
        on_step=lambda snapshot: progress(f"{name}, step {snapshot.step} of {snapshot.total}"),
    )[0]
    if made.image.shape != picture.shape:
        return differs(name, f"it gets {made.image.shape[0]} pixels, not {picture.shape[0]}")
    return _compared(name, record, picture, made)


def _compared(name: str, record: PrototypeRecord, picture: np.ndarray, made: Prototype) -> Check:
    gaps = np.abs(made.image.astype(int) - picture)
    if not gaps.any():
        return ok(name, f"the same in all {gaps.size} values of its pixels")
    share = (gaps.max(axis=2) > 0).mean()
    found = f"{share:.2%} of the pixels differ, by up to {gaps.max()} of 255"
    elsewhere = _conditions(record, made.record)
    if not elsewhere:
        return differs(name, f"{found}, on the same versions and kind of machine")
    mean = gaps.mean() / 255
    shift = abs(made.record.probability - record.probability)
    found += f" ({mean:.2%} on average), p by {shift:.3f}; made with {elsewhere}"
    allowed = f"tolerance: {PIXEL_TOLERANCE:.0%} on average, {PROBABILITY_TOLERANCE} in p"
    if mean <= PIXEL_TOLERANCE and shift <= PROBABILITY_TOLERANCE:
        return ok(name, f"{found}; within the {allowed}")
    return differs(name, f"{found}; {allowed}")


def _conditions(record: PrototypeRecord, now: PrototypeRecord) -> str:
    """What was different when it was made; "" when nothing was."""
    here = library_versions()
    other = [
        f"{name} {record.versions.get(name, 'unknown')} (here {here.get(name, 'unknown')})"
        for name in sorted(set(here) | set(record.versions))
        if record.versions.get(name) != here.get(name)
    ]
    pairs = {
        # Which of several equal cards it was makes no difference.
        "device": (_kind_of_device(record), _kind_of_device(now)),
        "precision": (record.precision, now.precision),
        "views per pass": (record.execution.views_per_pass, now.execution.views_per_pass),
    }
    other += [f"{what} {a} (here {b})" for what, (a, b) in pairs.items() if a != b]
    if not (record.execution.fixed_order and now.execution.fixed_order):
        other.append("a card or network on which sums have no fixed order")
    return ", ".join(other)


def _kind_of_device(record: PrototypeRecord) -> str:
    return record.execution.card or record.device.partition(":")[0]


def _pixels(path: Path) -> np.ndarray:
    """An 8-bit image `(H, W, 3)` that `check_picture` has let pass."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))
