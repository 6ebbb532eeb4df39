import numpy as np
import pytest

from protocore.errors import NaturalReferenceError
from protocore.similarity.reference import NaturalReference, SkippedImage


def some(count: int) -> np.ndarray:
    return np.zeros((count, 4, 4, 3), np.uint8)


def test_too_few_images_are_refused_with_the_count():
    with pytest.raises(NaturalReferenceError) as error:
        NaturalReference(class_index=0, same=some(4), different=some(9))
    assert str(error.value) == (
        "a natural reference needs at least 5 images of the class, got 4; add images"
    )
    skipped = (SkippedImage(name="a.jpg", reason="truncated"),)
    with pytest.raises(NaturalReferenceError) as error:
        NaturalReference(class_index=0, same=some(5), different=some(0), skipped=skipped)
    assert str(error.value) == (
        "a natural reference needs at least 5 images of other classes, got 0 (1 were skipped, "
        "first a.jpg: truncated); add images"
    )


def test_key_is_the_content():
    first = NaturalReference(class_index=0, same=some(5), different=some(6))
    again = NaturalReference(class_index=0, same=some(5), different=some(6), source="elsewhere")
    assert first.key == again.key
    assert first.key != NaturalReference(class_index=1, same=some(5), different=some(6)).key
    assert first.key != NaturalReference(class_index=0, same=some(6), different=some(5)).key
    assert again.info.description == "5 images of the class, 6 of other classes (elsewhere)"


def test_info_names_every_image():
    info = NaturalReference(class_index=0, same=some(5), different=some(6)).info
    assert info.same_names[4] == "image 4"
    assert len(info.different_names) == 6
