"""Whether another network recognises a prototype: the measure that smoothness cannot win.

A prototype that shows what the class looks like is recognised by a network that had no part in
making it; a blank image and an adversarial pattern are not. A witness is any classifier with the
same labels that is not the maker. The same weights in another precision, under another name or
in another wrapping are the maker in disguise and do not count.

Networks trained on the same photos share biases, and a bias that only the maker has does not
transfer: "seen by the maker, not by the witness" is a reason to look closer, not a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from protocore.errors import ModelError
from protocore.generation.prototype import Prototype, WitnessReading
from protocore.generation.recording import to_float
from protocore.models.catalog import search_catalog
from protocore.models.classifier import Classifier
from protocore.models.loading import demo_variants
from protocore.models.spec import ModelSpec

# Rounding to bfloat16 moves weights by .3%, to 8 bits by 1 to 2%; another training by far more.
SAME_WEIGHTS = 0.03  # norm of the difference over norm, of every tensor
SAME_LOGITS = 0.05  # the same of the centred logits of the probe images
TOP = (1, 5)
DEFAULT_WITNESSES = 3  # at most: each reads every prototype once, which takes seconds
_PROBES, _PROBE_SIDE = 8, 8  # smooth random images: what untrained and trained networks tell apart
_IMAGES_PER_PASS = 16


@dataclass(frozen=True, kw_only=True)
class WitnessSummary:
    """Readings in a few figures; each is a mean over the readings."""

    witnesses: tuple[str, ...]  # titles
    readings: int
    top1: float  # share, 0..1
    top5: float
    rank: float  # of the class, 0: likeliest
    probability: float
    log_probability: float

    @property
    def text(self) -> str:
        """One line: "recognised by 2 of 3 (top 5: 3) · p 0.61"."""
        seen, near = round(self.top1 * self.readings), round(self.top5 * self.readings)
        return f"recognised by {seen} of {self.readings} (top 5: {near}) · p {self.probability:.2f}"

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return {**asdict(self), "witnesses": list(self.witnesses)}


@dataclass(frozen=True, kw_only=True)
class WitnessReport:
    """What the witnesses make of some images, and of photos of the class where there are some."""

    rows: tuple[tuple[WitnessReading, ...], ...]  # per image, per witness
    images: tuple[WitnessSummary, ...]  # one per image, over the witnesses
    overall: WitnessSummary
    ceiling: WitnessSummary | None = None  # of natural images; None where none were given


def why_no_witness(maker: Classifier, other: Classifier) -> str:
    """Why `other` cannot be a witness of what `maker` made, in words; "" where it can."""
    if sorted(maker.class_names) != sorted(other.class_names):
        return (
            f"{other.title} has other labels ({other.num_classes} classes) than {maker.title} "
            f"({maker.num_classes})"
        )
    if maker.class_names != other.class_names and len(set(maker.class_names)) < maker.num_classes:
        return f"{other.title} has its labels in another order, and some names occur twice"
    if (
        other.identity == maker.identity
        or _same_weights(maker, other)
        or _same_logits(maker, other)
    ):
        return f"{other.title} is {maker.title} itself under another name or in another precision"
    return ""


def check_witness(maker: Classifier, other: Classifier) -> None:
    """Raise ModelError with the reason where `other` is no witness of what `maker` made."""
    if reason := why_no_witness(maker, other):
        raise ModelError(f"{reason}; choose another network with the same labels as the witness")


def default_witnesses(maker: ModelSpec) -> tuple[ModelSpec, ...]:
    """Networks at hand that may witness for `maker`, without a download; may be none.

    The demo model has the other shipped one. For ImageNet's networks: those whose weights are on
    disk, of other architectures, the most accurate first, at most DEFAULT_WITNESSES. Labels and
    weights are still to be checked, see `why_no_witness`.
    """
    if maker.kind == "demo":
        others = [name for name in demo_variants() if name != maker.weights]
        return tuple(ModelSpec.demo(name, device=maker.device) for name in others)
    found = [
        entry
        for entry in search_catalog(on_disk=True)
        if entry.classifies and entry.architecture != maker.architecture
    ]
    found.sort(key=lambda entry: entry.acc1 or 0.0, reverse=True)
    first_of = {entry.architecture: entry for entry in reversed(found)}
    best = [entry for entry in found if first_of[entry.architecture] is entry][:DEFAULT_WITNESSES]
    return tuple(
        ModelSpec.torchvision(e.architecture, e.weights, device=maker.device) for e in best
    )


def read(
    witness: Classifier, images: np.ndarray, class_names: Sequence[str], classes: Sequence[int]
) -> tuple[WitnessReading, ...]:
    """One reading per 8-bit image `(N, H, W, 3)`; `classes` index into the maker's `class_names`.

    Images of another size than the witness takes are resized as a photo would be.
    """
    own = [_index_in(witness, class_names, index) for index in classes]
    logits = _logits(witness, to_float(images))
    scores = witness.log_probabilities(logits.double())
    wanted = scores.gather(1, torch.tensor(own)[:, None])
    ranks = (scores > wanted).sum(dim=1)
    return tuple(
        WitnessReading(
            model=witness.name,
            weights=witness.weights,
            weight_hash=witness.weight_hash,
            rank=int(rank),
            probability=float(value.exp()),
            log_probability=float(value),
        )
        for rank, value in zip(ranks, wanted[:, 0], strict=True)
    )


def witness_report(
    images: np.ndarray,
    classes: Sequence[int],
    witnesses: Sequence[Classifier],
    *,
    maker: Classifier,
    natural: Mapping[int, np.ndarray] | None = None,
) -> WitnessReport:
    """What `witnesses` make of 8-bit images `(N, H, W, 3)` of `classes` (the maker's indices).

    `natural` holds photos by class, 8-bit `(M, H, W, 3)`: how they fare is the ceiling. Raises
    ModelError where a witness is none.
    """
    if not witnesses or not len(images):
        raise ModelError("a witness report needs at least one image and one witness, got none")
    for witness in witnesses:
        check_witness(maker, witness)
    by_witness = [read(witness, images, maker.class_names, classes) for witness in witnesses]
    rows = tuple(zip(*by_witness, strict=True))
    ceiling = [
        reading
        for index, photos in (natural or {}).items()
        for witness in witnesses
        for reading in read(witness, photos, maker.class_names, [index] * len(photos))
    ]
    return WitnessReport(
        rows=rows,
        images=tuple(summarise_readings(row) for row in rows),
        overall=summarise_readings([reading for row in rows for reading in row]),
        ceiling=summarise_readings(ceiling) if ceiling else None,
    )


def summarise_readings(readings: Sequence[WitnessReading]) -> WitnessSummary:
    """Means over readings of any number of images and witnesses."""
    ranks = np.array([reading.rank for reading in readings])
    titles = dict.fromkeys(f"{reading.model} · {reading.weights}" for reading in readings)
    return WitnessSummary(
        witnesses=tuple(titles),
        readings=len(readings),
        top1=float((ranks < TOP[0]).mean()),
        top5=float((ranks < TOP[1]).mean()),
        rank=float(ranks.mean()),
        probability=float(np.mean([reading.probability for reading in readings])),
        log_probability=float(np.mean([reading.log_probability for reading in readings])),
    )


def with_witnesses(
    prototypes: Sequence[Prototype], witnesses: Sequence[Classifier], *, maker: Classifier
) -> tuple[Prototype, ...]:
    """The prototypes with the witnesses' readings on their records."""
    images = np.stack([prototype.image for prototype in prototypes])
    classes = [prototype.record.class_index for prototype in prototypes]
    report = witness_report(images, classes, witnesses, maker=maker)
    return tuple(
        replace(prototype, record=replace(prototype.record, witnesses=row))
        for prototype, row in zip(prototypes, report.rows, strict=True)
    )


def _index_in(witness: Classifier, class_names: Sequence[str], index: int) -> int:
    if tuple(class_names) == witness.class_names:
        return index
    return witness.class_names.index(class_names[index])


def _logits(classifier: Classifier, images: Tensor) -> Tensor:
    """`(N, K)` on the CPU of images `(N, 3, H, W)` in [0, 1] of any size."""
    size = (classifier.input_size, classifier.input_size)
    if images.shape[2:] != size:
        images = F.interpolate(
            images, size=size, mode="bilinear", align_corners=False, antialias=True
        )
    parts = images.split(_IMAGES_PER_PASS)
    return torch.cat([classifier.logits(part).cpu() for part in parts])


# --- the maker in disguise ---


def _same_weights(maker: Classifier, other: Classifier) -> bool:
    """Whether every tensor of one has its like in the other, whatever their names and order."""
    mine, theirs = _sorted_tensors(maker), _sorted_tensors(other)
    if [len(tensor) for tensor in mine] != [len(tensor) for tensor in theirs]:
        return False
    return all(
        bool((a - b).norm() <= SAME_WEIGHTS * a.norm() + 1e-9)
        for a, b in zip(mine, theirs, strict=True)
    )


def _sorted_tensors(classifier: Classifier) -> list[Tensor]:
    """The weights as flat float32 vectors on the CPU, by size and then by norm."""
    state = classifier.module.state_dict().values()
    flat = [t.detach().flatten().float().cpu() for t in state if t.is_floating_point()]
    return sorted(flat, key=lambda tensor: (len(tensor), float(tensor.norm())))


def _same_logits(maker: Classifier, other: Classifier) -> bool:
    """Whether both see the same in smooth random images, as when batch norms were folded in."""
    if maker.class_names != other.class_names:
        return False
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(_PROBES, 3, _PROBE_SIDE, _PROBE_SIDE, generator=generator)
    size = (maker.input_size, maker.input_size)
    probes = F.interpolate(coarse, size=size, mode="bicubic", align_corners=False).clamp(0, 1)
    first, second = (_logits(network, probes) for network in (maker, other))
    first = first - first.mean(dim=1, keepdim=True)
    second = second - second.mean(dim=1, keepdim=True)
    return bool((first - second).norm() <= SAME_LOGITS * first.norm() + 1e-9)
