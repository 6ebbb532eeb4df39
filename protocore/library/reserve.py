"""A little room on the disk, kept for the one thing that a full disk needs: deleting."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["RESERVE_BYTES", "reserve_room", "spending_reserve"]

RESERVE_BYTES = 4 * 2**20  # more than the journal of a transaction that deletes 500 entries

log = logging.getLogger(__name__)


def reserve_room(folder: Path) -> None:
    """Take the room, unless it is taken or there is none."""
    path = folder / "reserve"
    try:
        if path.is_file() and path.stat().st_size >= RESERVE_BYTES:
            return
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
    except OSError as error:
        log.info("no reserve in %s: %s", folder, error)
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def spending_reserve(folder: Path) -> Iterator[None]:
    """Give the room back while something is deleted, and take it again afterwards."""
    with suppress(OSError):
        (folder / "reserve").unlink(missing_ok=True)
    try:
        yield
    finally:
        reserve_room(folder)
