"""The log of a session in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from protocore.review import events as ev
from protocore.review.events import Event
from protocore.review.material import item_names
from protocore.review.session import ReviewSession
from protocore.text import plural


@dataclass(frozen=True, kw_only=True)
class LogRow:
    """One thing that somebody did; the same thing done again in a row is one line."""

    numbers: str  # of the events, such as "4" or "4–9"
    time: str  # of the first, ISO 8601, UTC
    author: str
    text: str


def log_rows(session: ReviewSession) -> tuple[LogRow, ...]:
    """Every event in order; those of one kind by one author in a row stand in one line."""
    names = item_names(session)
    numbers = {of.id: f"round {place}" for place, of in enumerate(session.rounds, start=1)}
    numbers |= {one.id: f"claim {place}" for place, one in enumerate(session.claims, start=1)}
    numbers |= {one.id: f"test {place}" for place, one in enumerate(session.tests, start=1)}
    rows: list[LogRow] = []
    for event in session.log:
        text, author = _event_text(event, names, numbers), event.author or "Protocore"
        if rows and (rows[-1].author, rows[-1].text) == (author, text):
            first = rows[-1].numbers.split("–")[0]
            rows[-1] = replace(rows[-1], numbers=f"{first}–{event.seq}")
            continue
        rows.append(LogRow(numbers=str(event.seq), time=event.time, author=author, text=text))
    return tuple(rows)


def _event_text(event: Event, names: dict, numbers: dict[str, str]) -> str:
    action = event.action
    match action:
        case ev.Started():
            return f"opened the session “{action.title}”"
        case ev.Renamed():
            return f"renamed it to “{action.title}”"
        case ev.Joined():
            return "joined"
        case ev.RoundOpened():
            return f"opened {numbers[action.round]} with {plural(len(action.items), 'picture')}"
        case ev.Observed():
            return f"wrote about {names[(action.round, action.item)]}"
        case ev.Revealed():
            return f"finished looking at {numbers[action.round]} and was told the names"
        case ev.Occluded():
            return f"covered regions of {action.observer} on {names[(action.round, action.item)]}"
        case ev.Claimed():
            return f"{'changed' if action.base else 'wrote'} {numbers[action.claim]}"
        case ev.TestStarted():
            return f"started {numbers[action.test]}, of {numbers[action.claim]}"
        case ev.TestFinished():
            return f"{numbers[action.test]} finished"
        case ev.TestFailed():
            return f"{numbers[action.test]} failed: {action.error}"
        case ev.Decided():
            return f"decided on {numbers[action.claim]}: {action.decision}"
        case ev.Noted():
            return f"noted: {action.text}"
    return ev.KIND_OF[type(action)]
