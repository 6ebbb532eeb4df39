"""A bundle brings everything along; what is not a whole and honest bundle is refused."""

import errno
import hashlib
import io
import json
import os
import pickle
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from protocore.errors import BundleError, LibraryError
from protocore.library import archive, bundle
from protocore.library.bundle import ImportReport, export_bundle, import_bundle
from protocore.library.library import Filter, Library
from tests.library.samples import encoded, tiny_prototype, tiny_run


@pytest.fixture
def other(tmp_path):
    other = Library(tmp_path / "other home")
    yield other
    other.close()


@pytest.fixture
def run_id(library):
    return library.save_run(tiny_run(tiny_prototype(0), tiny_prototype(1), note="to share"))


@pytest.fixture
def exported(library, run_id, tmp_path):
    """A bundle of a run of two prototypes."""
    return export_bundle(library, library.run(run_id).prototypes, tmp_path / "a.protocore.zip")


def everything(library):
    return library.prototypes(), library.prototypes(Filter(deleted=True)), library.runs()


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(path, files, *, honest=True):
    """A zip of these files, with an index that fits them unless told otherwise."""
    if honest and "bundle.json" in files:
        index = json.loads(files["bundle.json"])
        index["files"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
            if name != "bundle.json"
        }
        files = {**files, "bundle.json": json.dumps(index).encode()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def refused(library, path):
    """The message with which an import is refused, after checking that nothing happened."""
    before = everything(library)
    with pytest.raises(BundleError) as caught:
        import_bundle(library, path)
    assert everything(library) == before
    assert not list(library.runs_folder.glob(".new-*"))
    return str(caught.value)


# --- there and back ---


def test_a_bundle_brings_everything_along(library, other, run_id, tmp_path):
    first, second = library.run(run_id).prototypes
    library.rename(first, "my fish")
    library.set_tags(first, ["fish"])
    library.set_naturalness(first, {"similarity": 0.6, "layers": "all"})
    path = export_bundle(library, [first, second], tmp_path / "x" / "two.protocore.zip")
    report = import_bundle(other, path)
    assert report == ImportReport(runs=(run_id,), prototypes=(first, second), known=0, in_trash=0)
    assert report.sentence == "2 prototypes imported."
    for prototype_id in (first, second):
        mine, theirs = library.prototype(prototype_id), other.prototype(prototype_id)
        assert theirs.title == mine.title
        assert (theirs.tags, theirs.naturalness) == (mine.tags, mine.naturalness)
        loaded, original = other.load_prototype(prototype_id), library.load_prototype(prototype_id)
        assert np.array_equal(loaded.image, original.image)
        assert loaded.record == original.record
        assert [f.step for f in other.frames(prototype_id)] == [0, 4]
        assert other.curves(prototype_id)["logit"].tolist() == [1, 2, 3]
    assert other.run(run_id).note == "to share"
    assert other.run(run_id).created == library.run(run_id).created
    assert other.state_files(run_id) is None


def test_a_bundle_may_come_as_an_open_file(other, exported):
    assert len(import_bundle(other, io.BytesIO(exported.read_bytes())).prototypes) == 2


def test_only_what_is_selected_goes_along(library, other, run_id, tmp_path):
    second = library.run(run_id).prototypes[1]
    path = export_bundle(library, [second], tmp_path / "one.protocore.zip")
    assert sorted(contents(path)) == [
        "bundle.json",
        f"runs/{run_id}/curves/1.json",
        f"runs/{run_id}/frames/1/000000.jpg",
        f"runs/{run_id}/frames/1/000004.webp",
        f"runs/{run_id}/manifest.json",
        f"runs/{run_id}/tiny_1_golf-ball_seed0.json",
        f"runs/{run_id}/tiny_1_golf-ball_seed0.png",
    ]
    import_bundle(other, path)
    assert [info.id for info in other.prototypes()] == [second]


def test_what_is_here_already_is_not_doubled(library, exported):
    before = everything(library)
    report = import_bundle(library, exported)
    assert report == ImportReport(runs=(), prototypes=(), known=2, in_trash=0)
    assert report.sentence == "0 prototypes imported, 2 prototypes were here already."
    assert everything(library) == before


def test_what_is_in_the_trash_stays_there_and_is_said(library, exported, run_id):
    library.delete(library.run(run_id).prototypes[:1])
    report = import_bundle(library, exported)
    assert report.sentence == (
        "0 prototypes imported, 2 prototypes were here already (1 in the trash: restore what "
        "you want back)."
    )
    assert library.count() == 1


def test_the_missing_part_of_a_run_becomes_a_run(library, other, exported, run_id, tmp_path):
    first, second = library.run(run_id).prototypes
    import_bundle(other, export_bundle(library, [first], tmp_path / "first.protocore.zip"))
    report = import_bundle(other, exported)
    assert (report.prototypes, report.known) == ((second,), 1)
    assert report.sentence == "1 prototype imported, 1 prototype was here already."
    assert report.runs != (run_id,)
    assert other.run(run_id).prototypes == (first,)
    assert other.run(report.runs[0]).prototypes == (second,)
    assert other.frames(second)[0].path.parent == other.runs_folder / report.runs[0] / "frames/1"
    assert not other.prototype(second).damaged


def test_an_export_from_the_trash_arrives_outside_it(library, other, run_id, tmp_path):
    first = library.run(run_id).prototypes[0]
    library.delete([first])
    import_bundle(other, export_bundle(library, [first], tmp_path / "t.protocore.zip"))
    assert [info.id for info in other.prototypes()] == [first]


def test_exports_to_fetch_are_kept_for_a_day(library, run_id):
    first, second = library.run(run_id).prototypes
    old = bundle.export_to_cache(library, [first])
    os.utime(old, (0, 0))
    fresh = bundle.export_to_cache(library, [second])
    assert bundle.export_to_cache(library, [second, second]) == fresh
    assert not old.exists()
    assert fresh.is_relative_to(library.folder / "cache")
    assert len([name for name in contents(fresh) if name.endswith(".png")]) == 1


# --- export that fails ---


def test_nothing_selected(library, tmp_path):
    with pytest.raises(BundleError) as caught:
        export_bundle(library, [], tmp_path / "x.zip")
    assert str(caught.value) == "a bundle needs at least one prototype, got none; select some"


def test_an_export_of_missing_files_keeps_the_old_export(library, exported, run_id):
    old = exported.read_bytes()
    info = library.prototypes()[0]
    info.picture.unlink()
    with pytest.raises(LibraryError) as caught:
        export_bundle(library, library.run(run_id).prototypes, exported)
    assert str(caught.value) == (
        f"{info.title!r} cannot be exported: its files are gone from {info.picture.parent}; "
        "leave it out"
    )
    assert exported.read_bytes() == old
    assert [p.name for p in exported.parent.glob("*.zip*")] == [exported.name]
    assert not list(exported.parent.glob(".*"))


def test_an_export_onto_a_full_disk(library, run_id, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive.BundleWriter, "add", full)
    with pytest.raises(LibraryError, match=r"the disk of .* is full \(No space left on device\)"):
        export_bundle(library, library.run(run_id).prototypes, tmp_path / "full" / "x.zip")
    assert list((tmp_path / "full").iterdir()) == []


# --- files that are no bundles ---


def test_a_file_that_does_not_exist(library, tmp_path):
    message = refused(library, tmp_path / "none.zip")
    assert message == f"there is no file {tmp_path / 'none.zip'}; check its name and folder"


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", encoded("PNG"), pickle.dumps({"a": 1})], ids=len
)
def test_a_file_that_is_no_zip(library, tmp_path, content):
    path = tmp_path / "x.protocore.zip"
    path.write_bytes(content)
    assert refused(library, path) == (
        "this file is not a whole zip archive (File is not a zip file); a bundle is a file that "
        "Protocore exported, named ….protocore.zip: get it again, it may have been cut off"
    )


