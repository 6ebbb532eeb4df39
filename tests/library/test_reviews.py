"""Review sessions on disk: what was entered is there, and what was refused is not."""

import hashlib

import pytest

from protocore.errors import LibraryError, ReviewError
from protocore.library.reviews import JOURNAL, read_journal
from protocore.review import events as ev
from protocore.review.rules import replay
from tests.cohorts import makers
from tests.cohorts.makers import CLAIM, ROUND

# --- entering and reading ---


def test_a_session_comes_back(store, review, another):
    store.append(review, "Bob", makers.observed(text="a ball", regions=(makers.BOX,)))
    state = store.session(review)
    assert [(event.seq, event.author) for event in state.log] == [
        (1, "Ada"),
        (2, "Ada"),
        (3, "Bob"),
    ]
    assert state.reviewers == ("Ada", "Bob")
    assert store.version(review) == 3
    assert another.session(review) == state
    assert another.version(review) == 3
    assert replay(review, state.log) == state


def test_every_kind_of_event_is_kept(store, review, another):
    done = [
        ("Bob", ev.Joined()),
        ("Ada", makers.EVERY_KIND["observed"]),
        ("Ada", ev.Revealed(round=ROUND)),
        ("Ada", makers.EVERY_KIND["occluded"]),
        ("Ada", makers.claimed(links=(makers.link(),))),
        ("Ada", makers.test_started()),
        ("", makers.finished()),
        ("Ada", makers.test_started(makers.OTHER_TEST)),
        ("", makers.failed(makers.OTHER_TEST)),
        ("Bob", makers.EVERY_KIND["decided"]),
        ("Bob", makers.EVERY_KIND["noted"]),
        ("Bob", ev.Renamed(title="End")),
    ]
    for author, action in done:
        state = store.append(review, author, action)
        assert another.session(review) == state
    assert [event.action for event in another.session(review).log[2:]] == [a for _, a in done]


def test_the_list_of_sessions(store, review):
    second = store.create("Bob", makers.started(title="Second", model_title="other"))
    assert [info.id for info in store.infos()] == [second, review]
    store.append(review, "Bob", ev.Noted(text="newest"))
    first, last = store.infos()
    assert (first.id, first.events, last.events) == (review, 3, 1)
    assert (last.title, last.model_title, last.deleted_at) == ("Second", "other", None)
    assert first.created < last.created == last.changed < first.changed
    assert store.infos(deleted=True) == ()


def test_the_title_in_the_list_follows_the_session(store, review):
    store.append(review, "Bob", ev.Renamed(title="Flags"), ev.Noted(text="renamed it"))
    assert [info.title for info in store.infos()] == ["Flags"]
    assert store.session(review).title == "Flags"


def test_whoever_does_something_must_say_who_that_is(store, review):
    with pytest.raises(ReviewError) as caught:
        store.create("  ", makers.started())
    assert str(caught.value) == "say who you are first: everything in a session has an author"
    for author in ("", " ", "A" * 61, "A\ud800"):
        with pytest.raises(ReviewError, match="author"):
            store.append(review, author, ev.Joined())
    with pytest.raises(ReviewError, match="author must have 0 to 60 characters"):
        store.create("A" * 61, makers.started())
    assert store.version(review) == 2 and len(store.infos()) == 1


def test_several_actions_are_all_done_or_none(store, review, another):
    lines = store.file(review, JOURNAL).read_bytes()
    before = store.session(review)
    with pytest.raises(ReviewError, match="a decision needs a test: test the claim first"):
        store.append(
            review,
            "Ada",
            ev.Renamed(title="Half done"),
            makers.claimed(),
            ev.Decided(claim=CLAIM, decision="supported"),
        )
    assert store.session(review) == another.session(review) == before
    assert store.infos()[0].title == "Golf balls"
    assert store.file(review, JOURNAL).read_bytes() == lines
    state = store.append(
        review, "Ada", makers.claimed(), makers.test_started(), makers.claimed(3, why="late")
    )
    assert state.version == 5 and state.claim(CLAIM).changed_after_lock
    assert another.session(review) == state


def test_doing_nothing_changes_nothing(store, review):
    before = store.session(review), store.infos()
    assert store.append(review, "Ada") == before[0]
    assert (store.session(review), store.infos()) == before


def test_two_stores_see_each_others_claims(store, review, another):
    store.append(review, "Ada", makers.claimed())
    another.append(review, "Bob", makers.claimed(3, statement="Bob's"))
    with pytest.raises(ReviewError) as caught:
        store.append(review, "Ada", makers.claimed(3, statement="Ada's"))
    assert str(caught.value) == (
        "Bob has changed this claim meanwhile (event 4): read that version first, then make your "
        "change to it"
    )
    assert store.session(review).claim(CLAIM).current.said.statement == "Bob's"


def test_an_unknown_session(store, library):
    message = (
        "the library has no review session 'ffff0000'; it was deleted for good, or belongs to "
        "another library folder (PROTOCORE_HOME): ask for its bundle and import it"
    )
    for use in (
        lambda: store.session("ffff0000"),
        lambda: store.append("ffff0000", "Ada", ev.Joined()),
        lambda: store.append("ffff0000", "Ada"),
        lambda: store.delete(["ffff0000"]),
        lambda: store.restore(["ffff0000"]),
    ):
        with pytest.raises(ReviewError) as caught:
            use()
        assert str(caught.value) == message
    assert store.version("ffff0000") == 0
    assert not (library.folder / "reviews").exists()


# --- adopting ---


