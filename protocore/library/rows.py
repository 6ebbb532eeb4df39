"""Between files, database rows and the values that others see."""

from __future__ import annotations

import json
import math
from pathlib import Path

from protocore.errors import LibraryError, ProtocoreError
from protocore.generation.prototype import PrototypeRecord
from protocore.library.database import PrototypeRow, RunRow, TagRow
from protocore.library.entries import PrototypeInfo, RunInfo
from protocore.library.manifest import PrototypeEntry, RunManifest


def read_rows(folder: Path) -> RunRow:
    """The database rows of the run whose files are in `folder`."""
    manifest = RunManifest.read(folder)
    records = [read_record(folder / f"{entry.stem}.json") for entry in manifest.prototypes]
    first = records[0]
    return RunRow(
        id=manifest.id,
        title=manifest.title,
        kind=manifest.kind,
        created=manifest.created,
        status=manifest.status,
        seconds=float(manifest.seconds),
        model=first.model,
        weights=first.weights,
        source=first.source,
        weight_hash=first.weight_hash,
        model_title=f"{first.model} · {first.weights}",
        model_link=manifest.model_link,
        note=manifest.note,
        prototypes=[
            _prototype_row(entry, record, manifest.created)
            for entry, record in zip(manifest.prototypes, records, strict=True)
        ],
    )


def read_record(path: Path) -> PrototypeRecord:
    """The record in a file of unknown origin; raises LibraryError for what cannot be shown."""
    try:
        record = PrototypeRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise LibraryError(f"the record {path} cannot be read: {error}") from error
    except LibraryError:
        raise
    except ProtocoreError as error:  # settings outside their range
        raise LibraryError(f"the record {path} is not valid: {error}") from error
    _check_record(record, path)
    return record


def _check_record(record: PrototypeRecord, path: Path) -> None:
    """A record may come from anywhere: only values that fit may reach database and pages."""
    texts = (record.key, record.model, record.weights, record.source, record.weight_hash)
    texts += (record.device, record.precision, record.created)
    numbers = (record.logit, record.probability, record.steps, record.seconds)
    fits = (
        all(isinstance(text, str) and len(text) <= 300 for text in texts)
        and isinstance(record.class_name, str)
        and len(record.class_name) <= 1000
        and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
        and 0 <= record.probability <= 1
        and isinstance(record.completed, bool)
        and type(record.class_index) is int
        and isinstance(record.versions, dict)
        and len(record.versions) <= 50
        and all(isinstance(text, str) and len(text) <= 300 for text in record.versions.values())
        and bool(record.history)
    )
    if not fits:
        raise LibraryError(
            f"the record {path} is not valid: it needs names of <= 300 (class: 1000) characters, a "
            "finite logit, a probability between 0 and 1, a class index and versions"
        )


def _prototype_row(entry: PrototypeEntry, record: PrototypeRecord, created: str) -> PrototypeRow:
    return PrototypeRow(
        id=entry.id,
        position=entry.position,
        stem=entry.stem,
        title=entry.title,
        created=created,
        key=record.key,
        repeatable=record.repeatable,
        preset=entry.preset,
        class_index=record.target.class_index,
        class_name=record.class_name,
        class_label=f"{record.target.class_index} · {record.class_name}",
        seed=record.seed,
        steps=record.steps,
        logit=record.logit,
        probability=record.probability,
        naturalness=dict(entry.naturalness) if entry.naturalness is not None else None,
        similarity=entry.naturalness["similarity"] if entry.naturalness else None,
        deleted_at=entry.deleted_at,
        tags=[TagRow(text=tag) for tag in entry.tags],
    )


def manifest_of(row: RunRow, only: set[str] | None = None) -> RunManifest:
    """The manifest of a run, or of the prototypes `only` of it."""
    return RunManifest(
        id=row.id,
        title=row.title,
        kind=row.kind,
        created=row.created,
        status=row.status,
        seconds=row.seconds,
        model_link=row.model_link,
        note=row.note,
        prototypes=tuple(
            PrototypeEntry(
                id=prototype.id,
                position=prototype.position,
                stem=prototype.stem,
                title=prototype.title,
                preset=prototype.preset,
                tags=tuple(tag.text for tag in prototype.tags),
                naturalness=prototype.naturalness,
                deleted_at=prototype.deleted_at,
            )
            for prototype in row.prototypes
            if only is None or prototype.id in only
        ),
    )


def run_info(row: RunRow, runs: Path) -> RunInfo:
    """A run for others to see."""
    names = ("id", "title", "kind", "created", "status", "seconds", "model", "weights", "source")
    more = ("weight_hash", "model_title", "model_link", "note")
    return RunInfo(
        **{name: getattr(row, name) for name in names + more},
        folder=runs / row.id,
        prototypes=tuple(p.id for p in row.prototypes if p.deleted_at is None),
    )


def prototype_info(row: PrototypeRow, runs: Path) -> PrototypeInfo:
    """A prototype for others to see."""
    own = ("id", "run_id", "position", "title", "created", "key", "repeatable", "preset", "logit")
    more = ("class_index", "class_name", "class_label", "seed", "steps", "probability")
    late = ("naturalness", "similarity", "deleted_at")
    of_run = ("model", "weights", "model_title", "model_link")
    folder = runs / row.run_id
    return PrototypeInfo(
        **{name: getattr(row, name) for name in own + more + late},
        **{name: getattr(row.run, name) for name in of_run},
        tags=tuple(tag.text for tag in row.tags),
        picture=folder / f"{row.stem}.png",
        record=folder / f"{row.stem}.json",
    )
