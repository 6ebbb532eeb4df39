"""The report of a session as a file, gathered from library or bundle, whole or not at all."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocore.cohorts.result import TestResult
from protocore.errors import ProtocoreError
from protocore.files import write_atomic
from protocore.generation.prototype import slug
from protocore.library import folders
from protocore.library.library import Library
from protocore.library.review_bundle import (
    check_picture,
    naturalness_of,
    read_naturalness,
    read_result,
    record_name,
    thumbnail_paths,
    unpacked_review,
)
from protocore.library.rows import read_record
from protocore.reports.review.page import report_html
from protocore.reports.review.tests import shown_places
from protocore.review.material import Picture, ReportMaterial, Thumbnails, picture_name
from protocore.review.session import ReviewSession
from protocore.similarity.summary import Naturalness


def session_report(library: Library, review_id: str) -> str:
    """The report of a session of the library, as it is now."""
    session = library.reviews.session(review_id)
    naturalness = naturalness_of(library, session)
    return report_html(session, material_in(library.reviews.file(review_id), session, naturalness))


def write_report(library: Library, review_id: str, target: str | Path) -> Path:
    """Write the report of a session into the file `target`; returns it.

    Raises LibraryError when it cannot be written; then `target` is as it was.
    """
    return _write(Path(target), session_report(library, review_id))


def write_bundle_report(bundle: str | Path, target: str | Path) -> Path:
    """Write the report of a bundle's session, which does not become part of the library.

    Raises BundleError for what is not a whole and valid bundle, LibraryError as `write_report`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="protocore-") as place,
        unpacked_review(bundle, Path(place)) as (session, folder),
    ):
        page = report_html(session, material_in(folder, session, read_naturalness(folder)))
    return _write(Path(target), page)


def report_name(session: ReviewSession) -> str:
    """A file name for a session's report, such as "gown-and-skin_0123abcd.html"."""
    return f"{slug(session.title)[:80].strip('-.')}_{session.id[:8]}.html"


def material_in(
    folder: Path, session: ReviewSession, naturalness: Mapping[str, Mapping[str, Any]]
) -> ReportMaterial:
    """What lies in a session's folder; what is missing or changed is left out, and said so."""
    results: dict[str, TestResult] = {}
    thumbnails: dict[str, Thumbnails] = {}
    for test in session.tests:
        if test.status != "finished":
            continue
        try:
            result = results[test.id] = read_result(folder, session, test)
        except ProtocoreError:
            continue
        if test == session.final_test(test.claim):  # the others are listed without their images
            paths = thumbnail_paths(folder, test, result)
            shown = {(side, place) for side in "ab" for place in shown_places(result.side(side))}
            thumbnails[test.id] = {
                key: paths[key].read_bytes() for key in sorted(shown & set(paths))
            }
    items = {item.prototype_id: item for found in session.rounds for item in found.items}
    pictures = {
        identifier: picture
        for identifier, item in items.items()
        if (picture := _picture(folder, identifier, item.digest, naturalness.get(identifier)))
    }
    return ReportMaterial(pictures=pictures, results=results, thumbnails=thumbnails)


def _picture(
    folder: Path, identifier: str, digest: str, naturalness: Mapping[str, Any] | None
) -> Picture | None:
    try:
        check_picture(folder, identifier, digest)
    except ProtocoreError:
        return None
    return Picture(
        png=(folder / picture_name(identifier)).read_bytes(),
        record=read_record(folder / record_name(identifier)),
        badge=badge_text(naturalness) if naturalness else "",
    )


def badge_text(naturalness: Mapping[str, Any]) -> str:
    """Path similarity in one line, never without the class probability where that is known."""
    try:
        figures = {name: math.nan if v is None else float(v) for name, v in naturalness.items()}
        return Naturalness(**figures).text
    except (TypeError, ValueError):  # written by another version
        return f"{naturalness['similarity']:.2f}"


def _write(target: Path, page: str) -> Path:
    with folders.explained_disk(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, page)
    return target
