"""A review session as one file, to be sent to a colleague: `<name>.protocore-review`.

events.jsonl              what happened, one event a line
prototypes/<id>.png .json the pictures of the blind rounds and their records
naturalness.json          path similarity of those prototypes, where it was measured
tests/<id>/result.json    the result of every finished test
tests/<id>/a/0000.jpg ... small copies of the cohorts' images
bundle.json               format, version, session, and SHA-256 and size of each other file; last

A bundle may come from anybody. Nothing in it is executed or unpickled; only names of these forms
are unpacked, and everything is checked before any of it reaches the library.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from protocore.cohorts.result import RESULT_FILE, TestResult
from protocore.errors import BundleError, LibraryError, ProtocoreError, ReviewError
from protocore.library import archive, folders
from protocore.library.archive import BundleKind
from protocore.library.bundle import KEEP_EXPORTS, MAX_PIXELS
from protocore.library.library import Library
from protocore.library.manifest import check_naturalness
from protocore.library.reviews import JOURNAL, read_journal, write_journal
from protocore.library.rows import read_record
from protocore.review.material import picture_name
from protocore.review.results import check_result
from protocore.review.rules import replay
from protocore.review.session import ReviewSession, Test

REVIEW_SUFFIX = ".protocore-review"
NATURALNESS_FILE = "naturalness.json"
MAX_JOURNAL = 64 * 2**20  # bytes
MAX_RECORD = 8 * 2**20
KIND = BundleKind(
    title="protocore review session",
    version=1,
    suffix=REVIEW_SUFFIX,
    index="bundle.json",
    names=re.compile(
        r"events\.jsonl|naturalness\.json|prototypes/[0-9a-f]{8,32}\.(png|json)"
        r"|tests/[0-9a-f]{8,32}/(result\.json|[ab]/[0-9]{4}\.jpg)"
    ),
    max_files=100_000,  # 25 tests of two full cohorts
    max_bytes=4 * 2**30,
)
_IDENTIFIER = re.compile(r"[0-9a-f]{8,32}")


@dataclass(frozen=True, kw_only=True)
class ReviewImport:
    """What an import did."""

    review_id: str  # under which the session is here now
    title: str
    known: bool = False  # it was here already, with all that the bundle says
    copied: bool = False  # another state of it is here, so this one got an identifier of its own
    in_trash: bool = False

    @property
    def sentence(self) -> str:
        """The report for people."""
        if self.known:
            where = "in the trash: restore it there" if self.in_trash else "here already"
            return f"“{self.title}” is {where}; nothing was changed."
        if self.copied:
            return (
                f"“{self.title}” is here in another state, so that the bundle's became a session "
                "of its own."
            )
        return f"“{self.title}” was imported."


# --- export ---


def export_review(library: Library, review_id: str, target: str | Path) -> Path:
    """Write a session with all its files into the file `target`; returns it.

    Raises LibraryError when files are missing or changed, or `target` cannot be written; then
    `target` is as it was.
    """
    target = Path(target)
    session = library.reviews.session(review_id)
    journal = write_journal(session.log)
    if len(journal) > MAX_JOURNAL:
        raise BundleError(f"a bundle may hold {MAX_JOURNAL} bytes of events, got {len(journal)}")
    names = _names(library, session)  # before anything is written: what is missing is said here
    naturalness = naturalness_of(library, session)
    with archive.written(target, KIND) as writer:
        writer.add_text(journal.decode(), JOURNAL)
        for name in names:
            writer.add(library.reviews.file(review_id, name), name)
        if naturalness:
            writer.add_text(json.dumps(naturalness, indent=1), NATURALNESS_FILE)
        writer.finish({"session": session.id, "title": session.title})
    return target


def export_review_to_cache(library: Library, review_id: str) -> Path:
    """A bundle for somebody to fetch soon; those of earlier days are removed."""
    version = library.reviews.version(review_id)
    target = library.cache_path("reviews", f"{review_id} {version}", REVIEW_SUFFIX)
    for old in target.parent.parent.glob(f"*/*{REVIEW_SUFFIX}"):
        if old.stat().st_mtime < time.time() - KEEP_EXPORTS:
            old.unlink(missing_ok=True)
    return export_review(library, review_id, target)


def _names(library: Library, session: ReviewSession) -> list[str]:
    """The session's files. Raises LibraryError for one that is gone or not what was recorded."""
    store, names = library.reviews, []
    digests = {item.prototype_id: item.digest for of in session.rounds for item in of.items}
    for identifier, digest in digests.items():
        store.read_file(session.id, picture_name(identifier), digest)
        store.read_file(session.id, record_name(identifier))
        names += [picture_name(identifier), record_name(identifier)]
    for test in session.tests:
        if test.status != "finished":
            continue
        store.read_file(session.id, result_name(test.id), test.digest)
        folder = store.file(session.id, "tests", test.id)
        thumbnails = (f"tests/{test.id}/{p.parent.name}/{p.name}" for p in folder.glob("[ab]/*"))
        names += [result_name(test.id), *sorted(filter(KIND.names.fullmatch, thumbnails))]
    return names