def test_a_truncated_bundle(other, exported):
    exported.write_bytes(exported.read_bytes()[:-200])
    assert "this file is not a whole zip archive" in refused(other, exported)


def test_a_damaged_byte(other, exported):
    data = bytearray(exported.read_bytes())
    data[200] ^= 0xFF  # within the first file, which is stored as it is
    exported.write_bytes(data)
    assert "Bad CRC-32" in refused(other, exported)


def test_a_foreign_zip(other, tmp_path):
    path = rebuilt(tmp_path / "x.zip", {"readme.txt": b"hello"})
    assert refused(other, path) == (
        "this zip archive is not a Protocore bundle: it has no bundle.json; import a file that "
        "Protocore exported, named ….protocore.zip"
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (b"{", "bundle.json is not the index of a bundle: JSONDecodeError"),
        (b"[]", "bundle.json is not the index of a bundle: TypeError"),
        (b"[" * 100_000, "bundle.json is not the index of a bundle: RecursionError"),
        (
            b'{"format": "protocore bundle", "version": 1, "files": {"a": 1}}',
            "bundle.json is not the index of a bundle: TypeError",
        ),
        (
            b'{"format": "another", "version": 1, "files": {}}',
            "bundle.json says 'another', not 'protocore bundle'",
        ),
        (
            b'{"format": "protocore bundle", "version": 2, "files": {}}',
            "the bundle has version 2, this Protocore reads version 1; update Protocore, or ask "
            "for an export of the older version",
        ),
        (
            b'{"format": "protocore bundle", "version": 1, "files": {}}',
            "the bundle is empty; export again with something selected",
        ),
    ],
)
def test_an_index_that_is_not_one(other, tmp_path, index, message):
    path = rebuilt(tmp_path / "x.zip", {"bundle.json": index}, honest=False)
    assert refused(other, path).startswith(message)


