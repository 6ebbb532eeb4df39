"""A blind round of a review session as a background job: its pictures are made and kept."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from protocore.errors import ReviewError
from protocore.generation.api import generate_prototypes
from protocore.generation.presets import default_preset, find_preset
from protocore.generation.prototype import Prototype
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.engine import JobControl, JobEngine
from protocore.jobs.generation import find_made
from protocore.library.entries import SavedRun
from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec
from protocore.review.events import RoundItem, RoundOpened
from protocore.review.material import picture_name
from protocore.review.session import ReviewSession

KIND = "review round"
BASELINE_PRESET = "fourier"


class _StoppedError(Exception):
    """The user has asked to stop."""


@dataclass(frozen=True, kw_only=True)
class RoundRequest:
    """Pictures to be looked at: k seeds of a class, others of a distractor class, a baseline."""

    class_index: int
    seeds: tuple[int, ...] = (0, 1, 2)
    kept: tuple[str, ...] = ()  # prototypes of the library to be looked at, instead of seeds
    distractor: int | None = None
    distractor_seeds: tuple[int, ...] = (0,)
    baseline: bool = True  # one image of the class by the Fourier baseline
    preset: str = ""  # "": the model's default

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ReviewError(f"a round needs different seeds, at least one, got {self.seeds}")
        if self.distractor == self.class_index:
            raise ReviewError("the distractor must be another class than the one looked at")


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Pictures that are made together."""

    role: str
    targets: tuple[Target, ...]
    settings: GenerationSettings
    preset: str


def submit_round(
    engine: JobEngine,
    library: Library,
    pool: ModelPool,
    review_id: str,
    author: str,
    request: RoundRequest,
    *,
    device: str | None = None,
) -> str:
    """Make what the library lacks, then open the round; returns the job's identifier.

    The job's result is the round's identifier, or None when it was stopped. Raises ReviewError
    when the session does not exist.
    """
    session = library.reviews.session(review_id)
    spec = ModelSpec.from_link(session.started.model_link, device=device)

    def work(control: JobControl) -> str | None:
        classifier = pool.get(spec)
        check_weights(classifier, session.started.weight_hash)
        try:
            pictures = _kept(library, session.started.weight_hash, request)
            for batch in _batches(classifier, request):
                made = _make(control, library, spec, classifier, batch)
                pictures += [(batch.role, made[target]) for target in batch.targets]
        except _StoppedError:
            return None
        if control.stopping:  # where nothing had to be made, nobody has asked yet
            return None
        opened = _open_round(library, review_id, classifier, request, pictures)
        library.reviews.append(review_id, author, opened)
        return opened.round

    meta = {"review": review_id}
    title = f"Pictures for {session.title}"
    return engine.submit(kind=KIND, title=title, device=spec.device, work=work, meta=meta)


def check_weights(classifier: Classifier, weight_hash: str) -> None:
    """Raise ReviewError when these are not the weights that a session was started with."""
    if classifier.weight_hash != weight_hash:
        raise ReviewError(
            f"{classifier.title} has other weights now than when this session was started "
            f"({classifier.weight_hash[:12]} instead of {weight_hash[:12]}): put the old file "
            "back, or start a new session"
        )


def _kept(library: Library, weight_hash: str, request: RoundRequest) -> list[tuple[str, str]]:
    """Role and identifier of the prototypes that are there already."""
    pictures = []
    for prototype_id in request.kept:
        info = library.prototype(prototype_id)
        if library.run(info.run_id).weight_hash != weight_hash:
            raise ReviewError(
                f"{info.title!r} was made with other weights than those of this session: leave it "
                "out, or start a session about its model"
            )
        role = "target" if info.class_index == request.class_index else "distractor"
        pictures.append((role, prototype_id))
    return pictures


