"""Generation as a background job: live view, tuning, pause, stop, and the way into the library."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocore.errors import LibraryError, SettingsError
from protocore.generation.loop import Snapshot, check_change, generate
from protocore.generation.recording import (
    Recording,
    encode_jpeg,
    image_logits,
    likeliest,
    to_uint8,
)
from protocore.generation.settings import GenerationSettings, Target, prototype_key
from protocore.generation.state import GenerationState
from protocore.jobs.engine import JobControl, JobEngine
from protocore.library.library import Library, SavedRun
from protocore.models.classifier import Classifier
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec

if TYPE_CHECKING:  # loaded when it is asked for: it brings torchvision along, two seconds
    from protocore.jobs.live_similarity import (
        LiveSimilarityRequest,
        SimilarityCurve,
        SimilarityTracker,
    )

LIVE_INTERVAL = 0.2  # seconds between two views at least
LIVE_SHARE = 0.03  # of the time may go into making views; the page costs as much again
LIVE_QUALITY = 80  # JPEG
LIVE_CURVE_POINTS = 200  # per curve; a screen shows no more
KIND = "generation"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """What a page or another client asks for."""

    spec: ModelSpec
    targets: tuple[Target, ...]
    settings: GenerationSettings
    preset: str = ""  # name of the preset it started from
    title: str = ""
    continue_run: str = ""  # identifier of the run to go on from, whose settings are then extended
    more_steps: int = 0  # with continue_run
    similarity: LiveSimilarityRequest | None = None  # None: not measured while it runs


@dataclass(frozen=True, kw_only=True)
class SettingsPatch:
    """A message to a running job: change these settings, from its next step on."""

    changes: Mapping[str, object]  # see GenerationSettings.patch
    by: str = ""  # who asks for it, for the record


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


def submit_generation(
    engine: JobEngine, library: Library, pool: ModelPool, request: GenerationRequest
) -> str:
    """Queue the request on the model's device; returns the job's identifier.

    The job's result is the identifier of the run in the library, or None when it was stopped
    before its first step. Settings sent to the job hold from its next step on.
    """

    def work(control: JobControl) -> str | None:
        return _GenerationWork(request, library, pool.get(request.spec)).run(control)

    meta = {"request": request}
    device = request.spec.device
    return engine.submit(kind=KIND, title=request.title, device=device, work=work, meta=meta)


def target_labels(classifier: Classifier, targets: tuple[Target, ...]) -> tuple[str, ...]:
    """A short name for each target, such as "golf ball · seed 0"."""
    names = dict(enumerate(classifier.class_names))
    return tuple(target.title(names) for target in targets)


def find_made(
    library: Library, classifier: Classifier, targets: tuple[Target, ...], settings
) -> dict[Target, str]:
    """Which of the targets the library holds already, made with the same settings and weights."""
    keys = {prototype_key(classifier.identity, target, settings): target for target in targets}
    return {keys[key]: found for key, found in library.find(keys).items()}


@dataclass(kw_only=True, eq=False)
class _Views:
    """Publishes live views, seldom enough that making them takes LIVE_SHARE of the time."""

    recording: Recording
    tracker: SimilarityTracker | None = None
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
        images = to_uint8(snapshot.images())
        if started >= self.next_top or now_please:
            logits = image_logits(self.recording.classifier, images)
            self.top = tuple(likeliest(self.recording.classifier, row) for row in logits)
            self.measured_at = snapshot.step
            spent = self.clock() - started
            self.next_top = started + max(2 * LIVE_INTERVAL, 2 * spent / LIVE_SHARE)
        control.publish(self._view(snapshot, images))
        spent = self.clock() - started
        self.next_image = started + max(LIVE_INTERVAL, spent / LIVE_SHARE)

    def _view(self, snapshot: Snapshot, images) -> LiveView:
        return LiveView(
            stage=snapshot.stage,
            step=snapshot.step,
            total=snapshot.total,
            images=tuple(encode_jpeg(image, LIVE_QUALITY) for image in images),
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
        )


class _StoppedEarly(Exception):  # noqa: N818 - not an error
    """The job was stopped before its first step."""


class _GenerationWork:
    """One run, in the worker thread."""

    def __init__(self, request: GenerationRequest, library: Library, classifier) -> None:
        self._request = request
        self._library = library
        self._classifier = classifier
        self._seconds_before = 0.0  # of the run that is continued
        self._state, self._recording, self._settings = self._begin()
        self._views = _Views(recording=self._recording)

    def run(self, control: JobControl) -> str | None:
        """Optimise until the end or a stop, then keep what there is."""
        started, waited = time.monotonic(), 0.0
        try:
            self._views.tracker = tracker = self._track(control)
        except _StoppedEarly:
            return None
        settings = self._changed(control, self._settings) or self._settings
        snapshots = generate(self._classifier, self._request.targets, settings, state=self._state)
        changed = None
        while not control.stopping:
            try:
                snapshot = snapshots.send(changed)
            except StopIteration:
                break
            self._recording.add(snapshot)
            if tracker:
                tracker.add(snapshot)
            control.progress(snapshot.step, snapshot.total, _stage_text(snapshot))
            self._views.maybe_publish(control, snapshot, now_please=False)
            before = time.monotonic()
            control.wait_if_paused()
            waited += time.monotonic() - before
            changed = self._changed(control, snapshot.settings)
        snapshots.close()
        if self._recording.last is None:
            return None
        self._views.maybe_publish(control, self._recording.last, now_please=True)
        control.progress(snapshot.step, snapshot.total, "saving")
        return self._save(self._seconds_before + time.monotonic() - started - waited)

    def _changed(self, control: JobControl, before: GenerationSettings):
        """The settings after all patches that were sent; None when nothing changes.

        A patch that cannot hold in mid-run is refused, the others count.
        """
        settings = before
        for patch in control.take_messages():
            try:
                patched = settings.patch(patch.changes)
                check_change(settings, patched)
            except SettingsError as error:
                _log.warning("settings refused in mid-run: %s", error)
            else:
                settings = patched
                self._recording.changed_by = patch.by
        return settings if settings != before else None

    def _track(self, control: JobControl) -> SimilarityTracker | None:
        """Prepare to measure path similarity; raises _StoppedEarly."""
        request = self._request.similarity
        if request is None:
            return None
        from protocore.jobs.live_similarity import SimilarityTracker

        def progress(done: int, total: int) -> None:
            control.progress(done, total, "measuring natural images, once for each class")
            if control.stopping:
                raise _StoppedEarly

        return SimilarityTracker(
            request,
            self._classifier,
            self._request.targets,
            self._settings,
            self._library.folder / "cache" / "similarity",
            progress,
        )

    def _begin(self):
        request = self._request
        if not request.continue_run:
            recording = Recording(
                classifier=self._classifier, targets=request.targets, settings=request.settings
            )
            return None, recording, request.settings
        self._seconds_before = self._library.run(request.continue_run).seconds
        return _reopen(self._library, self._classifier, request)

    def _save(self, seconds: float) -> str:
        recording, request = self._recording, self._request
        recording.keep_last_frame()
        prototypes = recording.prototypes(seconds)
        finished = all(prototype.record.completed for prototype in prototypes)
        return self._library.save_run(
            SavedRun(
                title=request.title,
                prototypes=prototypes,
                model_link=request.spec.to_link(),
                preset=request.preset,
                status="done" if finished else "stopped",
                seconds=seconds,
                frames=recording.frames,
                curves=recording.curves,
                state=recording.last.state.to_bytes(),
            )
        )


def _reopen(library: Library, classifier: Classifier, request: GenerationRequest):
    """State, recording and extended settings of a kept run."""
    files = library.state_files(request.continue_run)
    if files is None:
        raise LibraryError("this run was kept without its state; start it again with more steps")
    state = GenerationState.from_file(str(files[0]), classifier.device)
    infos = [library.prototype(i) for i in library.run(request.continue_run).prototypes]
    if len(infos) != len(state.targets):
        raise LibraryError(
            "some of this run's prototypes are in the trash; restore them to go on with it"
        )
    records = [library.load_prototype(info.id).record for info in infos]
    if records[0].weight_hash != classifier.weight_hash:
        raise LibraryError("this run was made with other weights; load those to go on with it")
    before = records[0].settings
    settings = extend(before, state.step, request.more_steps)
    recording = Recording(
        classifier=classifier,
        targets=state.targets,
        settings=before,
        history=list(records[0].history),
        curves=[{k: list(v) for k, v in library.curves(info.id).items()} for info in infos],
        frames=[[(f.step, f.path.read_bytes()) for f in library.frames(i.id)] for i in infos],
    )
    return state, recording, settings


def extend(settings: GenerationSettings, step: int, more: int) -> GenerationSettings:
    """Settings to go on with for `more` steps after `step`.

    They stay as they were when this completes a run that was cut short, which then is the same as
    if it never had been. Else a rising weight stays where it had arrived.
    """
    if more < 1:
        raise SettingsError(f"the number of steps to go on for must be >= 1, got {more}")
    if step + more == settings.steps:
        return settings
    # What falls or rises with the steps goes on from where it had arrived.
    noise = min(settings.noise_at(step) * (step + more) / more, 1.0)
    longer = settings.replace(steps=step + more, noise=noise)
    if settings.hf_rise == "class":  # the state knows how far each has come
        return longer
    weight = settings.hf_weight_at(max(step - 1, 0))
    return longer.replace(hf_weight=weight, hf_weight_end=None)


def thin(curve: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """At most about LIVE_CURVE_POINTS evenly spaced points of each list, the last one included."""
    count = len(curve["step"])
    every = max(1, -(-count // LIVE_CURVE_POINTS))
    kept = list(range(0, count, every))
    if count and kept[-1] != count - 1:
        kept.append(count - 1)
    return {name: [values[i] for i in kept] for name, values in curve.items()}


def _stage_text(snapshot: Snapshot) -> str:
    return "stage 1: balancing classes" if snapshot.stage == "baseline" else "optimising"
