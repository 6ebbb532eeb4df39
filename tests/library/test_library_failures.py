"""The library when something goes wrong, elsewhere, or in many hands at once."""

import errno
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from PIL import Image

from protocore.errors import LibraryError
from protocore.files import home_folder
from protocore.library import database, folders
from protocore.library.library import Filter, Library
from tests.library.samples import tiny_prototype, tiny_run

VERSION = database.SCHEMA_VERSION


def whole_tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- when something goes wrong ---


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "method",
    [
        (Image.Image, "save"),  # the PNG
        (Path, "write_bytes"),  # frames and state
        (Path, "write_text"),  # record, curves and manifest
        (Path, "mkdir"),
        (Path, "rename"),  # into place
    ],
)
def test_a_full_disk_leaves_nothing_behind(library, monkeypatch, method):
    library.save_run(tiny_run(tiny_prototype(0)))
    before = whole_tree(library.runs_folder)
    run = tiny_run(tiny_prototype(1))
    with monkeypatch.context() as patch:
        patch.setattr(*method, full_disk)
        with pytest.raises(LibraryError) as caught:
            library.save_run(run)
    assert str(caught.value) == (
        f"the disk of {library.runs_folder} is full (No space left on device), nothing was "
        "saved; empty the Library's trash or make room, then try again"
    )
    assert whole_tree(library.runs_folder) == before
    assert len(list(library.runs_folder.iterdir())) == 1
    assert library.count() == 1
    library.save_run(run)  # still usable
    assert library.count() == 2


def test_a_database_that_fails_leaves_no_files(library, monkeypatch):
    library.save_run(tiny_run())
    other = sqlite3.connect(library.folder / "library.sqlite", isolation_level=None)
    library._database._engine.dispose()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LibraryError) as caught:
        library.save_run(tiny_run())
    other.execute("ROLLBACK")
    other.close()
    assert str(caught.value) == (
        f"the library's database {library.folder / 'library.sqlite'} has been in use by another "
        "program for 0 seconds; try again, and close other programs that have it open"
    )
    assert len(list(library.runs_folder.iterdir())) == 1
    assert library.count() == 1


def test_reading_goes_on_while_another_program_writes(library):
    library.save_run(tiny_run())
    other = sqlite3.connect(library.folder / "library.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM prototypes")
    assert library.count() == 1
    other.execute("ROLLBACK")
    other.close()


def test_a_damaged_database_can_be_built_again(library):
    run_id = library.save_run(tiny_run(tiny_prototype(0), tiny_prototype(1)))
    kept, trashed = library.run(run_id).prototypes
    library.rename(kept, "my fish")
    library.set_tags(kept, ["fish"])
    library.set_naturalness(kept, {"similarity": 0.6})
    library.delete([trashed])
    before, trash = library.prototype(kept), library.prototype(trashed)
    library.close()
    path = library.folder / "library.sqlite"
    path.with_name("library.sqlite-wal").unlink(missing_ok=True)
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(LibraryError) as caught:
        Library(library.folder)
    assert str(caught.value) == (
        f"the library's database {path} is damaged (file is not a database); rename the file "
        "and start again: the runs are then read back from their folders, with titles and tags"
    )
    path.rename(path.with_suffix(".damaged"))
    again = Library(library.folder)
    assert again.prototypes() == (before,)
    assert again.prototypes(Filter(deleted=True)) == (trash,)
    assert again.rebuild() == 0
    again.close()


def test_rebuilding_passes_over_what_cannot_be_read(library, caplog):
    good, bad = (library.save_run(tiny_run(tiny_prototype(i))) for i in range(2))
    library.close()
    (library.runs_folder / bad / "manifest.json").write_text('{"format": "protocore run"}')
    (library.folder / "library.sqlite").unlink()
    again = Library(library.folder)
    assert [run.id for run in again.runs()] == [good]
    assert f"{bad} was not entered into the library" in caplog.text
    again.close()


def test_a_run_folder_deleted_by_hand(library):
    run_id = library.save_run(tiny_run())
    info = library.prototype(library.run(run_id).prototypes[0])
    shutil.rmtree(library.runs_folder / run_id)
    assert library.run(run_id).damaged
    assert library.prototypes()[0].damaged
    assert library.thumbnail(info.id) == info.picture
    with pytest.raises(LibraryError) as caught:
        library.load_prototype(info.id)
    assert str(caught.value) == (
        f"the files of 'golf ball · seed 0' are gone from {library.runs_folder / run_id}, they "
        "were deleted outside Protocore; put them back from a copy, or delete the entry in the "
        "Library"
    )
    library.delete([info.id])
    assert library.purge() == 1
    assert library.count() == 0


