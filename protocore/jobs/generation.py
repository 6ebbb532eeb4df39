"""Generation as a background job: live view, tuning, pause, stop, and the way into the library."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from protocore.errors import JobError, LibraryError, SettingsError
from protocore.generation.loop import Snapshot, check_change
from protocore.generation.recording import Recording
from protocore.generation.settings import GenerationSettings, Target, prototype_key
from protocore.generation.state import GenerationState
from protocore.jobs.checkpoint import CheckpointFolder, Tuned
from protocore.jobs.engine import JobControl, JobEngine
from protocore.jobs.job import InterruptedWork, NotSaved
from protocore.jobs.kept import Models, Prepared, submit_kept
from protocore.jobs.live_view import LiveView, Views, target_labels
from protocore.jobs.run import Beginning, Run, beginning, open_run
from protocore.jobs.witness import witnessed
from protocore.library.library import Library, SavedRun
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec

if TYPE_CHECKING:  # loaded when it is asked for: it brings torchvision along, two seconds
    from protocore.jobs.live_similarity import LiveSimilarityRequest, SimilarityTracker

__all__ = [
    "KIND",
    "GenerationRequest",
    "LiveView",
    "SettingsPatch",
    "extend",
    "find_made",
    "prepare",
    "submit_generation",
    "target_labels",
    "tune",
]

KIND = "generation"
SAVE_WAITS = (1.0, 5.0, 15.0)  # seconds before each further try to keep a finished run

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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model": self.spec.to_link(),
            "device": self.spec.device,
            "targets": [[target.weights, target.seed] for target in self.targets],
            "settings": self.settings.to_dict(),
            "preset": self.preset,
            "title": self.title,
            "continue_run": self.continue_run,
            "more_steps": self.more_steps,
            "similarity": dataclasses.asdict(self.similarity) if self.similarity else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GenerationRequest:
        """The inverse of `to_dict`; raises ProtocoreError, as when the model is gone."""
        return cls(
            spec=ModelSpec.from_link(values["model"], device=values["device"]),
            targets=tuple(
                Target(weights=tuple((int(i), float(w)) for i, w in weights), seed=seed)
                for weights, seed in values["targets"]
            ),
            settings=GenerationSettings.from_dict(values["settings"]),
            preset=values["preset"],
            title=values["title"],
            continue_run=values["continue_run"],
            more_steps=values["more_steps"],
            similarity=_similarity_request(values["similarity"]),
        )


def _similarity_request(values: Mapping[str, Any] | None) -> LiveSimilarityRequest | None:
    if values is None:
        return None
    from protocore.jobs.live_similarity import LiveSimilarityRequest

    return LiveSimilarityRequest(**values)


@dataclass(frozen=True, kw_only=True)
class SettingsPatch:
    """A message to a running job: change these settings, from its next step on."""

    changes: Mapping[str, Any]  # see GenerationSettings.patch
    by: str = ""  # who asks for it, for the record


def submit_generation(
    engine: JobEngine,
    library: Library,
    pool: Models,
    request: GenerationRequest,
    *,
    visitor: str = "",
) -> str:
    """Line the request up for the model's device; returns the job's identifier.

    The job's result is the identifier of the run in the library, or None when it was stopped
    before its first step. It survives its process, see `protocore.jobs.kept`, and can be tuned.
    """
    if request.continue_run:
        request = replace(request, settings=_continued_settings(library, request))
    values = request.to_dict()
    return submit_kept(engine, library, pool, kind=KIND, request=values, visitor=visitor)


def prepare(library: Library, pool: Models, job_id: str, values: Mapping[str, Any]) -> Prepared:
    """The work of a request that a row holds; see `kept.KINDS`."""
    request = GenerationRequest.from_dict(values)

    def work(control: JobControl) -> str | None:
        if library.has_run(job_id):  # it was saved, and only that was not noted any more
            return job_id
        return _GenerationWork(request, library, pool, job_id).run(control)

    return Prepared(
        title=request.title, device=request.spec.device, work=work, meta={"request": request}
    )


def tune(engine: JobEngine, job_id: str, changes: Mapping[str, Any], by: str = "") -> None:
    """Change some fields of the settings of a running job, from its next step on.

    `changes` is a patch `{field: value}` of the job's own settings: what is not in it stays as
    others have set it. Who changed what is shown in the live view and kept with the run. Raises
    SettingsError for what cannot hold in mid-run, JobError when the job is not going on.
    """
    view = engine.view(job_id)
    request = view.meta.get("request")
    if not isinstance(request, GenerationRequest):
        raise JobError(f"{view.title!r} is no generation and has no settings to change")
    before = getattr(view.snapshot, "settings", request.settings)
    check_change(before, before.patch(changes))
    engine.send(job_id, SettingsPatch(changes=dict(changes), by=by))


def find_made(
    library: Library, classifier: Classifier, targets: tuple[Target, ...], settings
) -> dict[Target, str]:
    """Which of the targets the library holds already, made with the same settings and weights."""
    keys = {prototype_key(classifier.identity, target, settings): target for target in targets}
    return {keys[key]: found for key, found in library.find(keys).items()}


class _StoppedEarly(Exception):  # noqa: N818 - not an error
    """The job was stopped before its first step."""


class _GenerationWork:
    """One run, in the worker thread."""

    def __init__(
        self, request: GenerationRequest, library: Library, models: Models, job_id: str
    ) -> None:
        self._request = request
        self._library = library
        self._models = models
        self._classifier = models.get(request.spec)
        self._job_id = job_id

    def run(self, control: JobControl) -> str | None:
        """Optimise until the end or a stop, then keep what there is."""
        folder = CheckpointFolder(self._library.jobs.place(self._job_id))
        run = open_run(self._classifier, folder, self._begin)
        try:
            views = Views(
                recording=run.recording,
                tracker=self._track(control),
                facts=lambda: {
                    "tuned": tuple(run.tuned),
                    "kept_step": run.kept_step,
                    "resumed": run.resumed,
                },
            )
            self._optimise(control, run, views)
        except _StoppedEarly:
            return None
        finally:
            run.close()
        last = run.recording.last
        if last is None:
            return None
        views.maybe_publish(control, last, now_please=True)
        control.progress(last.step, last.total, "saving")
        return self._save(control, self._saved(run))

    def _optimise(self, control: JobControl, run: Run, views: Views) -> None:
        changed = _take_patches(control, run, 0)
        while not control.stopping:
            snapshot = run.advance(changed)
            if snapshot is None:
                break
            if views.tracker:
                views.tracker.add(snapshot)
            control.progress(snapshot.step, snapshot.total, _stage_text(snapshot))
            views.maybe_publish(control, snapshot, now_please=False)
            before = time.monotonic()
            control.wait_if_paused()
            run.waited += time.monotonic() - before
            changed = _take_patches(control, run, run.recording.steps_taken)
            run.keep_if_due(changed)
        if control.closing:
            run.keep(changed)
            raise InterruptedWork

    def _track(self, control: JobControl) -> SimilarityTracker | None:
        """Prepare to measure path similarity; raises _StoppedEarly."""
        request = self._request.similarity
        if request is None:
            return None
        from protocore.jobs.live_similarity import SimilarityTracker

        def progress(done: int, total: int) -> None:
            control.progress(done, total, "measuring natural images, once for each class")
            control.wait_if_paused()
            if control.closing:
                raise InterruptedWork
            if control.stopping:
                raise _StoppedEarly

        return SimilarityTracker(
            request,
            self._classifier,
            self._request.targets,
            self._request.settings,
            self._library.folder / "cache" / "similarity",
            progress,
        )

    def _begin(self) -> Beginning:
        request = self._request
        if request.continue_run:
            return _reopen(self._library, self._classifier, request)
        return beginning(self._classifier, request.targets, request.settings)

    def _saved(self, run: Run) -> SavedRun:
        """What is to be kept of the run as it is now."""
        recording, request, seconds = run.recording, self._request, run.seconds
        recording.keep_last_frame()
        prototypes = recording.prototypes(seconds)
        prototypes = witnessed(prototypes, request.spec, self._classifier, self._models.get)
        finished = all(prototype.record.completed for prototype in prototypes)
        return SavedRun(
            title=request.title,
            prototypes=prototypes,
            model_link=request.spec.to_link(),
            preset=request.preset,
            status="done" if finished else "stopped",
            seconds=seconds,
            frames=recording.frames,
            curves=recording.curves,
            state=recording.last.state.to_bytes(),
            state_info={"tuned": [dataclasses.asdict(change) for change in run.tuned]},
        )

    def _save(self, control: JobControl, saved: SavedRun) -> str:
        """Keep it, with some patience; raises NotSaved with the only copy when that fails."""

        def save() -> str:
            return self._library.save_run(saved, run_id=self._job_id)

        for wait in (*SAVE_WAITS, None):
            try:
                return save()
            except LibraryError as error:
                reason = str(error)
                if wait is None or control.stopping:
                    break
                _log.warning("the run %s is not kept yet: %s", self._job_id, error)
                time.sleep(wait)
        raise NotSaved(f"it is finished, but could not be saved: {reason}", save)


def _reopen(library: Library, classifier: Classifier, request: GenerationRequest) -> Beginning:
    """State and recording of a kept run, to go on with the extended settings of the request."""
    state = _kept_state(library, request.continue_run, classifier.device)
    infos = [library.prototype(i) for i in library.run(request.continue_run).prototypes]
    if len(infos) != len(state.targets):
        raise LibraryError(
            "some of this run's prototypes are in the trash; restore them to go on with it"
        )
    if request.targets != state.targets:
        raise SettingsError("the saved state belongs to other classes or seeds")
    records = [library.load_prototype(info.id).record for info in infos]
    if records[0].weight_hash != classifier.weight_hash:
        raise LibraryError("this run was made with other weights; load those to go on with it")
    recording = Recording(
        classifier=classifier,
        targets=state.targets,
        settings=records[0].settings,
        history=list(records[0].history),
        curves=[{k: list(v) for k, v in library.curves(info.id).items()} for info in infos],
        frames=[[(f.step, f.path.read_bytes()) for f in library.frames(i.id)] for i in infos],
    )
    return Beginning(
        recording=recording,
        settings=request.settings,
        state=state,
        seconds=library.run(request.continue_run).seconds,
    )


def _kept_state(library: Library, run_id: str, device) -> GenerationState:
    files = library.state_files(run_id)
    if files is None:
        raise LibraryError("this run was kept without its state; start it again with more steps")
    return GenerationState.from_file(str(files[0]), device)


def _continued_settings(library: Library, request: GenerationRequest) -> GenerationSettings:
    """The run's own settings, with the steps it is to have in all."""
    state = _kept_state(library, request.continue_run, "cpu")
    ids = library.run(request.continue_run).prototypes
    if len(ids) != len(state.targets):
        raise LibraryError(
            "some of this run's prototypes are in the trash; restore them to go on with it"
        )
    own = library.load_prototype(ids[0]).record.settings
    return extend(own, state.step, request.more_steps)


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


def _take_patches(control: JobControl, run: Run, step: int) -> GenerationSettings | None:
    """Settings from the next step on, when somebody has changed them; what cannot hold is left."""
    latest = None
    for message in control.take_messages():
        before = latest or run.settings
        try:
            after = before.patch(message.changes)
            check_change(before, after)
        except SettingsError as error:
            _log.warning("settings refused in mid-run: %s", error)
            continue
        if after != before:
            latest = after
            changes = {name: after.to_dict()[name] for name in before.changes_to(after)}
            run.recording.changed_by = message.by
            run.tuned.append(Tuned(step=step + 1, author=message.by, changes=changes))
    return latest


def _stage_text(snapshot: Snapshot) -> str:
    return "stage 1: balancing classes" if snapshot.stage == "baseline" else "optimising"
