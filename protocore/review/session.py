"""A review session: what its events add up to.

Pure: storage is `protocore.library.reviews`, what may follow what `protocore.review.rules`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from protocore.errors import ReviewError
from protocore.review import events as ev
from protocore.review.events import Claimed, Event, Observed, RoundItem


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one reviewer says of one picture of a round."""

    author: str
    time: str  # of its last change
    said: Observed
    blind: bool  # written before the names were shown to the author


@dataclass(frozen=True, kw_only=True)
class Round:
    """Pictures that are looked at blind."""

    id: str
    class_index: int
    class_label: str
    items: tuple[RoundItem, ...]
    seed: int
    opened_by: str
    time: str
    blind: dict[tuple[str, str], Observation] = field(default_factory=dict)  # by (item, author)
    later: dict[tuple[str, str], Observation] = field(default_factory=dict)  # after the names
    revealed: dict[str, str] = field(default_factory=dict)  # author: time
    occlusions: tuple[ev.Occluded, ...] = ()

    def order_for(self, author: str) -> tuple[RoundItem, ...]:
        """The pictures in this reviewer's own random order."""
        generator = random.Random(f"{self.seed}|{author}")
        return tuple(generator.sample(self.items, len(self.items)))

    def item(self, identifier: str) -> RoundItem:
        """Raises ReviewError when the round has no such picture."""
        for item in self.items:
            if item.id == identifier:
                return item
        raise ReviewError(f"the round has no picture {identifier!r}")

    def observations(self, *, blind: bool = True) -> tuple[Observation, ...]:
        """What was said before or after the names were known, in the order of the pictures."""
        held = self.blind if blind else self.later
        places = {item.id: place for place, item in enumerate(self.items)}
        kept = [one for one in held.values() if not one.said.empty]
        return tuple(sorted(kept, key=lambda one: (places[one.said.item], one.author)))

    @property
    def observers(self) -> tuple[str, ...]:
        """Who has said something blind."""
        return tuple(dict.fromkeys(one.author for one in self.observations()))


@dataclass(frozen=True, kw_only=True)
class ClaimVersion:
    """A claim as it was from some moment on."""

    seq: int  # number of its event
    time: str
    author: str
    said: Claimed


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A reviewer's decision on a claim."""

    author: str
    time: str
    decision: str
    note: str
    seq: int


