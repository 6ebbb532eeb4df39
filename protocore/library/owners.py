"""Who runs a job: a process that holds a lock file, which the system frees when it dies."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Owner", "is_alive"]

SILENT_SECONDS = 60.0  # after which an owner on another machine counts as gone


class Owner:
    """This process, until `close` or its death. Raises OSError where its lock cannot be made."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.id = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._path = folder / f"{self.id}.lock"
        self._file = self._path.open("w")
        with suppress(OSError):  # a file system without locks: the heartbeat decides
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Give everything up."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_alive(folder: Path, owner: str, heartbeat: float) -> bool:
    """Whether the process `owner` may still work; `heartbeat` is when it last said so (epoch).

    On its own machine its lock tells; from another one, or where there are no locks, its silence.
    """
    if not owner:
        return False
    fresh = time.time() - heartbeat < SILENT_SECONDS
    if owner.rsplit("-", 2)[0] != _host():
        return fresh
    path = folder / f"{owner}.lock"
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return fresh
    return False


def _host() -> str:
    return socket.gethostname()[:80] or "localhost"
