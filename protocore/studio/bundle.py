"""Prototypes as one file, to be sent to a colleague: `<name>.protocore.zip`.

runs/<run id>/...   what `protocore.studio.folders` describes, without the state
bundle.json         format, version, and SHA-256 and size of each of the other files; last

A bundle may come from anybody. Nothing in it is executed or unpickled; only names of the known
forms are unpacked, and everything is checked before any of it reaches the library.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import secrets
import stat
import time
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from protocore.errors import BundleError, LibraryError
from protocore.studio import folders
from protocore.studio.library import Library
from protocore.studio.manifest import MANIFEST_FILE, MAX_MANIFEST, RunManifest
from protocore.studio.rows import read_rows

BUNDLE_SUFFIX = ".protocore.zip"
INDEX_FILE = "bundle.json"
BUNDLE_FORMAT = "protocore bundle"
BUNDLE_VERSION = 1
MAX_FILES = 50_000  # some 200 prototypes with all frames of the paper's 512 steps
MAX_BYTES = 4 * 2**30  # unpacked
MAX_PIXELS = 2048 * 2048  # of one image; the largest that Protocore makes
KEEP_EXPORTS = 24 * 3600.0  # seconds
CHUNK = 2**20  # bytes
COMPRESSED = (".png", ".jpg", ".webp")  # compressing them again gains nothing
NAME = re.compile(
    r"runs/(?P<run>[0-9a-f]{16})/"
    r"(manifest\.json|[a-z0-9][a-z0-9._-]{0,199}\.(png|json)"
    r"|frames/\d{1,5}/\d{6,9}\.(jpg|png|webp)|curves/\d{1,5}\.json)"
)
IMAGE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did."""

    runs: tuple[str, ...]  # identifiers of the new runs
    prototypes: tuple[str, ...]  # identifiers of the new prototypes
    known: int  # prototypes that were in the library already and were left as they are
    in_trash: int  # of the known ones

    @property
    def sentence(self) -> str:
        """The report for people."""
        text = f"{_counted(len(self.prototypes))} imported"
        if self.known:
            verb = "was" if self.known == 1 else "were"
            text += f", {_counted(self.known)} {verb} here already"
        if self.in_trash:
            text += f" ({self.in_trash} in the trash: restore what you want back)"
        return text + "."


def _counted(number: int) -> str:
    return f"{number} prototype{'' if number == 1 else 's'}"


# --- export ---


