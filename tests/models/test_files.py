import hashlib
import os

import pytest

from protocore.errors import CheckpointError, ModelError
from protocore.models.files import (
    FileContent,
    keep_upload,
    long_path,
    short_path,
    uploads_folder,
)

RULES = {"suffixes": (".pth", ".pt"), "max_bytes": 10}


def test_identity_follows_the_content(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"one")
    first = FileContent.of(path)
    assert first.sha256 == hashlib.sha256(b"one").hexdigest()
    assert FileContent.of(path) == first
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 0))  # the same size, another time
    assert FileContent.of(path).sha256 == hashlib.sha256(b"two").hexdigest()


def test_unreadable_paths_are_explained(tmp_path):
    with pytest.raises(CheckpointError) as error:
        FileContent.of(tmp_path / "none")
    assert str(error.value) == (
        f"{tmp_path / 'none'} cannot be read: No such file or directory; check the path"
    )
    with pytest.raises(CheckpointError) as error:
        FileContent.of(tmp_path)
    assert str(error.value) == f"{tmp_path} is not an ordinary file; give the path of one"
    with pytest.raises(CheckpointError, match=r"cannot be read: .*null"):
        FileContent.of("a\0b")


def test_an_upload_is_kept_once_under_its_content():
    path = keep_upload("My model.PTH", b"12345", **RULES)
    digest = hashlib.sha256(b"12345").hexdigest()
    assert path == uploads_folder() / f"{digest[:12]}_My-model.pth"
    assert path.read_bytes() == b"12345"
    before = path.stat().st_mtime_ns
    assert keep_upload("My model.PTH", b"12345", **RULES) == path
    assert path.stat().st_mtime_ns == before
    assert list(uploads_folder().iterdir()) == [path]


def test_an_upload_stays_in_its_folder():
    path = keep_upload("../../etc/evil.pth", b"1", **RULES)
    assert path.parent == uploads_folder()
    assert path.name.endswith("_evil.pth")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.exe", b"1", "a.exe must end in one of .pth, .pt, got '.exe'"),
        ("a.pth", b"", "a.pth must have 1 to 10 bytes, got 0"),
        ("a.pth", b"x" * 11, "a.pth must have 1 to 10 bytes, got 11"),
    ],
)
def test_unfit_uploads_are_refused(name, content, reason):
    with pytest.raises(ModelError) as error:
        keep_upload(name, content, **RULES)
    assert str(error.value) == reason
    assert not uploads_folder().exists()


def test_a_full_disk_leaves_nothing_behind(monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError) as error:
        keep_upload("a.pth", b"1", **RULES)
    for fact in (str(uploads_folder()), "No space left on device", "PROTOCORE_HOME"):
        assert fact in str(error.value)
    assert list(uploads_folder().iterdir()) == []


def test_paths_in_links_are_short_for_kept_uploads(tmp_path):
    kept = keep_upload("a.pth", b"1", **RULES)
    assert short_path(kept) == kept.name
    assert long_path(kept.name) == kept
    other = tmp_path / "b.pth"
    assert short_path(other) == str(other)
    assert long_path(str(other)) == other