# --- bundles that were tampered with ---


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.png",
        "/etc/passwd",
        "runs/../../evil.png",
        "runs/0123456789abcdef/../../../evil.png",
        "runs/0123456789abcdef/frames/0/../../../../000000.png",
        "runs/0123456789abcdef/..\\evil.png",
        "runs/0123456789abcdef/a.png\n",
        "runs/0123456789abcdef/.hidden.png",
        "runs/0123456789abcdef/run.pkl",
        "runs/0123456789abcdef/state.safetensors",
        "runs/0123456789ABCDEF/a.png",
        "runs/0123456789abcdef/",
        "C:/evil.png",
    ],
)
def test_names_that_protocore_never_writes(other, exported, name):
    path = rebuilt(exported, {**contents(exported), name: b"x"})
    message = refused(other, path)
    assert message == (
        f"the bundle holds {name!r}, which Protocore never writes; nothing was imported, and it "
        "is wise to ask where the file comes from"
    )
    assert not list(other.folder.parent.rglob("*evil*"))


def test_a_symbolic_link(other, exported, run_id):
    files = contents(exported)
    link = zipfile.ZipInfo(f"runs/{run_id}/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(exported, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(link, "/etc/passwd")
    assert "link.png', which Protocore never writes" in refused(other, exported)


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_protocore_never_uses(other, exported, way):
    files = contents(exported)
    with zipfile.ZipFile(exported, "w", way) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert ", which Protocore never writes" in refused(other, exported)


def test_a_folder_instead_of_a_file(other, tmp_path):
    assert refused(other, tmp_path) == f"{tmp_path} cannot be read: Is a directory"


def test_a_name_that_is_no_text(other, exported):
    data = exported.read_bytes()
    place = data.rindex(b"PK\x01\x02")
    bad = data[:place] + data[place:].replace(b"bundle.json", b"bundle.\xff\xff\xffn")
    exported.write_bytes(bad[: place + 9] + b"\x08" + bad[place + 10 :])  # said to be UTF-8
    assert "this file is not a whole zip archive ('utf-8' codec" in refused(other, exported)


def test_the_same_name_twice(other, exported):
    files = contents(exported)
    picture = next(name for name in files if name.endswith(".png"))
    with zipfile.ZipFile(exported, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(picture, b"another")
    assert f"the bundle holds {picture!r}" in refused(other, exported)


def test_limits(other, exported, monkeypatch):
    count = len(contents(exported))
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "KIND", replace(bundle.KIND, max_files=5))
        assert refused(other, exported) == f"a bundle may hold 5 files, this one has {count}"
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "KIND", replace(bundle.KIND, max_bytes=1000))
        assert refused(other, exported).startswith("a bundle may hold 1000 bytes, this one unpac")
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "MAX_PIXELS", 255)
        assert "has 16 x 16 pixels, at most 255 are allowed" in refused(other, exported)


