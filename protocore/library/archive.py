"""Zip archives that travel between people: packing, and unpacking what may come from anybody.

Of each kind of bundle only files with names of known forms are unpacked, none of them executed or
unpickled, each checked against the index with its SHA-256 and size; the index is written last.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from protocore.errors import BundleError, LibraryError
from protocore.files import atomic_file
from protocore.library import folders
from protocore.library.manifest import MAX_MANIFEST

CHUNK = 2**20  # bytes
COMPRESSED = (".png", ".jpg", ".webp")  # compressing them again gains nothing
IMAGE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}
MAX_INDEX = 2 * MAX_MANIFEST  # bytes


@dataclass(frozen=True, kw_only=True)
class BundleKind:
    """What tells the bundles of one kind from everything else."""

    title: str  # written into the index as format
    version: int
    suffix: str
    index: str  # name of the index file
    names: re.Pattern  # of all other files
    max_files: int
    max_bytes: int  # unpacked


@dataclass(frozen=True, kw_only=True)
class Index:
    """What a bundle says of its files, beside what is particular to its kind."""

    files: Mapping[str, tuple[int, str]]  # name: bytes, SHA-256
    head: Mapping[str, Any]


# --- writing ---


class BundleWriter:
    """Collects files in an archive and their entries for the index."""

    def __init__(self, archive: zipfile.ZipFile, kind: BundleKind) -> None:
        self._archive = archive
        self._kind = kind
        self._index: dict[str, dict] = {}

    def add(self, path: Path, name: str) -> None:
        """Copy a file into the archive chunk by chunk."""
        item = zipfile.ZipInfo(name, datetime.now().timetuple()[:6])
        stored = path.suffix in COMPRESSED
        item.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        with path.open("rb") as source, self._archive.open(item, "w") as sink:
            self._index[name] = _entry(*_copied(source, sink))

    def add_text(self, text: str, name: str) -> None:
        """Put a text into the archive."""
        content = text.encode()
        self._archive.writestr(name, content, zipfile.ZIP_DEFLATED)
        self._index[name] = _entry(len(content), hashlib.sha256(content).hexdigest())

    def finish(self, head: Mapping[str, Any]) -> None:
        """Write the index. Raises BundleError when nobody could import so large a bundle."""
        files, size = len(self._index) + 1, sum(entry["bytes"] for entry in self._index.values())
        if files > self._kind.max_files or size > self._kind.max_bytes:
            raise BundleError(
                f"a bundle may hold {self._kind.max_files} files and {self._kind.max_bytes} bytes, "
                f"this one would have {files} and {size}; export less at once"
            )
        about = {
            "format": self._kind.title,
            "version": self._kind.version,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **head,
        }
        text = json.dumps({**about, "files": self._index}, indent=1)
        self._archive.writestr(self._kind.index, text, zipfile.ZIP_DEFLATED)


@contextmanager
def written(target: Path, kind: BundleKind) -> Iterator[BundleWriter]:
    """A bundle to fill, which becomes the file `target` at the end, or nothing when that fails.

    Raises LibraryError when it cannot be written; then `target` is as it was.
    """
    with folders.explained_disk(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(target) as file, zipfile.ZipFile(file, "w") as archive:
            yield BundleWriter(archive, kind)


def _entry(size: int, digest: str) -> dict[str, Any]:
    return {"sha256": digest, "bytes": size}


def _copied(source: BinaryIO, sink: BinaryIO) -> tuple[int, str]:
    """Copy chunk by chunk; returns how many bytes that were and their SHA-256."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        sink.write(chunk)
    return size, digest.hexdigest()


# --- reading ---


