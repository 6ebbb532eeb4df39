"""The one way to fetch a file, and torchvision's weights with it: whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from torch.hub import HASH_REGEX

from protocore.errors import DownloadError, WeightsUnavailableError
from protocore.files import atomic_file
from protocore.models.catalog import CatalogEntry

Progress = Callable[[int, int], None]  # bytes so far, bytes in all

TIMEOUT = 20.0  # seconds without an answer
_CHUNK = 256 * 1024  # bytes; small enough for a smooth bar and a quick stop


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    size: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    timeout: float = TIMEOUT,
) -> Path:
    """Fetch `url` into `target`, whole or not at all; returns `target`.

    `sha256` is the start of the expected digest, "" for an unknown one; `size` in bytes is what
    progress is measured against when the server does not say. `cancelled` is asked between
    chunks, and what `progress` raises stops the download. Raises DownloadError with the reason.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(target) as file:
            digest = _stream(url, file, size, progress or (lambda *_: None), cancelled, timeout)
            if not digest.startswith(sha256):
                raise ValueError(
                    "the downloaded file has the wrong checksum: its SHA-256 must start with "
                    f"{sha256}, got {digest[:16]}"
                )
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(_reason(error, target.parent)) from error
    return target


def download_weights(
    entry: CatalogEntry,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    timeout: float = TIMEOUT,
) -> Path:
    """Fetch the weights of `entry` unless they are on disk; returns where they are.

    The hash in the file's name is checked, as torchvision does. Raises WeightsUnavailableError,
    with nothing left behind, that says how to place the file by hand.
    """
    if entry.on_disk:
        return entry.path
    expected = HASH_REGEX.search(entry.file_name)
    try:
        return download(
            entry.url,
            entry.path,
            sha256=expected.group(1) if expected else "",
            size=entry.file_size,
            progress=progress,
            cancelled=cancelled,
            timeout=timeout,
        )
    except DownloadError as error:
        raise unavailable(entry, str(error)) from error


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
            download_weights(
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


def _stream(
    url: str,
    file: BinaryIO,
    size: int,
    progress: Progress,
    cancelled: Callable[[], bool],
    timeout: float,
) -> str:
    """Write what the server sends and return its SHA-256."""
    digest = hashlib.sha256()
    request = urllib.request.Request(url, headers={"User-Agent": "protocore"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        total = int(answer.headers.get("Content-Length") or size)
        done = 0
        while chunk := answer.read(_CHUNK):
            if cancelled():
                raise ValueError(f"the download was cancelled after {done} of {total} bytes")
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(done, total)
        if "Content-Length" in answer.headers and done != total:
            raise ValueError(f"the connection ended after {done} of {total} bytes")
    return digest.hexdigest()


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
