import io

import numpy as np
import pytest
from PIL import Image
from torch import nn

from protocore.errors import NaturalReferenceError, SettingsError
from protocore.models.classifier import Classifier
from protocore.similarity.image_sets import ImageFile, ImageSet
from protocore.similarity.matching import FolderMatch
from protocore.similarity.sources import demo_reference, reference_from_set


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))
    names = ("goldfish", "lab coat", "crane", "elsewhere")
    return Classifier.from_module(module, class_names=names, input_size=16)


def picture(value: int, broken: bool = False) -> ImageFile:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), (value, 0, 0)).save(buffer, "PNG")
    content = buffer.getvalue()[: 40 if broken else None]
    return ImageFile(name=f"{value}.png", read=lambda: content)


def image_set(**groups: list[ImageFile]) -> ImageSet:
    return ImageSet(source="test", groups={name: tuple(files) for name, files in groups.items()})


def test_draws_with_a_seed_and_keeps_the_kinds_apart(classifier):
    images = image_set(
        goldfish=[picture(i) for i in range(20)],
        crane=[picture(100 + i) for i in range(9)],
        nothing=[picture(200)],
    )
    first = reference_from_set(images, classifier, 0, count=8, seed=3)
    assert len(first.same) == len(first.different) == 8
    assert all(image[0, 0, 0] < 20 for image in first.same)
    assert all(100 <= image[0, 0, 0] < 109 for image in first.different)
    assert first.same_names[0] == f"{first.same[0, 0, 0, 0]}.png"
    assert first.key == reference_from_set(images, classifier, 0, count=8, seed=3).key
    assert first.key != reference_from_set(images, classifier, 0, count=8, seed=4).key


def test_bad_files_are_skipped_said_and_replaced(classifier):
    files = [picture(i, broken=i < 3) for i in range(12)]
    images = image_set(goldfish=files, crane=[picture(i) for i in range(10)])
    found = reference_from_set(images, classifier, 0, count=9)
    assert len(found.same) == 9
    assert 1 <= len(found.skipped) <= 3
    assert all(skipped.name in {"0.png", "1.png", "2.png"} for skipped in found.skipped)
    assert "not an image" in found.skipped[0].reason or "truncated" in found.skipped[0].reason


def test_too_few_and_none(classifier):
    images = image_set(goldfish=[picture(1)] * 3, crane=[picture(2)] * 9, odd=[picture(3)])
    with pytest.raises(NaturalReferenceError) as error:
        reference_from_set(images, classifier, 0)
    assert str(error.value) == (
        "a natural reference needs at least 5 images of the class, got 3; add images"
    )
    with pytest.raises(NaturalReferenceError) as error:
        reference_from_set(images, classifier, 3)
    assert str(error.value) == (
        "test has no images of class 3 · elsewhere; its folders are goldfish (0 · goldfish), "
        "crane (2 · crane), odd (unknown); name one by index or name, match it by hand, or give "
        "the folder that directly holds the class folders"
    )
    with pytest.raises(SettingsError) as error:
        reference_from_set(images, classifier, 0, count=0)
    assert str(error.value) == "the number of images must be >= 1, got 0"


def test_matches_can_be_given(classifier):
    images = image_set(a=[picture(1)] * 6, b=[picture(2)] * 6, c=[picture(3)] * 6)
    matches = [
        FolderMatch(folder="a", class_index=3, how="given"),
        FolderMatch(folder="b", class_index=None, how="given"),
        FolderMatch(folder="c", class_index=1, how="given"),
    ]
    found = reference_from_set(images, classifier, 3, matches=matches)
    assert np.unique(found.same[..., 0]).tolist() == [1]
    assert np.unique(found.different[..., 0]).tolist() == [3]


def test_demo_world(classifier):
    found = demo_reference(classifier, 1, count=6, seed=2)
    assert found.same.shape == (6, 16, 16, 3)
    assert len(found.different) == 6
    assert all(name.startswith("lab coat ") for name in found.same_names)
    assert not any(name.startswith("lab coat ") for name in found.different_names)
    assert found.key == demo_reference(classifier, 1, count=6, seed=2).key
    with pytest.raises(NaturalReferenceError, match=r"the demo world does not have the class 2"):
        demo_reference(classifier, 2)
