"""Review sessions on disk: events in the database, files beside it.

<home>/reviews/<session>/  events.jsonl              copy of the events, for a lost database
                           prototypes/<id>.png .json  the pictures of its blind rounds
                           naturalness.json           of those pictures, if it came with a bundle
                           tests/<id>/result.json     prediction and statistics of a test
                           tests/<id>/a/0000.jpg ...   small copies of the cohorts' images

Every event is on disk before `append` returns. Sessions may be open in any number of threads and
processes; a rule of `protocore.review.rules` that an event breaks is found under the write lock.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import shutil
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from protocore.errors import LibraryError, ProtocoreError, ReviewError
from protocore.files import write_atomic
from protocore.library import folders
from protocore.library.database import Database, ReviewEventRow, ReviewRow
from protocore.library.manifest import now
from protocore.review.events import Action, Event, Started
from protocore.review.rules import check, replay
from protocore.review.session import ReviewSession, advance

JOURNAL = "events.jsonl"
_IDENTIFIER = re.compile("[0-9a-f]{8,32}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReviewInfo:
    """A session in a list."""

    id: str
    title: str
    model_title: str
    created: str  # ISO 8601, UTC
    changed: str
    deleted_at: str | None
    events: int


class ReviewStore:
    """All review sessions of a library. Raises LibraryError and ReviewError with a way out."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self._database = database
        self._lock = threading.Lock()
        self._held: dict[str, ReviewSession] = {}  # the last known state, to be caught up

    # --- reading ---

    def infos(self, *, deleted: bool = False) -> tuple[ReviewInfo, ...]:
        """All sessions, the one that was changed last first."""
        counts = (
            select(ReviewEventRow.review_id, func.count().label("events"))
            .group_by(ReviewEventRow.review_id)
            .subquery()
        )
        query = (
            select(ReviewRow, counts.c.events)
            .join(counts, counts.c.review_id == ReviewRow.id)
            .where(ReviewRow.deleted_at.is_not(None) == deleted)
            .order_by(ReviewRow.changed.desc(), ReviewRow.id)
        )
        names = ("id", "title", "model_title", "created", "changed", "deleted_at")
        with self._database.reading() as session:
            return tuple(
                ReviewInfo(**{name: getattr(row, name) for name in names}, events=events)
                for row, events in session.execute(query)
            )

    def session(self, review_id: str) -> ReviewSession:
        """The session as it is now, also when it is in the trash."""
        with self._database.reading() as database:
            return self._caught_up(database, review_id)

    def version(self, review_id: str) -> int:
        """Number of the last event: a cheap way to see whether anything has happened."""
        query = select(func.max(ReviewEventRow.seq)).where(ReviewEventRow.review_id == review_id)
        with self._database.reading() as database:
            return database.scalar(query) or 0

    # --- changing ---

    def create(self, author: str, started: Started) -> str:
        """Open a new session; returns its identifier."""
        if not author.strip():
            raise ReviewError("say who you are first: everything in a session has an author")
        review_id = secrets.token_hex(8)
        event = Event(seq=1, time=now(), author=author, action=started)
        self.adopt(review_id, (event,))
        return review_id

    def append(self, review_id: str, author: str, *actions: Action) -> ReviewSession:
        """Add what the author has done: all of it, or nothing. Returns the session after it."""
        with self._database.writing() as database:
            row = _get(database, review_id)
            state = self._caught_up(database, review_id)
            before = state.version
            for action in actions:
                check(state, author, action)
                event = Event(seq=state.version + 1, time=now(), author=author, action=action)
                state = advance(review_id, state, event)
                database.add(_event_row(review_id, event))
            row.title, row.changed = state.title, state.log[-1].time
            database.flush()
            self._journal(state, before)  # under the lock too: one process at a time writes it
        with self._lock:
            self._held[review_id] = state
        return state

    def adopt(self, review_id: str, log_: Sequence[Event]) -> ReviewSession:
        """Enter a session with its whole history. Raises ReviewError for one that cannot be."""
        if not _IDENTIFIER.fullmatch(review_id):
            raise ReviewError(f"{review_id!r} is not the identifier of a review session")
        state = replay(review_id, log_)
        with self._database.writing() as database:
            if database.get(ReviewRow, review_id) is not None:
                raise ReviewError(f"the review session {review_id!r} is in this library already")
            database.add(
                ReviewRow(
                    id=review_id,
                    title=state.title,
                    model_title=state.started.model_title,
                    created=state.created,
                    changed=log_[-1].time,
                )
            )
            database.flush()
            database.add_all(_event_row(review_id, event) for event in log_)
            database.flush()
            self._journal(state, 0)
        return state

    def delete(self, review_ids: Iterable[str]) -> None:
        """Put sessions into the trash, from where `restore` brings them back."""
        self._set_deleted(review_ids, now())

    def restore(self, review_ids: Iterable[str]) -> None:
        """Take sessions out of the trash."""
        self._set_deleted(review_ids, None)

    def purge(self) -> int:
        """Empty the trash for good; returns how many sessions that were."""
        with self._database.writing() as database:
            rows = database.scalars(
                select(ReviewRow).where(ReviewRow.deleted_at.is_not(None))
            ).all()
            gone = [row.id for row in rows]
            for row in rows:
                database.delete(row)
        for review_id in gone:
            shutil.rmtree(self.folder / review_id, ignore_errors=True)
            with self._lock:
                self._held.pop(review_id, None)
        return len(gone)

    def rebuild(self) -> int:
        """Enter the sessions that the database has lost, from the copies in their folders."""
        known = {info.id for deleted in (False, True) for info in self.infos(deleted=deleted)}
        entered = 0
        for path in sorted(self.folder.glob(f"[!.]*/{JOURNAL}")):
            if path.parent.name in known:
                continue
            try:
                self.adopt(path.parent.name, read_journal(path.read_bytes()))
                entered += 1
            except (ProtocoreError, OSError) as error:
                log.warning("%s was not entered into the library: %s", path.parent, error)
        return entered

    # --- files ---

    def file(self, review_id: str, *parts: PurePosixPath | str) -> Path:
        """Where a file of a session is, or shall be; raises LibraryError for a place outside."""
        inside = Path(review_id, *parts)
        outside = inside.is_absolute() or ".." in inside.parts
        if outside or inside.parts[:1] != (review_id,):
            raise LibraryError(f"{str(inside)!r} is not the place of a review session's file")
        return self.folder / inside

    def write_file(self, review_id: str, name: PurePosixPath | str, content: bytes) -> str:
        """Keep a file of a session, whole or not at all; returns its SHA-256."""
        path = self.file(review_id, name)
        with folders.explained_disk(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content)
        return hashlib.sha256(content).hexdigest()

    def read_file(self, review_id: str, name: PurePosixPath | str, digest: str = "") -> bytes:
        """A file of a session; raises LibraryError when it is gone or not what `digest` says."""
        path = self.file(review_id, name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise LibraryError(
                f"{path} is gone ({error.strerror or error}): it was deleted outside Protocore; "
                "put it back from a copy, or import the session's bundle again"
            ) from error
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise LibraryError(
                f"{path} is not what the session has recorded: it was changed outside Protocore; "
                "put it back from a copy, or import the session's bundle again"
            )
        return content

    # --- private ---

    def _caught_up(self, database: Session, review_id: str) -> ReviewSession:
        """The state after all events that the database holds."""
        with self._lock:
            state = self._held.get(review_id)
        if state is not None:
            last, *later = _events(database, review_id, state.version) or [None]
            if last != state.log[-1]:  # deleted for good elsewhere, and maybe imported again
                state = None
        if state is None:
            later = _events(database, review_id, 1)
        for event in later:
            state = advance(review_id, state, event)
        if state is None:
            with self._lock:
                self._held.pop(review_id, None)
            raise _unknown(review_id)
        with self._lock:
            self._held[review_id] = state
        return state

    def _set_deleted(self, review_ids: Iterable[str], moment: str | None) -> None:
        with self._database.writing() as database:
            for review_id in review_ids:
                _get(database, review_id).deleted_at = moment

    def _journal(self, state: ReviewSession, before: int) -> None:
        """Bring the copy of the events from number `before` up to date.

        The database is what counts. A copy that does not end with `before` is written anew: its
        disk was full for a while, or the database refused the last events after all.
        """
        path = self.folder / state.id / JOURNAL
        try:
            if before and _last_number(path) == before:
                with path.open("ab", buffering=0) as file:  # one write for all lines
                    file.write(write_journal(state.log[before:]))
            else:
                self.write_file(state.id, JOURNAL, write_journal(state.log))
        except (OSError, LibraryError) as error:
            log.warning("the copy of the events in %s is out of date: %s", path, error)


def write_journal(events: Iterable[Event]) -> bytes:
    """One line of JSON for each event."""
    lines = [json.dumps(event.to_dict(), allow_nan=False) + "\n" for event in events]
    return "".join(lines).encode()


def read_journal(content: bytes) -> tuple[Event, ...]:
    """The events of a journal, in order. Raises ReviewError for what is none.

    A last line that breaks off is left out: it was not whole when the disk or the power went.
    """
    *lines, last = content.split(b"\n")
    try:
        found = [Event.from_dict(json.loads(line)) for line in lines]
        with suppress(ValueError):
            found.append(Event.from_dict(json.loads(last)))
        return tuple(found)
    except (ValueError, RecursionError) as error:
        raise ReviewError(f"the events of this session cannot be read: {error}") from error


def _last_number(path: Path) -> int:
    """Number of the last event in a journal; 0 when it cannot be read."""
    try:
        *_, last, rest = path.read_bytes().split(b"\n")
        return 0 if rest else json.loads(last)["seq"]
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def _events(database: Session, review_id: str, first: int) -> list[Event]:
    """The events of a session from number `first` on."""
    query = (
        select(ReviewEventRow.content)
        .where(ReviewEventRow.review_id == review_id)
        .where(ReviewEventRow.seq >= first)
        .order_by(ReviewEventRow.seq)
    )
    return [Event.from_dict(content) for content in database.scalars(query)]


def _event_row(review_id: str, event: Event) -> ReviewEventRow:
    return ReviewEventRow(review_id=review_id, seq=event.seq, content=event.to_dict())


def _get(database: Session, review_id: str) -> ReviewRow:
    # For a server's rows, locked one by one; SQLite has locked everything for this writer.
    row = database.get(ReviewRow, review_id, with_for_update=True)
    if row is None:
        raise _unknown(review_id)
    return row


def _unknown(review_id: str) -> ReviewError:
    return ReviewError(
        f"the library has no review session {review_id!r}; it was deleted for good, or belongs to "
        "another library folder (PROTOCORE_HOME): ask for its bundle and import it"
    )
