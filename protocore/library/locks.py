"""One process at a time, where the database does not see to it."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """Held by one thread of one process; freed by the system when that dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Wait for it, hold it. Raises OSError when its file cannot be made."""
        with self._threads, self._path.open("a") as file:
            with suppress(OSError):  # a file system without locks: threads are kept apart
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
