"""What goes into the library comes out of it, and a failure leaves nothing behind."""

import errno
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from protocore.errors import LibraryError
from protocore.studio import database, folders
from protocore.studio.library import Filter, Library, SavedRun, default_home
from tests.studio import samples
from tests.studio.samples import encoded, key, tiny_prototype, tiny_run


def ids(infos):
    return [info.id for info in infos]


def whole_tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- saving and reading ---


def test_a_saved_run_comes_back(library):
    first, second = tiny_prototype(1), tiny_prototype(2, seed=7, probability=0.4)
    run_id = library.save_run(tiny_run(first, second, note="a note", status="stopped"))
    run = library.run(run_id)
    assert (run.title, run.kind, run.status, run.seconds) == (
        "a tiny run",
        "generation",
        "stopped",
        1.5,
    )
    assert (run.model, run.weights, run.source) == ("tiny", "TEST_V1", "module")
    assert (run.model_title, run.model_link, run.note) == (
        "tiny · TEST_V1",
        "module:tiny",
        "a note",
    )
    assert run.weight_hash == "ab" * 32
    assert not run.damaged
    infos = [library.prototype(i) for i in run.prototypes]
    assert [i.position for i in infos] == [0, 1]
    assert [i.class_label for i in infos] == ["1 · golf ball", "2 · French horn"]
    assert [i.title for i in infos] == ["golf ball · seed 0", "French horn · seed 7"]
    assert [i.probability for i in infos] == [0.9, 0.4]
    assert infos[0].preset == "Paper"
    assert infos[0].key == key(1)
    loaded = library.load_prototype(infos[1].id)
    assert np.array_equal(loaded.image, second.image)
    assert loaded.record == second.record


def test_the_files_lie_where_people_look_for_them(library):
    run_id = library.save_run(tiny_run(tiny_prototype(1)))
    assert whole_tree(library.runs_folder) == [
        f"{run_id}/curves/0.json",
        f"{run_id}/frames/0/000000.jpg",
        f"{run_id}/frames/0/000004.webp",
        f"{run_id}/manifest.json",
        f"{run_id}/state.json",
        f"{run_id}/state.safetensors",
        f"{run_id}/tiny_1_golf-ball_seed0.json",
        f"{run_id}/tiny_1_golf-ball_seed0.png",
    ]


def test_frames_and_curves_come_back(library):
    frames = [[(128, encoded("WEBP")), (2, encoded("JPEG")), (1_000_000, encoded("PNG"))]]
    curves = [{"step": [0, 1], "hf_loss": [0.1, float("nan")], "top_index": [[3, 1], [1, 3]]}]
    run_id = library.save_run(tiny_run(frames=frames, curves=curves))
    prototype_id = library.run(run_id).prototypes[0]
    found = library.frames(prototype_id)
    assert [frame.step for frame in found] == [2, 128, 1_000_000]
    assert found[1].path.read_bytes() == frames[0][0][1]
    arrays = library.curves(prototype_id)
    assert arrays["step"].tolist() == [0, 1]
    assert arrays["top_index"].tolist() == [[3, 1], [1, 3]]
    assert arrays["hf_loss"][0] == 0.1
    assert np.isnan(arrays["hf_loss"][1])


def test_a_run_without_frames_curves_and_state(library):
    run_id = library.save_run(SavedRun(title="bare", prototypes=(tiny_prototype(),)))
    prototype_id = library.run(run_id).prototypes[0]
    assert library.frames(prototype_id) == ()
    assert library.curves(prototype_id) == {}
    assert library.state_files(run_id) is None


def test_the_state_to_continue_from(library):
    run_id = library.save_run(tiny_run())
    state, info = library.state_files(run_id)
    assert state.read_bytes() == b"not really safetensors"
    assert info.read_text() == '{\n  "step": 4\n}'


def test_prototypes_of_one_class_and_seed_do_not_overwrite_each_other(library):
    run_id = library.save_run(tiny_run(tiny_prototype(), tiny_prototype(tuned=True)))
    loaded = [library.load_prototype(i) for i in library.run(run_id).prototypes]
    assert [len(prototype.record.history) for prototype in loaded] == [1, 2]


def test_a_class_name_of_any_length_or_script(library, monkeypatch):
    monkeypatch.setitem(samples.NAMES, 5, "é/../" + "x" * 250)
    run_id = library.save_run(tiny_run(tiny_prototype(5)))
    info = library.prototype(library.run(run_id).prototypes[0])
    assert info.picture.parent == library.runs_folder / run_id
    assert library.load_prototype(info.id).record.class_name == "é/../" + "x" * 250


