"""The manifest in each run's folder: what the database says of the run, as JSON.

With it a lost database is built again from the folders, and a bundle brings its titles and tags
along. It is written last, so a folder with a manifest is whole.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from protocore.errors import LibraryError
from protocore.files import write_atomic
from protocore.generation.prototype import Prototype
from protocore.library.entries import SavedRun

MANIFEST_FILE = "manifest.json"
MANIFEST_FORMAT = "protocore run"
MANIFEST_VERSION = 1
MAX_TITLE = 200  # characters
MAX_TAG = 50
MAX_NOTE = 20_000
MAX_MANIFEST = 8 * 2**20  # bytes; some 10 000 prototypes
IDENTIFIER = re.compile(r"[0-9a-f]{16}")
STEM = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]{5,15}(\+00:00|Z)")


@dataclass(frozen=True, kw_only=True)
class PrototypeEntry:
    """One prototype of a run; what its own record says is not repeated here."""

    id: str
    position: int
    stem: str  # of its PNG and JSON files
    title: str
    preset: str = ""
    tags: tuple[str, ...] = ()
    naturalness: Mapping[str, Any] | None = None
    deleted_at: str | None = None

    def __post_init__(self) -> None:
        _match("prototype id", self.id, IDENTIFIER)
        _match("file name", self.stem, STEM)
        if type(self.position) is not int or not 0 <= self.position < 100_000:
            raise LibraryError(f"a position must be an integer >= 0, got {self.position!r}")
        _check_text("title", self.title, MAX_TITLE)
        _check_text("preset", self.preset, 100)
        for tag in self.tags:
            _check_text("tag", tag, MAX_TAG)
        check_naturalness(self.naturalness)
        if self.deleted_at is not None:
            _match("time", self.deleted_at, MOMENT)


@dataclass(frozen=True, kw_only=True)
class RunManifest:
    """A run and its prototypes. Raises LibraryError for values that cannot be."""

    id: str
    title: str
    kind: str
    created: str
    status: str
    seconds: float
    model_link: str
    note: str
    prototypes: tuple[PrototypeEntry, ...]

    def __post_init__(self) -> None:
        _match("run id", self.id, IDENTIFIER)
        _match("time", self.created, MOMENT)
        _check_text("title", self.title, MAX_TITLE)
        _check_text("kind", self.kind, 40)
        _check_text("status", self.status, 20)
        _check_text("model link", self.model_link, MAX_NOTE)
        _check_text("note", self.note, MAX_NOTE)
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, int | float):
            raise LibraryError(f"seconds must be a number, got {self.seconds!r}")
        if not math.isfinite(self.seconds) or self.seconds < 0:
            raise LibraryError(f"seconds must be finite and >= 0, got {self.seconds}")
        if not self.prototypes:
            raise LibraryError("a run needs at least one prototype, got none")
        for name in ("id", "position", "stem"):
            values = [getattr(entry, name) for entry in self.prototypes]
            if len(set(values)) != len(values):
                raise LibraryError(f"the {name} of each prototype of a run must differ: {values}")

    def to_json(self) -> str:
        """The text of the manifest file."""
        head = {"format": MANIFEST_FORMAT, "version": MANIFEST_VERSION}
        return json.dumps({**head, **asdict(self)}, indent=2, allow_nan=False)

    def write(self, folder: Path) -> None:
        """Put it into `folder`, whole or not at all."""
        write_atomic(folder / MANIFEST_FILE, self.to_json())

    @classmethod
    def read(cls, folder: Path) -> RunManifest:
        """What `write` wrote. Raises LibraryError when it is missing, damaged or newer."""
        path = folder / MANIFEST_FILE
        try:
            if path.stat().st_size > MAX_MANIFEST:
                raise LibraryError(f"{path} is larger than {MAX_MANIFEST} bytes: not a manifest")
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise LibraryError(f"{path} cannot be read: {error}") from error
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Any) -> RunManifest:
        """The inverse of `to_json`, after `json.loads`."""
        if not isinstance(content, dict) or content.get("format") != MANIFEST_FORMAT:
            raise LibraryError(f"{MANIFEST_FILE} is not the manifest of a Protocore run")
        if content.get("version") != MANIFEST_VERSION:
            raise LibraryError(
                f"{MANIFEST_FILE} has version {content.get('version')!r}, this Protocore reads "
                f"version {MANIFEST_VERSION}; update Protocore"
            )
        values = {k: v for k, v in content.items() if k not in ("format", "version")}
        try:
            entries = tuple(
                PrototypeEntry(**{**entry, "tags": tuple(entry["tags"])})
                for entry in values.pop("prototypes")
            )
            return cls(**values, prototypes=entries)
        except (TypeError, KeyError) as error:
            raise LibraryError(f"{MANIFEST_FILE} is not complete: {error}") from error


def new_manifest(saved: SavedRun, run_id: str = "") -> RunManifest:
    """A run's first manifest, with fresh identifiers; `run_id` where it has one already."""
    for name in ("frames", "curves"):
        length = len(getattr(saved, name))
        if length not in (0, len(saved.prototypes)):
            raise LibraryError(
                f"{name} must be given for each of the {len(saved.prototypes)} prototypes or "
                f"not at all, got {length}"
            )
    return RunManifest(
        id=run_id or secrets.token_hex(8),
        title=_shortened(saved.title, MAX_TITLE),
        kind=saved.kind,
        created=now(),
        status=saved.status,
        seconds=saved.seconds,
        model_link=saved.model_link,
        note=saved.note,
        prototypes=tuple(
            PrototypeEntry(
                id=secrets.token_hex(8),
                position=position,
                stem=stem,
                title=_shortened(prototype.record.title, MAX_TITLE),
                preset=_shortened(saved.preset, 100),
            )
            for position, (prototype, stem) in enumerate(
                zip(saved.prototypes, _unique_stems(saved.prototypes), strict=True)
            )
        ),
    )


