"""Everything that was made: files in folders, what is known of them in a database.

library = Library.open_default()
run_id = library.save_run(SavedRun(title="golf ball", prototypes=(prototype,)))
for info in library.prototypes(Filter(text="golf")):
    library.load_prototype(info.id)
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from protocore.errors import LibraryError, ProtocoreError
from protocore.files import home_folder
from protocore.generation.prototype import Prototype, slug
from protocore.library import folders, queries
from protocore.library.database import Database, PrototypeRow, RunRow, TagRow
from protocore.library.entries import Facets, Filter, Frame, PrototypeInfo, RunInfo, SavedRun
from protocore.library.jobs import JobStore
from protocore.library.locks import FileLock
from protocore.library.manifest import (
    MAX_TITLE,
    RunManifest,
    check_characters,
    check_naturalness,
    clean_tags,
    new_manifest,
    now,
)
from protocore.library.reserve import reserve_room, spending_reserve
from protocore.library.review_drafts import Drafts
from protocore.library.reviews import ReviewStore
from protocore.library.rows import manifest_of, prototype_info, read_rows, run_info

__all__ = ["Filter", "Library", "SavedRun"]

log = logging.getLogger(__name__)

DATABASE_FILE = "library.sqlite"


class Library:
    """Prototypes with their frames, curves and settings.

    `folder` is created when it is missing; `database_url` is any SQLAlchemy URL, by default the
    file library.sqlite in the folder. Every method may be called from any thread, and several
    processes may have the same library open. All raise LibraryError with a way out when the
    folder or the database cannot be used, and leave nothing half-written.
    """

    def __init__(self, folder: str | Path, database_url: str | None = None) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.runs_folder = self.folder / "runs"
        self._manifests = FileLock(self.folder / ".manifests.lock")
        with folders.explained_disk(self.folder):
            self.runs_folder.mkdir(parents=True, exist_ok=True)
            folders.sweep_drafts(self.runs_folder)
        url = database_url or URL.create("sqlite", database=str(self.folder / DATABASE_FILE))
        self._database = Database(url)
        self.reviews = ReviewStore(self._database, self.folder / "reviews")
        self.drafts = Drafts(self.reviews)
        self.jobs = JobStore(self._database, self.folder / "jobs")
        if not self._database.filled:
            self.rebuild()
            self.reviews.rebuild()
            self._database.set_filled()
        reserve_room(self.folder)

    @classmethod
    def open_default(cls) -> Library:
        """The library in PROTOCORE_HOME, with the database of PROTOCORE_DATABASE_URL if set."""
        return cls(home_folder(), os.environ.get("PROTOCORE_DATABASE_URL") or None)

    def close(self) -> None:
        """Close the database connections. The library must not be used afterwards."""
        self.jobs.close()
        self._database.close()

    # --- adding ---

    def save_run(self, saved: SavedRun, *, run_id: str = "") -> str:
        """Keep a finished run; returns its identifier. A failure leaves no trace of it.

        With `run_id` it is kept once, however often it is saved.
        """
        self._check_folder()
        if run_id and self.has_run(run_id):
            return run_id
        manifest = new_manifest(saved, run_id)
        with folders.draft_folder(self.runs_folder) as draft:
            folders.write_run(draft, manifest, saved)
            self.adopt([draft])
        return manifest.id

    def adopt(self, drafts: Sequence[Path]) -> None:
        """Make complete run folders part of the library: all of them, or none.

        Each must hold a valid manifest and lie on the disk of the library; it is moved.
        """
        moved: list[Path] = []
        try:
            with self._database.writing() as session, folders.explained_disk(self.runs_folder):
                for draft in drafts:
                    row = read_rows(draft)
                    session.add(row)
                    session.flush()
                    moved.append(draft.rename(self.runs_folder / row.id))
        except BaseException:
            for folder in moved:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def rebuild(self) -> int:
        """Enter the runs that have a folder but are unknown to the database; returns how many.

        Happens by itself when the database is new. What cannot be read is left alone.
        """
        with self._database.reading() as session:
            known = set(session.scalars(select(RunRow.id)))
        entered = 0
        for folder in sorted(self.runs_folder.glob("[!.]*/manifest.json")):
            if folder.parent.name in known:
                continue
            try:
                with self._database.writing() as session:
                    session.add(read_rows(folder.parent))
                entered += 1
            except ProtocoreError as error:
                log.warning("%s was not entered into the library: %s", folder.parent, error)
        return entered

    # --- reading ---

    def run(self, run_id: str) -> RunInfo:
        """One run, also when it is in the trash."""
        with self._database.reading() as session:
            return run_info(_get(session, RunRow, run_id, "run"), self.runs_folder)

    def has_run(self, run_id: str) -> bool:
        """Whether there is such a run, in the trash or not."""
        with self._database.reading() as session:
            return session.get(RunRow, run_id) is not None

    def runs(self, *, limit: int | None = None, offset: int = 0) -> tuple[RunInfo, ...]:
        """Runs that are not altogether in the trash, newest first."""
        with self._database.reading() as session:
            rows = session.scalars(queries.runs_query().limit(limit).offset(offset)).all()
            return tuple(run_info(row, self.runs_folder) for row in rows)

    def prototypes(
        self,
        wanted: Filter | None = None,
        *,
        sort: str = "newest",
        limit: int | None = None,
        offset: int = 0,
    ) -> tuple[PrototypeInfo, ...]:
        """Prototypes that fit, in the order of one of `entries.SORTS`."""
        query = queries.prototypes_query(wanted or Filter(), sort).limit(limit).offset(offset)
        with self._database.reading() as session:
            rows = session.scalars(query).unique().all()
            return tuple(prototype_info(row, self.runs_folder) for row in rows)

    def count(self, wanted: Filter | None = None) -> int:
        """How many prototypes fit."""
        with self._database.reading() as session:
            return session.scalar(queries.count_query(wanted or Filter()))

    def prototype(self, prototype_id: str) -> PrototypeInfo:
        """One prototype, also when it is in the trash."""
        with self._database.reading() as session:
            row = _get(session, PrototypeRow, prototype_id, "prototype")
            return prototype_info(row, self.runs_folder)

    def manifests(self, prototype_ids: Iterable[str]) -> tuple[RunManifest, ...]:
        """The runs of these prototypes, each with only these prototypes of it."""
        only = set(prototype_ids)
        with self._database.reading() as session:
            rows = queries.by_ids(session, PrototypeRow, only)
            if missing := only - rows.keys():
                raise _unknown("prototype", min(missing))
            runs = queries.by_ids(session, RunRow, {row.run_id for row in rows.values()})
            return tuple(manifest_of(runs[run_id], only) for run_id in sorted(runs))

    def known(self, prototype_ids: Iterable[str]) -> dict[str, bool]:
        """Those of the prototypes that are here, and whether each is in the trash."""
        query, ids = select(PrototypeRow.id, PrototypeRow.deleted_at.is_not(None)), [*prototype_ids]
        with self._database.reading() as session:
            parts = (query.where(PrototypeRow.id.in_(part)) for part in queries.parts(ids))
            found = dict(tuple(row) for part in parts for row in session.execute(part))
        return {i: found[i] for i in ids if i in found}

    def load_prototype(self, prototype_id: str) -> Prototype:
        """Image and record of a prototype."""
        info = self.prototype(prototype_id)
        if info.damaged:
            raise LibraryError(
                f"the files of {info.title!r} are gone from {info.picture.parent}, they were "
                "deleted outside Protocore; put them back from a copy, or delete the entry in "
                "the Library"
            )
        return Prototype.load(info.picture)

    def frames(self, prototype_id: str) -> tuple[Frame, ...]:
        """The images of a prototype on the way, by step; empty when none were kept."""
        info = self.prototype(prototype_id)
        return folders.read_frames(info.picture.parent / "frames" / str(info.position))

    def curves(self, prototype_id: str) -> dict[str, np.ndarray]:
        """The numbers of a prototype on the way: "step" and arrays as long as it."""
        info = self.prototype(prototype_id)
        return folders.read_curves(info.picture.parent / "curves" / f"{info.position}.json")

    def state_files(self, run_id: str) -> tuple[Path, Path] | None:
        """State (safetensors) and its JSON, from which the run can be continued, if kept."""
        folder = self.run(run_id).folder
        found = folder / folders.STATE_FILE, folder / folders.STATE_INFO_FILE
        return found if all(path.is_file() for path in found) else None

    def thumbnail(self, prototype_id: str) -> Path:
        """A small copy of the image, made once; the image itself when it cannot be made."""
        info = self.prototype(prototype_id)
        small = self.cache_path("thumbnails", prototype_id, ".webp")
        if small.is_file():
            return small
        try:
            small.parent.mkdir(parents=True, exist_ok=True)
            folders.write_thumbnail(info.picture, small)
        except OSError as error:
            log.warning("no thumbnail for %s: %s", info.picture, error)
            return info.picture
        return small

    def find(self, keys: Iterable[str]) -> dict[str, str]:
        """Identifiers of whole prototypes by `prototype_key`, for those that are there already.

        Only repeatable ones count: never tuned while running, never cut short.
        """
        with self._database.reading() as session:
            rows = queries.repeatable_rows(session, sorted(set(keys)))
            infos = [prototype_info(row, self.runs_folder) for row in reversed(rows)]
        return {info.key: info.id for info in infos if not info.damaged}  # the newest one wins

    def facets(self, *, deleted: bool = False) -> Facets:
        """What can be filtered by."""
        with self._database.reading() as session:
            return queries.facets(session, deleted=deleted)

    def usage(self) -> int:
        """Bytes on disk of everything in the library's folder."""
        return folders.folder_bytes(self.folder)

    def cache_path(self, kind: str, key: str, suffix: str) -> Path:
        """Where to keep something that can be made again, such as a natural reference.

        `key` must name everything that changes the content; any text is fit. The folder is not
        created, and anything in it may be deleted at any time.
        """
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / "cache" / slug(kind) / digest[:2] / f"{digest}{suffix}"

    # --- changing ---

    def rename(self, prototype_id: str, title: str) -> None:
        """Give a prototype another title, of 1 to 200 characters."""
        text = " ".join(title.split())
        if not 1 <= len(text) <= MAX_TITLE:
            raise LibraryError(f"a title must have 1 to {MAX_TITLE} characters, got {len(text)}")
        check_characters("title", text)
        with self._database.writing() as session:
            row = _get(session, PrototypeRow, prototype_id, "prototype")
            row.title = text
        self._refresh_manifests({row.run_id})

    def set_tags(self, prototype_id: str, tags: Iterable[str]) -> None:
        """Replace the tags of a prototype, each of 1 to 50 characters."""
        texts = clean_tags(tags)
        with self._database.writing() as session:
            row = _get(session, PrototypeRow, prototype_id, "prototype")
            kept = {tag.text: tag for tag in row.tags}
            row.tags = [kept.get(text) or TagRow(text=text) for text in texts]
        self._refresh_manifests({row.run_id})

    def set_naturalness(self, prototype_id: str, naturalness: Mapping[str, Any] | None) -> None:
        """Keep what path similarity found: plain JSON values, "similarity" (-1..1) among them."""
        content = check_naturalness(naturalness)
        with self._database.writing() as session:
            row = _get(session, PrototypeRow, prototype_id, "prototype")
            row.naturalness = content
            row.similarity = content["similarity"] if content else None
        self._refresh_manifests({row.run_id})

    def delete(self, prototype_ids: Iterable[str]) -> None:
        """Put prototypes into the trash, from where `restore` brings them back."""
        self._set_deleted(prototype_ids, now())

    def restore(self, prototype_ids: Iterable[str]) -> None:
        """Take prototypes out of the trash."""
        self._set_deleted(prototype_ids, None)

    def _set_deleted(self, prototype_ids: Iterable[str], moment: str | None) -> None:
        """In transactions of a bounded size, so that others can write in between."""
        ids = list(dict.fromkeys(prototype_ids))
        if missing := set(ids) - self.known(ids).keys():
            raise _unknown("prototype", min(missing))
        with spending_reserve(self.folder):
            for part in queries.parts(ids):
                with self._database.writing() as session:
                    rows = queries.by_ids(session, PrototypeRow, part).values()
                    changed = [row for row in rows if (row.deleted_at is None) != (moment is None)]
                    for row in changed:
                        row.deleted_at = moment
                self._refresh_manifests({row.run_id for row in changed})

    def purge(self) -> int:
        """Empty the trash for good: entries and files. Returns how many prototypes that were."""
        count = 0
        with spending_reserve(self.folder):
            while gone := self._purge_part():
                count += gone
        return count

    def _purge_part(self) -> int:
        in_trash = select(PrototypeRow).where(PrototypeRow.deleted_at.is_not(None))
        with self._database.writing() as session:
            rows = session.scalars(in_trash.limit(queries.KEYS_AT_ONCE)).unique().all()
            gone = [(row.id, row.run_id, row.position, row.stem) for row in rows]
            touched = {run_id for _, run_id, _, _ in gone}
            for row in rows:
                session.delete(row)
            session.flush()
            alive = select(PrototypeRow.run_id).where(PrototypeRow.run_id.in_(touched)).distinct()
            doomed = touched - set(session.scalars(alive))
            for run in queries.by_ids(session, RunRow, doomed).values():
                session.delete(run)
        # Rows first: files without an entry do no harm, an entry without files does.
        for prototype_id, run_id, position, stem in gone:
            folders.remove_prototype_files(self.runs_folder / run_id, position, stem)
            self.cache_path("thumbnails", prototype_id, ".webp").unlink(missing_ok=True)
        for run_id in doomed:
            shutil.rmtree(self.runs_folder / run_id, ignore_errors=True)
        self._refresh_manifests(touched - doomed)
        return len(gone)

    # --- private ---

    def _check_folder(self) -> None:
        """Say what is wrong before work is written; the database looks after its own file."""
        if not self.runs_folder.is_dir():
            raise LibraryError(
                f"the library folder has lost {self.runs_folder}: it was deleted, or its disk is "
                "no longer connected; bring it back, or start the app again to begin a new library"
            )

    def _refresh_manifests(self, run_ids: set[str]) -> None:
        """Bring the copies in the folders up to date; the database is what counts.

        Read and written under one lock of all processes: the last one to write has read last.
        """
        try:
            for run_id in sorted(run_ids):
                with self._manifests(), self._database.reading() as session:
                    row, folder = session.get(RunRow, run_id), self.runs_folder / run_id
                    if row is not None and folder.is_dir():
                        manifest_of(row).write(folder)
        except OSError as error:
            log.warning("manifests in %s are out of date: %s", self.runs_folder, error)


def _get(session: Session, table: type, identifier: str, what: str):
    row = session.get(table, identifier)
    if row is None:
        raise _unknown(what, identifier)
    return row


def _unknown(what: str, identifier: str) -> LibraryError:
    return LibraryError(
        f"the library has no {what} {identifier!r}; it was deleted for good, or belongs to "
        "another library folder (PROTOCORE_HOME)"
    )
