import urllib.error

import pytest

from protocore.errors import NaturalReferenceError
from protocore.similarity.datasets import (
    download_imagenette,
    imagenet_folder,
    imagenette_folder,
)


def test_imagenette_is_found_below_its_root(tmp_path):
    place = tmp_path / "imagenette2-320/val/n01440764"
    place.mkdir(parents=True)
    (place / "a.JPEG").write_bytes(b"x")
    assert imagenette_folder(tmp_path) == place.parent


def test_missing_data_sets_say_how_to_place_them(tmp_path):
    with pytest.raises(NaturalReferenceError) as error:
        imagenette_folder(tmp_path, size="160px")
    assert str(error.value) == (
        f"Imagenette (160px) cannot be used from {tmp_path}: it is not there. Sizes are 160px, "
        "320px, full; by hand: get "
        "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz on a machine with a "
        f"network and unpack it into {tmp_path}"
    )
    with pytest.raises(NaturalReferenceError) as error:
        imagenet_folder(tmp_path)
    assert str(error.value) == (
        f"ImageNet is not in {tmp_path}. It cannot be downloaded without an account: place "
        "ILSVRC2012_devkit_t12.tar.gz and ILSVRC2012_img_val.tar there"
    )


def test_a_download_without_network_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(NaturalReferenceError, match=r"the server cannot be reached \(no route\)"):
        download_imagenette(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive_is_explained(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    (tmp_path / "imagenette2-320.tgz").write_bytes(b"half of it")  # torchvision checks its hash
    with pytest.raises(NaturalReferenceError, match=r"the server cannot be reached \(no route\)"):
        download_imagenette(tmp_path)


def test_what_is_there_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", None)
    (tmp_path / "imagenette2-320/train/n01440764").mkdir(parents=True)
    (tmp_path / "imagenette2-320/train/n01440764/a.JPEG").write_bytes(b"x")
    download_imagenette(tmp_path)
    assert imagenette_folder(tmp_path, split="train").name == "train"
