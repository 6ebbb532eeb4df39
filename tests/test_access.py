"""What a server reads for its visitors, and what it tells of the rest."""

import os
from pathlib import Path

import pytest

from protocore import access
from protocore.cohorts.cohort import cohort_from_folder
from protocore.errors import AccessError, ProtocoreError
from protocore.models.files import FileContent
from protocore.models.spec import ModelSpec
from protocore.similarity.datasets import download_imagenette, imagenet_folder, imagenette_folder
from protocore.similarity.image_sets import files_in, open_folder
from tests.pictures import save_png


@pytest.fixture(autouse=True)
def unrestricted_afterwards(monkeypatch):
    monkeypatch.delenv(access.FILES_VARIABLE, raising=False)
    yield
    monkeypatch.delenv(access.FILES_VARIABLE, raising=False)
    access.restrict("localhost")


@pytest.fixture
def server(tmp_path, monkeypatch) -> Path:
    """A server on the network that may read one folder; the folder."""
    folder = tmp_path / "shared"
    (folder / "photos" / "cat").mkdir(parents=True)
    save_png(folder / "photos" / "cat" / "a.png")
    monkeypatch.setenv(access.FILES_VARIABLE, os.pathsep.join([str(folder), ""]))
    access.restrict("0.0.0.0")
    return folder


@pytest.mark.parametrize(
    ("address", "named", "restricted"),
    [
        ("localhost", None, False),
        ("127.0.0.1", None, False),
        ("::1", None, False),
        ("localhost", "", True),  # behind a proxy
        ("0.0.0.0", None, True),
        (None, None, True),  # Streamlit's own default: all interfaces
        ("192.0.2.7", "/data", True),
    ],
)
def test_where_access_is_restricted(address, named, restricted, monkeypatch, tmp_path):
    if named is not None:
        monkeypatch.setenv(access.FILES_VARIABLE, named)
    access.restrict(address)
    assert (access.allowed_folders() is not None) == restricted
    assert access.allowed(tmp_path) == (not restricted)


def test_named_folders_and_uploads_are_read(server, own_home):
    assert access.reachable(server / "photos") == (server / "photos").resolve()
    assert access.allowed(own_home / "checkpoints" / "mine.pth")
    assert not access.allowed(own_home / "library.sqlite")
    assert list(open_folder(server / "photos").groups) == ["cat"]


WAYS = {
    "weights": lambda path: FileContent.of(path),
    "link to weights": lambda path: ModelSpec.from_link(f"checkpoint:resnet18:{path}"),
    "class names in a link": lambda path: ModelSpec.from_link(f"demo?names={path}"),
    "reference images": open_folder,
    "a cohort": lambda path: cohort_from_folder(path, size=16),
    "Imagenette": imagenette_folder,
    "ImageNet": imagenet_folder,
    "a download": download_imagenette,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_answer_is_the_same_whether_a_path_exists_or_not(way, server, tmp_path):
    (tmp_path / "secret.txt").write_text("a\nb")
    (tmp_path / "folder").mkdir()
    answers = set()
    for name in ("secret.txt", "folder", "missing", "shared/../secret.txt"):
        path = f"{tmp_path}/{name}"
        with pytest.raises(AccessError) as caught:
            WAYS[way](path)
        answers.add(str(caught.value).replace(repr(path), "PATH"))
    assert len(answers) == 1
    assert access.FILES_VARIABLE in answers.pop()


def test_links_on_the_disk_do_not_lead_out(server, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    save_png(outside / "secret.png")
    (server / "out").symlink_to(outside)
    (server / "photos" / "cat" / "b.png").symlink_to(outside / "secret.png")
    with pytest.raises(AccessError):
        open_folder(server / "out")
    names = [file.name for file in files_in(server / "photos" / "cat")]
    assert names == ["cat/a.png"]


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x", "a\0b"])
def test_what_is_no_path_is_refused_by_a_server(path, server):
    with pytest.raises(AccessError, match=access.FILES_VARIABLE):
        access.reachable(path)


def test_what_is_no_path_is_explained():
    access.restrict("localhost")
    with pytest.raises(AccessError, match="~nobody-of-that-name"):
        access.reachable("~nobody-of-that-name/x")


def test_on_ones_own_computer_errors_say_what_is_wrong(tmp_path):
    access.restrict("localhost")
    with pytest.raises(ProtocoreError, match="cannot be read: No such file"):
        FileContent.of(tmp_path / "missing")
