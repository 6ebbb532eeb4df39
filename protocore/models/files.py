"""Files that models are made of: their identity, and Protocore's own folder for uploads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from protocore.access import reachable
from protocore.errors import CheckpointError, ModelError
from protocore.files import home_folder, write_atomic


@dataclass(frozen=True, kw_only=True)
class FileContent:
    """A file together with what it held when it was chosen."""

    path: Path
    sha256: str  # 64 hexadecimal digits

    @classmethod
    def of(cls, path: str | Path) -> FileContent:
        """The file at `path`; it is read again only when its size or time has changed.

        Raises CheckpointError, and AccessError where a server does not read it.
        """
        path = reachable(path)
        try:
            status = path.stat()
            if not path.is_file():
                raise CheckpointError(f"{path} is not an ordinary file; give the path of one")
            return cls(path=path, sha256=_digest(path, status.st_size, status.st_mtime_ns))
        except (OSError, ValueError) as error:  # ValueError: a path with a null character
            reason = getattr(error, "strerror", None) or error
            raise CheckpointError(f"{path} cannot be read: {reason}; check the path") from error


def uploads_folder() -> Path:
    """Where uploaded weights and class names are kept."""
    return home_folder() / "checkpoints"


def keep_upload(
    name: str, content: bytes | memoryview, *, suffixes: tuple[str, ...], max_bytes: int
) -> Path:
    """Store an uploaded file under its content and name; the same file twice is kept once.

    Raises ModelError for another ending, an empty or too large file, and when the folder
    cannot be written; a failed write leaves nothing behind.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in suffixes:
        raise ModelError(f"{name} must end in one of {', '.join(suffixes)}, got {suffix!r}")
    if not 0 < len(content) <= max_bytes:
        raise ModelError(f"{name} must have 1 to {max_bytes} bytes, got {len(content)}")
    stem = "".join(c if c.isalnum() or c in "._-" else "-" for c in Path(name).stem)[:80]
    digest = hashlib.sha256(content).hexdigest()
    path = uploads_folder() / f"{digest[:12]}_{stem}{suffix}"
    if path.is_file() and path.stat().st_size == len(content):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise ModelError(
            f"{name} could not be kept in {path.parent}: {error.strerror or error}; make room or "
            "set PROTOCORE_HOME to a folder that can be written"
        ) from error
    return path


def short_path(path: Path) -> str:
    """A path for links: the bare name of a kept upload, else the whole path."""
    return path.name if path.parent == uploads_folder().absolute() else path.as_posix()


def long_path(text: str) -> Path:
    """The inverse of `short_path`."""
    path = Path(text)
    return uploads_folder() / path if len(path.parts) == 1 else path


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified_ns: int) -> str:
    """SHA-256 of a file; size and time are there to forget what has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
