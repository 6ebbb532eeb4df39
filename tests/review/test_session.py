"""What a session's events add up to."""

import pytest

from protocore.cohorts.plan import TestPlan
from protocore.errors import ReviewError
from protocore.review import events as ev
from tests.cohorts import makers
from tests.cohorts.makers import BASELINE, CLAIM, DISTRACTOR, OTHER_TEST, PLAN, ROUND, TARGETS, TEST

FIRST, SECOND, THIRD = TARGETS


def said(observations):
    """Who said what of which picture, in the order given."""
    return [(one.said.item, one.author, one.said.text) for one in observations]


def test_a_new_session():
    state = makers.session()
    assert (state.id, state.title, state.version) == ("0123abcd", "Golf balls", 2)
    assert state.created == "2026-01-01T10:00:01.000000+00:00"
    assert state.reviewers == ("Ada",)
    assert [event.seq for event in state.log] == [1, 2]
    assert (state.claims, state.tests) == ((), ())
    of = state.round(ROUND)
    assert (of.opened_by, of.class_label, len(of.items)) == ("Ada", "1 · golf ball", 5)


def test_a_session_does_not_change_when_it_goes_on():
    before = makers.session(("Ada", makers.observed(text="a")))
    makers.then(before, ("Bob", makers.observed(text="b")), ("Ada", ev.Renamed(title="New")))
    assert before.version == 3 and before.title == "Golf balls" and before.reviewers == ("Ada",)
    assert said(before.round(ROUND).observations()) == [(FIRST, "Ada", "a")]


def test_whoever_does_something_is_a_reviewer_in_the_order_of_joining():
    state = makers.session(
        ("Zoë", ev.Joined()), ("Ada", ev.Noted(text="hello")), ("Bob", makers.observed(text="b"))
    )
    assert state.reviewers == ("Ada", "Zoë", "Bob")
    state = makers.then(state, ("Ada", makers.claimed()), ("Ada", makers.test_started()))
    assert makers.then(state, ("", makers.finished())).reviewers == ("Ada", "Zoë", "Bob")


def test_the_title_is_the_last_one():
    state = makers.session(("Bob", ev.Renamed(title="Flags")), ("Ada", ev.Renamed(title="Grass")))
    assert state.title == "Grass" and state.started.title == "Golf balls"


# --- looking ---


def test_observations_never_overwrite_those_of_others():
    state = makers.session(
        ("Ada", makers.observed(FIRST, text="a ball")),
        ("Bob", makers.observed(FIRST, text="a flag")),
        ("Ada", makers.observed(SECOND, text="grass")),
        ("Bob", makers.observed(FIRST, text="a red flag")),
    )
    of = state.round(ROUND)
    assert said(of.observations()) == [
        (FIRST, "Ada", "a ball"),
        (FIRST, "Bob", "a red flag"),
        (SECOND, "Ada", "grass"),
    ]
    assert of.observers == ("Ada", "Bob")
    assert of.blind[FIRST, "Bob"].time == "2026-01-01T10:00:06.000000+00:00"


def test_the_names_of_two_reviewers_may_differ_in_case_alone():
    state = makers.session(
        ("Ada", makers.observed(FIRST, text="one")), ("ada", makers.observed(FIRST, text="two"))
    )
    assert said(state.round(ROUND).observations()) == [(FIRST, "Ada", "one"), (FIRST, "ada", "two")]


def test_an_empty_observation_takes_the_words_back():
    state = makers.session(
        ("Ada", makers.observed(text="a")), ("Ada", makers.observed()), ("Bob", makers.observed())
    )
    of = state.round(ROUND)
    assert of.observations() == () and of.observers == ()
    assert [event.action.text for event in state.log[2:4]] == ["a", ""]  # the log keeps them


def test_what_is_written_after_the_names_is_kept_apart():
    state = makers.session(
        ("Ada", makers.observed(FIRST, text="blind")),
        ("Ada", ev.Revealed(round=ROUND)),
        ("Ada", makers.observed(FIRST, text="knowing")),
        ("Ada", makers.observed(SECOND, text="knowing too")),
        ("Bob", makers.observed(FIRST, text="still blind")),
    )
    of = state.round(ROUND)
    assert of.revealed == {"Ada": "2026-01-01T10:00:04.000000+00:00"}
    blind, later = of.observations(), of.observations(blind=False)
    assert said(blind) == [(FIRST, "Ada", "blind"), (FIRST, "Bob", "still blind")]
    assert said(later) == [(FIRST, "Ada", "knowing"), (SECOND, "Ada", "knowing too")]
    assert all(one.blind for one in blind) and not any(one.blind for one in later)


def test_rounds_are_apart_from_each_other():
    other = makers.round_opened(makers.OTHER_ROUND)
    state = makers.session(
        ("Bob", other),
        ("Ada", makers.observed(text="first")),
        ("Ada", ev.Revealed(round=ROUND)),
        ("Ada", makers.observed(text="second", round=makers.OTHER_ROUND)),
    )
    assert said(state.round(ROUND).observations()) == [(FIRST, "Ada", "first")]
    assert said(state.round(makers.OTHER_ROUND).observations()) == [(FIRST, "Ada", "second")]
    assert [one.opened_by for one in state.rounds] == ["Ada", "Bob"]


def order(state, author):
    return tuple(item.id for item in state.round(ROUND).order_for(author))


