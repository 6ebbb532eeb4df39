"""Background jobs, independent of any page: lines of work, and one network at a time per device.

    engine = JobEngine()
    job_id = engine.submit(kind="generation", title="golf ball", device="cpu", work=work)
    engine.view(job_id).snapshot  # what the work published last

A *queue* is a line of work with a worker thread on each device; a *device* is where networks
compute. Jobs of one queue run one after another; those of two queues on one device take turns
between their steps. `work(control)` runs in the worker thread, calls `control.progress`,
`control.publish` and `control.wait_if_paused` between its steps, ends early when
`control.stopping`, and returns the result.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from protocore.errors import JobEndedError, JobError, ProtocoreError, is_out_of_memory
from protocore.jobs.job import (
    ACTIVE,
    FINISHED,
    InterruptedWork,
    Job,
    JobControl,
    JobView,
    NotSaved,
    frozen_meta,
)
from protocore.jobs.lines import Line
from protocore.jobs.turns import Turns
from protocore.text import plural

__all__ = ["ANALYSIS", "GENERATION", "JobControl", "JobEngine", "JobView"]

log = logging.getLogger(__name__)

GENERATION = "generation"  # queue of what takes minutes
ANALYSIS = "analysis"  # queue of what a page waits for, between the steps of the former
KEEP_FINISHED = 50  # jobs; with a snapshot of a few hundred kB each, some 10 MB
KEEP_RESULTS = 200  # of `once`, in a memory of their own
CLOSE_TIMEOUT = 10.0  # seconds given to running work to see that it should stop
JOBS_VARIABLE = "PROTOCORE_JOBS_PER_VISITOR"
JOBS_PER_VISITOR = 200  # waiting or running at once

OUT_OF_MEMORY = (
    "the memory of {device} was not enough for this job; ask for fewer classes or seeds at once, "
    "a smaller image or fewer transforms per step, or end other jobs and programs"
)
GIVEN_UP = (
    "it did not react to Stop and was given up after {seconds:.0f} s; its thread may use memory "
    "and processor until the app is restarted, other jobs go on"
)


class JobEngine:
    """Runs jobs in queues, with one network at a time on each device.

    Thread-safe. All threads are daemons; at interpreter exit running work is asked to stop and
    waited for, so that nothing is torn down under it.
    """

    def __init__(
        self, *, keep: int = KEEP_FINISHED, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keep = keep
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._jobs: dict[str, Job] = {}  # in order of submission
        self._finished: list[str] = []  # in order of finishing; without results of `once`
        self._once: dict[tuple[str, str], str] = {}  # job by kind and key, used last at the end
        self._lines: dict[tuple[str, str], Line] = {}  # by queue and device
        self._turns = Turns()
        self._closed = False
        self._closers: list[Callable[[], None]] = []
        atexit.register(self.close)

    def submit(
        self,
        *,
        kind: str,
        title: str,
        work: Callable[[JobControl], Any],
        device: str = "",
        queue: str = GENERATION,
        visitor: str = "",
        meta: Mapping[str, Any] | None = None,
        job_id: str = "",
        on_end: Callable[[JobView], None] | None = None,
    ) -> str:
        """Line up `work` in `queue` and return the job's identifier at once.

        `device` is the torch device it computes on, "" for none. `kind` and `meta` are for the
        submitter's use, `title` is for people. `on_end` is told how it ended, however it did.
        Raises JobError when the engine is closed, or the visitor has too many jobs waiting.
        """
        job = Job(
            id=job_id or secrets.token_hex(8),
            kind=kind,
            title=title,
            queue=queue,
            device=str(device),
            visitor=visitor,
            work=work,
            meta=frozen_meta(meta),
            clock=self._clock,
            on_end=on_end,
        )
        with self._changed:
            self._enter(job)
        return job.id

    def once(
        self,
        *,
        kind: str,
        key: str,
        title: str,
        work: Callable[[JobControl], Any],
        device: str = "",
        queue: str = ANALYSIS,
        visitor: str = "",
    ) -> JobView:
        """The job that makes the result for `key`, started now unless there is one already.

        `key` must name everything that changes the result. The last KEEP_RESULTS results are
        remembered, apart from other jobs; one that failed stays until it is dismissed.
        """
        with self._changed:
            known = self._once.pop((kind, key), None)
            if known is None:
                known = secrets.token_hex(8)
                job = Job(
                    id=known,
                    kind=kind,
                    title=title,
                    queue=queue,
                    device=str(device),
                    visitor=visitor,
                    work=work,
                    meta=frozen_meta({"key": key}),
                    clock=self._clock,
                    key=key,
                )
                self._enter(job)
            self._once[kind, key] = known
            self._forget_results()
            return self._view(self._jobs[known])

    def view(self, job_id: str) -> JobView:
        """The job as it is now. Raises JobError when there is no such job (any more)."""
        with self._changed:
            return self._view(self._find(job_id))

    def views(self) -> list[JobView]:
        """All jobs that are remembered, newest first."""
        with self._changed:
            return [self._view(job) for job in reversed(self._jobs.values())]

    def pause(self, job_id: str) -> None:
        """Let the job wait after its current step. Its queue stays taken, its device does not."""
        with self._changed:
            job = self._expect(job_id, ("running",), "paused")
            job.status = "paused"
            job.stop_clock()
            self._touch(job)

    def resume(self, job_id: str) -> None:
        """Let a paused job go on."""
        with self._changed:
            job = self._expect(job_id, ("paused",), "resumed")
            job.status = "running"
            job.start_clock()
            self._touch(job)

    def stop(self, job_id: str) -> None:
        """End the job: a waiting one at once, a running or paused one after its current step."""
        with self._changed:
            job = self._expect(job_id, ACTIVE, "stopped")
            if job.stop_asked_at is None:
                job.stop_asked_at = self._clock()
            job.stop_requested = True
            if job.status == "queued":
                self._line(job).waiting.remove(job)
                self._finish(job, "interrupted" if job.closing else "stopped")
            else:
                job.status = "stopping"
                job.start_clock()
                self._touch(job)
        if job.status in FINISHED:
            self._tell_end(job)

    def give_up(self, job_id: str) -> None:
        """End a job that hangs: its thread is left behind, and its queue gets a new one.

        What it still does is lost, and it may hold memory until the process ends.
        """
        with self._changed:
            job = self._expect(job_id, ("running", "paused", "stopping"), "given up")
            since = self._clock() - (job.stop_asked_at or self._clock())
            job.given_up = True
            self._turns.give(job)
            line = self._line(job)
            line.worker = None
            self._ensure_worker(line)
            self._finish(job, "stopped", error=GIVEN_UP.format(seconds=since))
        log.warning("job %s (%s) was given up, its thread is left behind", job.id, job.title)
        self._tell_end(job)

    def disown(self, job_id: str) -> None:
        """End a job that another process has taken over: whatever it does is of no use any more."""
        with self._changed:
            job = self._find(job_id)
            if job.status == "queued":
                job.on_end = None
                self.stop(job_id)
            elif job.status in ACTIVE:
                job.on_end = None
                self.give_up(job_id)
                job.error = "another process has taken this job over and goes on with it"

    def on_close(self, action: Callable[[], None]) -> None:
        """Call `action` when the engine has closed."""
        with self._changed:
            self._closers.append(action)

    def save_again(self, job_id: str) -> JobView:
        """Try again to keep the result of an "unsaved" job; its view then.

        Raises JobError for another job, and what the saving raises; then it stays unsaved.
        """
        with self._changed:
            job = self._expect(job_id, ("unsaved",), "saved again")
            save, job.save = job.save, None
        if save is None:
            raise JobError(f"{job.title!r} is being saved already; wait a moment")
        try:
            result = save()
        except BaseException as error:
            with self._changed:
                job.save, job.error = save, _explain(error, job)
                self._touch(job)
            raise
        with self._changed:
            job.status, job.result, job.error = "done", result, ""
            self._remember(job)
            self._touch(job)
        self._tell_end(job)
        return self.view(job_id)

    def send(self, job_id: str, message: Any) -> None:
        """Hand `message` to the work, which finds it at its next `take_messages`."""
        with self._changed:
            job = self._expect(job_id, ("queued", "running", "paused"), "told anything")
            job.messages.append(message)
            self._touch(job)

    def dismiss(self, job_id: str) -> None:
        """Forget a finished job."""
        with self._changed:
            self._expect(job_id, FINISHED, "dismissed")
            self._forget(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> JobView:
        """Block until the job has finished or `timeout` seconds have passed; the view then.

        For scripts and tests: a page asks for `view` instead.
        """
        with self._changed:
            job = self._find(job_id)
            self._changed.wait_for(lambda: job.status in FINISHED, timeout)
            return self._view(job)

    def wait_for_change(self, job_id: str, version: int, timeout: float | None = None) -> JobView:
        """Block until the view's version is above `version`, or `timeout` seconds have passed."""
        with self._changed:
            job = self._find(job_id)
            self._changed.wait_for(lambda: job.version > version, timeout)
            return self._view(job)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Stop everything and wait for the worker threads. No job can be submitted afterwards.

        Work that can go on later keeps its state and is "interrupted" instead of stopped.
        """
        with self._changed:
            self._closed = True
            active = [job for job in self._jobs.values() if job.status in ACTIVE]
            for job in active:
                job.closing = job.on_end is not None
            self._changed.notify_all()
            workers = [line.worker for line in self._lines.values() if line.worker]
        for job in active:
            with contextlib.suppress(JobError):  # it has ended meanwhile
                self.stop(job.id)
        deadline = time.monotonic() + timeout
        for worker in workers:
            worker.join(max(deadline - time.monotonic(), 0))
            if worker.is_alive():
                log.warning("%s did not stop within %.0f seconds", worker.name, timeout)
        while self._closers:
            self._closers.pop()()
        atexit.unregister(self.close)

    # --- all below is called under the lock, except _work, _perform and _tell_end ---

    def _enter(self, job: Job) -> None:
        if self._closed:
            raise JobError("no job can be started: the app is shutting down; start it again")
        if job.id in self._jobs:
            raise JobError(f"the job {job.title!r} is here already")
        own = sum(j.status in ACTIVE and j.visitor == job.visitor for j in self._jobs.values())
        limit = jobs_per_visitor()
        if own >= limit:
            raise JobError(
                f"{plural(own, 'job')} of yours are waiting or running, at most {limit} may be; "
                f"stop some or wait (whoever runs the app can raise {JOBS_VARIABLE})"
            )
        self._jobs[job.id] = job
        line = self._line(job)
        line.add(job)
        self._ensure_worker(line)
        self._changed.notify_all()

    def _line(self, job: Job) -> Line:
        key = job.queue, job.device
        if key not in self._lines:
            self._lines[key] = Line(*key)
        return self._lines[key]

    def _find(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            raise JobError(
                f"there is no job {job_id!r} any more; the last {self._keep} finished jobs are "
                "remembered until the app is restarted, finished runs are in the Library"
            )
        return self._jobs[job_id]

    def _expect(self, job_id: str, statuses: tuple[str, ...], action: str) -> Job:
        job = self._find(job_id)
        if job.status not in statuses:
            raise JobError(
                f"the job {job.title!r} is {job.status} and cannot be {action}; "
                f"that needs a job that is {' or '.join(statuses)}"
            )
        return job

    def _view(self, job: Job) -> JobView:
        if job.status == "queued":
            return job.view(self._line(job).waiting.index(job) + 1)
        return job.view(0 if job.status in ACTIVE else None)

    def _touch(self, job: Job) -> None:
        job.version += 1
        self._changed.notify_all()

    def _finish(self, job: Job, status: str, *, result: Any = None, error: str = "") -> None:
        job.status, job.result, job.error = status, result, error
        job.stop_clock()
        job.work = None
        job.messages = []
        for waiting in self._line(job).waiting:
            waiting.version += 1  # its position may have changed
        if status != "unsaved":  # that one is the only copy of its result
            self._remember(job)
        self._touch(job)

    def _remember(self, job: Job) -> None:
        if job.key:
            self._forget_results()
            return
        self._finished.append(job.id)
        for old in self._finished[: -self._keep or None]:
            self._forget(old)

    def _forget_results(self) -> None:
        ended = [i for i in self._once.values() if self._jobs[i].status in FINISHED]
        for old in ended[:-KEEP_RESULTS]:
            self._forget(old)

    def _forget(self, job_id: str) -> None:
        job = self._jobs.pop(job_id)
        if job_id in self._finished:
            self._finished.remove(job_id)
        if self._once.get((job.kind, job.key)) == job_id:
            del self._once[job.kind, job.key]

    def _ensure_worker(self, line: Line) -> None:
        if line.worker is None and not self._closed:
            line.worker = threading.Thread(
                target=self._work, args=(line,), name=f"protocore {line.title}", daemon=True
            )
            line.worker.start()

    def _work(self, line: Line) -> None:
        """The worker thread: take the next job, perform it, until the engine is closed."""
        me = threading.current_thread()
        while True:
            with self._changed:
                job = self._next(line)
                if job is None:
                    return
                line.take(job)
                job.status = "running"
                job.start_clock()
                for waiting in line.waiting:
                    waiting.version += 1
                self._touch(job)
            self._perform(job)
            with self._changed:
                if line.worker is not me:  # it was given up, and another one works here
                    return

    def _next(self, line: Line) -> Job | None:
        """Wait for a job and for its turn on the device; None when there will be none."""
        while True:
            self._changed.wait_for(lambda: line.waiting or self._closed)
            if not line.waiting:
                return None
            job = line.waiting[0]
            self._turns.ask(job)
            self._changed.wait_for(lambda j=job: self._turns.has(j) or j.status != "queued")
            if job.status == "queued":
                return job
            self._turns.give(job)

    def _perform(self, job: Job) -> None:
        result, error, status, save = None, "", "done", None
        try:
            result = job.work(JobControl(job, self._changed, self._turns))
        except InterruptedWork:
            status = "interrupted"
        except NotSaved as unsaved:
            error, status, save = str(unsaved), "unsaved", unsaved.save
        except BaseException as exception:  # whatever it is, the worker must live on
            error, status = _explain(exception, job), "failed"
        if status == "failed":
            _release_memory()
        with self._changed:
            self._turns.give(job)
            if job.given_up:
                return
            if job.stop_requested and status == "done":
                status = "stopped"
            ended = replace(job.view(None), status=status, result=result, error=error)
        self._tell_end(job, ended)  # first noted, then seen
        with self._changed:
            if not job.given_up:
                job.save = save
                self._finish(job, status, result=result, error=error)

    def _tell_end(self, job: Job, ended: JobView | None = None) -> None:
        """Outside the lock: it writes to the database."""
        if job.on_end is None:
            return
        try:
            job.on_end(ended or job.view(None))
        except Exception as error:  # the job itself has ended all the same
            log.warning("the end of job %s (%s) was not noted: %s", job.id, job.title, error)


def jobs_per_visitor() -> int:
    """How many jobs one visitor may have waiting and running; raises JobError for no number."""
    text = os.environ.get(JOBS_VARIABLE, "").strip() or str(JOBS_PER_VISITOR)
    if not text.isdecimal() or int(text) < 1:
        raise JobError(f"{JOBS_VARIABLE} must be a whole number >= 1, got {text!r}")
    return int(text)


def _explain(exception: BaseException, job: Job) -> str:
    """What to tell people; the log gets the traceback of what nobody foresaw."""
    if isinstance(exception, JobEndedError):
        return str(exception)
    if isinstance(exception, ProtocoreError):
        log.info("job %s (%s) failed: %s", job.id, job.title, exception)
        return str(exception)
    log.error("job %s (%s) failed", job.id, job.title, exc_info=exception)
    if is_out_of_memory(exception):
        return OUT_OF_MEMORY.format(device=job.device or "this machine")
    return (
        f"something unexpected went wrong ({type(exception).__name__}: {exception}). The app and "
        "everything in the Library are unharmed; try again, and if it returns, report it with "
        "the server's log"
    )


def _release_memory() -> None:
    """Give cached blocks back, or the next, smaller job could fail too."""
    if torch.cuda.is_initialized():
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()