def test_a_run_is_not_lost_for_a_long_title(library):
    run_id = library.save_run(tiny_run(title="t" * 201, preset="p" * 101))
    assert library.run(run_id).title == "t" * 199 + "…"
    assert library.prototypes()[0].preset == "p" * 99 + "…"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"frames": [[], []]},
            "frames must be given for each of the 1 prototypes or not at all, got 2",
        ),
        (
            {"curves": [{"step": [0, 1], "logit": [1.0]}]},
            "curves need 'step' and arrays of its length, got lengths {'step': 2, 'logit': 1}",
        ),
        (
            {"frames": [[(0, b"GIF89a")]]},
            "a frame must be a JPEG, PNG or WebP file, it starts with b'GIF8'",
        ),
        ({"kind": "k" * 41}, "a kind must have <= 40 characters, got 41"),
    ],
)
def test_what_does_not_fit_together_is_refused(library, changes, message):
    with pytest.raises(LibraryError) as caught:
        library.save_run(tiny_run(**changes))
    assert str(caught.value) == message
    assert list(library.runs_folder.iterdir()) == []
    assert library.runs() == ()


def test_a_run_without_prototypes_is_refused(library):
    with pytest.raises(LibraryError, match="a run needs at least one prototype, got none"):
        library.save_run(SavedRun(title="empty", prototypes=()))


def test_unknown_identifiers(library):
    with pytest.raises(LibraryError) as caught:
        library.prototype("nothing")
    assert str(caught.value) == (
        "the library has no prototype 'nothing'; it was deleted for good, or belongs to another "
        "library folder (PROTOCORE_HOME)"
    )
    with pytest.raises(LibraryError, match="the library has no run 'nothing'"):
        library.run("nothing")


# --- finding ---


@pytest.fixture
def filled(library):
    """Three runs of two models: tench and golf ball; horn; golf ball again."""
    library.save_run(tiny_run(tiny_prototype(0), tiny_prototype(1, probability=0.2)))
    library.save_run(tiny_run(tiny_prototype(2, probability=0.5), title="brass"))
    library.save_run(tiny_run(tiny_prototype(1, model="other", probability=0.7)))
    return library


def titles(library, *, sort="oldest", **wanted):
    return [f"{i.model} {i.class_name}" for i in library.prototypes(Filter(**wanted), sort=sort)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["tiny tench", "tiny golf ball", "tiny French horn", "other golf ball"]),
        ({"model": "other · TEST_V1"}, ["other golf ball"]),
        ({"class_label": "1 · golf ball"}, ["tiny golf ball", "other golf ball"]),
        ({"class_label": "1 · golf ball", "model": "tiny · TEST_V1"}, ["tiny golf ball"]),
        ({"text": "GOLF"}, ["tiny golf ball", "other golf ball"]),
        ({"text": "golf other"}, ["other golf ball"]),
        ({"text": "brass"}, ["tiny French horn"]),
        ({"text": "paper tench"}, ["tiny tench"]),
        ({"text": "%"}, []),
        ({"text": "_"}, ["tiny tench", "tiny golf ball", "tiny French horn", "other golf ball"]),
        ({"tag": "nothing"}, []),
        ({"deleted": True}, []),
    ],
)
def test_filters(filled, wanted, expected):
    assert titles(filled, **wanted) == expected
    assert filled.count(Filter(**wanted)) == len(expected)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("newest", ["other golf ball", "tiny French horn", "tiny tench", "tiny golf ball"]),
        ("class", ["tiny tench", "other golf ball", "tiny golf ball", "tiny French horn"]),
        ("probability", ["tiny tench", "other golf ball", "tiny French horn", "tiny golf ball"]),
        ("title", ["tiny French horn", "golf ball", "golf ball", "tiny tench"]),
    ],
)
def test_orders(filled, sort, expected):
    found = titles(filled, sort=sort)
    if sort == "title":  # two have the same title, their order is not promised
        found[1:3] = [title.split(" ", 1)[1] for title in found[1:3]]
    assert found == expected


def test_sorting_by_similarity_puts_unmeasured_ones_last(filled):
    newest = filled.prototypes(sort="newest")
    filled.set_naturalness(newest[2].id, {"similarity": 0.5, "layers": "all"})
    filled.set_naturalness(newest[3].id, {"similarity": 0.7})
    found = filled.prototypes(sort="similarity")
    assert [info.similarity for info in found] == [0.7, 0.5, None, None]
    assert found[1].naturalness == {"similarity": 0.5, "layers": "all"}