def _batches(classifier: Classifier, request: RoundRequest) -> tuple[_Batch, ...]:
    preset = find_preset(request.preset) if request.preset else default_preset(classifier.source)
    own = tuple(Target.of(request.class_index, seed) for seed in request.seeds)
    batches = []
    if not request.kept:
        batches.append(
            _Batch(role="target", targets=own, settings=preset.settings, preset=preset.name)
        )
    if request.distractor is not None:
        others = tuple(Target.of(request.distractor, seed) for seed in request.distractor_seeds)
        settings = preset.settings
        batches.append(
            _Batch(role="distractor", targets=others, settings=settings, preset=preset.name)
        )
    if request.baseline:
        baseline = find_preset(BASELINE_PRESET)
        batches.append(
            _Batch(
                role="baseline",
                targets=own[:1],
                settings=baseline.settings,
                preset=baseline.name,
            )
        )
    return tuple(batches)


def _make(
    control: JobControl, library: Library, spec: ModelSpec, classifier: Classifier, batch: _Batch
) -> dict[Target, str]:
    """Identifiers of the batch's prototypes in the library, made now where they are missing."""
    made = find_made(library, classifier, batch.targets, batch.settings)
    missing = tuple(target for target in batch.targets if target not in made)
    if not missing:
        return made

    def on_step(snapshot) -> None:
        control.wait_if_paused()
        if control.stopping:
            raise _StoppedError
        control.progress(snapshot.step, snapshot.total, f"making pictures ({batch.role})")

    started = time.monotonic()
    prototypes = generate_prototypes(classifier, missing, batch.settings, on_step=on_step)
    names = ", ".join(dict.fromkeys(classifier.class_names[t.class_index] for t in missing))
    run_id = library.save_run(
        SavedRun(
            title=f"{names} · {classifier.name}",
            prototypes=prototypes,
            model_link=spec.to_link(),
            preset=batch.preset,
            seconds=time.monotonic() - started,
        )
    )
    return {**made, **dict(zip(missing, library.run(run_id).prototypes, strict=True))}


def _open_round(
    library: Library,
    review_id: str,
    classifier: Classifier,
    request: RoundRequest,
    pictures: Sequence[tuple[str, str]],
) -> RoundOpened:
    """Copy the pictures, each a role and an identifier, into the session's folder."""
    items = []
    for role, prototype_id in dict.fromkeys(pictures):
        info = library.prototype(prototype_id)
        items.append(
            RoundItem(
                id=secrets.token_hex(4),
                prototype_id=prototype_id,
                role=role,
                class_index=info.class_index,
                class_label=info.class_label,
                seed=info.seed,
                digest=keep_prototype(library, review_id, prototype_id),
            )
        )
    return RoundOpened(
        round=secrets.token_hex(8),
        class_index=request.class_index,
        class_label=classifier.label(request.class_index),
        items=tuple(items),
        seed=secrets.randbelow(2**31),
    )


def keep_prototype(library: Library, review_id: str, prototype_id: str) -> str:
    """Copy picture and record into the session's folder; returns the picture's SHA-256."""
    info = library.prototype(prototype_id)
    name = picture_name(prototype_id)
    library.reviews.write_file(review_id, name.replace(".png", ".json"), info.record.read_bytes())
    return library.reviews.write_file(review_id, name, info.picture.read_bytes())


def load_picture(library: Library, review_id: str, item: RoundItem) -> Prototype:
    """A picture of a round with its record, from the session's own copy."""
    name = picture_name(item.prototype_id)
    library.reviews.read_file(review_id, name, item.digest)
    return Prototype.load(library.reviews.file(review_id, name))


def witness_ranks(
    library: Library, review_id: str, session: ReviewSession
) -> dict[str, tuple[int, ...]]:
    """By prototype, which place other networks gave its class, as its record says (0: first)."""
    items = {item.prototype_id: item for of in session.rounds for item in of.items}
    pictures = {name: load_picture(library, review_id, item) for name, item in items.items()}
    return {
        name: tuple(reading.rank for reading in picture.record.witnesses)
        for name, picture in pictures.items()
    }