def test_every_reviewer_has_an_order_that_stays():
    state = makers.session()
    orders = {name: order(state, name) for name in ("Ada", "Bob", "Zoë", "")}
    assert len(set(orders.values())) == 4
    every = {item.id for item in state.round(ROUND).items}
    assert all(set(found) == every and len(found) == 5 for found in orders.values())
    later = makers.then(state, ("Ada", makers.observed(text="a")), ("Bob", ev.Joined()))
    assert {name: order(later, name) for name in orders} == orders


def test_the_order_is_the_same_in_every_process():
    # Written down once; a change would show a reviewer the pictures anew in another order.
    assert order(makers.session(), "Ada") == (BASELINE, THIRD, DISTRACTOR, SECOND, FIRST)


def test_the_order_depends_on_the_round():
    orders = set()
    for seed in range(20):
        state = makers.session(("Ada", makers.round_opened(makers.OTHER_ROUND, seed=seed)))
        orders.add(tuple(i.id for i in state.round(makers.OTHER_ROUND).order_for("Ada")))
    assert len(orders) > 10


def test_coverings_are_kept_in_their_order():
    state = makers.session(
        ("Ada", ev.Revealed(round=ROUND)),
        ("Ada", makers.occluded(drop=1.0)),
        ("Ada", makers.occluded(drop=2.0)),
    )
    assert [one.drop for one in state.round(ROUND).occlusions] == [1.0, 2.0]


# --- claims and tests ---


def test_a_claim_and_its_versions():
    state = makers.session(
        ("Ada", makers.claimed()), ("Bob", makers.claimed(3, statement="Or grass"))
    )
    claim = state.claim(CLAIM)
    assert [(v.seq, v.author, v.said.statement) for v in claim.versions] == [
        (3, "Ada", "Golf balls need a flag"),
        (4, "Bob", "Or grass"),
    ]
    assert claim.current is claim.versions[1]
    assert claim.locked is None and claim.locked_at == 0 and not claim.changed_after_lock
    assert len(state.claims) == 1


def test_the_first_test_locks_the_claim_and_later_changes_are_visible():
    other = TestPlan(target=1, measure="probability", direction="a < b")
    state = makers.session(
        ("Ada", makers.claimed()),
        ("Ada", makers.claimed(3, statement="Better said")),
        ("Ada", makers.test_started()),
    )
    claim = state.claim(CLAIM)
    assert claim.locked_at == 5
    assert claim.locked.said.statement == "Better said"
    assert not claim.changed_after_lock

    state = makers.then(
        state,
        ("", makers.finished()),
        ("Bob", makers.claimed(4, plan=other, statement="Another claim")),
        ("Bob", makers.test_started(OTHER_TEST, plan=other)),
    )
    claim = state.claim(CLAIM)
    assert claim.changed_after_lock and claim.locked_at == 5
    assert claim.locked.said.statement == "Better said" and claim.locked.said.plan == PLAN
    assert claim.current.said.plan == other
    assert [test.started.plan for test in state.tests_of(CLAIM)] == [PLAN, other]


def test_a_test_that_failed_locks_as_well():
    state = makers.session(
        ("Ada", makers.claimed()),
        ("Ada", makers.test_started()),
        ("", makers.failed()),
        ("Ada", makers.claimed(3, statement="After a look at the error")),
    )
    assert state.claim(CLAIM).changed_after_lock
    test = state.test(TEST)
    assert (test.status, test.error, test.digest) == ("failed", "the folder is empty", "")
    assert state.final_test(CLAIM) is None


def test_the_course_of_a_test():
    state = makers.session(("Ada", makers.claimed()), ("Bob", makers.test_started()))
    running = state.test(TEST)
    assert (running.status, running.author, running.seq) == ("running", "Bob", 4)
    assert state.final_test(CLAIM) is None
    done = makers.then(state, ("", makers.finished()))
    assert (done.test(TEST).status, done.test(TEST).digest) == ("finished", makers.DIGEST)
    assert done.final_test(CLAIM) == done.test(TEST)
    # A second one that fails does not take the first one's result away; one that ends does.
    twice = makers.then(done, ("Ada", makers.test_started(OTHER_TEST)))
    assert twice.final_test(CLAIM).id == TEST
    assert makers.then(twice, ("", makers.failed(OTHER_TEST))).final_test(CLAIM).id == TEST
    assert makers.then(twice, ("", makers.finished(OTHER_TEST))).final_test(CLAIM).id == OTHER_TEST


def test_every_reviewer_has_one_verdict_and_may_change_it():
    state = makers.session(
        ("Ada", makers.claimed()),
        ("Ada", makers.test_started()),
        ("", makers.finished()),
        ("Ada", ev.Decided(claim=CLAIM, decision="supported")),
        ("Bob", ev.Decided(claim=CLAIM, decision="undecided", note="few images")),
        ("Ada", ev.Decided(claim=CLAIM, decision="not supported", note="on a second look")),
    )
    found = state.claim(CLAIM).decisions
    assert {name: (one.decision, one.note, one.seq) for name, one in found.items()} == {
        "Ada": ("not supported", "on a second look", 8),
        "Bob": ("undecided", "few images", 7),
    }


@pytest.mark.parametrize(
    ("find", "what"),
    [
        (lambda s: s.round("ffff0000"), "this session has no round 'ffff0000'; open it again"),
        (lambda s: s.claim("ffff0000"), "this session has no claim 'ffff0000'; open it again"),
        (lambda s: s.test("ffff0000"), "this session has no test 'ffff0000'; open it again"),
        (lambda s: s.round(ROUND).item("ffff0000"), "the round has no picture 'ffff0000'"),
    ],
)
def test_what_is_not_there(find, what):
    with pytest.raises(ReviewError) as caught:
        find(makers.session())
    assert str(caught.value) == what + (" from the list" if "open" in what else "")
