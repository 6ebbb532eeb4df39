"""Jobs that survive their process: one row each, owned by the process that works on it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import CursorResult, delete, select, update

from protocore.errors import JobEndedError, JobError
from protocore.library import folders
from protocore.library.database import Database, JobRow
from protocore.library.manifest import now
from protocore.library.owners import Owner, is_alive

__all__ = ["JobStore", "KeptJob"]

WAITING, RUNNING, UNSAVED = "queued", "running", "unsaved"
OPEN = (WAITING, RUNNING, UNSAVED)  # states from which a job goes on
KEEP_DAYS = 30  # of jobs that have ended
TRIES = 3  # starts without a tenth of the work between them, then it is a crash loop
PROGRESS = 0.1  # share of the work after which a start counts as a new one


@dataclass(frozen=True, kw_only=True)
class KeptJob:
    """A job as the library knows it."""

    id: str
    kind: str
    title: str
    request: Mapping[str, Any]  # plain JSON, from which the work is prepared again
    queue: str
    device: str
    visitor: str
    state: str = WAITING  # one of OPEN, or "done", "stopped", "failed"
    owner: str = ""  # the process that works on it; "": nobody
    heartbeat: float = 0.0  # seconds since the epoch
    created: str = ""  # ISO 8601, UTC
    changed: str = ""
    tries: int = 0  # starts since the last tenth of the work
    tried_at: int = 0  # step at which `tries` began to count
    done: int = 0  # steps
    total: int = 0
    result: str = ""  # such as the identifier of a run
    error: str = ""

    @property
    def open(self) -> bool:
        """Whether it goes on, here or elsewhere, or after the next start."""
        return self.state in OPEN


class JobStore:
    """All kept jobs of a library. Raises LibraryError with a way out, as the library does."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self._database = database
        self._lock = threading.Lock()
        self._owner: Owner | None = None
        self.closed = False

    @property
    def owner(self) -> str:
        """This process as an owner of jobs; its lock file is made at the first question."""
        with self._lock, folders.explained_disk(self.folder):
            if self._owner is None:
                self._owner, self.closed = Owner(self._owners), False
            return self._owner.id

    @property
    def _owners(self) -> Path:
        return self.folder / "owners"

    def close(self) -> None:
        """Leave what is still owned to others."""
        with self._lock:
            if self._owner is not None:
                self._owner.close()
            self._owner, self.closed = None, True

    def place(self, job_id: str) -> Path:
        """The folder for a job's checkpoints and files; it need not exist."""
        return self.folder / job_id

    # --- reading ---

    def get(self, job_id: str) -> KeptJob | None:
        """The job, or None when there is none (any more)."""
        with self._database.reading() as session:
            row = session.get(JobRow, job_id)
            return None if row is None else _job(row)

    def recent(self, *, only_open: bool = False, limit: int = 200) -> tuple[KeptJob, ...]:
        """Jobs, newest first."""
        query = select(JobRow).order_by(JobRow.created.desc(), JobRow.id).limit(limit)
        if only_open:
            query = query.where(JobRow.state.in_(OPEN))
        with self._database.reading() as session:
            return tuple(_job(row) for row in session.scalars(query))

    def is_alive(self, job: KeptJob) -> bool:
        """Whether a living process works on it or has it waiting."""
        return job.open and is_alive(self._owners, job.owner, job.heartbeat)

    def orphans(self) -> tuple[KeptJob, ...]:
        """Open jobs whose owner is gone, oldest first."""
        jobs = self.recent(only_open=True, limit=10_000)
        return tuple(job for job in reversed(jobs) if not self.is_alive(job))

    # --- changing ---

    def add(self, job: KeptJob) -> None:
        """Enter a new job of this process."""
        moment = now()
        with self._database.writing() as session:
            session.add(
                JobRow(
                    id=job.id,
                    kind=job.kind,
                    title=_storable(job.title)[:300],
                    request=dict(job.request),
                    queue=job.queue,
                    device=job.device,
                    visitor=_storable(job.visitor)[:100],
                    state=WAITING,
                    owner=self.owner,
                    heartbeat=time.time(),
                    created=moment,
                    changed=moment,
                    tries=0,
                    tried_at=0,
                    done=0,
                    total=0,
                    result="",
                    error="",
                )
            )

    def take(self, job: KeptJob) -> bool:
        """Make an orphan this process's own; False when another one was faster."""
        query = update(JobRow).where(JobRow.id == job.id, JobRow.owner == job.owner)
        values = {"owner": self.owner, "heartbeat": time.time()}
        return self._changes(query.where(JobRow.state.in_(OPEN)).values(values)) == 1

    def begin(self, job_id: str) -> KeptJob:
        """Count a start of one's own job. Raises JobEndedError when it is not (any more)."""
        values = {"state": RUNNING, "tries": JobRow.tries + 1, "heartbeat": time.time()}
        if not self._changes(self._own(job_id).values(values | {"changed": now()})):
            raise JobEndedError(f"the job {job_id} has ended, or another process has taken it over")
        return self._found(job_id)

    def beat(self, progress: Mapping[str, tuple[int, int]]) -> tuple[str, ...]:
        """Say that this process lives and how far its jobs are; those it has lost are returned."""
        lost = []
        with self._database.writing() as session:
            for job_id, (done, total) in progress.items():
                row = session.get(JobRow, job_id, with_for_update=True)
                if row is None or row.owner != self.owner:
                    lost.append(job_id)
                    continue
                row.heartbeat = time.time()
                if not total:  # it has not begun
                    continue
                row.done, row.total = done, total
                if done - row.tried_at >= PROGRESS * total > 0:
                    row.tries, row.tried_at = 1, done
        return tuple(lost)

    def finish(self, job_id: str, state: str, *, result: str = "", error: str = "") -> bool:
        """Note how one's own job has ended; False when it is not one's own any more."""
        values = {"state": state, "result": result, "error": _storable(error), "changed": now()}
        return self._changes(self._own(job_id).values(values)) == 1

    def release(self, job_id: str) -> None:
        """Leave a job to whoever comes next; its last start is not counted as a try."""
        tries = {"tries": JobRow.tries - 1}
        running = self._own(job_id).where(JobRow.tries > 0)
        self._changes(running.values(tries))
        self._changes(self._own(job_id).values({"owner": "", "changed": now()}))

    def reopen(self, job_id: str) -> KeptJob:
        """Make an ended job with its kept parts this process's own again, to be tried anew."""
        job = self._found(job_id)
        if self.is_alive(job):
            raise JobError(f"{job.title!r} is {job.state} already, there is nothing to take up")
        query = update(JobRow).where(JobRow.id == job_id, JobRow.owner == job.owner)
        values = {"state": WAITING, "owner": self.owner, "tries": 0, "tried_at": job.done}
        values |= {"heartbeat": time.time(), "error": "", "changed": now()}
        if not self._changes(query.values(values)):
            raise JobError(f"{job.title!r} was taken up by another process just now")
        return self._found(job_id)

    def remove(self, job_ids: Iterable[str]) -> None:
        """Forget jobs and their files."""
        ids = list(job_ids)
        with self._database.writing() as session:
            session.execute(delete(JobRow).where(JobRow.id.in_(ids)))
        for job_id in ids:
            self.drop_files(job_id)

    def drop_files(self, job_id: str) -> None:
        """Remove a job's checkpoints and files."""
        shutil.rmtree(self.place(job_id), ignore_errors=True)

    def sweep(self) -> int:
        """Forget jobs that ended KEEP_DAYS ago, and files that belong to none; how many jobs."""
        limit = (datetime.now(UTC) - timedelta(days=KEEP_DAYS)).isoformat(timespec="microseconds")
        old = select(JobRow.id).where(JobRow.state.not_in(OPEN), JobRow.changed < limit).limit(500)
        with self._database.reading() as session:
            ended = list(session.scalars(old))
            known = set(session.scalars(select(JobRow.id)))
        if ended:
            self.remove(ended)
        for folder in self.folder.glob("[0-9a-f]*"):
            young = time.time() - folder.stat().st_mtime < folders.STALE_SECONDS
            if folder.name not in known and not young:
                self.drop_files(folder.name)
        return len(ended)

    # --- private ---

    def _own(self, job_id: str):
        owned = update(JobRow).where(JobRow.id == job_id, JobRow.owner == self.owner)
        return owned.where(JobRow.state.in_(OPEN))

    def _changes(self, query) -> int:
        with self._database.writing() as session:
            done: CursorResult = session.execute(query)
            return done.rowcount

    def _found(self, job_id: str) -> KeptJob:
        job = self.get(job_id)
        if job is None:
            raise JobError(
                f"the library has no job {job_id!r}; it ended more than {KEEP_DAYS} days ago, or "
                "belongs to another library folder (PROTOCORE_HOME)"
            )
        return job


def _job(row: JobRow) -> KeptJob:
    return KeptJob(**{name: getattr(row, name) for name in KeptJob.__dataclass_fields__})


def _storable(text: str) -> str:
    """Databases take neither NUL nor lone surrogates."""
    return text.replace("\0", "?").encode(errors="replace").decode()
