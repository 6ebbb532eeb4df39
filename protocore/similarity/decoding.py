"""One image file -> the square of 8-bit RGB that a classifier takes, or the reason why not."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from protocore.errors import ImageError

MIN_SIDE = 16  # pixels of the shorter side; what is smaller shows nothing when enlarged
MAX_PIXELS = 100_000_000  # beyond any camera; decoding takes 3 bytes for each
MAX_BYTES = 64 * 2**20  # of one file
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def decode_image(content: bytes, size: int) -> np.ndarray:
    """The centre square `(size, size, 3)` uint8 of an image file.

    Turned upright by its EXIF entry, converted to RGB (CMYK, 16-bit, palettes), transparency laid
    on white, the first picture of an animation; the shorter side is resampled to `size`.
    Raises ImageError with the reason when the file is not an image, damaged, tiny or huge.
    """
    if len(content) > MAX_BYTES:
        raise ImageError(
            f"the file is too large: {len(content) / 2**20:.0f} MB, at most {MAX_BYTES >> 20}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size is checked here, odd metadata does not matter
            with Image.open(io.BytesIO(content)) as image:
                _check_size(*image.size)
                image.draft("RGB", (2 * size, 2 * size))  # a large JPEG is decoded smaller
                upright = ImageOps.exif_transpose(image)
                fitted = ImageOps.fit(_to_rgb(upright), (size, size), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ImageError("not an image that can be read") from error
    except _DAMAGED as error:
        raise ImageError(f"truncated or damaged ({error})") from error
    return np.asarray(fitted)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"too small: {width}x{height} pixels, at least {MIN_SIDE} each way")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"huge: {width}x{height} pixels, at most {MAX_PIXELS // 1_000_000} million"
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError("whole numbers beyond 16 bits, whose range is not known")
        return Image.fromarray((values // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ImageError("floating-point pixels, whose range is not known")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image.convert("RGB")
