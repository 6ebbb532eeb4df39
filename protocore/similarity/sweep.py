"""The paper's 125 affine protocols, ranked by path similarity (appendix A, Table 3)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from protocore.errors import LibraryError, SettingsError
from protocore.generation.api import generate_prototypes
from protocore.generation.prototype import Prototype
from protocore.generation.settings import GenerationSettings, Target, prototype_key
from protocore.models.classifier import Classifier
from protocore.similarity.path import evaluate_images
from protocore.similarity.statistics import ReferenceStatistics
from protocore.similarity.summary import Naturalness, naturalness
from protocore.text import aligned, finite

log = logging.getLogger(__name__)

# Appendix A; "None" in the paper is no transform.
SCALES = ((1.0, 1.0), (0.9, 1.1), (0.8, 1.2), (0.7, 1.3), (0.5, 1.5))
ROTATIONS = (0.0, 30.0, 60.0, 90.0, 180.0)  # degrees
TRANSLATIONS = ((0.0, 0.0), (0.05, 0.05), (0.1, 0.1), (0.2, 0.2), (0.5, 0.5))

RESULTS_FILE = "results.jsonl"  # one line per protocol and seed, in the order of finishing


@dataclass(frozen=True, kw_only=True)
class AffineProtocol:
    """One set of random affine transforms."""

    scale: tuple[float, float]
    rotation: float  # degrees
    translation: tuple[float, float]  # shares of width and height

    def apply(self, settings: GenerationSettings) -> GenerationSettings:
        """The same settings with these transforms."""
        return settings.replace(**asdict(self))

    @property
    def cells(self) -> tuple[str, str, str]:
        """Scale, rotation and translation as the paper's Table 3 writes them."""
        scale = "None" if self.scale == (1.0, 1.0) else f"({self.scale[0]:g}, {self.scale[1]:g})"
        rotation = "None" if self.rotation == 0 else f"{self.rotation:g}"
        x, y = self.translation
        return scale, rotation, "None" if x == y == 0 else f"({x:g}, {y:g})"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one protocol gave with one seed."""

    key: str  # of everything it follows from; decides whether a resumed sweep repeats it
    protocol: AffineProtocol
    seed: int
    naturalness: Naturalness


@dataclass(frozen=True, kw_only=True)
class ProtocolResult:
    """A line of Table 3: means over seeds, and their spread."""

    protocol: AffineProtocol
    similarity: float
    similarity_sd: float  # over seeds (n - 1); NaN for one seed
    profile: float
    share: float
    probability: float
    seeds: int


def protocols(
    scales: Iterable[tuple[float, float]] = SCALES,
    rotations: Iterable[float] = ROTATIONS,
    translations: Iterable[tuple[float, float]] = TRANSLATIONS,
) -> tuple[AffineProtocol, ...]:
    """Every combination, 125 by default."""
    found = tuple(
        AffineProtocol(scale=scale, rotation=rotation, translation=translation)
        for scale, rotation, translation in product(scales, rotations, translations)
    )
    if not found:
        raise SettingsError("a sweep needs at least one scale, rotation and translation")
    return found


def sweep(
    classifier: Classifier,
    statistics: ReferenceStatistics,
    settings: GenerationSettings,
    wanted: Sequence[AffineProtocol],
    seeds: Sequence[int],
    folder: Path,
    on_prototypes: Callable[[AffineProtocol, Sequence[Prototype]], None] | None = None,
) -> Iterator[tuple[Trial, ...]]:
    """Yields the trials of each protocol, all seeds together, as soon as they are known.

    Each is written to `folder` before it is yielded; what is there already is read and not made
    again, so an interrupted sweep goes on where it stopped. Raises LibraryError when the folder
    cannot be written, and what `generate` raises.
    """
    if not seeds:
        raise SettingsError("a sweep needs at least one seed, got none")
    known = {trial.key: trial for trial in read_trials(folder)}
    for protocol in wanted:
        used = protocol.apply(settings)
        targets = [Target.of(statistics.class_index, seed) for seed in seeds]
        keys = [_trial_key(classifier, target, used, statistics) for target in targets]
        missing = [target for target, key in zip(targets, keys, strict=True) if key not in known]
        if missing:
            prototypes = generate_prototypes(classifier, missing, used)
            if on_prototypes:
                on_prototypes(protocol, prototypes)
            found = _trials(classifier, statistics, protocol, used, prototypes)
            _append(folder, found)
            known.update({trial.key: trial for trial in found})
        yield tuple(known[key] for key in keys)


def read_trials(folder: Path) -> tuple[Trial, ...]:
    """What an earlier sweep wrote; a line that was cut off by an interruption is left out."""
    path = folder / RESULTS_FILE
    if not path.is_file():
        return ()
    trials = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            trials.append(_trial(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s has a line that cannot be read: %s", path, error)
    return tuple(trials)


def rank_protocols(trials: Iterable[Trial]) -> tuple[ProtocolResult, ...]:
    """Results by protocol, best mean similarity first."""
    by_protocol: dict[AffineProtocol, list[Naturalness]] = {}
    for trial in trials:
        by_protocol.setdefault(trial.protocol, []).append(trial.naturalness)
    results = [_result(protocol, badges) for protocol, badges in by_protocol.items()]
    return tuple(sorted(results, key=lambda result: -_or_lowest(result.similarity)))


def table3_text(results: Sequence[ProtocolResult]) -> str:
    """The paper's Table 3 with the spread over seeds and what it leaves out."""
    rows = [("Scale", "Rotation", "Translate", "Path similarity", "Profile", "Eq. 1", "p")]
    for result in results:
        spread = f" ± {result.similarity_sd:.3f}" if math.isfinite(result.similarity_sd) else ""
        rows.append(
            (
                *result.protocol.cells,
                f"{result.similarity:.3f}{spread}",
                f"{result.profile:.3f}",
                f"{result.share:.0%}",
                f"{result.probability:.2f}",
            )
        )
    seeds = max((result.seeds for result in results), default=0)
    return f"{aligned(rows)}\n± standard deviation over {seeds} seed(s)"


