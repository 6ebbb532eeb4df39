"""What may follow what, and what the refusal says."""

import json

import pytest

from protocore.cohorts.plan import TestPlan
from protocore.errors import ReviewError
from protocore.review import events as ev
from protocore.review import rules
from protocore.review.rules import check, replay
from tests.cohorts import makers
from tests.cohorts.makers import CLAIM, OTHER_CLAIM, OTHER_TEST, ROUND, TARGETS, TEST

CLAIMS = (("Ada", makers.claimed()),)
RUNNING = (*CLAIMS, ("Ada", makers.test_started()))
TESTED = (*RUNNING, ("", makers.finished()))
REVEALED = (("Ada", ev.Revealed(round=ROUND)),)
UNKNOWN_ROUND = "this session has no round 'ffff0000'; open it again from the list"
UNKNOWN_CLAIM = "this session has no claim 'ffff0000'; open it again from the list"
ENDED = "this test has ended already"
NAMELESS = "say who you are first: everything in a session has an author"


@pytest.mark.parametrize(
    ("before", "author", "action", "message"),
    [
        ((), "Ada", makers.started(), "this session has been started already"),
        ((), "", ev.Joined(), NAMELESS),
        ((), "  \t", ev.Joined(), NAMELESS),
        (RUNNING, "", ev.Decided(claim=CLAIM, decision="supported"), NAMELESS),
        ((), "Bob", makers.round_opened(), "this round has been opened already"),
        ((), "Ada", makers.observed(round="ffff0000"), UNKNOWN_ROUND),
        ((), "Ada", makers.observed("ffff0000"), "the round has no picture 'ffff0000'"),
        ((), "Ada", ev.Revealed(round="ffff0000"), UNKNOWN_ROUND),
        (
            REVEALED,
            "Ada",
            ev.Revealed(round=ROUND),
            "the names of this round have been shown to you already",
        ),
        (REVEALED, "Ada", makers.occluded("ffff0000"), "the round has no picture 'ffff0000'"),
        (
            REVEALED,
            "Bob",
            makers.occluded(),
            "covering tells which class a picture is of: finish looking first, then cover regions",
        ),
        (CLAIMS, "Bob", makers.claimed(), "this claim has been written already"),
        ((), "Ada", makers.claimed(2, claim="ffff0000"), UNKNOWN_CLAIM),
        ((), "Ada", makers.claimed(links=(makers.link(of="ffff0000"),)), UNKNOWN_ROUND),
        (
            (),
            "Ada",
            makers.claimed(links=(makers.link("ffff0000"),)),
            "the round has no picture 'ffff0000'",
        ),
        ((), "Ada", makers.test_started(claim="ffff0000"), UNKNOWN_CLAIM),
        (
            CLAIMS,
            "Ada",
            makers.test_started(plan=TestPlan(target=1, direction="a > b")),
            "the test's plan is not the claim's: open the claim again",
        ),
        (
            RUNNING,
            "Bob",
            makers.test_started(OTHER_TEST),
            "a test of this claim is running: wait for it, or stop it first",
        ),
        (TESTED, "Ada", makers.test_started(), "this test has been started already"),
        (
            CLAIMS,
            "",
            makers.finished(),
            f"this session has no test {TEST!r}; open it again from the list",
        ),
        (TESTED, "", makers.finished(), ENDED),
        (TESTED, "", makers.failed(), ENDED),
        ((*RUNNING, ("", makers.failed())), "", makers.finished(), ENDED),
        ((), "Ada", ev.Decided(claim="ffff0000", decision="supported"), UNKNOWN_CLAIM),
        *(
            (
                before,
                "Ada",
                ev.Decided(claim=CLAIM, decision="undecided"),
                "a decision needs a test: test the claim first",
            )
            for before in (CLAIMS, RUNNING, (*RUNNING, ("Ada", makers.failed())))
        ),
    ],
)
def test_what_cannot_follow(before, author, action, message):
    state = makers.session(*before)
    with pytest.raises(ReviewError) as caught:
        check(state, author, action)
    assert str(caught.value) == message
    log = (*state.log, makers.event(state.version + 1, author, action))
    with pytest.raises(ReviewError) as caught:
        replay("0123abcd", log)
    assert str(caught.value) == message


def test_whoever_changes_an_old_version_is_told_who_was_first():
    state = makers.session(("Ada", makers.claimed()), ("Bob", makers.claimed(3)))
    with pytest.raises(ReviewError) as caught:
        check(state, "Ada", makers.claimed(3, statement="At the same time"))
    assert str(caught.value) == (
        "Bob has changed this claim meanwhile (event 4): read that version first, then make your "
        "change to it"
    )
    check(state, "Ada", makers.claimed(4, statement="After a look"))


