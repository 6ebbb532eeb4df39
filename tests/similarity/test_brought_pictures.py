"""Pictures and folders as people bring them, against the right values; every file made here."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

from protocore.cohorts.cohort import cohort_from_folder
from protocore.models import Classifier
from protocore.models.preprocessing import Preprocessing
from protocore.similarity.decoding import read_picture
from protocore.similarity.image_sets import from_uploads, open_folder, open_zip
from protocore.similarity.matching import match_folders
from protocore.similarity.sources import reference_from_set

NOISE = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo() -> Image.Image:
    return Image.fromarray(NOISE).resize((400, 300), reducing_gap=None)


@pytest.mark.parametrize(
    "weights",
    [
        models.MobileNet_V2_Weights.IMAGENET1K_V1,  # resize 256, centre 224, bilinear
        models.MobileNet_V2_Weights.IMAGENET1K_V2,  # resize 232
        models.EfficientNet_B1_Weights.IMAGENET1K_V1,  # 256, 240, bicubic
        models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1,  # 384, 384, bicubic
    ],
)
def test_photos_go_through_the_weights_own_transforms(weights):
    fitted = Preprocessing.from_torchvision(weights.transforms())
    for picture in (photo(), photo().rotate(90, expand=True)):
        pixels = read_picture(encoded(picture, "PNG"), fitted).pixels
        images = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255
        mean, std = torch.tensor(fitted.mean), torch.tensor(fitted.std)
        found = (images - mean[:, None, None]) / std[:, None, None]
        torch.testing.assert_close(found, weights.transforms()(picture))


@pytest.mark.parametrize(("size", "resize"), [(224, 256), (299, 342), (128, 146), (64, 64)])
def test_own_weights_follow_the_stated_rule(size, resize):
    assert Preprocessing(input_size=size).resize == resize
    assert f"{resize} px" in Preprocessing(input_size=size).text


def test_grey_photos_are_luma():
    picture = Image.new("RGB", (40, 40), (255, 0, 0))
    pixels = Preprocessing(input_size=32, grey=True).fit(picture)
    assert (pixels == 76).all()  # .299 of 255


@pytest.mark.parametrize(
    ("highest", "bits"), [(200, 8), (1000, 10), (4095, 12), (16000, 14), (65535, 16)]
)
def test_sixteen_bit_data_is_read_by_the_bits_it_uses(highest, bits):
    values = np.linspace(0, highest, 32 * 32).reshape(32, 32).astype(np.uint16)
    picture = read_picture(encoded(Image.fromarray(values), "PNG"), 32)
    expected = values / (2**bits - 1) * 255
    assert np.abs(picture.pixels[..., 0] - expected).max() <= 1
    assert (f"{bits}-bit" in picture.note) == (bits < 16)
    assert (str(highest) in picture.note) == (bits < 16)


def test_a_large_png_is_reduced_in_strips():
    """Held beside the picture itself: a strip, not copies of the whole."""
    side = 5000
    picture = Image.new("RGB", (side, side), (10, 200, 30))
    picture.paste((250, 0, 0), (0, 0, side, side // 2))
    content = encoded(picture, "PNG")
    tracemalloc.start()
    pixels = read_picture(content, 64).pixels
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (pixels[:30] == (250, 0, 0)).all()
    assert (pixels[34:] == (10, 200, 30)).all()
    assert peak < side * side  # of Python's own buffers


SYSTEM = [
    "cat/.ipynb_checkpoints/a.png",
    "cat/@eaDir/a.png",
    "cat/.thumbnails/a.png",
    "cat/Thumbs.db",
    "__MACOSX/cat/a.png",
    ".ipynb_checkpoints/a.png",
]
PICTURES = ["cat/a.jfif", "cat/b.jpe", "cat/c.avif", "cat/d.jp2", "cat/e.webp", "cat/f.tif"]
OTHER = ["cat/notes.txt", "cat/scan.pdf"]


def as_folder(tmp_path):
    for name in (*SYSTEM, *PICTURES, *OTHER):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return open_folder(tmp_path)


def as_zip(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in (*SYSTEM, *PICTURES, *OTHER):
            archive.writestr(name, b"x")
    return open_zip(buffer.getvalue())


def as_uploads(tmp_path):
    return from_uploads([(name, b"x") for name in (*SYSTEM, *PICTURES, *OTHER)], "cat")


@pytest.mark.parametrize("source", [as_folder, as_zip, as_uploads])
def test_one_rule_for_all_sources(tmp_path, source):
    found = source(tmp_path)
    assert list(found.groups) == ["cat"]
    assert [file.name for file in found.groups["cat"]] == PICTURES
    reasons = {entry.reason for entry in found.left_out}
    assert any(".txt" in reason for reason in reasons)
    assert any(".pdf" in reason for reason in reasons)
    listed = " ".join(entry.name for entry in found.left_out)
    for word in ("ipynb_checkpoints", "eaDir", "thumbnails", "__MACOSX"):
        assert word in listed


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF", "PPM"])
def test_usual_formats_are_decoded(kind):
    pixels = read_picture(encoded(Image.new("RGB", (40, 40), (200, 60, 90)), kind), 32).pixels
    assert np.abs(pixels.astype(int) - (200, 60, 90)).max() <= 6


def test_a_cohort_says_what_it_left_out(tmp_path):
    for name in ("a.png", "b.png", ".ipynb_checkpoints/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(NOISE).save(tmp_path / name)
    (tmp_path / "c.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    (tmp_path / "d.txt").write_bytes(b"x")
    cohort = cohort_from_folder(tmp_path, size=Preprocessing(input_size=32))
    assert len(cohort) == 2
    assert any("hidden" in entry.reason for entry in cohort.skipped)
    assert any(".txt" in entry.reason for entry in cohort.skipped)
    assert any("c.heic" in entry.name for entry in cohort.skipped)


def classifier_of(*names) -> Classifier:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, len(names)))
    return Classifier.from_module(network, class_names=names, input_size=1)


TEXT_ORDER = ("0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9")


@pytest.mark.parametrize(
    ("names", "folder", "index", "how"),
    [
        (TEXT_ORDER, "2", 4, "name"),
        (TEXT_ORDER, "10", 2, "name"),
        (TEXT_ORDER, "12", None, "unknown"),
        (("x", "001.Black_footed_Albatross"), "001.Black_footed_Albatross", 1, "name"),
        (("Black footed Albatross", "x"), "001.Black_footed_Albatross", 0, "name"),
        (("x", "3 wheeler"), "3 wheeler", 1, "name"),
        (("x", "y", "2CV"), "2CV", 2, "name"),
        (("x", "y"), "7up can", None, "unknown"),
        (("caf\u00e9", "y"), "cafe\u0301", 0, "name"),
        (("x", "y"), "1", 1, "index"),
        (("x", "crane", "crane"), "crane", None, "unknown"),
    ],
)
def test_folders_are_matched_by_name_first(names, folder, index, how):
    (match,) = match_folders([folder], classifier_of(*names))
    assert (match.class_index, match.how) == (index, how)


def test_folders_numbered_from_one_are_counted_from_one():
    matches = match_folders(["001.a", "002.b", "003.c"], classifier_of("x", "y", "z"))
    assert [(m.class_index, m.how) for m in matches] == [(i, "number from 1") for i in range(3)]


def test_two_classes_of_one_name_are_told():
    (match,) = match_folders(["crane"], classifier_of("crane", "x", "crane"))
    assert "0, 2" in match.text(classifier_of("crane", "x", "crane"))


def archive_with(names: list[bytes]) -> bytes:
    """A zip whose member names are these bytes, without the flag of UTF-8."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index, name in enumerate(names):
            archive.writestr(chr(97 + index) * len(name), b"x")
    content = buffer.getvalue()
    for index, name in enumerate(names):
        content = content.replace(chr(97 + index).encode() * len(name), name)
    return content


