"""Review sessions in many hands at once, and when a process is killed."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from protocore.errors import ReviewError
from protocore.library.library import Library
from protocore.library.reviews import JOURNAL, ReviewStore, read_journal
from protocore.review import events as ev
from protocore.review.rules import replay
from tests.cohorts import makers
from tests.cohorts.makers import CLAIM, ROUND, TARGETS

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")


def together(*works):
    """Run all at once in threads; returns what went wrong."""
    errors = []

    def guarded(work):
        try:
            work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return errors


def observe(store, review_id, author, count):
    """One remark and one observation after the other, all different."""
    for number in range(count):
        said = makers.observed(TARGETS[number % 3], text=f"{author} {number}")
        store.append(review_id, author, ev.Noted(text=f"{author} {number}"), said)
        store.session(review_id)


def assert_whole(store, review_id, authors, count):
    """Nothing is lost, nothing is twice, and all of it in the order of each author."""
    state = store.session(review_id)
    assert replay(review_id, state.log) == state
    assert state.version == 2 + 2 * count * len(authors)
    for author in authors:
        noted = [e.action.text for e in state.log[2:] if e.author == author]
        assert noted == [f"{author} {n}" for n in range(count) for _ in range(2)]
        for place in range(3):
            last = max(n for n in range(count) if n % 3 == place)
            assert state.round(ROUND).blind[TARGETS[place], author].said.text == f"{author} {last}"
    assert read_journal(store.file(review_id, JOURNAL).read_bytes()) == state.log


def test_threads_with_one_store_and_with_their_own(library, review):
    others = [Library(library.folder) for _ in range(2)]
    stores = [library.reviews, library.reviews, *(other.reviews for other in others)]
    authors = [f"reviewer {n}" for n in range(4)]
    pairs = zip(stores, authors, strict=True)
    works = [lambda s=s, a=a: observe(s, review, a, 6) for s, a in pairs]
    assert together(*works) == []
    for store in stores:
        assert_whole(store, review, authors, 6)
    for other in others:
        other.close()


def test_one_of_many_changes_of_a_claim_wins(library, review):
    store = library.reviews
    store.append(review, "Ada", makers.claimed())
    names = [f"reviewer {n}" for n in range(5)]
    errors = together(
        *(lambda a=a: store.append(review, a, makers.claimed(3, statement=a)) for a in names)
    )
    state = store.session(review)
    winner = state.claim(CLAIM).current.author
    assert winner in names and state.version == 4
    assert [str(error) for error in errors] == [
        f"{winner} has changed this claim meanwhile (event 4): read that version first, then make "
        "your change to it"
    ] * 4
    assert all(isinstance(error, ReviewError) for error in errors)


def test_only_one_of_two_tests_starts(library, review):
    store = library.reviews
    store.append(review, "Ada", makers.claimed())
    works = [
        lambda n=n: store.append(review, f"reviewer {n}", makers.test_started(f"eeee000{n}"))
        for n in range(4)
    ]
    errors = together(*works)
    assert len(errors) == 3 and len(store.session(review).tests) == 1
    assert {str(error) for error in errors} == {
        "a test of this claim is running: wait for it, or stop it first"
    }


def in_a_process(work, *arguments):
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process


def observe_elsewhere(folder, review_id, author, count):
    library = Library(folder)
    observe(library.reviews, review_id, author, count)
    library.close()


@needs_fork
def test_two_processes(library, review):
    authors = ("one", "two")
    running = [in_a_process(observe_elsewhere, library.folder, review, a, 12) for a in authors]
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0, 0]
    assert_whole(library.reviews, review, authors, 12)


def append_until_killed(folder, review_id, pipe):
    store = Library(folder).reviews
    for number in range(100_000):
        state = store.append(review_id, "Ada", ev.Noted(text=str(number)))
        os.write(pipe, state.version.to_bytes(4, "big"))  # acknowledged


@needs_fork
def test_what_was_acknowledged_survives_a_kill(library, review):
    reading, writing = os.pipe()
    process = in_a_process(append_until_killed, library.folder, review, writing)
    os.close(writing)
    acknowledged = b""
    while len(acknowledged) < 4 * 20:
        acknowledged += os.read(reading, 4)
    time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    while more := os.read(reading, 4096):
        acknowledged += more
    os.close(reading)
    last = int.from_bytes(acknowledged[-4:], "big")

    state = library.reviews.session(review)
    assert state.version in (last, last + 1)  # one may have been on its way
    assert [e.action.text for e in state.log[2:]] == [str(n) for n in range(state.version - 2)]
    copied = read_journal(library.reviews.file(review, JOURNAL).read_bytes())
    assert copied[: state.version] == state.log and len(copied) <= last + 1
    again = library.reviews.append(review, "Bob", ev.Joined())
    assert read_journal(library.reviews.file(review, JOURNAL).read_bytes()) == again.log


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("written", [False, True])
def test_killed_around_the_journal(library, review, monkeypatch, written):
    store = library.reviews
    before = store.session(review)
    whole = ReviewStore._journal

    def killed(self, state, number):
        if written:
            whole(self, state, number)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ReviewStore, "_journal", killed)
        with pytest.raises(Killed):
            store.append(review, "Ada", ev.Noted(text="never acknowledged"))
    assert store.session(review) == before
    state = store.append(review, "Ada", ev.Noted(text="instead"))
    assert state.version == before.version + 1
    assert read_journal(store.file(review, JOURNAL).read_bytes()) == state.log
