"""One background job: what its work may call, what a page may see of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from protocore.errors import JobEndedError
from protocore.jobs.pace import Pace
from protocore.jobs.turns import Turns

__all__ = ["ACTIVE", "FINISHED", "InterruptedWork", "Job", "JobControl", "JobView", "NotSaved"]

ACTIVE = ("queued", "running", "paused", "stopping")
# unsaved: the work is done, its result could not be kept yet; interrupted: goes on after a restart
FINISHED = ("done", "stopped", "failed", "unsaved", "interrupted")


class NotSaved(Exception):  # noqa: N818 - not an error of the work, which is done
    """Raised by work whose finished result could not be kept; `save` tries again.

    `save()` returns the result of the job, or raises a ProtocoreError once more.
    """

    def __init__(self, reason: str, save: Callable[[], Any]) -> None:
        super().__init__(reason)
        self.save = save


class InterruptedWork(Exception):  # noqa: N818 - not an error
    """Raised by work that has kept its state because the app is closing."""


@dataclass(frozen=True, kw_only=True)
class JobView:
    """What a job looked like at one moment. Safe to keep and to hand to another thread."""

    id: str
    kind: str
    title: str
    queue: str  # the line of work that it waits in
    device: str  # the torch device that it computes on; "" when on none
    visitor: str  # who asked for it; "" when unknown
    status: str  # one of ACTIVE or FINISHED
    position: int | None  # 0: running, 1: next in its queue, ...; None: finished
    done: int  # steps
    total: int  # steps; 0: not known yet
    text: str  # what it is doing, in a few words
    seconds: float  # running; waiting in the queue and pauses do not count
    stopping_for: float  # seconds since it was asked to stop; 0 when it was not
    rate: float | None  # steps per second, see Pace
    seconds_left: float | None  # at that rate
    snapshot: Any  # what the work published last
    result: Any  # what the work returned
    error: str  # what went wrong, for people; "" if nothing did
    meta: Mapping[str, Any]  # whatever the submitter wanted to remember
    version: int  # grows with every change of the above, time aside

    @property
    def active(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status in ACTIVE

    @property
    def fraction(self) -> float:
        """Share of the steps that are done, 0..1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


@dataclass(kw_only=True, eq=False)
class Job:
    """The engine's own record of a job. Touched only under the engine's lock."""

    id: str
    kind: str
    title: str
    queue: str
    device: str
    visitor: str
    work: Callable[[JobControl], Any] | None  # dropped at the end: it may hold a whole model
    meta: Mapping[str, Any]
    clock: Callable[[], float]
    on_end: Callable[[JobView], None] | None = None
    round: int = 0  # see Line
    key: str = ""  # of a result that is made once, see JobEngine.once
    status: str = "queued"
    done: int = 0
    total: int = 0
    text: str = ""
    snapshot: Any = None
    result: Any = None
    error: str = ""
    version: int = 0
    stop_requested: bool = False
    stop_asked_at: float | None = None  # clock value
    closing: bool = False  # the app ends: what can go on later keeps its state
    given_up: bool = False  # its thread was left behind
    save: Callable[[], Any] | None = None  # for one that is "unsaved"
    messages: list[Any] = field(default_factory=list)
    running_before: float = 0.0  # seconds up to the last pause
    running_since: float | None = None  # clock value; None: not running now
    pace: Pace = field(default_factory=Pace)

    @property
    def seconds(self) -> float:
        """Seconds running, without pauses."""
        if self.running_since is None:
            return self.running_before
        return self.running_before + self.clock() - self.running_since

    def start_clock(self) -> None:
        """Count from now on."""
        if self.running_since is None:
            self.running_since = self.clock()

    def stop_clock(self) -> None:
        """Stop counting."""
        self.running_before = self.seconds
        self.running_since = None

    def advance(self, done: int, total: int, text: str) -> None:
        """Note how far it is. A step back starts a new measurement of its pace."""
        self.pace.add(self.seconds, done)
        self.done, self.total, self.text = done, total, text
        self.version += 1

    def view(self, position: int | None) -> JobView:
        """Its present state, frozen."""
        left = self.pace.seconds_left(self.total) if self.status in ACTIVE else None
        asked = self.stop_asked_at if self.status == "stopping" else None
        return JobView(
            id=self.id,
            kind=self.kind,
            title=self.title,
            queue=self.queue,
            device=self.device,
            visitor=self.visitor,
            status=self.status,
            position=position,
            done=self.done,
            total=self.total,
            text=self.text,
            seconds=self.seconds,
            stopping_for=0.0 if asked is None else self.clock() - asked,
            rate=self.pace.rate,
            seconds_left=left,
            snapshot=self.snapshot,
            result=self.result,
            error=self.error,
            meta=self.meta,
            version=self.version,
        )


class JobControl:
    """What the work of a job is given: the only way in which it speaks to the pages.

    Every method raises JobEndedError once the job was given up (see JobEngine.give_up): work that
    wakes up late must not touch anything any more.
    """

    def __init__(self, job: Job, changed: threading.Condition, turns: Turns) -> None:
        self._job = job
        self._changed = changed  # the engine's lock, notified at every change
        self._turns = turns

    @property
    def job_id(self) -> str:
        """Identifier of the job."""
        return self._job.id

    @property
    def stopping(self) -> bool:
        """Whether the work should end now and return what there is."""
        with self._changed:
            self._check()
            return self._job.stop_requested

    @property
    def closing(self) -> bool:
        """Whether the app ends: work that can go on later raises InterruptedWork."""
        with self._changed:
            self._check()
            return self._job.closing

    def publish(self, snapshot: Any) -> None:
        """Show `snapshot`, which must not be changed afterwards, as the state of the work."""
        with self._changed:
            self._check()
            self._job.snapshot = snapshot
            self._job.version += 1
            self._changed.notify_all()

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Say that `done` of `total` steps are taken, and in `text` what is being done."""
        with self._changed:
            self._check()
            self._job.advance(done, total, text)
            self._changed.notify_all()

    def wait_if_paused(self) -> None:
        """Between two steps: return when running; while paused, when resumed or stopped.

        Others that wait for the same device have their turn here.
        """
        job = self._job
        with self._changed:
            self._check()
            if job.status != "paused" and not self._turns.wanted(job):
                return
            self._turns.give(job)
            if job.status == "running":
                job.stop_clock()
            self._changed.notify_all()
            self._changed.wait_for(lambda: job.status != "paused" or job.given_up)
            self._turns.ask(job)
            self._changed.wait_for(lambda: self._turns.has(job) or job.given_up)
            self._check()
            if job.status == "running":
                job.start_clock()

    def take_messages(self) -> list[Any]:
        """What pages have sent since the last call, oldest first."""
        with self._changed:
            self._check()
            messages, self._job.messages = self._job.messages, []
            return messages

    def _check(self) -> None:
        if self._job.given_up:
            raise JobEndedError(f"the job {self._job.title!r} was given up; start it again")


def frozen_meta(meta: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A copy that cannot be changed through a view."""
    return MappingProxyType(dict(meta or {}))