def _shortened(text: str, longest: int) -> str:
    """A finished run is not lost for a title that is too long, or that no database takes."""
    text = text.replace("\0", "?").encode(errors="replace").decode()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _unique_stems(prototypes: Sequence[Prototype]) -> list[str]:
    """A file name for each prototype; those that would clash get a number."""
    stems: list[str] = []
    for prototype in prototypes:
        stem = candidate = prototype.stem[:150].lstrip("._-") or "prototype"
        number = 2
        while candidate in stems:
            candidate, number = f"{stem}_{number}", number + 1
        stems.append(candidate)
    return stems


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Tags without surplus spaces and repetitions; raises LibraryError for those too long."""
    cleaned = sorted({" ".join(tag.split()) for tag in tags} - {""})
    for tag in cleaned:
        check_characters("tag", tag)
    if long := [tag for tag in cleaned if len(tag) > MAX_TAG]:
        raise LibraryError(f"a tag must have <= {MAX_TAG} characters, got {len(long[0])}")
    return cleaned


def now() -> str:
    """The present moment as the library writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def check_naturalness(values: Any) -> dict[str, Any] | None:
    """A copy of what path similarity found, or None; raises LibraryError if it cannot be kept.

    Plain and finite JSON values; "similarity", the mean over layers, must be among them.
    """
    if values is None:
        return None
    try:
        content = json.loads(json.dumps(dict(values), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise LibraryError(f"naturalness must be plain and finite JSON values: {error}") from error
    similarity = content.get("similarity")
    if isinstance(similarity, bool) or not isinstance(similarity, int | float):
        raise LibraryError(f"naturalness needs a number as similarity, got {similarity!r}")
    if not -1 <= similarity <= 1:
        raise LibraryError(f"similarity must be between -1 and 1, got {similarity}")
    return content


def check_characters(name: str, text: str) -> None:
    """Raise LibraryError for what not every database and file takes: NUL, lone surrogates."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise LibraryError(
            f"a {name} must not hold NUL characters or halves of surrogate pairs, got {text!a:.100}"
        )


def _match(name: str, value: Any, pattern: re.Pattern) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise LibraryError(f"{value!r} cannot be a {name}; it must match {pattern.pattern}")


def _check_text(name: str, value: Any, longest: int) -> None:
    if not isinstance(value, str):
        raise LibraryError(f"a {name} must be text, got {value!r}")
    if len(value) > longest:
        raise LibraryError(f"a {name} must have <= {longest} characters, got {len(value)}")
    check_characters(name, value)