def test_a_session_from_elsewhere_is_adopted(store, another):
    state = makers.session(("Bob", makers.observed(text="b")), ("Bob", ev.Renamed(title="Ours")))
    assert store.adopt(state.id, state.log) == state
    assert another.session(state.id) == state
    (info,) = another.infos()
    assert (info.title, info.events, info.changed) == ("Ours", 4, state.log[-1].time)
    assert read_journal(store.file(state.id, JOURNAL).read_bytes()) == state.log
    with pytest.raises(ReviewError) as caught:
        store.adopt(state.id, state.log)
    assert str(caught.value) == "the review session '0123abcd' is in this library already"
    assert another.append(state.id, "Ada", ev.Joined()).version == 5


@pytest.mark.parametrize("review_id", ["", ".", "../up", "a/b", "0123ABCD", "a" * 33, "abc"])
def test_an_identifier_that_is_none_is_refused(store, library, review_id):
    before = sorted(library.folder.rglob("*"))
    with pytest.raises(ReviewError) as caught:
        store.adopt(review_id, makers.session().log)
    assert str(caught.value) == f"{review_id!r} is not the identifier of a review session"
    assert store.infos() == () and sorted(library.folder.rglob("*")) == before


def test_what_breaks_a_rule_is_not_adopted(store, library):
    log = (*makers.session().log, makers.event(3, "Ada", makers.occluded()))
    with pytest.raises(ReviewError, match="covering tells which class a picture is of"):
        store.adopt("0123abcd", log)
    with pytest.raises(ReviewError, match="event 2 of this session is missing"):
        store.adopt("0123abcd", log[::2])
    assert store.infos() == () and not (library.folder / "reviews").exists()


# --- the trash ---


def test_delete_restore_and_purge(store, review, another):
    store.write_file(review, "tests/eeee0001/result.json", b"{}")
    kept = store.create("Ada", makers.started(title="Kept"))
    store.delete([review])
    assert [info.id for info in store.infos()] == [kept]
    (info,) = store.infos(deleted=True)
    assert info.id == review and info.deleted_at is not None
    assert store.session(review).title == "Golf balls"
    assert another.infos(deleted=True) == (info,)
    store.restore([review])
    assert len(store.infos()) == 2 and store.infos(deleted=True) == ()
    assert store.purge() == 0

    store.delete([review])
    assert store.purge() == 1
    assert [path.name for path in store.folder.iterdir()] == [kept]
    assert [info.id for info in store.infos()] == [kept] and store.infos(deleted=True) == ()
    with pytest.raises(ReviewError, match="the library has no review session"):
        store.session(review)


def test_deleting_an_unknown_one_deletes_nothing(store, review):
    with pytest.raises(ReviewError, match="the library has no review session 'ffff0000'"):
        store.delete([review, "ffff0000"])
    assert len(store.infos()) == 1


def test_a_session_that_somebody_else_purged_is_gone_here_too(store, review, another):
    store.session(review)
    another.delete([review])
    another.purge()
    for use in (lambda: store.session(review), lambda: store.append(review, "Ada", ev.Joined())):
        with pytest.raises(ReviewError, match="the library has no review session"):
            use()


def test_a_session_that_was_purged_and_imported_again(store, review, another):
    log = store.session(review).log
    store.append(review, "Ada", ev.Noted(text="lost"), ev.Noted(text="lost too"))
    another.delete([review])
    another.purge()
    another.adopt(review, log)
    assert store.session(review).version == 2
    done = [ev.Noted(text=f"new {n}") for n in range(4)]
    state = another.append(review, "Bob", *done)
    assert store.session(review) == state
    assert [event.action for event in store.session(review).log[2:]] == done


# --- files ---


def test_files_of_a_session(store, review):
    digest = store.write_file(review, "prototypes/bbbb0001.png", b"pixels")
    assert digest == hashlib.sha256(b"pixels").hexdigest()
    assert store.read_file(review, "prototypes/bbbb0001.png", digest) == b"pixels"
    assert store.read_file(review, "prototypes/bbbb0001.png") == b"pixels"
    path = store.file(review, "prototypes", "bbbb0001.png")
    assert path == store.folder / review / "prototypes" / "bbbb0001.png"
    assert [found.name for found in path.parent.iterdir()] == ["bbbb0001.png"]
    store.write_file(review, "prototypes/bbbb0001.png", b"others")
    with pytest.raises(LibraryError) as caught:
        store.read_file(review, "prototypes/bbbb0001.png", digest)
    assert str(caught.value) == (
        f"{path} is not what the session has recorded: it was changed outside Protocore; put it "
        "back from a copy, or import the session's bundle again"
    )
    path.unlink()
    with pytest.raises(LibraryError) as caught:
        store.read_file(review, "prototypes/bbbb0001.png", digest)
    assert str(caught.value) == (
        f"{path} is gone (No such file or directory): it was deleted outside Protocore; put it "
        "back from a copy, or import the session's bundle again"
    )


@pytest.mark.parametrize("name", ["../other/events.jsonl", "/etc/passwd", "a/../../b", ".."])
def test_a_file_lies_in_its_session(store, review, name):
    for use in (store.file, store.read_file, lambda *place: store.write_file(*place, b"x")):
        with pytest.raises(LibraryError, match="is not the place of a review session's file"):
            use(review, name)
    for wrong in ("..", "../..", "", ".", "/"):
        with pytest.raises(LibraryError, match="is not the place of a review session's file"):
            store.file(wrong, "events.jsonl")
