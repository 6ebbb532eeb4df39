"""One image file -> the square of 8-bit RGB that a classifier takes, or the reason why not."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, UnidentifiedImageError

from protocore.errors import ImageError
from protocore.models.preprocessing import Preprocessing

MIN_SIDE = 16  # pixels of the shorter side; what is smaller shows nothing when enlarged
MAX_PIXELS = 100_000_000  # beyond any camera; Pillow holds up to 4 bytes for each
MAX_BYTES = 64 * 2**20  # of one file
SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"),
    *(".jfif", ".jpe", ".avif", ".jp2", ".j2k", ".pgm", ".pbm", ".pnm", ".heic", ".heif"),
)

_LARGE = 16_000_000  # pixels; such pictures are decoded one at a time and reduced strip by strip
_STRIP = 512  # rows
_ENOUGH = 4  # times what the preprocessing resizes to: reducing to that first changes nothing seen
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras, microscopes and X-ray detectors use
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_UPRIGHT = {  # EXIF orientation -> how Pillow undoes it
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}
_one_large = threading.Lock()  # so that parallel jobs do not add up


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """What was read from one file."""

    pixels: np.ndarray  # (S, S, 3) uint8
    note: str = ""  # what people should know of how it was read


def decode_image(content: bytes, size: int | Preprocessing) -> np.ndarray:
    """The `(S, S, 3)` uint8 of `read_picture`."""
    return read_picture(content, size).pixels


def read_picture(content: bytes, size: int | Preprocessing) -> Picture:
    """An image file as a classifier with that preprocessing takes it.

    Turned upright by its EXIF entry, converted to RGB (CMYK, palettes; 16-bit by the bits that
    are used, which the note says), transparency laid on white, the first picture of an animation.
    A plain number means the largest centre square at that many pixels. Raises ImageError with the
    reason when the file is not an image, damaged, tiny or huge.
    """
    fitted = Preprocessing.whole(size) if isinstance(size, int) else size
    if len(content) > MAX_BYTES:
        raise ImageError(
            f"the file is too large: {len(content) / 2**20:.0f} MB, at most {MAX_BYTES >> 20}"
        )
    is_heif = content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS
    if is_heif and not _reads_heif():
        raise ImageError("HEIC pictures need the package pillow-heif: pip install pillow-heif")
    try:
        with Image.open(io.BytesIO(content)) as image:
            _check_size(*image.size)
            large = image.width * image.height > _LARGE
            with _one_large if large else nullcontext():
                upright, note = _read(image, _ENOUGH * fitted.resize if large else 0)
            return Picture(pixels=fitted.fit(upright), note=note)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ImageError("not an image that can be read") from error
    except _DAMAGED as error:
        raise ImageError(f"truncated or damaged ({error})") from error


@lru_cache(maxsize=1)
def _reads_heif() -> bool:
    """Whether pillow-heif is installed; teaches Pillow to use it."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"too small: {width}x{height} pixels, at least {MIN_SIDE} each way")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"huge: {width}x{height} pixels, at most {MAX_PIXELS // 1_000_000} million"
        )


def _read(image: Image.Image, enough: int) -> tuple[Image.Image, str]:
    """Upright RGB and a note; a picture much larger than `enough` pixels (0: none) is reduced."""
    if enough:
        image.draft("RGB", (enough, enough))  # a JPEG is decoded at a half, a quarter, ...
    image.load()
    turns = _UPRIGHT.get(image.getexif().get(0x0112), ())
    levels, note = _levels(image)
    factor = max(min(image.size) // enough, 1) if enough else 1
    reduced = _by_strips(image, levels, factor) if factor > 1 else _to_rgb(image, levels)
    for turn in turns:
        reduced = reduced.transpose(turn)
    return reduced, note


def _by_strips(image: Image.Image, levels: int, factor: int) -> Image.Image:
    """RGB, smaller by a whole factor; converted in strips, so that no second copy is needed."""
    width, height = (-(-side // factor) for side in image.size)
    result = Image.new("RGB", (width, height))
    rows = max(_STRIP // factor, 1) * factor
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        result.paste(_to_rgb(strip, levels).reduce(factor), (0, top // factor))
    return result


def _levels(image: Image.Image) -> tuple[int, str]:
    """The largest value that 16-bit data can take in the bits it uses, and a note; else 255."""
    if image.mode not in _SIXTEEN_BIT:
        return 255, ""
    low, high = image.getextrema() if image.mode == "I" else _extrema(image)
    if low < 0 or high > 65535:
        raise ImageError("whole numbers beyond 16 bits, whose range is not known")
    bits = next(depth for depth in _DEPTHS if high < 2**depth)
    note = "" if bits == 16 else f"16-bit data from {low} to {high}, read as {bits}-bit"
    return 2**bits - 1, note


def _extrema(image: Image.Image) -> tuple[int, int]:
    values = np.asarray(image)
    return int(values.min()), int(values.max())


def _to_rgb(image: Image.Image, levels: int) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image).astype(np.uint32)
        # 65535 / 255 is 257: whole steps, as 16-bit writers scale 8-bit values up.
        scaled = values // 257 if levels == 65535 else (values * 255 + levels // 2) // levels
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ImageError("floating-point pixels, whose range is not known")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image.convert("RGB")