def test_an_unknown_order_is_refused(library):
    with pytest.raises(LibraryError) as caught:
        library.prototypes(sort="beauty")
    assert str(caught.value) == (
        "sort must be one of newest, oldest, class, title, probability, similarity, got 'beauty'"
    )


def test_pages_do_not_overlap(filled):
    everything = ids(filled.prototypes())
    pages = [ids(filled.prototypes(limit=3, offset=offset)) for offset in (0, 3)]
    assert [len(page) for page in pages] == [3, 1]
    assert pages[0] + pages[1] == everything


def test_facets(filled):
    horn = filled.prototypes(Filter(text="horn"))[0]
    filled.set_tags(horn.id, ["music", "brass"])
    facets = filled.facets()
    assert facets.models == {"other · TEST_V1": 1, "tiny · TEST_V1": 3}
    assert facets.classes == {"0 · tench": 1, "1 · golf ball": 2, "2 · French horn": 1}
    assert list(facets.classes) == ["0 · tench", "1 · golf ball", "2 · French horn"]
    assert facets.tags == {"brass": 1, "music": 1}
    filled.delete([horn.id])
    assert filled.facets().tags == {}
    assert filled.facets(deleted=True).classes == {"2 · French horn": 1}


def test_runs_newest_first(filled):
    runs = filled.runs()
    assert [run.model for run in runs] == ["other", "tiny", "tiny"]
    assert [len(run.prototypes) for run in runs] == [1, 1, 2]
    assert filled.runs(limit=1, offset=1) == (runs[1],)
    filled.delete(runs[1].prototypes)
    assert [run.id for run in filled.runs()] == [runs[0].id, runs[2].id]


def test_find_gives_only_what_would_be_made_again(library):
    whole = tiny_prototype(0)
    library.save_run(tiny_run(whole, tiny_prototype(1, tuned=True)))
    library.save_run(tiny_run(tiny_prototype(2, completed=False)))
    found = library.find([key(0), key(1), key(2), "unknown"])
    assert list(found) == [key(0)]
    assert library.load_prototype(found[key(0)]).record == whole.record
    library.delete(found.values())
    assert library.find([key(0)]) == {}


def test_find_prefers_the_newest_whose_files_are_there(library):
    library.save_run(tiny_run(tiny_prototype(0)))
    newer = library.save_run(tiny_run(tiny_prototype(0)))
    assert library.prototype(library.find([key(0)])[key(0)]).run_id == newer
    shutil.rmtree(library.runs_folder / newer)
    assert library.prototype(library.find([key(0)])[key(0)]).run_id != newer


def test_find_with_thousands_of_keys(library):
    library.save_run(tiny_run(tiny_prototype(1)))
    assert list(library.find([key(i) for i in range(3000)])) == [key(1)]


# --- changing ---


def test_rename_and_tags(library):
    info = library.prototypes(Filter(run_id=library.save_run(tiny_run())))[0]
    library.rename(info.id, "  the white  ball ")
    library.set_tags(info.id, ["sport", " round  thing ", "sport", ""])
    library.set_tags(info.id, ["sport", "ball"])
    changed = library.prototype(info.id)
    assert changed.title == "the white ball"
    assert changed.tags == ("ball", "sport")
    assert library.prototypes(Filter(tag="sport")) == (changed,)
    assert library.prototypes(Filter(text="whit spor")) == (changed,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lib, i: lib.rename(i, "  "), "a title must have 1 to 200 characters, got 0"),
        (
            lambda lib, i: lib.rename(i, "x" * 201),
            "a title must have 1 to 200 characters, got 201",
        ),
        (lambda lib, i: lib.set_tags(i, ["x" * 51]), "a tag must have <= 50 characters, got 51"),
        (
            lambda lib, i: lib.set_naturalness(i, {"similarity": float("nan")}),
            "naturalness must be plain and finite JSON values: "
            "Out of range float values are not JSON compliant",
        ),
    ],
)
def test_impossible_changes_change_nothing(library, change, message):
    before = library.prototypes(Filter(run_id=library.save_run(tiny_run())))[0]
    with pytest.raises(LibraryError) as caught:
        change(library, before.id)
    assert str(caught.value).startswith(message)
    assert library.prototype(before.id) == before


