"""The database itself: yesterday's schema, empty and lost files, waiting for others."""

import sqlite3
from pathlib import Path

import pytest

from protocore.errors import LibraryError
from protocore.library.database import SCHEMA_VERSION
from protocore.library.jobs import KeptJob
from protocore.library.library import Library
from protocore.review.events import Started
from tests.library.samples import tiny_run


def open_yesterday(home):
    """The library of a user of yesterday: schema 2, as that version wrote it."""
    home.mkdir()
    database = sqlite3.connect(home / "library.sqlite")
    database.executescript((Path(__file__).parent / "schema_2.sql").read_text(encoding="utf-8"))
    database.close()
    return Library(home)


def test_the_library_of_yesterday_opens(tmp_path):
    library = open_yesterday(tmp_path / "home")
    (kept,) = library.prototypes()
    assert (kept.title, kept.tags) == ("my golf ball", ("favourite",))
    assert kept.class_label == "1 · golf ball"
    library.restore(["45c5de50d94da298"])
    assert library.count() == 2
    library.jobs.add(
        KeptJob(id="a" * 16, kind="k", title="new", request={}, queue="q", device="", visitor="")
    )
    assert library.jobs.get("a" * 16).title == "new"
    library.close()
    database = sqlite3.connect(tmp_path / "home" / "library.sqlite")
    assert database.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
    database.close()
    Library(tmp_path / "home").close()


@pytest.mark.parametrize(("version", "way"), [(1, "rename"), (SCHEMA_VERSION + 1, "newer")])
def test_other_versions_are_refused_with_a_way_out(tmp_path, version, way):
    open_yesterday(tmp_path / "home").close()
    database = sqlite3.connect(tmp_path / "home" / "library.sqlite")
    database.execute("UPDATE schema_version SET version = ?", (version,))
    database.commit()
    database.close()
    with pytest.raises(LibraryError, match=f"version {version}.*{way}"):
        Library(tmp_path / "home")


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_or_missing_database_is_read_back_from_the_folders(tmp_path, content):
    home = tmp_path / "home"
    library = Library(home)
    run = library.save_run(tiny_run())
    library.close()
    for path in home.glob("library.sqlite*"):
        path.unlink()
    if content is not None:
        (home / "library.sqlite").write_bytes(content)
    library = Library(home)
    assert [each.id for each in library.runs()] == [run]
    library.close()


def test_reading_back_goes_on_where_a_kill_cut_it_off(tmp_path, monkeypatch):
    home = tmp_path / "home"
    library = Library(home)
    runs = {library.save_run(tiny_run()) for _ in range(3)}
    library.close()
    for path in home.glob("library.sqlite*"):
        path.unlink()
    monkeypatch.setattr(Library, "rebuild", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Library(home)
    monkeypatch.undo()
    library = Library(home)
    assert {each.id for each in library.runs()} == runs
    library.close()


def test_a_database_that_was_deleted_or_replaced_is_noticed_by_every_writer(library):
    file = library.folder / "library.sqlite"
    run = library.save_run(tiny_run())
    file.unlink()
    writes = [
        lambda: library.save_run(tiny_run()),
        lambda: library.delete(library.run(run).prototypes),
        lambda: library.reviews.create("Ada", STARTED),
    ]
    for write in writes:
        with pytest.raises(LibraryError, match="lost"):
            write()
    file.write_bytes(b"")  # another one in its place
    for write in writes:
        with pytest.raises(LibraryError, match="lost"):
            write()


STARTED = Started(
    title="gowns",
    model_link="demo",
    model_title="demo · robust",
    weight_hash="ab" * 32,
    classes=(0, 1),
)
