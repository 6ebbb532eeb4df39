"""Review sessions on disk: events in the database, files beside it.

<home>/reviews/<session>/  events.jsonl              copy of the events, for a lost database
                           prototypes/<id>.png .json  the pictures of its blind rounds
                           tests/<id>/result.json     verdict and statistics of a test
                           tests/<id>/a/0000.jpg ...   small copies of the cohorts' images

Every event is on disk before `append` returns. Sessions may be open in any number of threads and
processes; a rule of `protocore.review.rules` that an event breaks is found under the write lock.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from protocore.errors import LibraryError, ProtocoreError, ReviewError
from protocore.review.events import Action, Event, Renamed, Started
from protocore.review.rules import check, replay
from protocore.review.session import ReviewSession, advance
from protocore.studio import folders
from protocore.studio.database import Database, ReviewEventRow, ReviewRow
from protocore.studio.manifest import now

JOURNAL = "events.jsonl"

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
        made = []
        with self._database.writing() as database:
            row = _get(database, review_id)
            state = self._caught_up(database, review_id)
            for action in actions:
                check(state, author, action)
                event = Event(seq=state.version + 1, time=now(), author=author, action=action)
                state = advance(review_id, state, event)
                database.add(_event_row(review_id, event))
                made.append(event)
                if isinstance(action, Renamed):
                    row.title = action.title
            row.changed = made[-1].time
        with self._lock:
            self._held[review_id] = state
        self._journal(review_id, made)
        return state

    def adopt(self, review_id: str, log_: Sequence[Event]) -> ReviewSession:
        """Enter a session with its whole history. Raises ReviewError for one that cannot be."""
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
        if not (self.folder / review_id / JOURNAL).is_file():
            self._journal(review_id, log_)
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

    def file(self, review_id: str, *parts: str) -> Path:
        """Where a file of a session is, or shall be."""
        return self.folder.joinpath(review_id, *parts)

    def write_file(self, review_id: str, name: PurePosixPath | str, content: bytes) -> str:
        """Keep a file of a session, whole or not at all; returns its SHA-256."""
        path = self.folder / review_id / name
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with folders.explained_disk(self.folder):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                draft.write_bytes(content)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        return hashlib.sha256(content).hexdigest()

    def read_file(self, review_id: str, name: PurePosixPath | str, digest: str = "") -> bytes:
        """A file of a session; raises LibraryError when it is gone or not what `digest` says."""
        path = self.folder / review_id / name
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
        query = (
            select(ReviewEventRow.content)
            .where(ReviewEventRow.review_id == review_id)
            .where(ReviewEventRow.seq > (state.version if state else 0))
            .order_by(ReviewEventRow.seq)
        )
        for content in database.scalars(query):
            state = advance(review_id, state, Event.from_dict(content))
        if state is None:
            raise _unknown(review_id)
        with self._lock:
            self._held[review_id] = state
        return state

    def _set_deleted(self, review_ids: Iterable[str], moment: str | None) -> None:
        with self._database.writing() as database:
            for review_id in review_ids:
                _get(database, review_id).deleted_at = moment

    def _journal(self, review_id: str, made: Iterable[Event]) -> None:
        """Add to the copy of the events; the database is what counts."""
        path = self.folder / review_id / JOURNAL
        lines = "".join(json.dumps(event.to_dict(), allow_nan=False) + "\n" for event in made)
        try:
            with self._lock:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as file:
                    file.write(lines)
        except OSError as error:
            log.warning("the copy of the events in %s is out of date: %s", path, error)


def read_journal(content: bytes) -> tuple[Event, ...]:
    """The events of a journal, in order, each once. Raises ReviewError for what is none."""
    try:
        found = [Event.from_dict(json.loads(line)) for line in content.decode().splitlines()]
    except (ValueError, RecursionError) as error:
        raise ReviewError(f"the events of this session cannot be read: {error}") from error
    by_number = {event.seq: event for event in found}
    ordered = tuple(by_number[seq] for seq in sorted(by_number))
    if [event.seq for event in ordered] != list(range(1, len(ordered) + 1)):
        raise ReviewError("some events of this session are missing; get a whole copy of it")
    return ordered


def _event_row(review_id: str, event: Event) -> ReviewEventRow:
    return ReviewEventRow(review_id=review_id, seq=event.seq, content=event.to_dict())


def _get(database: Session, review_id: str) -> ReviewRow:
    row = database.get(ReviewRow, review_id)
    if row is None:
        raise _unknown(review_id)
    return row


def _unknown(review_id: str) -> ReviewError:
    return ReviewError(
        f"the library has no review session {review_id!r}; it was deleted for good, or belongs to "
        "another library folder (PROTOCORE_HOME): ask for its bundle and import it"
    )
