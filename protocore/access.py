"""Which files may be read for a visitor: everything on one's own computer, little on a server.

The app restricts itself where others can reach it (see `restrict`); the library and the command
line never do. Nothing here tells what exists outside the folders that are allowed: one and the
same sentence answers every path there.
"""

from __future__ import annotations

import os
from pathlib import Path

from protocore.errors import AccessError
from protocore.files import home_folder

__all__ = ["FILES_VARIABLE", "LOOPBACK", "allowed", "allowed_folders", "reachable", "restrict"]

FILES_VARIABLE = "PROTOCORE_FILES"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UPLOADS = ("checkpoints", "datasets")  # in Protocore's own folder

_folders: tuple[Path, ...] | None = None  # None: every file that the process can read


def restrict(address: str | None) -> None:
    """Restrict this process as the address says that its server listens on; None: on all.

    A server that listens on this computer alone reads what its user reads, unless
    PROTOCORE_FILES is set, as it must be behind a proxy. Any other server reads uploads and the
    folders that PROTOCORE_FILES names, separated as in PATH, and nothing else.
    """
    global _folders
    named = os.environ.get(FILES_VARIABLE)
    if named is None and address in LOOPBACK:
        _folders = None
        return
    own = (home_folder() / name for name in _UPLOADS)
    others = (Path(part) for part in (named or "").split(os.pathsep) if part.strip())
    _folders = tuple(_resolved(folder) for folder in (*own, *others))


def allowed_folders() -> tuple[Path, ...] | None:
    """The folders that may be read, links resolved; None where there is no restriction."""
    return _folders


def allowed(path: Path) -> bool:
    """Whether a visitor may have this path read, with every link in it followed."""
    return _folders is None or _inside(_resolved(path))


def reachable(path: str | Path) -> Path:
    """The absolute path that a visitor named, links resolved where access is restricted.

    Raises AccessError, in the same words whether the path exists or not.
    """
    try:
        whole = Path(path).expanduser().absolute()
        if _folders is None:
            return whole
        whole = _resolved(whole)
    except (RuntimeError, ValueError, OSError) as error:  # ~nobody, a null character, a loop
        if _folders is None:
            raise AccessError(f"{str(path)!r} is not a path: {error}; check it") from error
        raise _refused(path) from None
    if not _inside(whole):
        raise _refused(path)
    return whole


def _inside(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _folders or ())


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path.expanduser()))


def _refused(path: str | Path) -> AccessError:
    return AccessError(
        f"this server does not read {str(path)!r}; upload the file instead, or ask whoever runs "
        f"the server to name its folder in {FILES_VARIABLE}"
    )