def export_bundle(library: Library, prototype_ids: Iterable[str], target: str | Path) -> Path:
    """Write the prototypes with records, frames and curves into the file `target`; returns it.

    Raises BundleError when nothing is chosen, LibraryError when files are missing or `target`
    cannot be written; then `target` is as it was.
    """
    target = Path(target)
    manifests = library.manifests(prototype_ids)
    if not manifests:
        raise BundleError("a bundle needs at least one prototype, got none; select some")
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with folders.explained_disk(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(draft, "w") as archive:
                _write_archive(archive, library, manifests)
            draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def export_to_cache(library: Library, prototype_ids: Iterable[str]) -> Path:
    """A bundle for somebody to fetch soon; those of earlier days are removed."""
    ids = sorted(set(prototype_ids))
    target = library.cache_path("bundles", " ".join(ids), BUNDLE_SUFFIX)
    for old in target.parent.parent.glob(f"*/*{BUNDLE_SUFFIX}"):
        if old.stat().st_mtime < time.time() - KEEP_EXPORTS:
            old.unlink(missing_ok=True)
    return export_bundle(library, ids, target)


def _write_archive(
    archive: zipfile.ZipFile, library: Library, manifests: tuple[RunManifest, ...]
) -> None:
    index: dict[str, dict] = {}
    for manifest in manifests:
        for entry in manifest.prototypes:
            for path in _prototype_files(library, entry.id):
                name = path.relative_to(library.folder).as_posix()
                index[name] = _pack(archive, path, name)
        kept = [dataclasses.replace(entry, deleted_at=None) for entry in manifest.prototypes]
        text = dataclasses.replace(manifest, prototypes=tuple(kept)).to_json()
        name = f"runs/{manifest.id}/{MANIFEST_FILE}"
        archive.writestr(name, text, zipfile.ZIP_DEFLATED)
        index[name] = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text)}
    head = {
        "format": BUNDLE_FORMAT,
        "version": BUNDLE_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = json.dumps({**head, "files": index}, indent=1)
    archive.writestr(INDEX_FILE, text, zipfile.ZIP_DEFLATED)


def _prototype_files(library: Library, prototype_id: str) -> list[Path]:
    info = library.prototype(prototype_id)
    if info.damaged:
        raise LibraryError(
            f"{info.title!r} cannot be exported: its files are gone from {info.picture.parent}; "
            "leave it out"
        )
    curves = info.picture.parent / "curves" / f"{info.position}.json"
    frames = [frame.path for frame in library.frames(prototype_id)]
    return [info.picture, info.record, *frames, *([curves] if curves.is_file() else [])]


def _pack(archive: zipfile.ZipFile, path: Path, name: str) -> dict:
    """Copy a file into the archive chunk by chunk; returns its entry in the index."""
    item = zipfile.ZipInfo(name, datetime.now().timetuple()[:6])
    stored = path.suffix in COMPRESSED
    item.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, archive.open(item, "w") as sink:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            sink.write(chunk)
    return {"sha256": digest.hexdigest(), "bytes": size}


# --- import ---


def import_bundle(library: Library, source: str | Path | BinaryIO) -> ImportReport:
    """Take over what a bundle holds: all of it that is not here yet, or nothing.

    Prototypes that are here already, also in the trash, are left as they are and counted.
    Raises BundleError when the file is not a whole and valid bundle of this version.
    """
    with _opened(source) as archive, folders.draft_folder(library.runs_folder) as draft:
        names = _check_names(archive)
        index = _read_index(archive, names)
        with folders.explained_disk(library.runs_folder):
            for name in names:
                _unpack(archive, name, draft / name, index[name])
        drafts = sorted((draft / "runs").iterdir())
        for folder in drafts:
            _check_run(folder)
        return _take_over(library, drafts)


@contextmanager
def _opened(source: str | Path | BinaryIO):
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except FileNotFoundError as error:
        raise BundleError(f"there is no file {source}; check its name and folder") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BundleError(
            f"this file is not a whole zip archive ({error}); a bundle is a file that Protocore "
            f"exported, named …{BUNDLE_SUFFIX}: get it again, it may have been cut off"
        ) from error


def _check_names(archive: zipfile.ZipFile) -> list[str]:
    """The files of the runs, if there is nothing else in the archive and not too much of it."""
    items = archive.infolist()
    if INDEX_FILE not in archive.namelist():
        raise BundleError(
            f"this zip archive is not a Protocore bundle: it has no {INDEX_FILE}; import a file "
            f"that Protocore exported, named …{BUNDLE_SUFFIX}"
        )
    if len(items) > MAX_FILES:
        raise BundleError(f"a bundle may hold {MAX_FILES} files, this one has {len(items)}")
    total = sum(item.file_size for item in items)
    if total > MAX_BYTES:
        raise BundleError(f"a bundle may hold {MAX_BYTES} bytes, this one unpacks to {total}")
    seen: set[str] = set()
    for item in items:
        mode = item.external_attr >> 16
        regular = stat.S_IFMT(mode) in (0, stat.S_IFREG) and not item.flag_bits & 0x1
        allowed = item.filename == INDEX_FILE or NAME.fullmatch(item.filename)
        if not regular or not allowed or item.filename in seen:
            raise BundleError(
                f"the bundle holds {item.filename!r}, which Protocore never writes; nothing was "
                "imported, and it is wise to ask where the file comes from"
            )
        seen.add(item.filename)
    return sorted(seen - {INDEX_FILE})


def _read_index(archive: zipfile.ZipFile, names: list[str]) -> dict[str, dict]:
    if archive.getinfo(INDEX_FILE).file_size > MAX_MANIFEST * 2:
        raise BundleError(f"{INDEX_FILE} is too large to be the index of a bundle")
    try:
        content = json.loads(archive.read(INDEX_FILE))
        known = content["format"] == BUNDLE_FORMAT
        version, index = content["version"], content["files"]
        sizes = {name: (entry["bytes"], entry["sha256"]) for name, entry in index.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{INDEX_FILE} is not the index of a bundle: {error!r}") from error
    if not known:
        raise BundleError(f"{INDEX_FILE} says {content['format']!r}, not {BUNDLE_FORMAT!r}")
    if version != BUNDLE_VERSION:
        raise BundleError(
            f"the bundle has version {version!r}, this Protocore reads version {BUNDLE_VERSION}; "
            "update Protocore, or ask for an export of the older version"
        )
    if different := sorted(set(sizes) ^ set(names)):
        raise BundleError(
            f"files and index of the bundle differ, first in {different[0]!r}; it was changed "
            "after its export: get it again"
        )
    if not names:
        raise BundleError("the bundle is empty; export again with something selected")
    return index


def _unpack(archive: zipfile.ZipFile, name: str, target: Path, entry: dict) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with archive.open(name) as source, target.open("wb") as sink:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            sink.write(chunk)
    if (size, digest.hexdigest()) != (entry["bytes"], entry["sha256"]):
        raise BundleError(
            f"{name} is not what the bundle's index says; the file was damaged or changed after "
            "its export: get it again"
        )


def _check_run(folder: Path) -> None:
    """Everything in a run's folder must be valid and belong to one of its prototypes."""
    try:
        manifest = RunManifest.read(folder)
        if manifest.id != folder.name:
            raise LibraryError(f"the manifest is of another run, {manifest.id}")
        stray = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}
        stray.remove(Path(MANIFEST_FILE))
        read_rows(folder)
        for entry in manifest.prototypes:
            curves = Path("curves") / f"{entry.position}.json"
            folders.read_curves(folder / curves)
            frames = Path("frames") / str(entry.position)
            images = [Path(f"{entry.stem}.png"), *(p for p in stray if p.parent == frames)]
            for image in images:
                _check_image(folder / image)
            stray -= {Path(f"{entry.stem}.json"), curves, *images}
        if stray:
            raise LibraryError(f"{min(stray)} belongs to none of its prototypes")
    except LibraryError as error:
        text = str(error).replace(f"{folder.parent.parent}/", "")  # its place is of no interest
        raise BundleError(f"run {folder.name} of the bundle is not valid: {text}") from error


def _check_image(path: Path) -> None:
    """Decode it once: a later page must not stumble over it."""
    try:
        with Image.open(path, formats=[IMAGE_FORMATS[path.suffix]]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise LibraryError(
                    f"{path.name} has {image.width} x {image.height} pixels, at most {MAX_PIXELS} "
                    "are allowed"
                )
            image.load()
    except FileNotFoundError as error:
        raise LibraryError(f"{path.name} is missing") from error
    # Pillow raises these for damaged files of one format or another.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LibraryError(f"{path.name} is not a valid image: {error}") from error


def _take_over(library: Library, drafts: list[Path]) -> ImportReport:
    """Enter what is new; a run of which only a part is new becomes a run of its own."""
    fresh, prototypes, known = [], [], {}
    for folder in drafts:
        manifest = RunManifest.read(folder)
        here = library.known(entry.id for entry in manifest.prototypes)
        known |= here
        kept = tuple(entry for entry in manifest.prototypes if entry.id not in here)
        if not kept:
            continue
        for entry in manifest.prototypes:
            if entry.id in here:
                folders.remove_prototype_files(folder, entry.position, entry.stem)
        kept = tuple(dataclasses.replace(entry, deleted_at=None) for entry in kept)
        run_id = secrets.token_hex(8) if library.has_run(manifest.id) else manifest.id
        dataclasses.replace(manifest, id=run_id, prototypes=kept).write(folder)
        fresh.append(folder)
        prototypes += [entry.id for entry in kept]
    runs = tuple(RunManifest.read(folder).id for folder in fresh)
    library.adopt(fresh)
    return ImportReport(
        runs=runs,
        prototypes=tuple(prototypes),
        known=len(known),
        in_trash=sum(known.values()),
    )
