"""Jobs that survive their process: submitted as rows of the library, taken up by the next one.

    job_id = submit_kept(engine, library, pool, kind="generation", request=request.to_dict())
    ...                                                # the machine goes down, and is back
    resume_jobs(engine, library, pool)                 # at the start of a server
    find_job(engine, library, job_id)                  # the same job, by its link

Each kind of job says in KINDS how its work is prepared from a request of plain JSON. The work
keeps parts in `library.jobs.place(job_id)` and begins with what it finds there.
"""

from __future__ import annotations

import importlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from protocore.errors import JobError, LibraryError, ProtocoreError
from protocore.jobs.engine import GENERATION, JobControl, JobEngine, JobView
from protocore.jobs.job import FINISHED, frozen_meta
from protocore.library.jobs import TRIES, KeptJob
from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec

__all__ = [
    "Models",
    "Prepared",
    "find_job",
    "open_jobs",
    "resume_jobs",
    "retry_job",
    "submit_kept",
]

# Where `prepare(library, pool, job_id, request) -> Prepared` of each kind is; loaded on demand.
KINDS: dict[str, str] = {
    "generation": "protocore.jobs.generation:prepare",
}
SWEEP_SECONDS = 3600.0  # between two looks for jobs that ended long ago
BEAT_SECONDS = 10.0  # between two signs of life, and two looks for work whose owner is gone

log = logging.getLogger(__name__)


class Models(Protocol):
    """Where work gets its classifiers, such as a ModelPool."""

    def get(self, spec: ModelSpec) -> Classifier:
        """The classifier of a spec, loaded when it is not in memory."""
        ...


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the engine needs to run a kept job."""

    title: str
    work: Callable[[JobControl], Any]
    device: str = ""
    queue: str = GENERATION
    meta: Mapping[str, Any] = field(default_factory=dict)


def submit_kept(
    engine: JobEngine,
    library: Library,
    pool: Models,
    *,
    kind: str,
    request: Mapping[str, Any],
    visitor: str = "",
    job_id: str = "",
) -> str:
    """Enter a job into the library and line it up; returns its identifier.

    Raises LibraryError when the library cannot be written: better now than at the end. `job_id`
    names one whose folder already holds files.
    """
    job_id = job_id or secrets.token_hex(8)
    prepared = _prepare(library, pool, kind, job_id, request)
    library.jobs.add(
        KeptJob(
            id=job_id,
            kind=kind,
            title=prepared.title,
            request=request,
            queue=prepared.queue,
            device=prepared.device,
            visitor=visitor,
        )
    )
    try:
        _line_up(engine, library, job_id, kind, prepared, visitor)
    except JobError:
        library.jobs.remove([job_id])
        raise
    _keeper(engine, library, pool)
    return job_id


def resume_jobs(engine: JobEngine, library: Library, pool: Models) -> tuple[str, ...]:
    """Take up every job whose process is gone, now and from now on; those taken up now.

    For the start of a server, once; further calls change nothing.
    """
    keeper = _keeper(engine, library, pool)
    keeper.takes_up = True
    return keeper.take_up()


def retry_job(engine: JobEngine, library: Library, pool: Models, job_id: str) -> None:
    """Try a job again that has failed or was stopped, from its last checkpoint if there is one.

    It keeps its identifier. Raises JobError when it is still going on, or is not known any more.
    """
    with_engine = {view.id for view in engine.views()}
    job = library.jobs.reopen(job_id)
    if job_id in with_engine:
        engine.dismiss(job_id)
    _take_in(engine, library, pool, job, resumed=True)
    _keeper(engine, library, pool)


def find_job(engine: JobEngine, library: Library, job_id: str) -> JobView | None:
    """A job by its identifier, as from a link: of this process, or as the library knows it.

    Of one that ended earlier there is no snapshot; its `result` is text, such as the run's
    identifier. `meta["elsewhere"]` is True while another process works on it or has it waiting.
    None when there never was such a job, or it ended long ago.
    """
    try:
        return engine.view(job_id)
    except JobError:
        job = library.jobs.get(job_id)
    return None if job is None else _view(job, elsewhere=library.jobs.is_alive(job))


def open_jobs(engine: JobEngine, library: Library) -> tuple[JobView, ...]:
    """All jobs that are waiting or running, here and elsewhere, newest first."""
    here = {view.id: view for view in engine.views() if view.active or view.status == "unsaved"}
    kept = [job for job in library.jobs.recent(only_open=True) if job.id not in here]
    elsewhere = [_view(job, elsewhere=library.jobs.is_alive(job)) for job in kept]
    return (*here.values(), *elsewhere)


# --- one job ---


def _prepare(
    library: Library, pool: Models, kind: str, job_id: str, request: Mapping[str, Any]
) -> Prepared:
    if kind not in KINDS:
        raise JobError(f"there is no kind of job {kind!r}; known are {', '.join(sorted(KINDS))}")
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)(library, pool, job_id, request)


def _line_up(
    engine: JobEngine,
    library: Library,
    job_id: str,
    kind: str,
    prepared: Prepared,
    visitor: str,
    meta: Mapping[str, Any] | None = None,
) -> None:
    def work(control: JobControl) -> Any:
        library.jobs.begin(job_id)
        return prepared.work(control)

    engine.submit(
        kind=kind,
        title=prepared.title,
        work=work,
        device=prepared.device,
        queue=prepared.queue,
        visitor=visitor,
        meta={**prepared.meta, "kept": True, **(meta or {})},
        job_id=job_id,
        on_end=lambda view: _note_end(library, view),
    )


def _note_end(library: Library, view: JobView) -> None:
    """How a job of this process ended, into its row; what it has kept goes when it is done."""
    if view.status == "interrupted":
        library.jobs.release(view.id)
        return
    result = view.result if isinstance(view.result, str) else ""
    own = library.jobs.finish(view.id, view.status, result=result, error=view.error)
    if own and view.status in ("done", "stopped"):
        library.jobs.drop_files(view.id)


def _take_in(
    engine: JobEngine, library: Library, pool: Models, job: KeptJob, *, resumed: bool
) -> bool:
    """Line up a job that this process owns now; says whether that was possible."""
    try:
        prepared = _prepare(library, pool, job.kind, job.id, job.request)
        meta = {"resumed": resumed, "resumed_at": job.done}
        _line_up(engine, library, job.id, job.kind, prepared, job.visitor, meta)
    except ProtocoreError as error:
        log.warning("the job %s (%s) cannot go on: %s", job.id, job.title, error)
        library.jobs.finish(job.id, "failed", error=f"it cannot go on: {error}")
        return False
    return True


def _view(job: KeptJob, *, elsewhere: bool) -> JobView:
    """A job that is not in this process's memory, as the pages see jobs."""
    return JobView(
        id=job.id,
        kind=job.kind,
        title=job.title,
        queue=job.queue,
        device=job.device,
        visitor=job.visitor,
        status=job.state if job.state in (*FINISHED, "queued", "running") else "failed",
        position=None if job.state in FINISHED else 0,
        done=job.done,
        total=job.total,
        text="" if not job.open else ("in another process" if elsewhere else "interrupted"),
        seconds=0.0,
        stopping_for=0.0,
        rate=None,
        seconds_left=None,
        snapshot=None,
        result=job.result or None,
        error=job.error,
        meta=frozen_meta({"elsewhere": elsewhere, "kept": True}),
        version=0,
    )


