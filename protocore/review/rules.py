"""What may follow what in a review session.

    session = replay(identifier, events)

`check` is asked under the lock of the storage, so that nobody overwrites anybody.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocore.errors import ReviewError
from protocore.review import events as ev
from protocore.review.events import Claimed, Event, Observed
from protocore.review.session import ReviewSession, advance

# More is not the work of people, and would take long to add up: a bundle may come from anybody.
MOST = {"events": 20_000, "reviewers": 100, "rounds": 200, "claims": 200, "tests": 1000}


def replay(identifier: str, log: Iterable[Event]) -> ReviewSession:
    """The session that the events add up to. Raises ReviewError when one cannot follow."""
    session: ReviewSession | None = None
    for number, event in enumerate(log, start=1):
        if event.seq != number:
            raise ReviewError(
                f"event {number} of this session is missing, {event.seq} is there instead; get a "
                "whole copy of it"
            )
        if session is not None:
            check(session, event.author, event.action)
        elif not isinstance(event.action, ev.Started):
            raise ReviewError("a review session must begin with the event that started it")
        session = advance(identifier, session, event)
    if session is None:
        raise ReviewError(f"the review session {identifier!r} holds nothing")
    return session


def check(session: ReviewSession, author: str, action: ev.Action) -> None:
    """Raise ReviewError when `action` cannot be the next one of this session."""
    if isinstance(action, ev.Started):
        raise ReviewError("this session has been started already")
    if not author.strip() and not isinstance(action, ev.TestFinished | ev.TestFailed):
        raise ReviewError("say who you are first: everything in a session has an author")
    for what, count in _counts(session, author, action).items():
        if count >= MOST[what]:
            raise ReviewError(f"a session can have at most {MOST[what]} {what}: begin another one")
    rule = _RULES.get(type(action))
    if rule is not None:
        rule(session, author, action)


def _counts(session: ReviewSession, author: str, action: ev.Action) -> dict[str, int]:
    """How many there are of all that there will be one more of."""
    if isinstance(action, ev.TestFinished | ev.TestFailed):
        return {}  # what has begun may always end
    counts = {"events": session.version}
    if author not in session.reviewers:
        counts["reviewers"] = len(session.reviewers)
    if isinstance(action, ev.RoundOpened):
        counts["rounds"] = len(session.rounds)
    if isinstance(action, ev.TestStarted):
        counts["tests"] = len(session.tests)
    if isinstance(action, Claimed) and not action.base:
        counts["claims"] = len(session.claims)
    return counts


def _check_round(session: ReviewSession, author: str, action: ev.RoundOpened) -> None:
    if any(one.id == action.round for one in session.rounds):
        raise ReviewError("this round has been opened already")


def _check_item(session: ReviewSession, author: str, action: Observed | ev.Occluded) -> None:
    session.round(action.round).item(action.item)


def _check_occluded(session: ReviewSession, author: str, action: ev.Occluded) -> None:
    of = session.round(action.round)
    of.item(action.item)
    if author not in of.revealed:
        raise ReviewError(
            "covering tells which class a picture is of: finish looking first, then cover regions"
        )


def _check_revealed(session: ReviewSession, author: str, action: ev.Revealed) -> None:
    if author in session.round(action.round).revealed:
        raise ReviewError("the names of this round have been shown to you already")


def _check_claimed(session: ReviewSession, author: str, action: Claimed) -> None:
    for link in action.links:
        session.round(link.round).item(link.item)
    known = {claim.id: claim for claim in session.claims}
    if not action.base:
        if action.claim in known:
            raise ReviewError("this claim has been written already")
        return
    current = session.claim(action.claim).current
    if current.seq != action.base:
        raise ReviewError(
            f"{current.author} has changed this claim meanwhile (event {current.seq}): read that "
            "version first, then make your change to it"
        )


def _check_test(session: ReviewSession, author: str, action: ev.TestStarted) -> None:
    if action.plan != session.claim(action.claim).current.said.plan:
        raise ReviewError("the test's plan is not the claim's: open the claim again")
    if any(test.id == action.test for test in session.tests):
        raise ReviewError("this test has been started already")
    if any(test.status == "running" for test in session.tests_of(action.claim)):
        raise ReviewError("a test of this claim is running: wait for it, or stop it first")


def _check_running(
    session: ReviewSession, author: str, action: ev.TestFinished | ev.TestFailed
) -> None:
    if session.test(action.test).status != "running":
        raise ReviewError("this test has ended already")


def _check_decided(session: ReviewSession, author: str, action: ev.Decided) -> None:
    session.claim(action.claim)
    if session.final_test(action.claim) is None:
        raise ReviewError("a decision needs a test: test the claim first")


_RULES = {
    ev.RoundOpened: _check_round,
    ev.Observed: _check_item,
    ev.Occluded: _check_occluded,
    ev.Revealed: _check_revealed,
    ev.Claimed: _check_claimed,
    ev.TestStarted: _check_test,
    ev.TestFinished: _check_running,
    ev.TestFailed: _check_running,
    ev.Decided: _check_decided,
}