def test_delete_restore_and_purge(library):
    run_id = library.save_run(tiny_run(tiny_prototype(0), tiny_prototype(1)))
    first, second = library.run(run_id).prototypes
    library.thumbnail(first)
    library.delete([first])
    assert ids(library.prototypes()) == [second]
    assert ids(library.prototypes(Filter(deleted=True))) == [first]
    assert library.run(run_id).prototypes == (second,)
    library.restore([first])
    assert sorted(ids(library.prototypes())) == sorted([first, second])

    library.delete([first])
    assert library.purge() == 1
    assert library.count(Filter(deleted=True)) == 0
    assert whole_tree(library.runs_folder) == [
        f"{run_id}/curves/1.json",
        f"{run_id}/frames/1/000000.jpg",
        f"{run_id}/frames/1/000004.webp",
        f"{run_id}/manifest.json",
        f"{run_id}/tiny_1_golf-ball_seed0.json",
        f"{run_id}/tiny_1_golf-ball_seed0.png",
    ]
    assert whole_tree(library.folder / "cache") == []
    with pytest.raises(LibraryError, match="the library has no prototype"):
        library.prototype(first)

    library.delete([second])
    assert library.purge() == 1
    assert list(library.runs_folder.iterdir()) == []
    with pytest.raises(LibraryError, match="the library has no run"):
        library.run(run_id)
    assert library.purge() == 0


def test_deleting_an_unknown_one_deletes_nothing(library):
    info = library.prototypes(Filter(run_id=library.save_run(tiny_run())))[0]
    with pytest.raises(LibraryError, match="the library has no prototype 'unknown'"):
        library.delete([info.id, "unknown"])
    assert library.prototypes() == (info,)


def test_thumbnails_are_small_and_made_once(library):
    run_id = library.save_run(tiny_run(tiny_prototype(size=500)))
    prototype_id = library.run(run_id).prototypes[0]
    thumbnail = library.thumbnail(prototype_id)
    with Image.open(thumbnail) as image:
        assert (image.format, image.size) == ("WEBP", (192, 192))
    made = thumbnail.stat().st_mtime_ns
    assert library.thumbnail(prototype_id) == thumbnail
    assert thumbnail.stat().st_mtime_ns == made
    assert list(thumbnail.parent.iterdir()) == [thumbnail]


def test_without_room_for_a_thumbnail_the_image_is_shown(library, monkeypatch):
    run_id = library.save_run(tiny_run())
    info = library.prototype(library.run(run_id).prototypes[0])
    monkeypatch.setattr(folders, "write_thumbnail", full_disk)
    assert library.thumbnail(info.id) == info.picture


def test_usage_counts_every_file(library):
    before = library.usage()
    library.save_run(tiny_run(state=bytes(100_000)))
    assert 100_000 < library.usage() - before < 200_000


def test_cache_paths_depend_on_kind_key_and_suffix(library):
    paths = {
        library.cache_path(*arguments)
        for arguments in [("a", "k", ".x"), ("b", "k", ".x"), ("a", "l", ".x"), ("a", "k", ".y")]
    }
    assert len(paths) == 4
    assert library.cache_path("../up", "../../k", ".npz").is_relative_to(library.folder / "cache")
    assert library.cache_path("a", "k", ".x") == library.cache_path("a", "k", ".x")


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
    assert default_home() == Path.home() / ".protocore"
    monkeypatch.setenv("PROTOCORE_HOME", str(tmp_path / "elsewhere"))
    assert default_home() == tmp_path / "elsewhere"


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
        "written by a newer Protocore; this one reads up to version 1: update Protocore, or set "
        "PROTOCORE_HOME to another folder"
    )


def test_an_older_database_is_migrated(library, monkeypatch):
    library.save_run(tiny_run())

    def to_version_2(connection):
        connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN colour TEXT DEFAULT 'red'")

    monkeypatch.setattr(database, "SCHEMA_VERSION", 2)
    monkeypatch.setitem(database.MIGRATIONS, 1, to_version_2)
    for _ in range(2):  # the second time there is nothing left to do
        again = Library(library.folder)
        assert again.count() == 1
        again.close()
    with sqlite3.connect(library.folder / "library.sqlite") as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(2,)]
        assert connection.execute("SELECT colour FROM runs").fetchall() == [("red",)]
    connection.close()


def test_a_migration_that_fails_changes_nothing(library, monkeypatch):
    def broken(connection):
        connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN colour TEXT")
        connection.exec_driver_sql("ALTER TABLE missing ADD COLUMN colour TEXT")

    monkeypatch.setattr(database, "SCHEMA_VERSION", 2)
    monkeypatch.setitem(database.MIGRATIONS, 1, broken)
    with pytest.raises(LibraryError, match="no such table: missing"):
        Library(library.folder)
    with sqlite3.connect(library.folder / "library.sqlite") as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
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
