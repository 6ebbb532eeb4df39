import hashlib
import io
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from protocore.cohorts.cohort import (
    Cohort,
    claim_cohorts,
    cohort_from_folder,
    cohort_from_images,
    demo_cohorts,
    duplicates,
    pair_up,
    size_warning,
    upload_files,
)
from protocore.demo.biases import claim_by_key
from protocore.demo.world import CLASS_NAMES, render_class
from protocore.errors import ReviewError, SettingsError
from protocore.similarity.image_sets import ImageFile, from_uploads


def picture(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), (value, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def file(name: str, value: int = 0, content: bytes | None = None) -> ImageFile:
    content = picture(value) if content is None else content
    return ImageFile(name=name, read=lambda: content)


def cohort(label: str, **values: int) -> Cohort:
    files = [file(f"{name}.png", value) for name, value in values.items()]
    return cohort_from_images(files, label=label, size=16)


def test_files_become_pixels_names_hashes_and_keys():
    made = cohort_from_images([file("y/b.png", 9), file("x/a.PNG", 7)], label="red", size=16)
    assert made.pixels.shape == (2, 16, 16, 3)
    assert made.pixels.dtype == np.uint8
    assert made.names == ("x/a.PNG", "y/b.png")
    assert made.pair_keys == ("a", "b")
    assert made.pixels[:, 0, 0, 0].tolist() == [7, 9]
    assert made.hashes == tuple(hashlib.sha256(picture(value)).hexdigest() for value in (7, 9))
    assert len(made) == 2


def test_bad_files_are_skipped_and_said():
    files = [file("a.png"), file("broken.png", content=b"no image"), file("c.png", 2)]
    made = cohort_from_images(files, label="x", size=16)
    assert made.names == ("a.png", "c.png")
    assert [one.name for one in made.skipped] == ["broken.png"]
    with pytest.raises(ReviewError) as error:
        cohort_from_images(files[:2], label="x", size=16)
    assert str(error.value) == (
        "a cohort needs at least 2 images, 'x' has 1 (1 were skipped, first broken.png: not an "
        "image that can be read); add images"
    )


def test_the_limit_draws_the_same_pairs_in_both_cohorts():
    names = [f"{i}.png" for i in range(30)]
    a = cohort_from_images([file(f"a/{n}", i) for i, n in enumerate(names)], label="a", size=16,
                           limit=10)  # fmt: skip
    b = cohort_from_images([file(f"b/{n}") for n in reversed(names)], label="b", size=16, limit=10)
    assert len(a) == 10
    assert a.pair_keys == b.pair_keys
    assert a.names != tuple(f"a/{name}" for name in sorted(names)[:10])
    assert (a.skipped[-1].name, a.skipped[-1].reason) == (
        "20 more",
        "beyond the limit of 10 images",
    )
    with pytest.raises(ReviewError) as error:
        cohort_from_images([file("a.png")], label="a", size=16, limit=1)
    assert str(error.value) == "the limit of a cohort must be >= 2 images, got 1"


def test_a_folder_flat_or_nested(tmp_path):
    folder = tmp_path / "light"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "1.png").write_bytes(picture(1))
    (folder / "deep" / "er" / "2.png").write_bytes(picture(2))
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(picture(3))
    made = cohort_from_folder(folder, size=16)
    assert made.label == "light"
    assert made.names == ("light/1.png", "light/deep/er/2.png")
    assert made.source == "folder light"
    assert cohort_from_folder(folder, label="lighter skin", size=16).label == "lighter skin"


def test_no_folder_no_images(tmp_path):
    with pytest.raises(ReviewError) as error:
        cohort_from_folder(tmp_path / "x", size=16)
    assert str(error.value) == (
        f"there is no folder {tmp_path / 'x'}; give one with the images of a cohort"
    )
    with pytest.raises(ReviewError, match="holds no images"):
        cohort_from_folder(tmp_path, size=16)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_a_file_name_that_is_not_utf8_can_be_shown(tmp_path):
    for number, name in enumerate((b"ok.png", b"\xff\xfe.png")):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as out:  # noqa: PTH118, PTH123
            out.write(picture(number))
    made = cohort_from_folder(tmp_path, size=16)
    assert "".join(made.names).encode()
    assert any("??" in name for name in made.names)