@pytest.mark.parametrize(
    ("encoding", "title", "folders"),
    [
        ("gbk", "GBK", ["金鱼", "高尔夫球", "法国号"]),
        ("cp932", "Shift JIS", ["ネコ", "金魚", "犬"]),
        ("utf-8", "UTF-8", ["猫", "Käfer"]),
    ],
)
def test_names_of_archives_from_other_countries(encoding, title, folders):
    names = [f"{folder}/picture {i}.png".encode(encoding) for i, folder in enumerate(folders)]
    found = open_zip(archive_with(names))
    assert sorted(found.groups) == sorted(folders)
    assert title in found.notes[0]


def test_names_that_cannot_be_told_are_hinted_at():
    found = open_zip(archive_with(["Größe/a.png".encode("cp850")]))
    assert len(found.groups) == 1
    assert "by hand" in found.notes[0]


def test_the_preprocessing_is_part_of_a_reference(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for i in range(5):
            Image.fromarray(NOISE).save(tmp_path / folder / f"{i}.png")
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    keys = set()
    for resize in (32, 40):
        fitted = Preprocessing(input_size=32, resize=resize)
        classifier = Classifier.from_module(network, class_names=["a", "b"], preprocessing=fitted)
        reference = reference_from_set(open_folder(tmp_path), classifier, 0)
        assert str(resize) in reference.info.preprocessing
        keys.add(reference.key)
    assert len(keys) == 2
