"""Is a session's bundle what it says? Checksums, events, prototypes made again, tests done again.

    verification = verify_bundle("gowns.protocore-review")
    print(verification.text)
    verification.ok  # nothing differs

Nothing of the bundle reaches the library. What cannot be done here, such as predicting images that
stayed with their owner, is said and is no failure.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from protocore.cohorts.result import TestResult
from protocore.errors import ProtocoreError
from protocore.library import archive, folders
from protocore.library.checks import STATUSES, Check, differs, not_possible, ok
from protocore.library.review_bundle import (
    KIND,
    check_files,
    read_events,
    read_result,
    session_identifier,
)
from protocore.library.verify_prototypes import check_prototype
from protocore.library.verify_tests import check_test
from protocore.models.classifier import Classifier
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from protocore.review.material import item_names
from protocore.review.session import ReviewSession
from protocore.text import printable

__all__ = ["Check", "Verification", "verify_bundle"]

Load = Callable[[ModelSpec], Classifier]
Progress = Callable[[int, int, str], None]  # parts done, parts in all, what is being done


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What became of every check, in the order they were made."""

    title: str  # of the session; "" when its events cannot be read
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs; some checks may not have been possible."""
        return not self.count("differs")

    def count(self, status: str) -> int:
        """How many checks ended so."""
        return sum(check.status == status for check in self.checks)

    @property
    def text(self) -> str:
        """A table and a last line for a terminal."""
        width = max(len(check.name) for check in self.checks)
        lines = [f"{one.status:12}  {one.name:{width}}  {one.detail}" for one in self.checks]
        counts = ", ".join(f"{self.count(status)} {status}" for status in STATUSES)
        return "\n".join(map(printable, [*lines, counts]))


def verify_bundle(
    path: str | Path | BinaryIO,
    load: Load = load_classifier,
    progress: Progress | None = None,
    *,
    spec: ModelSpec | None = None,
) -> Verification:
    """Check everything in a bundle that can be checked here.

    `load` gives the classifier of a spec, such as a ModelPool's `get`; `spec` is used instead of
    the session's own link to its model. Raises BundleError for a file that is no bundle at all,
    or that holds what Protocore never writes; what `progress` raises ends the work.
    """
    with tempfile.TemporaryDirectory(prefix="protocore-") as place:
        folder = Path(place)
        checks, identifier, names = _unpack(path, folder)
        try:
            session = read_events(folder, identifier)
        except ProtocoreError as error:
            checks.append(differs("events", str(error)))
            return Verification(title="", checks=tuple(checks))
        checks.append(ok("events", f"{session.version}, each can follow the one before"))
        check, results = _belongs(folder, session, names, checks)
        checks.append(check)
        checks += _contents(folder, session, results, load, spec, progress or (lambda *_: None))
    return Verification(title=session.title, checks=tuple(checks))


def _unpack(path: str | Path | BinaryIO, folder: Path) -> tuple[list[Check], str, list[str]]:
    """Unpack what has a name of a known form; a check for each file that is not as indexed."""
    with archive.opened(path, KIND) as held:
        names = archive.check_names(held, KIND)
        index = archive.read_index(held, KIND)
        identifier = session_identifier(index.head)
        found = [
            differs(f"file {name}", problem)
            for name in sorted(set(index.files) | set(names))
            if (problem := _problem(held, index, name, name in names, folder))
        ]
    if found:
        return found, identifier, names
    text = f"{len(names)}, each with the size and SHA-256 that the index says"
    return [ok("files", text)], identifier, names


def _problem(
    held: zipfile.ZipFile, index: archive.Index, name: str, there: bool, folder: Path
) -> str:
    """What is wrong with a file, after unpacking it; "" when nothing is."""
    if not there:
        return "the index lists it, but it is missing"
    try:
        with folders.explained_disk(folder):
            found = archive.unpacked(held, name, folder / name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        return f"it is damaged: {error}"
    if name not in index.files:
        return "it was added after the export: the index does not list it"
    if found != index.files[name]:
        return "it was changed after the export: the index says another size or SHA-256"
    return ""


def _belongs(
    folder: Path, session: ReviewSession, names: list[str], checks: list[Check]
) -> tuple[Check, dict[str, TestResult]]:
    """What an import would say, and the results that it has read on the way."""
    try:
        results = check_files(folder, session, names)
    except ProtocoreError as error:
        return differs("contents", str(error).replace(f"{folder}/", "")), {}
    if any(check.status == "differs" for check in checks):
        return differs("contents", "files and index differ; an import refuses that"), results
    return ok("contents", "every file belongs to the session and is valid"), results


def _contents(
    folder: Path,
    session: ReviewSession,
    results: Mapping[str, TestResult],
    load: Load,
    spec: ModelSpec | None,
    progress: Progress,
) -> Iterator[Check]:
    """The model, every picture and every test."""
    items = {item.prototype_id: (of, item) for of in session.rounds for item in of.items}
    tests = [test for test in session.tests if test.status == "finished"]
    total, names = 1 + len(items) + len(tests), item_names(session)
    progress(0, total, "loading the model")
    check, classifier = _model(session, load, spec)
    yield check
    for done, (of, item) in enumerate(items.values(), start=1):
        name, tell = names[(of.id, item.id)], _part_progress(progress, done, total)
        tell(name)
        weights = session.started.weight_hash
        yield from check_prototype(folder, item, name, weights, classifier, tell)
    for done, test in enumerate(tests, start=1 + len(items)):
        name = f"test {session.tests.index(test) + 1}"
        tell = _part_progress(progress, done, total)
        try:
            result = results.get(test.id) or read_result(folder, session, test)
        except ProtocoreError as error:
            yield differs(f"{name}: recorded", str(error).replace(f"{folder}/", ""))
            continue
        yield from check_test(folder, test, result, name, classifier, tell)
    progress(total, total, "done")


def _part_progress(progress: Progress, done: int, total: int) -> Callable[[str], None]:
    return lambda text: progress(done, total, text)


def _model(
    session: ReviewSession, load: Load, spec: ModelSpec | None
) -> tuple[Check, Classifier | None]:
    """Whether the model can be had here with the weights that the session names."""
    started = session.started
    try:
        classifier = load(spec or ModelSpec.from_link(started.model_link))
    except ProtocoreError as error:
        way = "give its weights with --model and --weights"
        return not_possible(
            "model", f"{started.model_title} cannot be loaded: {error}; {way}"
        ), None
    if classifier.weight_hash != started.weight_hash:
        wrong = f"{classifier.title} has the weights {classifier.weight_hash}"
        return differs("model", f"{wrong}, the session says {started.weight_hash}"), None
    return ok("model", f"{classifier.title} has the weights {classifier.weight_hash}"), classifier
