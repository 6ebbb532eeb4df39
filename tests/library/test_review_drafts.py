"""Drafts: what was begun and not handed in, one for each reviewer and form."""

import os

import pytest

from protocore.errors import LibraryError
from protocore.library.review_bundle import export_review
from protocore.library.review_drafts import Drafts
from tests.cohorts import makers

VALUES = {"statement": "$x$ <b>é 🙂", "rivals": [1, 2], "smallest": 0.05, "known": None}


@pytest.fixture
def empty(store):
    """A session in which nothing was looked at yet."""
    return store.create("Ada", makers.started())


def test_a_draft_is_there_for_another_process_until_it_is_dropped(store, another, empty):
    assert Drafts(store).load(empty, "Ada", "claim new") == {}
    Drafts(store).save(empty, "Ada", "claim new", VALUES)
    assert Drafts(another).load(empty, "Ada", "claim new") == VALUES
    Drafts(store).save(empty, "Ada", "claim new", VALUES | {"smallest": 0.1})
    assert Drafts(another).load(empty, "Ada", "claim new")["smallest"] == 0.1
    Drafts(store).clear(empty, "Ada", "claim new")
    assert Drafts(another).load(empty, "Ada", "claim new") == {}
    Drafts(store).clear(empty, "Ada", "claim new")


def test_drafts_are_of_one_reviewer_one_form_one_session(store, empty):
    other = store.create("Ada", makers.started())
    Drafts(store).save(empty, "Ada", "claim new", {"why": "mine"})
    for review, author, form in (
        (empty, "Ben", "claim new"),
        (empty, "Ada", "claim c1a1c1a1"),
        (other, "Ada", "claim new"),
    ):
        assert Drafts(store).load(review, author, form) == {}
    Drafts(store).save(empty, "Ben", "claim new", {"why": "his"})
    assert Drafts(store).load(empty, "Ada", "claim new") == {"why": "mine"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "é" * 60, "<script>", ""])
def test_names_of_reviewers_are_no_places(store, empty, name):
    Drafts(store).save(empty, name, "../x", {"why": name})
    assert Drafts(store).load(empty, name, "../x") == {"why": name}
    (path,) = store.file(empty, "drafts").iterdir()
    assert len(path.name) == 64 + len(".json")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_draft_that_cannot_be_read_is_none(store, empty, content):
    Drafts(store).save(empty, "Ada", "f", VALUES)
    (path,) = store.file(empty, "drafts").iterdir()
    path.write_bytes(content)
    assert Drafts(store).load(empty, "Ada", "f") == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_draft_that_cannot_be_written_is_explained(store, empty):
    folder = store.file(empty)
    folder.chmod(0o500)
    try:
        with pytest.raises(LibraryError):
            Drafts(store).save(empty, "Ada", "f", VALUES)
    finally:
        folder.chmod(0o700)


def test_no_draft_travels_with_a_bundle(store, library, empty, tmp_path):
    Drafts(store).save(empty, "Ada", "f", {"why": "between us: SECRET"})
    target = export_review(library, empty, tmp_path / "x.protocore-review")
    assert b"SECRET" not in target.read_bytes() and b"drafts" not in target.read_bytes()
