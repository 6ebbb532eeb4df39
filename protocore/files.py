"""Files: Protocore's folder, writes that are whole or absent, CSV that is safe to open."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["atomic_file", "csv_text", "home_folder", "write_atomic"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def home_folder() -> Path:
    """Protocore's folder for everything it keeps: PROTOCORE_HOME, or ~/.protocore."""
    return Path(os.environ.get("PROTOCORE_HOME") or "~/.protocore").expanduser()


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for writing; the file appears whole and synced to the disk, or not at all.

    The folder must exist. When the block raises, the old file, if any, is left as it was and the
    draft beside it is removed. Raises OSError.
    """
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name[:80]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o666 & ~_umask())
            yield file
            file.flush()
            os.fsync(descriptor)
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise
    _sync_folder(path.parent)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a whole file, text as UTF-8; see atomic_file."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV; a text that a spreadsheet would run as a formula starts with an apostrophe."""
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([_safe(cell) for cell in row] for row in rows)
    return target.getvalue()


def _safe(cell: object) -> object:
    """Numbers pass; a text is a formula to a spreadsheet also after spaces."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell


def _umask() -> int:
    """The process's mask for new files, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the new name itself last; not every file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
