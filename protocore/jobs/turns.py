"""Who computes where: one job at a time on each device."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocore.jobs.job import Job

__all__ = ["Turns"]


class Turns:
    """At most one job has the turn of a device; those that ask for it get it one after another.

    A job without a device always has its turn. Not thread-safe: the engine's lock guards it.
    """

    def __init__(self) -> None:
        self._lines: dict[str, list[Job]] = {}  # by device; the first has its turn

    def ask(self, job: Job) -> None:
        """Stand in line, once."""
        line = self._lines.setdefault(job.device, [])
        if job not in line:
            line.append(job)

    def has(self, job: Job) -> bool:
        """Whether it may compute now."""
        return not job.device or self._lines.get(job.device, [])[:1] == [job]

    def wanted(self, job: Job) -> bool:
        """Whether others wait for the turn that it has."""
        return bool(job.device) and len(self._lines.get(job.device, [])) > 1

    def give(self, job: Job) -> None:
        """Leave the line, with or without the turn."""
        line = self._lines.get(job.device, [])
        if job in line:
            line.remove(job)