@dataclass(frozen=True, kw_only=True)
class Test:
    """One test of a claim."""

    __test__ = False  # for pytest

    id: str
    claim: str
    started: ev.TestStarted
    author: str
    time: str
    seq: int
    status: str = "running"  # or "finished" or "failed"
    digest: str = ""  # of the result file
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A hypothesis with its history."""

    id: str
    versions: tuple[ClaimVersion, ...]
    locked_at: int = 0  # number of the event that started its first test; 0: not locked
    decisions: dict[str, Decision] = field(default_factory=dict)  # the last one of each author

    @property
    def current(self) -> ClaimVersion:
        """The last version."""
        return self.versions[-1]

    @property
    def locked(self) -> ClaimVersion | None:
        """The version that was put to the first test."""
        before = [version for version in self.versions if version.seq < self.locked_at]
        return before[-1] if before else None

    @property
    def changed_after_lock(self) -> bool:
        """Whether what is claimed now is not what was first tested."""
        return bool(self.locked_at) and self.current.seq > self.locked_at


@dataclass(frozen=True, kw_only=True)
class ReviewSession:
    """Everything that is known of a session at one moment."""

    id: str
    started: ev.Started
    title: str
    created: str
    reviewers: tuple[str, ...]
    rounds: tuple[Round, ...] = ()
    claims: tuple[Claim, ...] = ()
    tests: tuple[Test, ...] = ()
    log: tuple[Event, ...] = ()

    @property
    def version(self) -> int:
        """Number of the last event."""
        return self.log[-1].seq if self.log else 0

    def round(self, identifier: str) -> Round:
        """Raises ReviewError when there is no such round."""
        return _find(self.rounds, identifier, "round")

    def claim(self, identifier: str) -> Claim:
        """Raises ReviewError when there is no such claim."""
        return _find(self.claims, identifier, "claim")

    def test(self, identifier: str) -> Test:
        """Raises ReviewError when there is no such test."""
        return _find(self.tests, identifier, "test")

    def tests_of(self, claim: str) -> tuple[Test, ...]:
        """The tests of a claim, oldest first."""
        return tuple(test for test in self.tests if test.claim == claim)

    def final_test(self, claim: str) -> Test | None:
        """The last finished test of a claim."""
        done = [test for test in self.tests_of(claim) if test.status == "finished"]
        return done[-1] if done else None


def _find(values: Sequence, identifier: str, what: str):
    for value in values:
        if value.id == identifier:
            return value
    raise ReviewError(f"this session has no {what} {identifier!r}; open it again from the list")


# --- adding up ---


def advance(identifier: str, session: ReviewSession | None, event: Event) -> ReviewSession:
    """The session after one more event, which `check` has allowed."""
    if session is None:
        if not isinstance(started := event.action, ev.Started):
            raise ReviewError(f"a session begins with Started, got {type(started).__name__}")
        return ReviewSession(
            id=identifier,
            started=started,
            title=started.title,
            created=event.time,
            reviewers=(event.author,) if event.author else (),
            log=(event,),
        )
    changed = _APPLY[type(event.action)](session, event, event.action)
    reviewers = changed.reviewers
    if event.author and event.author not in reviewers:
        reviewers = (*reviewers, event.author)
    return replace(changed, reviewers=reviewers, log=(*session.log, event))


def _renamed(session: ReviewSession, event: Event, action: ev.Renamed) -> ReviewSession:
    return replace(session, title=action.title)


def _same(session: ReviewSession, event: Event, action: ev.Joined | ev.Noted) -> ReviewSession:
    return session


def _round_opened(session: ReviewSession, event: Event, action: ev.RoundOpened) -> ReviewSession:
    opened = Round(
        id=action.round,
        class_index=action.class_index,
        class_label=action.class_label,
        items=action.items,
        seed=action.seed,
        opened_by=event.author,
        time=event.time,
    )
    return replace(session, rounds=(*session.rounds, opened))


def _observed(session: ReviewSession, event: Event, action: ev.Observed) -> ReviewSession:
    of = session.round(action.round)
    blind = event.author not in of.revealed
    made = Observation(author=event.author, time=event.time, said=action, blind=blind)
    made_by = {(action.item, event.author): made}
    if blind:
        return _with_round(session, replace(of, blind={**of.blind, **made_by}))
    return _with_round(session, replace(of, later={**of.later, **made_by}))


def _revealed(session: ReviewSession, event: Event, action: ev.Revealed) -> ReviewSession:
    of = session.round(action.round)
    return _with_round(session, replace(of, revealed={event.author: event.time, **of.revealed}))


def _occluded(session: ReviewSession, event: Event, action: ev.Occluded) -> ReviewSession:
    of = session.round(action.round)
    return _with_round(session, replace(of, occlusions=(*of.occlusions, action)))


def _claimed(session: ReviewSession, event: Event, action: ev.Claimed) -> ReviewSession:
    version = ClaimVersion(seq=event.seq, time=event.time, author=event.author, said=action)
    if not action.base:
        made = Claim(id=action.claim, versions=(version,))
        return replace(session, claims=(*session.claims, made))
    claim = session.claim(action.claim)
    return _with_claim(session, replace(claim, versions=(*claim.versions, version)))


def _test_started(session: ReviewSession, event: Event, action: ev.TestStarted) -> ReviewSession:
    claim = session.claim(action.claim)
    test = Test(
        id=action.test,
        claim=action.claim,
        started=action,
        author=event.author,
        time=event.time,
        seq=event.seq,
    )
    locked = replace(claim, locked_at=claim.locked_at or event.seq)
    return replace(_with_claim(session, locked), tests=(*session.tests, test))


def _test_finished(session: ReviewSession, event: Event, action: ev.TestFinished) -> ReviewSession:
    test = session.test(action.test)
    return _with_test(session, replace(test, status="finished", digest=action.digest))


def _test_failed(session: ReviewSession, event: Event, action: ev.TestFailed) -> ReviewSession:
    test = session.test(action.test)
    return _with_test(session, replace(test, status="failed", error=action.error))


def _decided(session: ReviewSession, event: Event, action: ev.Decided) -> ReviewSession:
    claim = session.claim(action.claim)
    decision = Decision(
        author=event.author,
        time=event.time,
        decision=action.decision,
        note=action.note,
        seq=event.seq,
    )
    decisions = {**claim.decisions, event.author: decision}
    return _with_claim(session, replace(claim, decisions=decisions))


_APPLY: dict[type, Callable[..., ReviewSession]] = {
    ev.Renamed: _renamed,
    ev.Joined: _same,
    ev.Noted: _same,
    ev.RoundOpened: _round_opened,
    ev.Observed: _observed,
    ev.Revealed: _revealed,
    ev.Occluded: _occluded,
    ev.Claimed: _claimed,
    ev.TestStarted: _test_started,
    ev.TestFinished: _test_finished,
    ev.TestFailed: _test_failed,
    ev.Decided: _decided,
}


def _with_round(session: ReviewSession, new: Round) -> ReviewSession:
    return replace(session, rounds=_exchanged(session.rounds, new))


def _with_claim(session: ReviewSession, new: Claim) -> ReviewSession:
    return replace(session, claims=_exchanged(session.claims, new))


def _with_test(session: ReviewSession, new: Test) -> ReviewSession:
    return replace(session, tests=_exchanged(session.tests, new))


def _exchanged(values: tuple, new) -> tuple:
    return tuple(new if value.id == new.id else value for value in values)