def test_a_change_of_another_claim_is_not_in_the_way():
    state = makers.session(
        ("Ada", makers.claimed()), ("Bob", makers.claimed(claim=OTHER_CLAIM)), ("Bob", ev.Joined())
    )
    check(state, "Ada", makers.claimed(3, statement="Mine"))
    with pytest.raises(ReviewError, match="Bob has changed this claim meanwhile"):
        check(state, "Ada", makers.claimed(3, claim=OTHER_CLAIM))


@pytest.mark.parametrize(
    ("before", "author", "action"),
    [
        ((), "Bob", makers.observed(TARGETS[2], text="new here")),
        (REVEALED, "Ada", makers.occluded(observer="Bob")),
        (REVEALED, "Ada", makers.observed(text="later")),
        (REVEALED, "Bob", ev.Revealed(round=ROUND)),
        (REVEALED, "Bob", makers.observed(text="still blind")),
        (RUNNING, "Bob", makers.claimed(3, statement="While it runs")),
        (RUNNING, "Ada", makers.failed()),  # stopped by hand
        ((*CLAIMS, *RUNNING[1:]), "", makers.failed()),
        (
            (*RUNNING, ("Ada", makers.claimed(claim=OTHER_CLAIM))),
            "Bob",
            makers.test_started(OTHER_TEST, claim=OTHER_CLAIM),
        ),
        ((*RUNNING, ("", makers.failed())), "Ada", makers.test_started(OTHER_TEST)),
        (TESTED, "Ada", makers.test_started(OTHER_TEST)),
        (TESTED, "Bob", ev.Decided(claim=CLAIM, decision="undecided")),
    ],
)
def test_what_can_follow(before, author, action):
    state = makers.then(makers.session(*before), (author, action))
    assert replay("0123abcd", state.log) == state


def test_a_changed_plan_must_be_tested_anew():
    """The plan of a test is that of the claim at its start, also after the lock."""
    other = TestPlan(target=1, direction="a != b")
    state = makers.session(*TESTED, ("Bob", makers.claimed(3, plan=other)))
    with pytest.raises(ReviewError, match="the test's plan is not the claim's"):
        check(state, "Ada", makers.test_started(OTHER_TEST))
    check(state, "Ada", makers.test_started(OTHER_TEST, plan=other))


@pytest.mark.parametrize(
    ("what", "before", "author", "action", "allowed"),
    [
        ("events", RUNNING, "Ada", ev.Joined(), makers.failed()),
        ("reviewers", (("Bob", ev.Joined()),), "Eve", ev.Joined(), None),
        ("rounds", (), "Ada", makers.round_opened(makers.OTHER_ROUND), ev.Joined()),
        ("claims", CLAIMS, "Ada", makers.claimed(claim=OTHER_CLAIM), makers.claimed(3)),
        ("tests", TESTED, "Ada", makers.test_started(OTHER_TEST), makers.claimed(3)),
    ],
)
def test_a_session_has_an_end(monkeypatch, what, before, author, action, allowed):
    state = makers.session(*before)
    counts = {"events": state.version, "reviewers": len(state.reviewers)}
    most = counts.get(what, 1)
    monkeypatch.setitem(rules.MOST, what, most)
    with pytest.raises(ReviewError) as caught:
        check(state, author, action)
    assert str(caught.value) == (f"a session can have at most {most} {what}: begin another one")
    check(state, "Ada", allowed or ev.Joined())
    monkeypatch.setitem(rules.MOST, what, most + 1)
    check(state, author, action)


# --- replaying ---


def test_replaying_gives_the_same_session():
    state = makers.session(
        *TESTED,
        ("Bob", makers.observed(text="b")),
        *REVEALED,
        ("Ada", makers.occluded()),
        ("Ada", ev.Decided(claim=CLAIM, decision="supported")),
        ("Bob", ev.Renamed(title="End")),
    )
    assert replay("0123abcd", state.log) == state
    text = json.dumps([event.to_dict() for event in state.log])
    assert replay("0123abcd", map(ev.Event.from_dict, json.loads(text))) == state


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ((), "the review session '0123abcd' holds nothing"),
        (
            (makers.event(1, "Ada", ev.Joined()),),
            "a review session must begin with the event that started it",
        ),
        (
            (makers.event(1, "Ada", makers.started()), makers.event(3, "Ada", ev.Joined())),
            "event 2 of this session is missing, 3 is there instead; get a whole copy of it",
        ),
        (
            (makers.event(1, "Ada", makers.started()), makers.event(1, "Ada", ev.Joined())),
            "event 2 of this session is missing, 1 is there instead; get a whole copy of it",
        ),
        (
            (makers.event(0, "Ada", makers.started()),),
            "event 1 of this session is missing, 0 is there instead; get a whole copy of it",
        ),
        (
            tuple(makers.event(n, "Ada", makers.started()) for n in (1, 2)),
            "this session has been started already",
        ),
        ((makers.event(1, "Ada", makers.started()), makers.event(2, "", ev.Joined())), NAMELESS),
    ],
)
def test_what_is_no_session(log, message):
    with pytest.raises(ReviewError) as caught:
        replay("0123abcd", log)
    assert str(caught.value) == message
