import io

import numpy as np
import pytest
from PIL import Image

from protocore.errors import ImageError
from protocore.similarity import decoding
from protocore.similarity.decoding import decode_image


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str, colour, size=(40, 30)) -> Image.Image:
    return Image.new(mode, size, colour)


def test_centre_square_of_a_wide_image():
    picture = np.zeros((20, 60, 3), np.uint8)
    picture[:, 20:40] = (255, 0, 0)
    decoded = decode_image(encode(Image.fromarray(picture)), 20)
    assert decoded.shape == (20, 20, 3)
    assert decoded.dtype == np.uint8
    assert (decoded == (255, 0, 0)).all()


def test_cmyk_palette_grey_and_transparency_become_rgb():
    cmyk = decode_image(encode(plain("CMYK", (0, 255, 255, 0)), "TIFF"), 16)
    assert (cmyk == (255, 0, 0)).all()
    assert (decode_image(encode(plain("L", 90)), 16) == 90).all()
    clear = decode_image(encode(plain("RGBA", (255, 0, 0, 0))), 16)
    assert (clear == 255).all()
    palette = plain("RGB", (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.abs(decode_image(encode(palette), 16).astype(int) - (10, 200, 30)).max() <= 1


def test_sixteen_bit_is_scaled_and_not_clipped():
    deep = Image.fromarray(np.full((20, 20), 257 * 100, np.uint16))
    assert (decode_image(encode(deep), 16) == 100).all()


def test_first_picture_of_an_animation():
    frames = [plain("RGB", (0, 0, 255)), plain("RGB", (255, 0, 0))]
    animation = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode_image(animation, 16) == (0, 0, 255)).all()


def test_turned_upright():
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:20] = 255  # the upper half as stored
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    decoded = decode_image(encode(Image.fromarray(picture), exif=exif), 40)
    assert decoded[0].max() == 0
    assert decoded[-1].min() == 255


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not an image at all", "not an image that can be read"),
        (b"", "not an image that can be read"),
        (encode(plain("RGB", 0, (1, 1))), "too small: 1x1 pixels, at least 16 each way"),
        (encode(plain("F", 0.5), "TIFF"), "floating-point pixels, whose range is not known"),
    ],
)
def test_what_cannot_be_used_says_why(content, reason):
    with pytest.raises(ImageError) as error:
        decode_image(content, 16)
    assert str(error.value) == reason


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_truncated_files_are_refused(kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match=r"truncated or damaged|not an image"):
        decode_image(content[: len(content) // 2], 32)


def test_huge_images_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1_000_000)
    with pytest.raises(ImageError) as error:
        decode_image(encode(plain("1", 0, (2000, 1000))), 16)
    assert str(error.value) == "huge: 2000x1000 pixels, at most 1 million"
    monkeypatch.setattr(decoding, "MAX_BYTES", 2**20)
    with pytest.raises(ImageError) as error:
        decode_image(bytes(3 * 2**20), 16)
    assert str(error.value) == "the file is too large: 3 MB, at most 1"