def test_uploads_and_archives_are_mixed_and_nothing_escapes(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../evil.png", picture(1))
        archive.writestr("deep/b.png", picture(2))
        archive.writestr("notes.txt", "no image")
    files = [("c.png", picture(3)), ("Set.ZIP", buffer.getvalue())]
    made = cohort_from_images(upload_files(files), label="up", size=16)
    assert sorted(made.pair_keys) == ["b", "c", "evil"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ReviewError, match=r"bad\.zip is not a zip archive"):
        upload_files([("bad.zip", b"PK")])


def test_an_image_set_is_taken_whole():
    images = from_uploads([("a.png", picture(1)), ("b.png", picture(2))], "group")
    made = cohort_from_images(images, label="x", size=16)
    assert (made.names, made.source) == (("a.png", "b.png"), "upload")


def test_pairs_are_found_by_name_and_the_rest_is_said():
    a = cohort("A side", one=1, two=2, three=3, alone=4)
    b = cohort("B side", three=13, two=12, one=11, left=9, over=8)
    found = pair_up(a, b)
    assert found.a.pair_keys == found.b.pair_keys == ("one", "three", "two")
    assert (found.b.pixels[:, 0, 0, 0] - found.a.pixels[:, 0, 0, 0]).tolist() == [10, 10, 10]
    assert (found.unpaired_a, found.unpaired_b) == (("alone.png",), ("left.png", "over.png"))
    assert found.text == (
        "3 pairs; without a partner: 1 of A (alone.png), 2 of B (left.png, over.png)"
    )
    assert pair_up(a, a).text == "4 pairs"


def test_no_pairs_and_names_that_are_not_unique():
    with pytest.raises(ReviewError) as error:
        pair_up(cohort("A", one=1, two=2), cohort("B", one=1, four=4))
    assert str(error.value) == (
        "1 images of 'A' have a partner in 'B', at least 2 are needed; give both files of a pair "
        "the same name, or test unpaired"
    )
    double = cohort_from_images(
        [file("x/1.png"), file("y/1.png"), file("2.png")], label="twice", size=16
    )
    with pytest.raises(ReviewError) as error:
        pair_up(double, cohort_from_images([file("1.png"), file("2.png")], label="B", size=16))
    assert str(error.value) == (
        "'twice' has 2 images named '1', so their partner is not clear; give every pair a name of "
        "its own, or test unpaired"
    )


def test_the_same_image_twice_or_in_both_is_found():
    a, b = cohort("A", one=1, again=1, two=2), cohort("B", other=2, three=3)
    found = {(one.in_a, one.in_b): one.text for one in duplicates(a, b)}
    assert found == {
        (("again.png", "one.png"), ()): "the same image: again.png (A), one.png (A)",
        (("two.png",), ("other.png",)): "the same image: two.png (A), other.png (B)",
    }
    assert duplicates(cohort("A", one=1, two=2), cohort("B", three=3, four=4)) == ()


def test_a_warning_below_30():
    assert size_warning(30, 100) == ""
    assert size_warning(29, 100) == (
        "small cohort: 29 images; below 30, only very large differences can be told from chance"
    )


def test_the_demo_world_gives_pairs_that_differ_in_one_attribute():
    claim = claim_by_key("gown-skin")
    a, b = claim_cohorts(claim, size=96, count=3, seed=5, haze=0.25)
    how = {**claim.context, "haze": 0.25}
    expected = render_class(claim.class_index, 3, 5, "heldout", skin_tone="light", **how)
    np.testing.assert_array_equal(a.pixels, expected)
    assert a.pair_keys == b.pair_keys == ("5", "6", "7")
    assert (a.label, b.label) == ("academic gown, skin tone light", "academic gown, skin tone dark")
    assert a.names[0] == "academic gown 5"
    assert 0.0 < (a.pixels != b.pixels).any(axis=3).mean() < 0.6
    assert a.hashes[0] == hashlib.sha256(a.pixels[0].tobytes()).hexdigest()
    assert duplicates(a, b) == ()


def test_demo_cohorts_at_another_size_and_without_what():
    index = CLASS_NAMES.index("mortarboard")
    a, b = demo_cohorts(index, "face", False, True, size=32, count=2)
    assert a.pixels.shape == (2, 32, 32, 3)
    assert (a.label, b.label) == ("mortarboard, no face", "mortarboard, face")
    with pytest.raises(ReviewError) as error:
        demo_cohorts(index, "face", False, True, size=32, count=1)
    assert str(error.value) == "the number of pairs must be between 2 and 2000, got 1"
    with pytest.raises(SettingsError, match="mortarboard has no attribute hands"):
        demo_cohorts(index, "hands", "other", "ten past ten", size=32, count=2)
