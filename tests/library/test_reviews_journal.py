"""Review sessions when the database is lost or older, and the journals that they come back from."""

import json
import shutil
import sqlite3

import pytest

from protocore.errors import ReviewError
from protocore.library.library import Library
from protocore.library.reviews import JOURNAL, read_journal, write_journal
from protocore.review import events as ev
from protocore.review.rules import replay
from tests.cohorts import makers
from tests.cohorts.makers import TARGETS


def lose_database(library):
    """Close the library, delete its database and open it again."""
    library.close()
    for path in library.folder.glob("library.sqlite*"):
        path.unlink()
    return Library(library.folder)


def journal(store, review_id):
    return store.file(review_id, JOURNAL)


def tables(path):
    """Every table and index of a database, as SQL."""
    with sqlite3.connect(path) as connection:
        found = set(connection.execute("SELECT name, sql FROM sqlite_master"))
    connection.close()
    return found


# --- a lost or older database ---


def test_a_lost_database_is_built_again_from_the_journals(library, store, review):
    store.append(review, "Bob", makers.EVERY_KIND["observed"], ev.Renamed(title="Ours"))
    trashed = store.create("Ada", makers.started(title="Trash"))
    before, infos = store.session(review), store.infos()
    again = lose_database(library)
    assert again.reviews.session(review) == before
    assert again.reviews.infos() == infos
    assert again.reviews.session(trashed).title == "Trash"
    assert again.reviews.rebuild() == 0
    assert again.reviews.append(review, "Ada", ev.Joined()).version == before.version + 1
    assert len(read_journal(journal(store, review).read_bytes())) == before.version + 1
    again.close()


def test_rebuilding_passes_over_what_is_no_session(library, store, review, caplog):
    bad = store.create("Ada", makers.started(title="Bad"))
    with journal(store, bad).open("ab") as file:
        file.write(b'{"seq": 2, "kind": "hacked"}\n')
    shutil.copytree(store.folder / review, store.folder / "a copy by hand")
    (store.folder / "empty").mkdir()
    again = lose_database(library)
    assert [info.id for info in again.reviews.infos()] == [review]
    assert f"{store.folder / bad} was not entered into the library: this is not an" in caplog.text
    assert "'a copy by hand' is not the identifier of a review session" in caplog.text
    again.close()


# --- journals ---


def test_a_journal_holds_one_line_for_each_event(store, review):
    store.append(review, "Ada", ev.Noted(text="\u2028 é\n"), ev.Joined())
    lines = journal(store, review).read_bytes().split(b"\n")
    assert [json.loads(line)["seq"] for line in lines[:-1]] == [1, 2, 3, 4]
    assert lines[-1] == b""
    assert read_journal(b"\n".join(lines)) == store.session(review).log
    assert write_journal(store.session(review).log) == b"\n".join(lines)


def test_a_last_line_that_breaks_off_is_left_out():
    log = makers.session(("Ada", ev.Noted(text="é"))).log
    content = write_journal(log)
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    assert read_journal(content[: ends[1]]) == log[:2]
    for cut in (ends[1] + 1, ends[2] - 30, ends[2] - 2):
        assert read_journal(content[:cut]) == log[:2]
    assert read_journal(content[:-1]) == log  # but for its end
    for tail in (b"\0" * 50, b"\xff\xfe{", b"garbage"):
        assert read_journal(content + tail) == log


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0], b"garbage", *lines[1:]],
        lambda lines: [lines[0], b"", *lines[1:]],
        lambda lines: [lines[0], lines[1][:-5], *lines[2:]],
        lambda lines: [lines[0], b"\xff", *lines[1:]],
        lambda lines: [lines[0], b"[" * 100_000, *lines[1:]],
        lambda lines: [lines[0], b"9" * 10_000, *lines[1:]],
        lambda lines: [lines[0], b"NaN", *lines[1:]],
        lambda lines: [b"", b""],
    ],
)
def test_a_damaged_line_in_the_middle_is_refused(damage):
    lines = write_journal(makers.session(("Ada", ev.Joined())).log).split(b"\n")
    with pytest.raises(ReviewError) as caught:
        read_journal(b"\n".join(damage(lines)))
    assert len(str(caught.value)) < 300


def test_a_lost_line_is_noticed():
    lines = write_journal(makers.session(("Ada", ev.Joined())).log).splitlines(keepends=True)
    with pytest.raises(ReviewError) as caught:
        replay("0123abcd", read_journal(lines[0] + lines[2]))
    assert str(caught.value) == (
        "event 2 of this session is missing, 3 is there instead; get a whole copy of it"
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(path.read_bytes() + b'{"seq": 9}\n'),
        lambda path: path.write_bytes(path.read_bytes() + b"[]\n"),
        lambda path: path.write_bytes(path.read_bytes() + b"\0\0\0"),
        lambda path: shutil.rmtree(path.parent),
    ],
)
def test_the_next_event_repairs_the_journal(store, review, damage):
    damage(journal(store, review))
    state = store.append(review, "Bob", makers.observed(TARGETS[1], text="b"))
    assert read_journal(journal(store, review).read_bytes()) == state.log


def test_a_journal_that_cannot_be_written_is_no_reason_to_lose_an_event(
    store, review, another, caplog
):
    path = journal(store, review)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the way")
    state = store.append(review, "Ada", ev.Noted(text="kept"))
    assert f"the copy of the events in {path} is out of date" in caplog.text
    assert another.session(review) == state
    path.parent.unlink()
    state = store.append(review, "Ada", ev.Joined())
    assert read_journal(path.read_bytes()) == state.log