# --- all jobs of a process ---


class _Keeper:
    """A thread that says that this process lives, and takes up what others have left behind."""

    def __init__(self, engine: JobEngine, library: Library, pool: Models) -> None:
        self._engine, self._library, self._pool = engine, library, pool
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.takes_up = False
        engine.on_close(self.close)
        self._thread = threading.Thread(target=self._run, name="protocore jobs", daemon=True)
        self._thread.start()

    def take_up(self) -> tuple[str, ...]:
        """Jobs whose process is gone, lined up here."""
        taken = []
        with self._lock:
            for job in self._library.jobs.orphans():
                if not self._library.jobs.take(job):
                    continue
                if job.tries >= TRIES:
                    self._library.jobs.finish(job.id, "failed", error=_crash_loop(job))
                elif _take_in(self._engine, self._library, self._pool, job, resumed=True):
                    taken.append(job.id)
        return tuple(taken)

    def close(self) -> None:
        """End the thread and leave the jobs to others."""
        with _keepers_lock:
            _keepers.pop(self._engine, None)
        self._ended.set()
        self._thread.join(5.0)
        self._library.jobs.close()

    def _run(self) -> None:
        swept = -SWEEP_SECONDS
        while not self._ended.wait(BEAT_SECONDS) and not self._library.jobs.closed:
            try:
                self._beat()
                if self.takes_up:
                    self.take_up()
                if self.takes_up and time.monotonic() - swept > SWEEP_SECONDS:
                    swept = time.monotonic()
                    self._library.jobs.sweep()
            except JobError:  # the engine is closing
                return
            except LibraryError as error:
                log.warning("no sign of life of the running jobs: %s", error)

    def _beat(self) -> None:
        own = [view for view in self._engine.views() if view.active and "kept" in view.meta]
        if not own:
            return
        lost = self._library.jobs.beat({view.id: (view.done, view.total) for view in own})
        for job_id in lost:
            log.warning("the job %s was taken over by another process", job_id)
            self._engine.disown(job_id)


def _crash_loop(job: KeptJob) -> str:
    where = f"at step {job.done} of {job.total}" if job.total else "before its first step"
    return (
        f"the app ended {job.tries} times while it ran this job, last {where}; most often that is "
        "too little memory: ask for fewer classes or seeds at once or a smaller image. What was "
        "made up to the last checkpoint is kept: trying again goes on from there"
    )


_keepers: WeakKeyDictionary[JobEngine, dict[Any, _Keeper]] = WeakKeyDictionary()
_keepers_lock = threading.Lock()


def _keeper(engine: JobEngine, library: Library, pool: Models) -> _Keeper:
    """The one of this engine and library."""
    with _keepers_lock:
        own = _keepers.setdefault(engine, {})
        if id(library) not in own:
            own[id(library)] = _Keeper(engine, library, pool)
        return own[id(library)]
