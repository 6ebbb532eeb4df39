"""Images sorted into named groups: a folder with subfolders, a zip archive, uploaded files.

Nothing is decoded here and an archive is never unpacked to disk; names inside it serve only to
tell groups apart.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from protocore.access import allowed, reachable
from protocore.errors import ImageError, NaturalReferenceError
from protocore.similarity.decoding import MAX_BYTES, SUFFIXES

MAX_MEMBERS = 20_000  # files in an archive
MAX_UNPACKED = 4 * 2**30  # bytes in all, as the archive declares them
_SPLITS = {"train", "val", "test", "validation"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFile:
    """A file whose bytes are read when they are needed."""

    name: str
    read: Callable[[], bytes]  # raises ImageError with the reason


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """Groups of files by name; a group is what one subfolder holds."""

    source: str  # for people
    groups: dict[str, tuple[ImageFile, ...]]


def open_folder(folder: str | Path) -> ImageSet:
    """A folder with one subfolder per class.

    Raises NaturalReferenceError when it does not exist or holds no such subfolders, AccessError
    where a server does not read it.
    """
    folder = reachable(folder)
    if not folder.is_dir():
        raise NaturalReferenceError(
            f"there is no folder {folder}; give one with a subfolder of images per class"
        )
    try:
        children = sorted(path for path in folder.iterdir() if path.is_dir())
        groups = {path.name: tuple(files_in(path)) for path in children}
    except OSError as error:
        raise NaturalReferenceError(
            f"the folder {folder} cannot be read: {error.strerror or error}"
        ) from error
    found = {name: files for name, files in groups.items() if files}
    if not found:
        splits = sorted(set(groups) & _SPLITS)
        hint = f"; choose {folder / splits[0]} instead" if splits else ""
        raise NaturalReferenceError(
            f"{folder} has no subfolders with images ({', '.join(SUFFIXES)}): one per class is "
            f"needed{hint}"
        )
    return ImageSet(source=f"folder {folder.name}", groups=found)


def open_zip(content: bytes, name: str = "archive") -> ImageSet:
    """A zip archive with one folder per class, at any depth.

    Raises NaturalReferenceError when it is damaged, holds no images or too much.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise NaturalReferenceError(f"{name} is not a zip archive: {error}") from error
    members = [member for member in archive.infolist() if _is_image(member)]
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED:
        raise NaturalReferenceError(
            f"{name} is too large: {len(members)} images with {unpacked / 2**20:.0f} MB, at most "
            f"{MAX_MEMBERS} with {MAX_UNPACKED >> 20} MB; unpack it and give the folder"
        )
    if not members:
        raise NaturalReferenceError(f"{name} holds no images ({', '.join(SUFFIXES)})")
    groups: dict[str, list[ImageFile]] = {}
    for member in sorted(members, key=lambda member: member.filename):
        group = PurePosixPath(member.filename.replace("\\", "/")).parent.name or name
        reader = ImageFile(name=member.filename, read=_member_reader(archive, member))
        groups.setdefault(group, []).append(reader)
    return ImageSet(source=name, groups={group: tuple(files) for group, files in groups.items()})


def from_uploads(files: Iterable[tuple[str, bytes]], group: str) -> ImageSet:
    """Single uploaded files as one group."""
    held = tuple(ImageFile(name=name, read=lambda b=content: b) for name, content in files)
    return ImageSet(source="upload", groups={group: held})


def files_in(folder: Path) -> list[ImageFile]:
    """Every image in a folder and its subfolders, hidden ones left out. Raises OSError."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return [
        ImageFile(name=f"{folder.name}/{path.relative_to(folder)}", read=_path_reader(path))
        for path in paths
        if not path.name.startswith(".") and allowed(path)
    ]


def _path_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)  # one more tells the decoder that it is too large
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror or error})") from error

    return read


def _is_image(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    parts = [part for part in path.parts if part != ".."]
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return not member.is_dir() and not hidden and path.suffix.lower() in SUFFIXES


def _member_reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with archive.open(member) as file:
                return file.read(MAX_BYTES + 1)  # the declared size may be a lie
        except RuntimeError as error:  # what zipfile raises for an encrypted member
            raise ImageError(f"encrypted or not supported ({error})") from error
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ImageError(f"damaged in the archive ({error})") from error

    return read
