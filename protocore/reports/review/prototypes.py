"""The prototypes of a review report: how each was made, and how to make it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields

from protocore.generation.prototype import PrototypeRecord
from protocore.generation.settings import GenerationSettings, Target
from protocore.reports.html import Markup, code
from protocore.review.material import ReportMaterial
from protocore.review.session import ReviewSession


@dataclass(frozen=True, kw_only=True)
class PrototypeView:
    """A prototype of a session; without `png` it is missing, or not the one recorded."""

    identifier: str
    title: str = ""
    png: bytes = b""
    rows: tuple[tuple[str, object], ...] = ()


def prototype_views(session: ReviewSession, material: ReportMaterial) -> list[PrototypeView]:
    """Every prototype that was looked at, once."""
    shown = dict.fromkeys(item.prototype_id for found in session.rounds for item in found.items)
    return [_prototype(session, material, identifier) for identifier in shown]


def _prototype(session: ReviewSession, material: ReportMaterial, identifier: str) -> PrototypeView:
    picture = material.pictures.get(identifier)
    if picture is None:
        return PrototypeView(identifier=identifier)
    record = picture.record
    stopped = "" if record.completed else " (stopped)"
    rows = (
        ("class", f"{record.class_index} · {record.class_name}"),
        ("prediction", f"probability {record.probability:.3f}, logit {record.logit:.2f}"),
        ("path similarity", picture.badge or "not measured"),
        ("seed, steps", f"{record.seed}, {record.steps}{stopped}"),
        ("settings", _settings(record.settings)),
        ("made", f"{record.created} on {record.device} ({record.precision}), "
         f"{record.seconds:.0f} s"),
        ("weights", _weights(session, record)),
        ("versions", versions_text(record.versions)),
        ("to make it again", _again(session, record)),
    )  # fmt: skip
    return PrototypeView(identifier=identifier, title=record.title, png=picture.png, rows=rows)


def versions_text(versions: Mapping[str, str]) -> str:
    """ "torch 2.9, numpy 2.3"."""
    return ", ".join(f"{name} {text}" for name, text in versions.items())


def _weights(session: ReviewSession, record: PrototypeRecord) -> str | Markup:
    if record.weight_hash == session.started.weight_hash:
        return "those of the session"
    return Markup("NOT those of the session: {}").format(code(record.weight_hash))


def _settings(settings: GenerationSettings) -> str:
    """All of them, as they stand in the record."""
    values = settings.to_dict()
    return ", ".join(f"{name.replace('_', ' ')} {_plain(values[name])}" for name in values)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _again(session: ReviewSession, record: PrototypeRecord) -> str | Markup:
    """A command line, where one can make this prototype."""
    plain = record.target == Target.of(record.class_index, record.seed)
    if not record.repeatable:
        return "it was tuned or stopped while running: its record in the bundle holds every step"
    if not plain:
        return "it has its own target: its record in the bundle holds it"
    options = [("--model", session.started.model_link), ("--classes", record.class_index)]
    options += [("--seeds", record.seed)]
    for one in fields(GenerationSettings):
        value = getattr(record.settings, one.name)
        if value is not None:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else value
            options.append((f"--{one.name.replace('_', '-')}", text))
    words = [shlex.join(map(str, pair)) for pair in (*options, ("--out", "DIR"))]
    return code(" ".join(["python -m protocore generate", *words]))
