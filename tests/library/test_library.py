"""What goes into the library comes out of it, and a failure leaves nothing behind."""

import numpy as np
import pytest
from PIL import Image

from protocore.errors import LibraryError
from protocore.library.library import Filter, SavedRun
from tests.library import samples
from tests.library.samples import encoded, key, tiny_prototype, tiny_run


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
