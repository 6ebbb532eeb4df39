"""What happens in a review session, one frozen value per kind of event.

A session is the list of its events; nothing is ever changed or taken back, later events add to
earlier ones. Events may come from a bundle of unknown origin: every value is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from protocore.compare.edits import Box, Stroke, shape_from_dict, shape_to_dict
from protocore.errors import ReviewError, SettingsError
from protocore.review.fields import (
    check_choice,
    check_classes,
    check_lines,
    check_match,
    check_number,
    check_text,
    check_whole,
)
from protocore.review.plan import TestPlan

MAX_LINE, MAX_TEXT = 300, 20_000  # characters
MAX_TAGS, MAX_REGIONS, MAX_ITEMS = 30, 50, 60
ROLES = ("target", "distractor", "baseline")
VERDICTS = ("supported", "not supported", "undecided")
_IDENTIFIER = re.compile(r"[0-9a-f]{8,32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]{5,15}(\+00:00|Z)")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that somebody did."""

    seq: int  # 1, 2, ... in its session
    time: str  # ISO 8601, UTC
    author: str  # reviewer's name; "" for Protocore itself
    action: Action

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        kind = KIND_OF[type(self.action)]
        head = {"seq": self.seq, "time": self.time, "author": self.author}
        return {**head, "kind": kind, "data": action_to_dict(self.action)}

    @classmethod
    def from_dict(cls, content: Any) -> Event:
        """The inverse of `to_dict`; raises ReviewError for what is no event."""
        try:
            seq, time, author = content["seq"], content["time"], content["author"]
            action = action_from_dict(content["kind"], content["data"])
        except (KeyError, TypeError) as error:
            raise ReviewError(f"this is not an event of a review session: {error!r}") from error
        if type(seq) is not int or seq < 1 or not isinstance(time, str):
            raise ReviewError(f"an event needs a number >= 1 and a time, got {seq!r}, {time!r}")
        if not _MOMENT.fullmatch(time):
            raise ReviewError(f"an event's time must be ISO 8601 in UTC, got {time!r}")
        check_text("author", author, 60, empty=True)
        return cls(seq=seq, time=time, author=author, action=action)


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
        if not 1 <= len(self.items) <= MAX_ITEMS:
            raise ReviewError(f"a round needs 1 to {MAX_ITEMS} pictures, got {len(self.items)}")
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
        if len(self.regions) > MAX_REGIONS:
            raise ReviewError(
                f"at most {MAX_REGIONS} regions can be marked on a picture, got {len(self.regions)}"
            )

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
class Covered:
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
        if len(self.control_drops) > 1000:
            raise ReviewError(f"at most 1000 controls are kept, got {len(self.control_drops)}")
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
        if len(self.links) > 500:
            raise ReviewError(f"a claim can rest on 500 observations, got {len(self.links)}")


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
class Judged:
    """The author's verdict on a claim; a later one of the same author replaces an earlier one."""

    claim: str
    verdict: str  # one of VERDICTS
    note: str = ""

    def __post_init__(self) -> None:
        check_match("claim", self.claim, _IDENTIFIER)
        check_choice("verdict", self.verdict, VERDICTS)
        check_text("note", self.note, MAX_TEXT, empty=True)


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A remark for the log."""

    text: str

    def __post_init__(self) -> None:
        check_text("note", self.text, MAX_TEXT)


Action = (
    Started | Renamed | Joined | RoundOpened | Observed | Revealed | Covered | Claimed
    | TestStarted | TestFinished | TestFailed | Judged | Noted
)  # fmt: skip

KINDS: dict[str, type] = {
    "started": Started,
    "renamed": Renamed,
    "joined": Joined,
    "round opened": RoundOpened,
    "observed": Observed,
    "revealed": Revealed,
    "covered": Covered,
    "claimed": Claimed,
    "test started": TestStarted,
    "test finished": TestFinished,
    "test failed": TestFailed,
    "judged": Judged,
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


def action_from_dict(kind: str, content: Any) -> Action:
    """The inverse of `action_to_dict`; raises ReviewError for what does not fit the kind."""
    if kind not in KINDS:
        raise ReviewError(
            f"this session has an event of the unknown kind {kind!r}; update Protocore to read it"
        )
    cls = KINDS[kind]
    if not isinstance(content, Mapping):
        raise ReviewError(f"the content of an event must be an object, got {type(content)}")
    names = {one.name for one in fields(cls)}
    if unknown := sorted(set(content) - names):
        raise ReviewError(f"an event of kind {kind!r} has no {unknown[0]!r}")
    try:
        return cls(**{name: _value(cls, name, value) for name, value in content.items()})
    except (TypeError, KeyError, ValueError, SettingsError) as error:
        raise ReviewError(f"an event of kind {kind!r} is not valid: {error}") from error


def _value(cls: type, name: str, value: Any) -> Any:
    """From JSON's lists and objects to tuples and the values in them."""
    if name == "plan":
        return TestPlan.from_dict(value)
    if name == "regions":
        return tuple(shape_from_dict(shape) for shape in value)
    nested = getattr(cls, "of", {}).get(name)
    if nested:
        return tuple(nested(**entry) for entry in value)
    return tuple(value) if isinstance(value, list) else value
