"""What happens in a review session, one frozen value per kind of event.

A session is the list of its events; nothing is ever changed or taken back, later events add to
earlier ones. Events may come from a bundle of unknown origin: every value is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from protocore.cohorts.fields import (
    check_choice,
    check_classes,
    check_lines,
    check_list,
    check_match,
    check_number,
    check_text,
    check_whole,
    shown,
)
from protocore.cohorts.outcomes import OUTCOMES
from protocore.cohorts.plan import TestPlan
from protocore.compare.edits import Box, Stroke, shape_from_dict, shape_to_dict
from protocore.errors import ReviewError, SettingsError

MAX_LINE, MAX_TEXT = 300, 20_000  # characters
MAX_TAGS, MAX_REGIONS, MAX_ITEMS = 30, 50, 60
MAX_CONTROLS, MAX_LINKS = 1000, 500
ROLES = ("target", "distractor", "baseline")
_IDENTIFIER = re.compile(r"[0-9a-f]{8,32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(\+00:00|Z)")
_HEAD = {"seq", "time", "author", "kind", "data"}


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that somebody did."""

    seq: int  # 1, 2, ... in its session
    time: str  # ISO 8601, UTC
    author: str  # reviewer's name; "" for Protocore itself
    action: Action

    def __post_init__(self) -> None:
        check_whole("number", self.seq)
        _check_moment(self.time)
        check_text("author", self.author, 60, empty=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        kind = KIND_OF[type(self.action)]
        head = {"seq": self.seq, "time": self.time, "author": self.author}
        return {**head, "kind": kind, "data": action_to_dict(self.action)}

    @classmethod
    def from_dict(cls, content: Any) -> Event:
        """The inverse of `to_dict`; raises ReviewError for what is no event."""
        if not isinstance(content, Mapping) or set(content) != _HEAD:
            raise ReviewError(f"this is not an event of a review session: {shown(content)}")
        action = action_from_dict(content["kind"], content["data"])
        head = {name: content[name] for name in ("seq", "time", "author")}
        return cls(**head, action=action)


def _check_moment(value: Any) -> None:
    try:
        if _MOMENT.fullmatch(value):
            datetime.fromisoformat(value)
            return
    except (TypeError, ValueError):
        pass
    raise ReviewError(f"an event's time must be ISO 8601 in UTC, got {shown(value)}")


@dataclass(frozen=True, kw_only=True)
class Started:
    """The session was opened."""

    title: str
    model_link: str
    model_title: str
    weight_hash: str
    classes: tuple[int, ...]
    guide: str = ""  # name of the guided case study; "": none

    def __post_init__(self) -> None:
        check_text("title", self.title, 200)
        check_text("model", self.model_link, 4000)
        check_text("model title", self.model_title, 700)
        check_text("weight hash", self.weight_hash, 64)
        check_text("guide", self.guide, 40, empty=True)
        check_classes(self.classes)


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """The session got another title."""

    title: str

    def __post_init__(self) -> None:
        check_text("title", self.title, 200)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The author takes part from now on."""


@dataclass(frozen=True, kw_only=True)
class RoundItem:
    """One picture of a blind round; the session's folder holds a copy of it."""

    id: str
    prototype_id: str
    role: str  # one of ROLES
    class_index: int
    class_label: str
    seed: int
    digest: str  # SHA-256 of the PNG file

    def __post_init__(self) -> None:
        for name in ("id", "prototype_id"):
            check_match(name, getattr(self, name), _IDENTIFIER)
        check_match("digest", self.digest, _DIGEST)
        check_choice("role", self.role, ROLES)
        check_classes((self.class_index,))
        check_text("class label", self.class_label, 1100)
        check_whole("seed", self.seed)


@dataclass(frozen=True, kw_only=True)
class RoundOpened:
    """Pictures are to be looked at blind: without their names, in an order for each reviewer."""

    round: str
    class_index: int
    class_label: str
    items: tuple[RoundItem, ...]
    seed: int  # of the order
    of: ClassVar = {"items": RoundItem}

    def __post_init__(self) -> None:
        check_match("round", self.round, _IDENTIFIER)
        check_classes((self.class_index,))
        check_text("class label", self.class_label, 1100)
        check_whole("seed", self.seed)
        check_list("picture", self.items, MAX_ITEMS)
        if not self.items:
            raise ReviewError("a round needs at least one picture, got none")
        for name in ("id", "prototype_id"):
            if len({getattr(item, name) for item in self.items}) != len(self.items):
                raise ReviewError("the pictures of a round must differ from each other")


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What the author sees on one picture; a later one replaces an earlier one."""

    round: str
    item: str
    text: str = ""
    tags: tuple[str, ...] = ()
    confidence: float = 0.5  # 0 (guessing) to 1 (certain)
    regions: tuple[Box | Stroke, ...] = ()

    def __post_init__(self) -> None:
        check_match("round", self.round, _IDENTIFIER)
        check_match("item", self.item, _IDENTIFIER)
        check_text("observation", self.text, MAX_TEXT, empty=True)
        check_lines("tag", self.tags, MAX_TAGS, 50)
        check_number("confidence", self.confidence, 0, 1)
        check_list("region", self.regions, MAX_REGIONS)

    @property
    def empty(self) -> bool:
        """Whether nothing has been said."""
        return not (self.text.strip() or self.tags or self.regions)


@dataclass(frozen=True, kw_only=True)
class Revealed:
    """The author has finished looking and was told the names."""

    round: str

    def __post_init__(self) -> None:
        check_match("round", self.round, _IDENTIFIER)


@dataclass(frozen=True, kw_only=True)
class Occluded:
    """A marked region was covered, and regions of the same shape elsewhere, for comparison."""

    round: str
    item: str
    observer: str  # whose regions
    class_index: int  # whose logit
    drop: float  # of the logit
    control_drops: tuple[float, ...]  # for the same shape elsewhere
    share: float  # of the image that was covered

    def __post_init__(self) -> None:
        check_match("round", self.round, _IDENTIFIER)
        check_match("item", self.item, _IDENTIFIER)
        check_text("observer", self.observer, 60)
        check_classes((self.class_index,))
        check_number("share", self.share, 0, 1)
        check_list("control drop", self.control_drops, MAX_CONTROLS)
        for value in (self.drop, *self.control_drops):
            check_number("drop", value, -1e9, 1e9)


@dataclass(frozen=True, kw_only=True)
class ObservationLink:
    """Which observation a claim rests on."""

    round: str
    item: str
    observer: str

    def __post_init__(self) -> None:
        check_match("round", self.round, _IDENTIFIER)
        check_match("item", self.item, _IDENTIFIER)
        check_text("observer", self.observer, 60)


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A hypothesis about the model's behaviour, or a new version of one."""

    claim: str
    base: int  # number of the event with the version that this one replaces; 0: a new claim
    statement: str
    plan: TestPlan  # target, rivals, measure, predicted direction, smallest effect of interest
    cohort_a: str  # in words
    cohort_b: str
    why: str = ""
    links: tuple[ObservationLink, ...] = ()
    known: str = ""  # key of a claim of the demo world whose images test it; "": other images
    of: ClassVar = {"links": ObservationLink}

    def __post_init__(self) -> None:
        check_match("claim", self.claim, _IDENTIFIER)
        check_whole("base", self.base)
        check_text("claim", self.statement, 1000)
        check_text("cohort A", self.cohort_a, MAX_LINE)
        check_text("cohort B", self.cohort_b, MAX_LINE)
        check_text("reason", self.why, MAX_TEXT, empty=True)
        check_text("known claim", self.known, 60, empty=True)
        check_list("observation", self.links, MAX_LINKS)


@dataclass(frozen=True, kw_only=True)
class TestStarted:
    """The claim is put to the test; from now on a change of it is visible."""

    __test__ = False  # for pytest, which collects what is called Test...

    test: str
    claim: str
    plan: TestPlan
    source_a: str  # where the images come from
    source_b: str

    def __post_init__(self) -> None:
        check_match("test", self.test, _IDENTIFIER)
        check_match("claim", self.claim, _IDENTIFIER)
        check_text("source of A", self.source_a, 1000)
        check_text("source of B", self.source_b, 1000)


@dataclass(frozen=True, kw_only=True)
class TestFinished:
    """The test's result lies in the session's folder."""

    __test__ = False

    test: str
    digest: str  # SHA-256 of the result file

    def __post_init__(self) -> None:
        check_match("test", self.test, _IDENTIFIER)
        check_match("digest", self.digest, _DIGEST)


@dataclass(frozen=True, kw_only=True)
class TestFailed:
    """The test came to no result."""

    __test__ = False

    test: str
    error: str

    def __post_init__(self) -> None:
        check_match("test", self.test, _IDENTIFIER)
        check_text("error", self.error, MAX_TEXT)


@dataclass(frozen=True, kw_only=True)
class Decided:
    """The author's decision on a claim; a later one of the same author replaces an earlier one."""

    claim: str
    decision: str  # one of OUTCOMES
    note: str = ""

    def __post_init__(self) -> None:
        check_match("claim", self.claim, _IDENTIFIER)
        check_choice("decision", self.decision, OUTCOMES)
        check_text("note", self.note, MAX_TEXT, empty=True)


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A remark for the log."""

    text: str

    def __post_init__(self) -> None:
        check_text("note", self.text, MAX_TEXT)


Action = (
    Started | Renamed | Joined | RoundOpened | Observed | Revealed | Occluded | Claimed
    | TestStarted | TestFinished | TestFailed | Decided | Noted
)  # fmt: skip

KINDS: dict[str, type] = {
    "started": Started,
    "renamed": Renamed,
    "joined": Joined,
    "round opened": RoundOpened,
    "observed": Observed,
    "revealed": Revealed,
    "occluded": Occluded,
    "claimed": Claimed,
    "test started": TestStarted,
    "test finished": TestFinished,
    "test failed": TestFailed,
    "decided": Decided,
    "noted": Noted,
}
KIND_OF = {action: kind for kind, action in KINDS.items()}


def action_to_dict(action: Action) -> dict[str, Any]:
    """Plain values for JSON."""
    content = asdict(action)
    if isinstance(action, Observed):
        content["regions"] = [shape_to_dict(region) for region in action.regions]
    if isinstance(action, Claimed | TestStarted):
        content["plan"] = action.plan.to_dict()
    return content


# Kinds and fields as sessions of earlier versions call them.
_FORMER_KINDS = {"covered": "occluded", "judged": "decided"}
_FORMER_FIELDS = {"judged": {"verdict": "decision"}}


def action_from_dict(kind: str, content: Any) -> Action:
    """The inverse of `action_to_dict`; raises ReviewError for what does not fit the kind."""
    if isinstance(kind, str) and isinstance(content, Mapping):
        names = _FORMER_FIELDS.get(kind, {})
        content = {names.get(name, name): value for name, value in content.items()}
        kind = _FORMER_KINDS.get(kind, kind)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ReviewError(
            f"this session has an event of the unknown kind {shown(kind)}; update Protocore to "
            "read it"
        )
    cls = KINDS[kind]
    if not isinstance(content, Mapping):
        raise ReviewError(f"the content of an event must be an object, got {shown(content)}")
    names = {one.name for one in fields(cls)}
    for name in content:
        if name not in names:
            raise ReviewError(f"an event of kind {kind!r} has no {shown(name)}")
    try:
        return cls(**{name: _value(cls, name, value) for name, value in content.items()})
    except (TypeError, KeyError, ValueError, OverflowError, SettingsError) as error:
        raise ReviewError(f"an event of kind {kind!r} is not valid: {error}") from error


def _value(cls: type, name: str, value: Any) -> Any:
    """From JSON's lists and objects to tuples and the values in them."""
    if name == "plan":
        return TestPlan.from_dict(value)
    if not isinstance(value, list):
        return value
    if name == "regions":
        return tuple(shape_from_dict(shape) for shape in value)
    nested = getattr(cls, "of", {}).get(name)
    return tuple(nested(**entry) for entry in value) if nested else tuple(value)