def results_csv(results: Sequence[ProtocolResult]) -> str:
    """All protocols, best first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    figures = ("similarity", "similarity_sd", "profile", "share", "probability", "seeds")
    writer.writerow(("scale", "rotation", "translation", *figures))
    for result in results:
        writer.writerow((*result.protocol.cells, *(getattr(result, name) for name in figures)))
    return buffer.getvalue()


def _trials(
    classifier: Classifier,
    statistics: ReferenceStatistics,
    protocol: AffineProtocol,
    settings: GenerationSettings,
    prototypes: Sequence[Prototype],
) -> list[Trial]:
    images = np.stack([prototype.image for prototype in prototypes])
    badges = naturalness(evaluate_images(classifier, images, statistics))
    return [
        Trial(
            key=_trial_key(classifier, prototype.record.target, settings, statistics),
            protocol=protocol,
            seed=prototype.record.seed,
            naturalness=badge,
        )
        for prototype, badge in zip(prototypes, badges, strict=True)
    ]


def _result(protocol: AffineProtocol, badges: Sequence[Naturalness]) -> ProtocolResult:
    similarities = np.array([badge.similarity for badge in badges])
    return ProtocolResult(
        protocol=protocol,
        similarity=float(similarities.mean()),
        similarity_sd=float(similarities.std(ddof=1)) if len(badges) > 1 else math.nan,
        profile=float(np.mean([badge.profile for badge in badges])),
        share=float(np.mean([badge.share for badge in badges])),
        probability=float(np.mean([badge.probability for badge in badges])),
        seeds=len(badges),
    )


def _or_lowest(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _trial_key(
    classifier: Classifier,
    target: Target,
    settings: GenerationSettings,
    statistics: ReferenceStatistics,
) -> str:
    made_from = prototype_key(classifier.identity, target, settings)
    return hashlib.sha256(f"{made_from} {statistics.key}".encode()).hexdigest()


def _append(folder: Path, trials: Sequence[Trial]) -> None:
    lines = [json.dumps(finite(asdict(trial)), allow_nan=False) for trial in trials]
    path = folder / RESULTS_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # An interruption may have left half a line: it must not swallow the next one.
        broken = path.is_file() and path.read_bytes()[-1:] not in (b"", b"\n")
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if broken else "") + "\n".join(lines) + "\n")
    except OSError as error:
        raise LibraryError(
            f"the results of the sweep cannot be written to {folder}: {error.strerror or error}; "
            "choose a folder that can be written and has room, finished protocols are kept"
        ) from error


def _trial(content: dict) -> Trial:
    protocol, badge = content["protocol"], content["naturalness"]
    return Trial(
        key=content["key"],
        protocol=AffineProtocol(
            scale=tuple(protocol["scale"]),
            rotation=protocol["rotation"],
            translation=tuple(protocol["translation"]),
        ),
        seed=content["seed"],
        naturalness=Naturalness(**{k: math.nan if v is None else v for k, v in badge.items()}),
    )