def test_a_size_that_the_archive_lies_about(other, exported, run_id):
    """Said to be small, but unpacking to 10 MB."""
    name = f"runs/{run_id}/curves/0.json"
    files = contents(exported) | {name: b" " * 10_000_000}
    with zipfile.ZipFile(exported, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, data in files.items():
            archive.writestr(each, data)
    data = exported.read_bytes().replace((10_000_000).to_bytes(4, "little"), b"\x10\0\0\0")
    exported.write_bytes(data)
    refused(other, exported)


def test_content_that_differs_from_the_index(other, exported, run_id):
    name = f"runs/{run_id}/manifest.json"
    files = contents(exported)
    files[name] = files[name].replace(b"to share", b"to steal")
    assert refused(other, rebuilt(exported, files, honest=False)) == (
        f"{name} is not what the bundle's index says; the file was damaged or changed after its "
        "export: get it again"
    )


def test_a_file_missing_from_the_archive(other, exported, run_id):
    files = contents(exported)
    del files[f"runs/{run_id}/curves/0.json"]
    assert refused(other, rebuilt(exported, files, honest=False)) == (
        f"files and index of the bundle differ, first in 'runs/{run_id}/curves/0.json'; it was "
        "changed after its export: get it again"
    )


def png_bomb():
    """A PNG whose header claims 100 000 x 100 000 pixels."""
    data = bytearray(encoded("PNG"))
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    return bytes(data)


def edited(key, value):
    """A function that sets one entry of a JSON file."""

    def edit(data):
        content = json.loads(data)
        target = content["prototypes"][0] if key in content.get("prototypes", [{}])[0] else content
        target[key] = value
        return json.dumps(content).encode()

    return edit


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("tiny_0_tench_seed0.png", lambda _: encoded("JPEG"), "tench_seed0.png is not a valid im"),
        ("tiny_0_tench_seed0.png", lambda d: d[:200], "tench_seed0.png is not a valid image"),
        ("tiny_0_tench_seed0.png", lambda _: png_bomb(), "tench_seed0.png "),
        ("tiny_0_tench_seed0.png", None, "tiny_0_tench_seed0.png is missing"),
        ("tiny_0_tench_seed0.json", lambda _: b"{}", "this is not a prototype record: KeyError"),
        ("tiny_0_tench_seed0.json", lambda _: b"\xff", "cannot be read"),
        ("tiny_0_tench_seed0.json", None, "cannot be read"),
        ("tiny_0_tench_seed0.json", edited("probability", 1.5), "a probability between 0 and 1"),
        ("tiny_0_tench_seed0.json", edited("logit", float("nan")), "finite logit"),
        ("tiny_0_tench_seed0.json", edited("model", ["x"]), "needs names of"),
        ("tiny_0_tench_seed0.json", edited("history", []), "is not valid: it needs"),
        ("tiny_0_tench_seed0.json", edited("seconds", "long"), "is not valid: it needs"),
        ("tiny_0_tench_seed0.json", edited("versions", ["3.11"]), "is not valid: it needs"),
        ("tiny_0_tench_seed0.json", edited("class_index", "x"), "is not valid: it needs"),
        (
            "tiny_0_tench_seed0.json",
            edited("target", {"weights": [[-1, 1.0]], "seed": 0}),
            "got -1",
        ),
        ("manifest.json", None, "manifest.json cannot be read"),
        ("manifest.json", lambda _: b"[]", "is not the manifest of a Protocore run"),
        ("manifest.json", edited("version", 7), "has version 7, this Protocore reads version 1"),
        ("manifest.json", edited("stem", "../../../up"), "'../../../up' cannot be a file name"),
        ("manifest.json", edited("id", "x"), "'x' cannot be a prototype id"),
        ("manifest.json", edited("title", "x" * 999), "a title must have <= 200 characters"),
        ("manifest.json", edited("tags", ["x" * 99]), "a tag must have <= 50 characters"),
        ("manifest.json", edited("tags", 5), "manifest.json is not complete"),
        ("manifest.json", edited("position", 1), "the position of each prototype of a run must"),
        ("manifest.json", edited("naturalness", {"similarity": 7}), "between -1 and 1, got 7"),
        ("manifest.json", edited("naturalness", {"x": 7}), "naturalness needs a number as simil"),
        ("manifest.json", edited("created", "yesterday"), "'yesterday' cannot be a time"),
        ("manifest.json", edited("prototypes", []), "a run needs at least one prototype"),
        ("manifest.json", edited("surprise", 1), "manifest.json is not complete"),
        ("curves/0.json", lambda _: b'{"step": [1], "x": [1, 2]}', "are not of one length"),
        ("curves/0.json", lambda _: b'{"step": ["x"], "x": [{}]}', "curves/0.json"),
        ("curves/0.json", lambda _: b'{"step": ["a"]}', "could not convert string to float"),
        ("frames/0/000004.webp", lambda d: d[:30], "000004.webp is not a valid image"),
        ("frames/7/000000.jpg", lambda _: encoded("JPEG"), "frames/7/000000.jpg belongs to none"),
        ("extra.png", lambda _: encoded("PNG"), "extra.png belongs to none of its prototypes"),
    ],
)
def test_runs_that_are_not_valid(other, exported, run_id, file, change, message):
    files = contents(exported)
    name = f"runs/{run_id}/{file}"
    if change is None:
        del files[name]
    else:
        files[name] = change(files.get(name))
    found = refused(other, rebuilt(exported, files))
    assert message in found
    assert found.startswith(f"run {run_id} of the bundle is not valid: ")
    assert str(other.folder) not in found


