"""A review session as one HTML page that needs nothing else and runs nothing.

    page = report_html(session, material)

The page depends on session and material alone: from the same bundle the same report is made.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import fields

from protocore.generation.prototype import PrototypeRecord
from protocore.generation.settings import GenerationSettings, Target
from protocore.reports.markup import (
    Html,
    escaped,
    joined,
    markup,
    moment,
    pairs,
    paragraph,
    said,
    table,
)
from protocore.reports.review.claims import claim_part, claim_summary
from protocore.reports.review.rounds import marked_picture, round_part
from protocore.reports.review.style import PAGE, POLICY, STYLE
from protocore.review.log import log_rows
from protocore.review.material import Picture, ReportMaterial, class_name
from protocore.review.session import ReviewSession
from protocore.text import plural

__all__ = ["Picture", "ReportMaterial", "report_html"]

INTRODUCTION = (
    "What reviewers saw in prototypes of this model, which claims they made of its behaviour "
    "before any test, and what the tests on two groups of images say. Claims are locked when "
    "their first test starts; outcome and evidence grade follow from rules that are stated below "
    "and are the same for every claim. The decisions are the reviewers' own."
)


def report_html(session: ReviewSession, material: ReportMaterial) -> str:
    """The whole page as text, to be written as UTF-8."""
    claims = list(enumerate(session.claims, start=1))
    rounds = list(enumerate(session.rounds, start=1))
    body = joined(
        [
            _head(session, material),
            markup("<h2>Summary</h2>"),
            *(claim_summary(session, number, claim, material) for number, claim in claims),
            _nothing(claims, "No claim has been written yet."),
            markup("<h2>Claims and tests</h2>"),
            *(claim_part(session, number, claim, material) for number, claim in claims),
            _nothing(claims, "None."),
            markup('<h2 class="newpage">Blind observation</h2>'),
            *(round_part(session, number, of, material) for number, of in rounds),
            _nothing(rounds, "No pictures have been looked at."),
            markup('<h2 class="newpage">Prototypes</h2>'),
            _prototypes(session, material),
            markup('<h2 class="newpage">Log</h2>'),
            _log(session),
            _hashes(session, material),
        ],
        "\n",
    )
    page = markup(PAGE, policy=POLICY, title=session.title, style=Html(STYLE), body=body)
    return str(page)


def _nothing(values: Sequence, text: str) -> Html:
    return Html("") if values else paragraph(text, "faint")


def _head(session: ReviewSession, material: ReportMaterial) -> Html:
    started = session.started
    names = [class_name(session, material, index) for index in started.classes]
    rows = [
        ("model", started.model_title),
        ("weights, SHA-256", markup("<code>{}</code>", started.weight_hash)),
        ("classes", ", ".join(names) or "–"),
        ("reviewers", ", ".join(session.reviewers) or "–"),
        ("begun", moment(session.created)),
        ("last change", moment(session.log[-1].time)),
        ("session", markup("<code>{}</code>, {}", session.id, plural(session.version, "event"))),
    ]
    if started.guide:
        rows.append(("guided by", started.guide))
    return joined(
        [
            markup("<header><p>Bias review</p><h1>{}</h1>", session.title),
            pairs(rows),
            paragraph(INTRODUCTION, "faint"),
            markup("</header>"),
        ]
    )


# --- prototypes ---


def _prototypes(session: ReviewSession, material: ReportMaterial) -> Html:
    shown = dict.fromkeys(item.prototype_id for of in session.rounds for item in of.items)
    if not shown:
        return paragraph("None.", "faint")
    note = "Logit and probability are those of the saved picture, without any transform."
    parts = [_prototype(session, material, identifier) for identifier in shown]
    return joined([paragraph(note, "faint"), *parts])


def _prototype(session: ReviewSession, material: ReportMaterial, identifier: str) -> Html:
    picture = material.pictures.get(identifier)
    if picture is None:
        return paragraph(f"Prototype {identifier} is missing, or not the one recorded.", "warn")
    record = picture.record
    rows = [
        ("class", f"{record.class_index} · {record.class_name}"),
        (
            "the model sees it with",
            f"probability {record.probability:.3f}, logit {record.logit:.2f}",
        ),
        ("path similarity", picture.badge or "not measured"),
        ("seed, steps", f"{record.seed}, {record.steps}{'' if record.completed else ' (stopped)'}"),
        ("settings", _settings(record.settings)),
        (
            "made",
            f"{record.created} on {record.device} ({record.precision}), {record.seconds:.0f} s",
        ),
        ("weights", _weights(session, record)),
        ("versions", ", ".join(f"{name} {text}" for name, text in record.versions.items())),
        ("to make it again", _again(session, record)),
    ]
    return markup(
        '<div class="card seen"><div>{}</div><div><p><b>{}</b></p>{}</div></div>',
        marked_picture(material, identifier),
        record.title,
        pairs(rows),
    )


def _weights(session: ReviewSession, record: PrototypeRecord) -> Html:
    if record.weight_hash == session.started.weight_hash:
        return escaped("those of the session")
    return markup("OTHERS than the session's: <code>{}</code>", record.weight_hash)


def _settings(settings: GenerationSettings) -> str:
    """All of them, as they stand in the record."""
    values = settings.to_dict()
    return ", ".join(f"{name.replace('_', ' ')} {_plain(values[name])}" for name in values)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _again(session: ReviewSession, record: PrototypeRecord) -> Html:
    """A command line, where one can make this prototype."""
    plain = record.target == Target.of(record.class_index, record.seed)
    if not (record.repeatable and plain):
        how = (
            "was tuned or stopped while running" if not record.repeatable else "has its own target"
        )
        return escaped(f"it {how}: its record in the bundle holds every step of that")
    options = [("--model", session.started.model_link), ("--classes", record.class_index)]
    options += [("--seeds", record.seed)]
    for one in fields(GenerationSettings):
        value = getattr(record.settings, one.name)
        if value is not None:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else value
            options.append((f"--{one.name.replace('_', '-')}", text))
    words = [shlex.join(map(str, pair)) for pair in (*options, ("--out", "DIR"))]
    parts = (markup('<span class="word">{}</span>', word) for word in words)
    return markup("<code>python -m protocore generate {}</code>", joined(parts, " "))


# --- log and hashes ---


def _log(session: ReviewSession) -> Html:
    rows = [
        (row.numbers, moment(row.time), row.author, said(row.text)) for row in log_rows(session)
    ]
    return table(("event", "time", "by", "what"), rows)


def _hashes(session: ReviewSession, material: ReportMaterial) -> Html:
    rows = [
        (f"prototypes/{item.prototype_id}.png", item.digest)
        for of in session.rounds
        for item in of.items
    ]
    rows += [(f"tests/{one.id}/result.json", one.digest) for one in session.tests if one.digest]
    listed = [(name, markup("<code>{}</code>", digest)) for name, digest in dict(rows).items()]
    made = {
        ", ".join(f"{name} {text}" for name, text in one.versions.items())
        for one in (*(p.record for p in material.pictures.values()), *material.results.values())
    }
    return joined(
        [
            markup("<h2>Versions and hashes</h2>"),
            paragraph(f"Weights of the model, SHA-256: {session.started.weight_hash}"),
            joined(paragraph(f"Made with {text}.") for text in sorted(made)),
            table(("file of the session", "SHA-256"), listed),
            markup(
                "<footer>Made with Protocore. `python -m protocore verify BUNDLE` makes the "
                "prototypes of the session's bundle again and checks everything in it.</footer>"
            ),
        ]
    )
