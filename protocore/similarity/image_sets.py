"""Images sorted into named groups: a folder with subfolders, a zip archive, uploaded files.

All three sources follow one rule, `why_left_out`: hidden and system files and folders do not
count, other files need a picture's ending; what is left out is listed with its reason.
Nothing is decoded here and an archive is never unpacked to disk; names inside it serve only to
tell groups apart.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from protocore.access import allowed, reachable
from protocore.errors import ImageError, NaturalReferenceError
from protocore.similarity.archive_names import readable_names
from protocore.similarity.decoding import MAX_BYTES, SUFFIXES
from protocore.similarity.reference import SkippedImage
from protocore.text import composed

MAX_MEMBERS = 20_000  # files in an archive
MAX_UNPACKED = 4 * 2**30  # bytes in all, as the archive declares them
HIDDEN = "hidden or made by the system"
_SYSTEM_NAMES = {  # compared without case
    *("__macosx", "@eadir", "@tmp", "#recycle", "$recycle.bin", "system volume information"),
    *("lost+found", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}
_SPLITS = {"train", "val", "test", "validation"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFile:
    """A file whose bytes are read when they are needed."""

    name: str
    read: Callable[[], bytes]  # raises ImageError with the reason


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """Groups of files by name; a group is what one subfolder holds. Names are composed Unicode."""

    source: str  # for people
    groups: dict[str, tuple[ImageFile, ...]]
    left_out: tuple[SkippedImage, ...] = ()  # files that are no pictures, one entry per reason
    notes: tuple[str, ...] = ()  # what people should know of how names were read


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
        contents = {
            path: look_into(path) for path in children if why_left_out((path.name,), True) is None
        }
    except OSError as error:
        raise NaturalReferenceError(
            f"the folder {folder} cannot be read: {error.strerror or error}"
        ) from error
    found: dict[str, tuple[ImageFile, ...]] = {}
    for path, content in contents.items():
        if content.files:
            name = composed(path.name)
            found[name] = (*found.get(name, ()), *content.files)
    if not found:
        splits = sorted({path.name for path in contents} & _SPLITS)
        hint = f"; choose {folder / splits[0]} instead" if splits else ""
        raise NaturalReferenceError(
            f"{folder} has no subfolders with images ({', '.join(SUFFIXES)}): one per class is "
            f"needed{hint}"
        )
    system = [path.name for path in children if path not in contents]
    entries = [SkippedImage(name=name, reason=HIDDEN) for name in system]
    entries += [entry for content in contents.values() for entry in content.left_out]
    return ImageSet(source=f"folder {folder.name}", groups=found, left_out=tuple(entries))


def open_zip(content: bytes, name: str = "archive") -> ImageSet:
    """A zip archive with one folder per class, at any depth.

    Raises NaturalReferenceError when it is damaged, holds no images or too much.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise NaturalReferenceError(f"{name} is not a zip archive: {error}") from error
    names, notes = readable_names(archive.infolist())
    reasons = {
        member: why_left_out(_parts(names[member]), False)
        for member in archive.infolist()
        if not member.is_dir()
    }
    members = [member for member, reason in reasons.items() if reason is None]
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED:
        raise NaturalReferenceError(
            f"{name} is too large: {len(members)} images with {unpacked / 2**20:.0f} MB, at most "
            f"{MAX_MEMBERS} with {MAX_UNPACKED >> 20} MB; unpack it and give the folder"
        )
    if not members:
        raise NaturalReferenceError(f"{name} holds no images ({', '.join(SUFFIXES)})")
    groups: dict[str, list[ImageFile]] = {}
    for member in sorted(members, key=lambda member: names[member]):
        path = PurePosixPath(*_parts(names[member]))
        reader = ImageFile(name=names[member], read=_member_reader(archive, member))
        groups.setdefault(composed(path.parent.name) or name, []).append(reader)
    return ImageSet(
        source=name,
        groups={group: tuple(files) for group, files in groups.items()},
        left_out=_summary((names[member], why) for member, why in reasons.items() if why),
        notes=notes,
    )


def from_uploads(files: Iterable[tuple[str, bytes]], group: str) -> ImageSet:
    """Single uploaded files as one group."""
    files = list(files)
    reasons = [(name, why_left_out(_parts(name), False)) for name, _ in files]
    pictures = tuple(
        ImageFile(name=name, read=lambda b=content: b)
        for (name, content), (_, reason) in zip(files, reasons, strict=True)
        if reason is None
    )
    left_out = _summary((name, reason) for name, reason in reasons if reason)
    return ImageSet(source="upload", groups={composed(group): pictures}, left_out=left_out)


@dataclass(frozen=True, kw_only=True, eq=False)
class FolderContent:
    """The pictures of a folder and its subfolders, and what else lies there."""

    files: tuple[ImageFile, ...]
    left_out: tuple[SkippedImage, ...]


def look_into(folder: Path) -> FolderContent:
    """Every picture in a folder and its subfolders, in order. Raises OSError."""
    files: list[ImageFile] = []
    other: list[tuple[str, str]] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and allowed(p)):
        inside = path.relative_to(folder)
        reason = why_left_out(inside.parts, False)
        if reason is None:
            files.append(ImageFile(name=f"{folder.name}/{inside}", read=_path_reader(path)))
        else:
            other.append((f"{folder.name}/{inside}", reason))
    return FolderContent(files=tuple(files), left_out=_summary(other))


def files_in(folder: Path) -> list[ImageFile]:
    """The pictures of `look_into`. Raises OSError."""
    return list(look_into(folder).files)


def why_left_out(parts: Sequence[str], is_folder: bool) -> str | None:
    """Why a file or folder does not count, by the parts of its path; None: it does."""
    for part in parts:
        if part.startswith((".", "~$")) or part.casefold() in _SYSTEM_NAMES:
            return HIDDEN
    suffix = PurePosixPath(parts[-1]).suffix.lower() if parts else ""
    if not is_folder and suffix not in SUFFIXES:
        return f"not a picture by its ending ({suffix or 'none'})"
    return None


def _summary(left_out: Iterable[tuple[str, str]]) -> tuple[SkippedImage, ...]:
    """One entry per reason and folder: "cat/a.txt and 3 more"."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, reason in left_out:
        grouped.setdefault((str(PurePosixPath(name).parent), reason), []).append(name)
    return tuple(
        SkippedImage(
            name=names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else ""),
            reason=reason,
        )
        for (_, reason), names in grouped.items()
    )


def _parts(name: str) -> tuple[str, ...]:
    """Parts of a name in an archive or upload, which may come from Windows or lead upwards."""
    return tuple(p for p in PurePosixPath(name.replace("\\", "/")).parts if p not in ("..", "/"))


def _path_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)  # one more tells the decoder that it is too large
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror or error})") from error

    return read


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
