"""Prototypes as one file, to be sent to a colleague: `<name>.protocore.zip`.

runs/<run id>/...   what `protocore.library.folders` describes, without the state
bundle.json         format, version, and SHA-256 and size of each of the other files; last

A bundle may come from anybody. Nothing in it is executed or unpickled; only names of the known
forms are unpacked, and everything is checked before any of it reaches the library.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from protocore.errors import BundleError, LibraryError
from protocore.library import archive, folders
from protocore.library.archive import BundleKind, BundleWriter
from protocore.library.library import Library
from protocore.library.manifest import MANIFEST_FILE, RunManifest
from protocore.library.rows import read_rows

BUNDLE_SUFFIX = ".protocore.zip"
MAX_PIXELS = 2048 * 2048  # of one image; the largest that Protocore makes
KEEP_EXPORTS = 24 * 3600.0  # seconds
KIND = BundleKind(
    title="protocore bundle",
    version=1,
    suffix=BUNDLE_SUFFIX,
    index="bundle.json",
    names=re.compile(
        r"runs/(?P<run>[0-9a-f]{16})/"
        r"(manifest\.json|[a-z0-9][a-z0-9._-]{0,199}\.(png|json)"
        r"|frames/\d{1,5}/\d{6,9}\.(jpg|png|webp)|curves/\d{1,5}\.json)"
    ),
    max_files=50_000,  # some 200 prototypes with all frames of the paper's 512 steps
    max_bytes=4 * 2**30,
)


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
    with archive.written(target, KIND) as writer:
        _write(writer, library, manifests)
    return target


def export_to_cache(library: Library, prototype_ids: Iterable[str]) -> Path:
    """A bundle for somebody to fetch soon; those of earlier days are removed."""
    ids = sorted(set(prototype_ids))
    target = library.cache_path("bundles", " ".join(ids), BUNDLE_SUFFIX)
    for old in target.parent.parent.glob(f"*/*{BUNDLE_SUFFIX}"):
        if old.stat().st_mtime < time.time() - KEEP_EXPORTS:
            old.unlink(missing_ok=True)
    return export_bundle(library, ids, target)


def _write(writer: BundleWriter, library: Library, manifests: tuple[RunManifest, ...]) -> None:
    for manifest in manifests:
        for entry in manifest.prototypes:
            for path in _prototype_files(library, entry.id):
                writer.add(path, path.relative_to(library.folder).as_posix())
        kept = [dataclasses.replace(entry, deleted_at=None) for entry in manifest.prototypes]
        text = dataclasses.replace(manifest, prototypes=tuple(kept)).to_json()
        writer.add_text(text, f"runs/{manifest.id}/{MANIFEST_FILE}")
    writer.finish({})


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


# --- import ---


def import_bundle(library: Library, source: str | Path | BinaryIO) -> ImportReport:
    """Take over what a bundle holds: all of it that is not here yet, or nothing.

    Prototypes that are here already, also in the trash, are left as they are and counted.
    Raises BundleError when the file is not a whole and valid bundle of this version.
    """
    with archive.opened(source, KIND) as held, folders.draft_folder(library.runs_folder) as draft:
        names = archive.check_names(held, KIND)
        index = archive.read_index(held, KIND)
        archive.check_complete(index, names)
        with folders.explained_disk(library.runs_folder):
            for name in names:
                archive.unpack(held, name, draft / name, index)
        drafts = sorted((draft / "runs").iterdir())
        for folder in drafts:
            _check_run(folder)
        return _take_over(library, drafts)


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
                archive.check_image(folder / image, MAX_PIXELS)
            stray -= {Path(f"{entry.stem}.json"), curves, *images}
        if stray:
            raise LibraryError(f"{min(stray)} belongs to none of its prototypes")
    except LibraryError as error:
        text = str(error).replace(f"{folder.parent.parent}/", "")  # its place is of no interest
        raise BundleError(f"run {folder.name} of the bundle is not valid: {text}") from error


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