def record_name(prototype_id: str) -> str:
    """Where the record of a picture lies in a session's folder."""
    return picture_name(prototype_id).replace(".png", ".json")


def result_name(test_id: str) -> str:
    """Where the result of a test lies in a session's folder."""
    return f"tests/{test_id}/{RESULT_FILE}"


def naturalness_of(library: Library, session: ReviewSession) -> dict[str, dict[str, Any]]:
    """Path similarity by prototype: what the library has measured, else what a bundle brought."""
    ids = {item.prototype_id for of in session.rounds for item in of.items}
    measured = {i: library.prototype(i).naturalness for i in library.known(sorted(ids))}
    brought = read_naturalness(library.reviews.file(session.id))
    found = {i: measured.get(i) or brought.get(i) for i in sorted(ids)}
    return {i: dict(values) for i, values in found.items() if values}


def read_naturalness(folder: Path) -> Mapping[str, dict[str, Any]]:
    """What lies in a session's folder; {} when nothing does. Raises LibraryError."""
    path = folder / NATURALNESS_FILE
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_RECORD:
            raise LibraryError(f"{path.name} must have at most {MAX_RECORD} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: check_naturalness(values) for name, values in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise LibraryError(f"{path.name} cannot be read: {error}") from error


# --- import ---


def import_review(library: Library, source: str | Path | BinaryIO) -> ReviewImport:
    """Take over a session: all of it, or nothing.

    One that is here already is left as it is; where another state of it is here, the bundle's
    becomes a session of its own. Raises BundleError when the file is not a whole and valid bundle.
    """
    with unpacked_review(source, library.reviews.folder) as (session, draft):
        here = _here(library, session)
        if here is not None and _holds(here, session):
            deleted = {info.id for info in library.reviews.infos(deleted=True)}
            return ReviewImport(
                review_id=here.id, title=here.title, known=True, in_trash=here.id in deleted
            )
        taken = here is not None or library.reviews.file(session.id).exists()
        review_id = secrets.token_hex(8) if taken else session.id
        target = library.reviews.file(review_id)
        with folders.explained_disk(library.reviews.folder):
            draft.rename(target)
        try:
            library.reviews.adopt(review_id, session.log)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
    return ReviewImport(review_id=review_id, title=session.title, copied=here is not None)


def _here(library: Library, session: ReviewSession) -> ReviewSession | None:
    infos = (*library.reviews.infos(), *library.reviews.infos(deleted=True))
    known = any(info.id == session.id for info in infos)
    return library.reviews.session(session.id) if known else None


def _holds(here: ReviewSession, session: ReviewSession) -> bool:
    """Whether all that the bundle tells is known: the same session, or an earlier state of it."""
    return here.log[: len(session.log)] == session.log


@contextmanager
def unpacked_review(
    source: str | Path | BinaryIO, beside: Path
) -> Iterator[tuple[ReviewSession, Path]]:
    """A bundle's session and a folder in `beside` with its checked files, gone afterwards.

    Raises BundleError when the file is not a whole and valid bundle.
    """
    with archive.opened(source, KIND) as held, folders.draft_folder(beside) as draft:
        names = archive.check_names(held, KIND)
        index = archive.read_index(held, KIND)
        archive.check_complete(index, names)
        identifier = session_identifier(index.head)
        with folders.explained_disk(beside):
            for name in names:
                archive.unpack(held, name, draft / name, index)
        try:
            session = read_events(draft, identifier)
            check_files(draft, session, names)
        except ProtocoreError as error:
            text = str(error).replace(f"{draft}/", "")  # its place is of no interest
            raise BundleError(f"the review session of the bundle is not valid: {text}") from error
        yield session, draft


def session_identifier(head: Mapping[str, Any]) -> str:
    """The session that an index names; raises BundleError."""
    found = head.get("session")
    if not isinstance(found, str) or not _IDENTIFIER.fullmatch(found):
        raise BundleError(f"{KIND.index} names no review session, got {found!r:.100}")
    return found


def read_events(folder: Path, identifier: str) -> ReviewSession:
    """The session whose events lie in a folder; each must be able to follow the one before."""
    path = folder / JOURNAL
    if not path.is_file():
        raise ReviewError(f"{JOURNAL} is missing")
    if path.stat().st_size > MAX_JOURNAL:
        raise ReviewError(f"{JOURNAL} must have at most {MAX_JOURNAL} bytes")
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        raise ReviewError(f"{JOURNAL} breaks off in the middle of an event")
    return replay(identifier, read_journal(content))


def check_files(folder: Path, session: ReviewSession, names: list[str]) -> dict[str, TestResult]:
    """The results by test, if every file is valid, as recorded, and belongs to the session."""
    stray = set(names) - {JOURNAL, NATURALNESS_FILE}
    items = {item.prototype_id: item for of in session.rounds for item in of.items}
    for identifier, item in items.items():
        check_picture(folder, identifier, item.digest)
        stray -= {picture_name(identifier), record_name(identifier)}
    if foreign := sorted(set(read_naturalness(folder)) - set(items)):
        raise ReviewError(f"{NATURALNESS_FILE} is of {foreign[0]!r:.100}, which is no picture here")
    results = {}
    for test in session.tests:
        if test.status == "finished":
            results[test.id] = result = read_result(folder, session, test)
            stray.discard(result_name(test.id))
            stray -= _check_thumbnails(folder, test, result)
    if stray:
        raise ReviewError(f"{min(stray)} belongs to nothing in the session")
    return results


def check_picture(folder: Path, identifier: str, digest: str) -> None:
    """Raise LibraryError when picture or record are missing, damaged or another one."""
    picture, record = folder / picture_name(identifier), folder / record_name(identifier)
    archive.check_image(picture, MAX_PIXELS)
    if _sha256(picture) != digest:
        raise LibraryError(f"{picture.name} is not the picture that the session has recorded")
    if record.is_file() and record.stat().st_size > MAX_RECORD:
        raise LibraryError(f"{record.name} must have at most {MAX_RECORD} bytes")
    read_record(record)


def read_result(folder: Path, session: ReviewSession, test: Test) -> TestResult:
    """The result of a finished test. Raises ReviewError, also for one that was not recorded."""
    path = folder / result_name(test.id)
    if not path.is_file():
        raise ReviewError(f"the result of test {test.id} is missing")
    if _sha256(path) != test.digest:
        raise ReviewError(f"the result of test {test.id} is not what the session has recorded")
    result = TestResult.from_json(path.read_bytes())
    check_result(session, test, result)
    return result


def thumbnail_paths(folder: Path, test: Test, result: TestResult) -> dict[tuple[str, int], Path]:
    """The small copies of a test's images that are there, by cohort and place."""
    places = {side: range(len(result.side(side))) for side in "ab"}
    return {
        (side, place): path
        for side in "ab"
        for place in places[side]
        if (path := folder / "tests" / test.id / side / f"{place:04d}.jpg").is_file()
    }


def _check_thumbnails(folder: Path, test: Test, result: TestResult) -> set[str]:
    """The names of the small copies, after a look at each."""
    found = thumbnail_paths(folder, test, result)
    for path in found.values():
        archive.check_image(path, MAX_PIXELS)
    return {PurePosixPath(path.relative_to(folder)).as_posix() for path in found.values()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
