"""Background jobs: one queue and one worker thread per device, independent of any page.

    engine = JobEngine()
    job_id = engine.submit(kind="generation", title="golf ball", device="cpu", work=work)
    engine.view(job_id).snapshot  # what the work published last

`work(control)` runs in the worker thread of its device, calls `control.progress`,
`control.publish` and `control.wait_if_paused` between its steps, ends early when
`control.stopping`, and returns the result.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from protocore.errors import JobError, ProtocoreError
from protocore.jobs.job import ACTIVE, FINISHED, Job, JobControl, JobView, frozen_meta

__all__ = ["JobControl", "JobEngine", "JobView"]

log = logging.getLogger(__name__)

KEEP_FINISHED = 50  # jobs; with a snapshot of a few hundred kB each, some 10 MB
CLOSE_TIMEOUT = 10.0  # seconds given to running work to see that it should stop

OUT_OF_MEMORY = (
    "the memory of {device} was not enough for this job; ask for fewer classes or seeds at once, "
    "a smaller image or fewer transforms per step, or end other jobs and programs"
)


class JobEngine:
    """Runs jobs one after another on each device, and side by side on different devices.

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
        self._finished: list[str] = []  # in order of finishing
        self._queues: dict[str, list[Job]] = {}  # waiting, by device
        self._workers: dict[str, threading.Thread] = {}
        self._closed = False
        atexit.register(self.close)

    def submit(
        self,
        *,
        kind: str,
        title: str,
        device: str,
        work: Callable[[JobControl], Any],
        meta: Mapping[str, Any] | None = None,
    ) -> str:
        """Queue `work` on `device` and return the job's identifier at once.

        `kind` and `meta` are for the submitter's use, `title` is for people. Raises JobError
        when the engine is closed.
        """
        with self._changed:
            if self._closed:
                raise JobError("no job can be started: the app is shutting down; start it again")
            job = Job(
                id=secrets.token_hex(8),
                kind=kind,
                title=title,
                device=str(device),
                work=work,
                meta=frozen_meta(meta),
                clock=self._clock,
            )
            self._jobs[job.id] = job
            self._queues.setdefault(job.device, []).append(job)
            self._ensure_worker(job.device)
            self._changed.notify_all()
            return job.id

    def view(self, job_id: str) -> JobView:
        """The job as it is now. Raises JobError when there is no such job (any more)."""
        with self._changed:
            return self._view(self._find(job_id))

    def views(self) -> list[JobView]:
        """All jobs that are remembered, newest first."""
        with self._changed:
            return [self._view(job) for job in reversed(self._jobs.values())]

    def pause(self, job_id: str) -> None:
        """Let the job wait after its current step. Its device stays taken."""
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
            job.stop_requested = True
            if job.status == "queued":
                self._queues[job.device].remove(job)
                self._finish(job, "stopped")
            else:
                job.status = "stopping"
                job.start_clock()
                self._touch(job)

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
        """Stop everything and wait for the worker threads. No job can be submitted afterwards."""
        with self._changed:
            self._closed = True
            for job in list(self._jobs.values()):
                if job.status in ACTIVE:
                    self.stop(job.id)
            self._changed.notify_all()
            workers = list(self._workers.values())
        deadline = time.monotonic() + timeout
        for worker in workers:
            worker.join(max(deadline - time.monotonic(), 0))
            if worker.is_alive():
                log.warning("%s did not stop within %.0f seconds", worker.name, timeout)
        atexit.unregister(self.close)

    # --- all below is called under the lock, except _work and _perform ---

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
            return job.view(self._queues[job.device].index(job) + 1)
        return job.view(0 if job.status in ACTIVE else None)

    def _touch(self, job: Job) -> None:
        job.version += 1
        self._changed.notify_all()

    def _finish(self, job: Job, status: str, *, result: Any = None, error: str = "") -> None:
        job.status, job.result, job.error = status, result, error
        job.stop_clock()
        job.work = None
        job.messages = []
        for waiting in self._queues[job.device]:
            waiting.version += 1  # its position may have changed
        self._finished.append(job.id)
        for old in self._finished[: -self._keep or None]:
            self._forget(old)
        self._touch(job)

    def _forget(self, job_id: str) -> None:
        del self._jobs[job_id]
        self._finished.remove(job_id)

    def _ensure_worker(self, device: str) -> None:
        if device not in self._workers:
            worker = threading.Thread(
                target=self._work, args=(device,), name=f"protocore jobs on {device}", daemon=True
            )
            self._workers[device] = worker
            worker.start()

    def _work(self, device: str) -> None:
        """The worker thread: take the next job, perform it, until the engine is closed."""
        queue = self._queues[device]
        while True:
            with self._changed:
                self._changed.wait_for(lambda: queue or self._closed)
                if not queue:
                    return
                job = queue.pop(0)
                job.status = "running"
                job.start_clock()
                for waiting in queue:
                    waiting.version += 1
                self._touch(job)
            self._perform(job)

    def _perform(self, job: Job) -> None:
        result, error, status = None, "", "done"
        try:
            result = job.work(JobControl(job, self._changed))
        except BaseException as exception:  # whatever it is, the worker must live on
            error, status = _explain(exception, job), "failed"
        if status == "failed":
            _release_memory()
        with self._changed:
            if job.stop_requested and status == "done":
                status = "stopped"
            self._finish(job, status, result=result, error=error)


def _explain(exception: BaseException, job: Job) -> str:
    """What to tell people; the log gets the traceback of what nobody foresaw."""
    if isinstance(exception, ProtocoreError):
        log.info("job %s (%s) failed: %s", job.id, job.title, exception)
        return str(exception)
    log.error("job %s (%s) failed", job.id, job.title, exc_info=exception)
    if _is_out_of_memory(exception):
        return OUT_OF_MEMORY.format(device=job.device)
    return (
        f"something unexpected went wrong ({type(exception).__name__}: {exception}). The app and "
        "everything in the Library are unharmed; try again, and if it returns, report it with "
        "the server's log"
    )


def _is_out_of_memory(exception: BaseException) -> bool:
    if isinstance(exception, MemoryError | torch.OutOfMemoryError):
        return True
    # The CPU allocator raises a bare RuntimeError.
    return isinstance(exception, RuntimeError) and "can't allocate memory" in str(exception)


def _release_memory() -> None:
    """Give cached blocks back, or the next, smaller job could fail too."""
    if torch.cuda.is_initialized():
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()
