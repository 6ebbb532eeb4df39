"""Fetch torchvision's weights when asked to; a file is there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch.hub import HASH_REGEX

from protocore.errors import WeightsUnavailableError
from protocore.models.catalog import CatalogEntry

Progress = Callable[[int, int], None]  # bytes so far, bytes in all

TIMEOUT = 20.0  # seconds without an answer
_CHUNK = 256 * 1024  # bytes; small enough for a smooth bar and a quick stop


def download(
    entry: CatalogEntry,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    timeout: float = TIMEOUT,
) -> Path:
    """Fetch the weights of `entry` unless they are on disk; returns where they are.

    The hash in the file's name is checked, as torchvision does. `cancelled` is asked between
    chunks. Raises WeightsUnavailableError, with nothing left behind, that says how to place
    the file by hand.
    """
    target = entry.path
    if entry.on_disk:
        return target
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = _fetch(entry, partial, progress or (lambda done, total: None), cancelled, timeout)
        _check_hash(entry, digest)
        partial.replace(target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise unavailable(entry, _reason(error, target.parent)) from error
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be what is wrong
            partial.unlink(missing_ok=True)
    return target


def unavailable(entry: CatalogEntry, reason: str) -> WeightsUnavailableError:
    """The error that names the file, its address, its folder and the way by hand."""
    return WeightsUnavailableError(
        f"the weights of {entry.title} could not be fetched: {reason}. By hand: get {entry.url} "
        f"({entry.file_size / 2**20:.1f} MB) on a machine with a network and put it, under the "
        f"name {entry.file_name}, into {entry.path.parent}"
    )


@dataclass(frozen=True, kw_only=True)
class DownloadState:
    """Where a download stands."""

    done: int  # bytes
    total: int  # bytes
    active: bool
    error: str = ""  # what went wrong, for people


class Download:
    """A download in the background, which outlives the page that asked for it."""

    def __init__(self, entry: CatalogEntry, *, timeout: float = TIMEOUT) -> None:
        self.entry = entry
        self._timeout = timeout
        self._state = DownloadState(done=0, total=entry.file_size, active=True)
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"download {entry.title}")
        self._thread.daemon = True
        self._thread.start()

    @property
    def state(self) -> DownloadState:
        """The latest state; an immutable value."""
        return self._state

    def cancel(self) -> None:
        """Stop soon and keep nothing."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> DownloadState:
        """Wait for the end, at most `timeout` seconds; returns the state then."""
        self._thread.join(timeout)
        return self._state

    def _run(self) -> None:
        error = ""
        try:
            download(
                self.entry,
                progress=self._advance,
                cancelled=self._cancelled.is_set,
                timeout=self._timeout,
            )
        except WeightsUnavailableError as failure:
            error = str(failure)
        state = self._state
        self._state = DownloadState(done=state.done, total=state.total, active=False, error=error)

    def _advance(self, done: int, total: int) -> None:
        self._state = DownloadState(done=done, total=total, active=True)


def _fetch(
    entry: CatalogEntry,
    partial: Path,
    progress: Progress,
    cancelled: Callable[[], bool],
    timeout: float,
) -> str:
    """Write the file and return its SHA-256."""
    digest = hashlib.sha256()
    request = urllib.request.Request(entry.url, headers={"User-Agent": "protocore"})
    with urllib.request.urlopen(request, timeout=timeout) as answer, partial.open("wb") as file:
        total = int(answer.headers.get("Content-Length") or entry.file_size)
        done = 0
        while chunk := answer.read(_CHUNK):
            if cancelled():
                raise ValueError(f"it was cancelled after {done} of {total} bytes")
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(done, total)
        if "Content-Length" in answer.headers and done != total:
            raise ValueError(f"the connection ended after {done} of {total} bytes")
    return digest.hexdigest()


def _check_hash(entry: CatalogEntry, digest: str) -> None:
    expected = HASH_REGEX.search(entry.file_name)
    if expected and not digest.startswith(expected.group(1)):
        raise ValueError(
            f"what came is another file: its SHA-256 must start with {expected.group(1)}, "
            f"got {digest[:16]}"
        )


def _reason(error: Exception, folder: Path) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"the server cannot be reached ({error.reason})"
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    if isinstance(error, ConnectionError):
        return f"the connection broke ({error.strerror or error})"
    if isinstance(error, OSError) and error.strerror:
        return f"{folder} cannot be written ({error.strerror})"
    return str(error) or type(error).__name__
