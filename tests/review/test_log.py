"""The log of a session in words."""

from protocore.review import events as ev
from protocore.review.log import log_rows
from tests.cohorts import makers
from tests.cohorts.makers import CLAIM, ROUND, TARGETS, TEST


def whole():
    """A session in which everything has happened once."""
    return makers.session(
        ("Ben", ev.Joined()),
        ("Ada", makers.observed(TARGETS[0], text="first")),
        ("Ada", makers.observed(TARGETS[0], text="first words")),
        ("Ada", makers.observed(TARGETS[1], text="second")),
        ("Ben", makers.observed(TARGETS[1], text="his")),
        ("Ada", ev.Revealed(round=ROUND)),
        ("Ada", makers.occluded()),
        ("Ada", makers.claimed()),
        ("Ben", makers.claimed(base=10, why="better")),
        ("Ada", makers.test_started()),
        ("", makers.failed()),
        ("Ada", makers.test_started(makers.OTHER_TEST)),
        ("", makers.finished(makers.OTHER_TEST)),
        ("Ada", ev.Decided(claim=CLAIM, decision="undecided", note="secret note")),
        ("Ben", ev.Renamed(title="<b>Balls</b>")),
        ("Ben", ev.Noted(text="a | remark")),
    )


def test_every_event_has_its_words():
    rows = log_rows(whole())
    assert [(row.numbers, row.author, row.text) for row in rows] == [
        ("1", "Ada", "opened the session “Golf balls”"),
        ("2", "Ada", "opened round 1 with 5 pictures"),
        ("3", "Ben", "joined"),
        ("4–5", "Ada", "wrote about picture 1 of round 1"),
        ("6", "Ada", "wrote about picture 2 of round 1"),
        ("7", "Ben", "wrote about picture 2 of round 1"),
        ("8", "Ada", "finished looking at round 1 and was told the names"),
        ("9", "Ada", "covered regions of Ada on picture 1 of round 1"),
        ("10", "Ada", "wrote claim 1"),
        ("11", "Ben", "changed claim 1"),
        ("12", "Ada", "started test 1, of claim 1"),
        ("13", "Protocore", "test 1 failed: the folder is empty"),
        ("14", "Ada", "started test 2, of claim 1"),
        ("15", "Protocore", "test 2 finished"),
        ("16", "Ada", "decided on claim 1: undecided"),
        ("17", "Ben", "renamed it to “<b>Balls</b>”"),
        ("18", "Ben", "noted: a | remark"),
    ]


def test_the_time_of_several_is_that_of_the_first_and_no_event_is_left_out():
    session = whole()
    rows = log_rows(session)
    merged = next(row for row in rows if "–" in row.numbers)
    assert merged.time == session.log[3].time != session.log[4].time
    numbers = [part for row in rows for part in row.numbers.split("–")]
    assert numbers == [str(event.seq) for event in session.log]


def test_the_log_tells_neither_class_nor_words_of_a_round():
    text = " ".join(row.text for row in log_rows(whole()))
    assert "golf ball" not in text and "first words" not in text and "secret note" not in text
    assert TEST not in text and CLAIM not in text


def test_the_same_by_two_in_turn_is_not_one():
    of = makers.session(
        ("Ada", makers.observed(text="a")),
        ("Ben", makers.observed(text="b")),
        ("Ada", makers.observed(text="c")),
    )
    assert [(row.numbers, row.author) for row in log_rows(of)[2:]] == [
        ("3", "Ada"), ("4", "Ben"), ("5", "Ada")
    ]  # fmt: skip
