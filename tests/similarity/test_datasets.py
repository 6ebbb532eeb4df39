import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.datasets import ImageNet

from protocore.errors import NaturalReferenceError
from protocore.models.classifier import Classifier
from protocore.similarity.datasets import (
    download_imagenette,
    imagenet_folder,
    imagenette_folder,
)
from protocore.similarity.image_sets import open_folder
from protocore.similarity.sources import reference_from_set

IMAGENETTE = (
    "n01440764", "n02102040", "n02979186", "n03000684", "n03028079",
    "n03394916", "n03417042", "n03425413", "n03445777", "n03888257",
)  # fmt: skip
NAMES = (
    "tench", "English springer", "cassette player", "chain saw", "church", "French horn",
    "garbage truck", "gas pump", "golf ball", "parachute",
)  # fmt: skip


def lay_out(folder: Path, ids, count: int) -> None:
    """JPEG files `<id>_<n>.JPEG` in a folder per class; class i has the grey value 20 * (i + 1)."""
    for i, wordnet_id in enumerate(ids):
        (folder / wordnet_id).mkdir(parents=True)
        picture = Image.fromarray(np.full((20, 26, 3), 20 * (i % 10 + 1), np.uint8))
        for n in range(count):
            picture.save(folder / wordnet_id / f"{wordnet_id}_{n}.JPEG")


def classifier_of(names) -> Classifier:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, len(names)))
    return Classifier.from_module(module, class_names=names, input_size=8)


def grey_values(images: np.ndarray) -> set[int]:
    """The grey values of flat images, to the nearest class (JPEG is off by one or two)."""
    return {20 * round(float(image.mean()) / 20) for image in images}


@pytest.mark.parametrize("size", ["160px", "320px", "full"])
def test_a_laid_out_imagenette_gives_a_reference(tmp_path, size):
    name = {"160px": "imagenette2-160", "320px": "imagenette2-320", "full": "imagenette2"}[size]
    lay_out(tmp_path / name / "train", IMAGENETTE, 1)
    lay_out(tmp_path / name / "val", IMAGENETTE, 6)
    folder = imagenette_folder(tmp_path, size=size)
    assert folder == tmp_path / name / "val"
    images = open_folder(folder)
    assert {group: len(files) for group, files in images.groups.items()} == dict.fromkeys(
        IMAGENETTE, 6
    )
    reference = reference_from_set(images, classifier_of(NAMES), 8, count=50)
    assert reference.same.shape == (6, 8, 8, 3)
    assert grey_values(reference.same) == {180}
    assert len(reference.different) == 50
    assert grey_values(reference.different) == {20, 40, 60, 80, 100, 120, 140, 160, 200}
    assert all("n03445777_" in name for name in reference.same_names)


def test_a_laid_out_imagenet_gives_a_reference(tmp_path):
    """1000 folders in the order of their WordNet ids are the classes' own order."""
    ids = [f"n{10 * i:08d}" for i in range(1000)]
    lay_out(tmp_path / "val", ids, 1)
    lay_out(tmp_path / "more", ids[3:4], 8)
    for path in (tmp_path / "more" / ids[3]).iterdir():
        path.rename(tmp_path / "val" / ids[3] / f"more_{path.name}")
    # What torchvision keeps of the devkit, once it has read that.
    torch.save(({i: (f"class {i}",) for i in ids}, [ids[0]]), tmp_path / "meta.bin")
    assert len(ImageNet(str(tmp_path), split="val").wnids) == 1000
    folder = imagenet_folder(tmp_path)
    assert folder == tmp_path / "val"
    classifier = classifier_of([f"class {i}" for i in range(1000)])
    reference = reference_from_set(open_folder(folder), classifier, 3, count=20)
    assert len(reference.same) == 9
    assert len(reference.different) == 20
    assert not any(ids[3] in name for name in reference.different_names)
    with pytest.raises(NaturalReferenceError, match=r"place ILSVRC2012_devkit_t12.tar.gz and .*"
                       r"_img_train.tar there"):  # fmt: skip
        imagenet_folder(tmp_path, split="train")


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