def test_a_manifest_of_another_run(other, exported, run_id):
    moved = {name.replace(run_id, "0" * 16): data for name, data in contents(exported).items()}
    assert refused(other, rebuilt(exported, moved)) == (
        f"run {'0' * 16} of the bundle is not valid: the manifest is of another run, {run_id}"
    )


def test_an_import_onto_a_full_disk(other, exported, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "unpack", full)
    with pytest.raises(LibraryError, match=r"the disk of .* is full"):
        import_bundle(other, exported)
    assert list(other.runs_folder.iterdir()) == []


def test_one_bad_run_keeps_all_others_out(library, other, tmp_path):
    for index in range(3):
        library.save_run(tiny_run(tiny_prototype(index)))
    ids = [info.id for info in library.prototypes()]
    path = export_bundle(library, ids, tmp_path / "three.protocore.zip")
    files = contents(path)
    last = sorted(name for name in files if name.endswith(".png"))[-1]
    assert "is not a valid image" in refused(other, rebuilt(path, {**files, last: b"x"}))
    assert other.count() == 0


def test_decoding_is_limited_to_the_named_format(tmp_path):
    """A file with the ending .png never reaches another of Pillow's decoders."""
    path = tmp_path / "x.png"
    Image.new("RGB", (4, 4)).save(path, format="TIFF")
    with pytest.raises(LibraryError, match=r"x\.png is not a valid image"):
        archive.check_image(Path(path), 100)