def test_a_library_whose_folder_vanished(library):
    shutil.rmtree(library.folder)
    with pytest.raises(LibraryError) as caught:
        library.save_run(tiny_run())
    assert str(caught.value) == (
        f"the library folder has lost {library.runs_folder}: it was deleted, or its disk is no "
        "longer connected; bring it back, or start the app again to begin a new library"
    )
    assert not library.folder.exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LibraryError) as caught:
        Library(tmp_path / "file" / "home")
    assert str(caught.value) == (
        f"the library folder {tmp_path / 'file' / 'home'} cannot be used (Not a directory), "
        "nothing was saved; check that it exists and its disk is connected, or set "
        "PROTOCORE_HOME to another folder"
    )


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(LibraryError) as caught:
        Library(tmp_path / "home")
    assert str(caught.value) == (
        f"{tmp_path / 'home'} cannot be written (Permission denied), nothing was saved; change "
        "its permissions or set PROTOCORE_HOME to a folder of your own"
    )


def test_abandoned_drafts_are_swept_at_the_next_start(library):
    old, fresh = (library.runs_folder / f".new-{name}" for name in ("old", "fresh"))
    for draft in (old, fresh):
        draft.mkdir()
        (draft / "half.png").write_bytes(b"half")
    os.utime(old, (0, 0))
    Library(library.folder).close()
    assert [path.name for path in library.runs_folder.iterdir()] == [".new-fresh"]


# --- places and versions ---


def test_the_default_home(monkeypatch, tmp_path):
    monkeypatch.delenv("PROTOCORE_HOME", raising=False)
    assert home_folder() == Path.home() / ".protocore"
    monkeypatch.setenv("PROTOCORE_HOME", str(tmp_path / "elsewhere"))
    assert home_folder() == tmp_path / "elsewhere"


def test_the_database_may_lie_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("PROTOCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROTOCORE_DATABASE_URL", f"sqlite:///{tmp_path / 'other.sqlite'}")
    library = Library.open_default()
    library.save_run(tiny_run())
    library.close()
    assert not (tmp_path / "home" / "library.sqlite").exists()
    again = Library.open_default()
    assert again.count() == 1
    again.close()


@pytest.mark.parametrize("url", ["nonsense", "oracle+nothing://host/db"])
def test_a_database_url_that_cannot_be_used(tmp_path, url):
    with pytest.raises(LibraryError, match="PROTOCORE_DATABASE_URL is not a database that can be"):
        Library(tmp_path, url)


def test_a_folder_with_odd_characters(tmp_path):
    library = Library(tmp_path / "ä b%20?c#d")
    library.save_run(tiny_run())
    assert library.count() == 1
    assert (tmp_path / "ä b%20?c#d" / "library.sqlite").is_file()
    library.close()


def test_a_newer_database_is_refused(library):
    with sqlite3.connect(library.folder / "library.sqlite") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    with pytest.raises(LibraryError) as caught:
        Library(library.folder)
    assert str(caught.value) == (
        f"the library's database {library.folder / 'library.sqlite'} has version 99 and was "
        f"written by a newer Protocore; this one reads up to version {VERSION}: update Protocore, "
        "or set PROTOCORE_HOME to another folder"
    )


def test_an_older_database_is_migrated(library, monkeypatch):
    library.save_run(tiny_run())

    def add_a_column(connection):
        connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN colour TEXT DEFAULT 'red'")

    monkeypatch.setattr(database, "SCHEMA_VERSION", VERSION + 1)
    monkeypatch.setitem(database.MIGRATIONS, VERSION, add_a_column)
    for _ in range(2):  # the second time there is nothing left to do
        again = Library(library.folder)
        assert again.count() == 1
        again.close()
    with sqlite3.connect(library.folder / "library.sqlite") as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [
            (VERSION + 1,)
        ]
        assert connection.execute("SELECT colour FROM runs").fetchall() == [("red",)]
    connection.close()


def test_a_migration_that_fails_changes_nothing(library, monkeypatch):
    def broken(connection):
        connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN colour TEXT")
        connection.exec_driver_sql("ALTER TABLE missing ADD COLUMN colour TEXT")

    monkeypatch.setattr(database, "SCHEMA_VERSION", VERSION + 1)
    monkeypatch.setitem(database.MIGRATIONS, VERSION, broken)
    with pytest.raises(LibraryError, match="no such table: missing"):
        Library(library.folder)
    with sqlite3.connect(library.folder / "library.sqlite") as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(VERSION,)]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    connection.close()
    assert "colour" not in columns


def test_many_threads_may_save_tag_and_delete(library):
    errors = []

    def work(number):
        try:
            for step in range(3):
                run_id = library.save_run(tiny_run(tiny_prototype(number, step), state=None))
                prototype_id = library.run(run_id).prototypes[0]
                library.set_tags(prototype_id, [f"thread {number}"])
                library.prototypes(Filter(tag=f"thread {number}"))
                if step == 0:
                    library.delete([prototype_id])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert library.count() == 12
    assert library.count(Filter(deleted=True)) == 6
    assert set(library.facets().tags.values()) == {2}


def test_without_room_for_a_thumbnail_the_image_is_shown(library, monkeypatch):
    run_id = library.save_run(tiny_run())
    info = library.prototype(library.run(run_id).prototypes[0])
    monkeypatch.setattr(folders, "write_thumbnail", full_disk)
    assert library.thumbnail(info.id) == info.picture
