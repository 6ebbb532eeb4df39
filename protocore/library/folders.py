"""The files of a run, written whole or not at all.

<runs>/<run id>/  <stem>.png, <stem>.json         each prototype and its record
                  frames/<position>/000128.webp   its images on the way
                  curves/<position>.json          its numbers on the way
                  state.safetensors, state.json   from which the run can be continued
                  manifest.json                   see `protocore.library.manifest`
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from protocore.errors import LibraryError
from protocore.files import atomic_file
from protocore.library.entries import Frame, SavedRun
from protocore.library.manifest import RunManifest

_STEP = re.compile(r"[0-9]{1,9}")  # the name of a frame
STATE_FILE = "state.safetensors"
STATE_INFO_FILE = "state.json"
DRAFT_PREFIX = ".new-"
STALE_SECONDS = 3600.0  # a draft this old belongs to a process that has died
THUMBNAIL_SIZE = 192  # pixels, the longer side; sharp in a grid of five on a wide screen
SIGNATURES = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"RIFF": "webp"}


@contextmanager
def draft_folder(runs: Path) -> Iterator[Path]:
    """A fresh folder beside the runs, which is gone afterwards unless it was moved away."""
    draft = runs / f"{DRAFT_PREFIX}{secrets.token_hex(8)}"
    with explained_disk(runs):
        draft.mkdir(parents=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def sweep_drafts(runs: Path, older_than: float = STALE_SECONDS) -> int:
    """Remove what processes that died left behind; returns how many folders that were."""
    limit = time.time() - older_than
    stale = [path for path in runs.glob(f"{DRAFT_PREFIX}*") if path.stat().st_mtime < limit]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)


def write_run(folder: Path, manifest: RunManifest, saved: SavedRun) -> None:
    """Write all files of a run into `folder`, the manifest last."""
    with explained_disk(folder.parent):
        for entry, prototype in zip(manifest.prototypes, saved.prototypes, strict=True):
            prototype.save(folder, entry.stem)
        for position, frames in enumerate(saved.frames):
            _write_frames(folder / "frames" / str(position), frames)
        for position, curves in enumerate(saved.curves):
            _write_curves(folder / "curves" / f"{position}.json", curves)
        if saved.state is not None:
            (folder / STATE_FILE).write_bytes(saved.state)
            info = json.dumps(dict(saved.state_info), indent=2)
            (folder / STATE_INFO_FILE).write_text(info, encoding="utf-8")
        manifest.write(folder)


def _write_frames(folder: Path, frames: Sequence[tuple[int, bytes]]) -> None:
    folder.mkdir(parents=True)
    for step, content in frames:
        (folder / f"{step:06d}.{_image_suffix(content)}").write_bytes(content)


def _image_suffix(content: bytes) -> str:
    for signature, suffix in SIGNATURES.items():
        if content.startswith(signature):
            return suffix
    raise LibraryError(f"a frame must be a JPEG, PNG or WebP file, it starts with {content[:4]!r}")


def _write_curves(path: Path, curves: Mapping[str, Sequence]) -> None:
    arrays = {name: np.asarray(values) for name, values in curves.items()}
    lengths = {name: len(values) for name, values in arrays.items()}
    if "step" not in lengths or len(set(lengths.values())) != 1:
        raise LibraryError(f"curves need 'step' and arrays of its length, got lengths {lengths}")
    path.parent.mkdir(exist_ok=True)
    content = {name: _plain(values.tolist()) for name, values in arrays.items()}
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _plain(value):
    """Numbers as JSON knows them: 7 digits (float32), and null for NaN and infinity."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value


def read_curves(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name, all as long as "step"; {} when none were kept. Missing values are NaN."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        arrays = {name: _array(values) for name, values in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise LibraryError(f"the curves {path} cannot be read: {error}") from error
    lengths = {len(values) if values.ndim else -1 for values in arrays.values()}
    if "step" not in arrays or len(lengths) != 1:
        raise LibraryError(f"the curves {path} are not of one length")
    return arrays


def _array(values: list) -> np.ndarray:
    array = np.array(values)
    return array if array.dtype.kind in "if" else np.array(values, dtype=np.float64)  # null: NaN


def read_frames(folder: Path) -> tuple[Frame, ...]:
    """The frames in the order of their steps."""
    if not folder.is_dir():
        return ()
    found = [Frame(step=int(p.stem), path=p) for p in folder.iterdir() if _STEP.fullmatch(p.stem)]
    return tuple(sorted(found, key=lambda frame: frame.step))


def remove_prototype_files(folder: Path, position: int, stem: str) -> None:
    """Delete what belongs to one prototype, and the state, which would bring it back."""
    for name in (f"{stem}.png", f"{stem}.json", STATE_FILE, STATE_INFO_FILE):
        (folder / name).unlink(missing_ok=True)
    (folder / "curves" / f"{position}.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "frames" / str(position), ignore_errors=True)


def write_thumbnail(picture: Path, thumbnail: Path) -> None:
    """A small WebP copy of a PNG."""
    with Image.open(picture) as image:
        small = image.convert("RGB")
        small.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.LANCZOS)
    with atomic_file(thumbnail) as file:
        small.save(file, format="WEBP", quality=82)


def folder_bytes(folder: Path) -> int:
    """Size of all files below `folder`."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:  # deleted meanwhile
                continue
    return total


@contextmanager
def explained_disk(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into LibraryError with a way out."""
    try:
        yield
    except OSError as error:
        raise LibraryError(_disk_message(error, folder)) from error
    except LibraryError as error:
        if isinstance(error.__cause__, OSError):  # Prototype.save has explained it already
            raise LibraryError(_disk_message(error.__cause__, folder)) from error
        raise


def _disk_message(error: OSError, folder: Path) -> str:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk of {folder} is full ({reason}), nothing was saved; empty the Library's "
            "trash or make room, then try again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{folder} cannot be written ({reason}), nothing was saved; change its permissions "
            "or set PROTOCORE_HOME to a folder of your own"
        )
    return (
        f"the library folder {folder} cannot be used ({reason}), nothing was saved; check that "
        "it exists and its disk is connected, or set PROTOCORE_HOME to another folder"
    )
