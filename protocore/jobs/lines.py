"""One line of work: the jobs of a queue that wait for a device, and the thread that takes them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from protocore.jobs.job import Job

__all__ = ["Line"]


@dataclass(eq=False)
class Line:
    """Fair between visitors: each has his next job performed before anybody his second next.

    The round of a job is one after the round of its visitor's last one, and after that which is
    being performed (start-time fair queueing, Goyal et al., 1996). Touched only under the
    engine's lock.
    """

    queue: str
    device: str
    waiting: list[Job] = field(default_factory=list)  # as they will be taken
    worker: threading.Thread | None = None
    _round: int = 0  # of the job that was taken last
    _rounds: dict[str, int] = field(default_factory=dict)  # of the last job, by visitor

    @property
    def title(self) -> str:
        """Such as "generation on cpu"."""
        return f"{self.queue} on {self.device}" if self.device else self.queue

    def add(self, job: Job) -> None:
        """Line up."""
        job.round = max(self._round, self._rounds.get(job.visitor, 0)) + 1
        self._rounds[job.visitor] = job.round
        self.waiting.append(job)
        self.waiting.sort(key=lambda each: each.round)  # stable: who came first is first

    def take(self, job: Job) -> None:
        """Take a waiting job out, to perform it."""
        self.waiting.remove(job)
        self._round = max(self._round, job.round)
        self._rounds = {name: last for name, last in self._rounds.items() if last > self._round}