@contextmanager
def opened(source: str | Path | BinaryIO, kind: BundleKind) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is wrong with it as a zip file is raised as BundleError."""
    try:
        with _zip_file(source) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BundleError(
            f"this file is not a whole zip archive ({error}); a bundle is a file that Protocore "
            f"exported, named …{kind.suffix}: get it again, it may have been cut off"
        ) from error


def _zip_file(source: str | Path | BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except FileNotFoundError as error:
        raise BundleError(f"there is no file {source}; check its name and folder") from error
    except OSError as error:
        raise BundleError(f"{source} cannot be read: {error.strerror or error}") from error
    except (ValueError, struct.error) as error:  # names and lists of files that are no such
        raise zipfile.BadZipFile(str(error)) from error


def check_names(archive: zipfile.ZipFile, kind: BundleKind) -> list[str]:
    """All files but the index, if nothing else is in the archive and not too much of it."""
    items = archive.infolist()
    if kind.index not in archive.namelist():
        raise BundleError(
            f"this zip archive is not a Protocore bundle: it has no {kind.index}; import a file "
            f"that Protocore exported, named …{kind.suffix}"
        )
    if len(items) > kind.max_files:
        raise BundleError(f"a bundle may hold {kind.max_files} files, this one has {len(items)}")
    total = sum(item.file_size for item in items)
    if total > kind.max_bytes:
        raise BundleError(f"a bundle may hold {kind.max_bytes} bytes, this one unpacks to {total}")
    seen: set[str] = set()
    for item in items:
        mode = item.external_attr >> 16
        regular = stat.S_IFMT(mode) in (0, stat.S_IFREG) and not item.flag_bits & 0x1
        plain = regular and item.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        allowed = item.filename == kind.index or kind.names.fullmatch(item.filename)
        if not plain or not allowed or item.filename in seen:
            raise BundleError(
                f"the bundle holds {item.filename!r}, which Protocore never writes; nothing was "
                "imported, and it is wise to ask where the file comes from"
            )
        seen.add(item.filename)
    return sorted(seen - {kind.index})


def read_index(archive: zipfile.ZipFile, kind: BundleKind) -> Index:
    """The index, if it is one of this kind and version; whether it fits the files is not asked."""
    name = kind.index
    if archive.getinfo(name).file_size > MAX_INDEX:
        raise BundleError(f"{name} is too large to be the index of a bundle")
    try:
        content = json.loads(archive.read(name))
        known = content["format"] == kind.title
        version, files = content["version"], content["files"]
        entries = {file: (entry["bytes"], entry["sha256"]) for file, entry in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{name} is not the index of a bundle: {error!r}") from error
    if not known:
        raise BundleError(f"{name} says {content['format']!r}, not {kind.title!r}")
    if version != kind.version:
        raise BundleError(
            f"the bundle has version {version!r}, this Protocore reads version {kind.version}; "
            "update Protocore, or ask for an export of the older version"
        )
    return Index(files=entries, head={k: v for k, v in content.items() if k != "files"})


def check_complete(index: Index, names: list[str]) -> None:
    """Raise BundleError when the index names other files than there are, or none."""
    if different := sorted(set(index.files) ^ set(names)):
        raise BundleError(
            f"files and index of the bundle differ, first in {different[0]!r}; it was changed "
            "after its export: get it again"
        )
    if not names:
        raise BundleError("the bundle is empty; export again with something selected")


def unpack(archive: zipfile.ZipFile, name: str, target: Path, index: Index) -> None:
    """Write one file to `target`; raises BundleError when it is not what the index says."""
    if unpacked(archive, name, target) != index.files[name]:
        raise BundleError(
            f"{name} is not what the bundle's index says; the file was damaged or changed after "
            "its export: get it again"
        )


def unpacked(archive: zipfile.ZipFile, name: str, target: Path) -> tuple[int, str]:
    """Write one file to `target`; returns its bytes and SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, target.open("wb") as sink:
        return _copied(source, sink)


def check_image(path: Path, max_pixels: int) -> None:
    """Decode an image once: a later page must not stumble over it. Raises LibraryError."""
    try:
        with Image.open(path, formats=[IMAGE_FORMATS[path.suffix]]) as image:
            if image.width * image.height > max_pixels:
                raise LibraryError(
                    f"{path.name} has {image.width} x {image.height} pixels, at most {max_pixels} "
                    "are allowed"
                )
            image.load()
    except FileNotFoundError as error:
        raise LibraryError(f"{path.name} is missing") from error
    # Pillow raises these for damaged files of one format or another.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LibraryError(f"{path.name} is not a valid image: {error}") from error
