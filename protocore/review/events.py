"""What happens in a review session, one frozen value per kind of event.

A session is the list of its events; nothing is ever changed or taken back, later events add to
earlier ones. Events may come from a bundle of unknown origin: every value is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator

from protocore.cohorts.outcomes import OUTCOMES
from protocore.cohorts.plan import Classes, Digest, TestPlan
from protocore.compare.edits import Shape, Share
from protocore.errors import ReviewError
from protocore.schema import (
    Whole,
    checked,
    dump,
    items,
    load,
    matching,
    number,
    one_of,
    shown,
    text,
)

MAX_LINE, MAX_TEXT = 300, 20_000  # characters
MAX_TAGS, MAX_REGIONS, MAX_ITEMS = 30, 50, 60
MAX_CONTROLS, MAX_LINKS = 1000, 500
ROLES = ("target", "distractor", "baseline")


def _moment(value: str) -> str:
    datetime.fromisoformat(value)  # ValueError for a 13th month
    return value


Identifier = Annotated[str, matching("[0-9a-f]{8,32}")]
Moment = Annotated[  # ISO 8601, UTC
    str,
    matching("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(\\+00:00|Z)"),
    AfterValidator(_moment),
]
Title = Annotated[str, text(200)]
Label = Annotated[str, text(1100)]
Name = Annotated[str, text(60)]  # of a reviewer
Line = Annotated[str, text(MAX_LINE)]
LongText = Annotated[str, text(MAX_TEXT, empty=True)]
Note = Annotated[str, text(MAX_TEXT)]
Tags = Annotated[tuple[Annotated[str, text(50)], ...], items(MAX_TAGS)]
Regions = Annotated[tuple[Shape, ...], items(MAX_REGIONS)]
Drop = Annotated[float, number(-1e9, 1e9)]  # of a logit


@checked(ReviewError)
class Started:
    """The session was opened."""

    title: Title
    model_link: Annotated[str, text(4000)]
    model_title: Annotated[str, text(700)]
    weight_hash: Annotated[str, text(64)]
    classes: Classes
    guide: Annotated[str, text(40, empty=True)] = ""  # name of the guided case study; "": none


@checked(ReviewError)
class Renamed:
    """The session got another title."""

    title: Title


@checked(ReviewError)
class Joined:
    """The author takes part from now on."""


@checked(ReviewError)
class RoundItem:
    """One picture of a blind round; the session's folder holds a copy of it."""

    id: Identifier
    prototype_id: Identifier
    role: Annotated[str, one_of(ROLES)]
    class_index: Whole
    class_label: Label
    seed: Whole
    digest: Digest  # of the PNG file


@checked(ReviewError)
class RoundOpened:
    """Pictures are to be looked at blind: without their names, in an order for each reviewer."""

    round: Identifier
    class_index: Whole
    class_label: Label
    items: Annotated[tuple[RoundItem, ...], items(MAX_ITEMS, 1)]
    seed: Whole  # of the order

    def __post_init__(self) -> None:
        for name in ("id", "prototype_id"):
            if len({getattr(item, name) for item in self.items}) != len(self.items):
                raise ReviewError(f"the pictures of a round must differ in their {name}")


@checked(ReviewError)
class Observed:
    """What the author sees on one picture; a later one replaces an earlier one."""

    round: Identifier
    item: Identifier
    text: LongText = ""
    tags: Tags = ()
    confidence: Share = 0.5  # 0 (guessing) to 1 (certain)
    regions: Regions = ()

    @property
    def empty(self) -> bool:
        """Whether nothing has been said."""
        return not (self.text.strip() or self.tags or self.regions)


@checked(ReviewError)
class Revealed:
    """The author has finished looking and was told the names."""

    round: Identifier


@checked(ReviewError)
class Occluded:
    """A marked region was covered, and regions of the same shape elsewhere, for comparison."""

    round: Identifier
    item: Identifier
    observer: Name  # whose regions
    class_index: Whole  # whose logit
    drop: Drop  # of the logit
    control_drops: Annotated[tuple[Drop, ...], items(MAX_CONTROLS)]  # for the same shape elsewhere
    share: Share  # of the image that was covered


@checked(ReviewError)
class ObservationLink:
    """Which observation a claim rests on."""

    round: Identifier
    item: Identifier
    observer: Name


@checked(ReviewError)
class Claimed:
    """A hypothesis about the model's behaviour, or a new version of one."""

    claim: Identifier
    base: Whole  # number of the event with the version that this one replaces; 0: a new claim
    statement: Annotated[str, text(1000)]
    plan: TestPlan  # target, rivals, measure, predicted direction, smallest effect of interest
    cohort_a: Line  # in words
    cohort_b: Line
    why: LongText = ""
    links: Annotated[tuple[ObservationLink, ...], items(MAX_LINKS)] = ()
    known: Annotated[str, text(60, empty=True)] = ""  # claim of the demo world; "": other images


@checked(ReviewError)
class TestStarted:
    """The claim is put to the test; from now on a change of it is visible."""

    __test__ = False  # for pytest, which collects what is called Test...

    test: Identifier
    claim: Identifier
    plan: TestPlan
    source_a: Annotated[str, text(1000)]  # where the images come from
    source_b: Annotated[str, text(1000)]


@checked(ReviewError)
class TestFinished:
    """The test's result lies in the session's folder."""

    __test__ = False

    test: Identifier
    digest: Digest  # of the result file


@checked(ReviewError)
class TestFailed:
    """The test came to no result."""

    __test__ = False

    test: Identifier
    error: Annotated[str, text(MAX_TEXT)]


@checked(ReviewError)
class Decided:
    """The author's decision on a claim; a later one of the same author replaces an earlier one."""

    claim: Identifier
    decision: Annotated[str, one_of(OUTCOMES)]
    note: LongText = ""


@checked(ReviewError)
class Noted:
    """A remark for the log."""

    text: Note


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


@checked(ReviewError)
class Event:
    """One thing that somebody did."""

    seq: Whole  # 1, 2, ... in its session
    time: Moment
    author: Annotated[str, text(60, empty=True)]  # reviewer's name; "" for Protocore itself
    action: Action

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        head = {"seq": self.seq, "time": self.time, "author": self.author}
        return {**head, "kind": KIND_OF[type(self.action)], "data": dump(self.action)}

    @classmethod
    def from_dict(cls, content: Any) -> Event:
        """The inverse of `to_dict`; raises ReviewError for what is no event."""
        if not isinstance(content, Mapping) or set(content) != _HEAD:
            raise ReviewError(f"this is not an event of a review session: {shown(content)}")
        action = action_from_dict(content["kind"], content["data"])
        head = {name: content[name] for name in ("seq", "time", "author")}
        return cls(**head, action=action)


_HEAD = {"seq", "time", "author", "kind", "data"}
# Kinds and fields as sessions of earlier versions call them.
_FORMER_KINDS = {"covered": "occluded", "judged": "decided"}
_FORMER_FIELDS = {"judged": {"verdict": "decision"}}


def action_from_dict(kind: Any, content: Any) -> Action:
    """What `Event.to_dict` calls kind and data; raises ReviewError for what does not fit."""
    if isinstance(kind, str) and isinstance(content, Mapping):
        names = _FORMER_FIELDS.get(kind, {})
        content = {names.get(name, name): value for name, value in content.items()}
        kind = _FORMER_KINDS.get(kind, kind)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ReviewError(
            f"this session has an event of the unknown kind {shown(kind)}; update Protocore to "
            "read it"
        )
    return load(KINDS[kind], content, ReviewError, f"an event of kind {kind!r}")
