import io
import zipfile

import pytest

from protocore.errors import ImageError, NaturalReferenceError
from protocore.similarity import image_sets
from protocore.similarity.image_sets import from_uploads, open_folder, open_zip


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def names(image_set) -> dict[str, list[str]]:
    return {group: [file.name for file in files] for group, files in image_set.groups.items()}


def test_subfolders_are_groups(tmp_path):
    for path in ("cat/b.PNG", "cat/deep/a.jpg", "cat/notes.txt", "dog/c.webp", "dog/.hidden.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    (tmp_path / "empty").mkdir()
    found = open_folder(tmp_path)
    assert names(found) == {"cat": ["cat/b.PNG", "cat/deep/a.jpg"], "dog": ["dog/c.webp"]}
    assert found.groups["dog"][0].read() == b"dog/c.webp"


def test_a_folder_that_cannot_serve_says_what_is_needed(tmp_path):
    with pytest.raises(NaturalReferenceError) as error:
        open_folder(tmp_path / "none")
    assert str(error.value) == (
        f"there is no folder {tmp_path / 'none'}; give one with a subfolder of images per class"
    )
    (tmp_path / "val").mkdir()
    with pytest.raises(NaturalReferenceError) as error:
        open_folder(tmp_path)
    for fact in ("no subfolders with images (.jpg", f"choose {tmp_path / 'val'} instead"):
        assert fact in str(error.value)


def test_a_file_that_vanishes_is_an_image_error(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/a.png").write_bytes(b"x")
    found = open_folder(tmp_path)
    (tmp_path / "cat/a.png").unlink()
    with pytest.raises(ImageError) as error:
        found.groups["cat"][0].read()
    assert str(error.value) == "cannot be read (No such file or directory)"


def test_archives_are_grouped_by_folder_and_never_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = archive(
        **{
            "set/cat/a.png": b"1",
            "set/dog/b.jpg": b"2",
            "../../evil/c.png": b"3",
            "__MACOSX/cat/a.png": b"4",
            "set/cat/.d.png": b"5",
            "set/readme.txt": b"6",
            "top.png": b"7",
        }
    )
    found = open_zip(content, "images.zip")
    assert names(found) == {
        "evil": ["../../evil/c.png"],
        "cat": ["set/cat/a.png"],
        "dog": ["set/dog/b.jpg"],
        "images.zip": ["top.png"],
    }
    assert found.groups["dog"][0].read() == b"2"
    assert found.groups["evil"][0].read() == b"3"
    assert list(tmp_path.iterdir()) == []


def test_archives_that_cannot_serve(monkeypatch):
    with pytest.raises(NaturalReferenceError) as error:
        open_zip(b"PK nonsense", "x.zip")
    assert str(error.value) == "x.zip is not a zip archive: File is not a zip file"
    with pytest.raises(NaturalReferenceError) as error:
        open_zip(archive(**{"a.txt": b"1"}), "x.zip")
    assert "x.zip holds no images (.jpg" in str(error.value)
    monkeypatch.setattr(image_sets, "MAX_UNPACKED", 2 * 2**20)
    with pytest.raises(NaturalReferenceError) as error:
        open_zip(archive(**{"a.png": bytes(3 * 2**20)}), "x.zip")
    assert str(error.value) == (
        "x.zip is too large: 1 images with 3 MB, at most 20000 with 2 MB; unpack it and give the "
        "folder"
    )


def test_damaged_and_endless_members(monkeypatch):
    content = bytearray(archive(**{"cat/a.png": b"0123456789" * 50}))
    content[45] ^= 0xFF  # inside the compressed data
    with pytest.raises(ImageError, match="damaged in the archive"):
        open_zip(bytes(content)).groups["cat"][0].read()
    monkeypatch.setattr(image_sets, "MAX_BYTES", 100)
    found = open_zip(archive(**{"cat/a.png": bytes(5000)}))
    assert len(found.groups["cat"][0].read()) == 101


def test_uploads_are_one_group():
    found = from_uploads([("a.png", b"1"), ("b.png", b"2")], "golf ball")
    assert [file.read() for file in found.groups["golf ball"]] == [b"1", b"2"]
