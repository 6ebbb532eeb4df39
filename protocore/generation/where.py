"""Where in the image the network looked: the mean absolute pixel gradient over a run.

Every run keeps it, coarse, in its record, so that it goes wherever the prototype goes.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from protocore.errors import ImageError

SIDE = 64  # pixels of the map that is kept, at most: gradients are too noisy for more
_BRIGHTEST = 0.995  # quantile that counts as 1; single pixels stand out far
_TAILS = 0.1  # of the map at each side that a motif may reach beyond its box
_DIM = 0.25  # brightness left where the network did not look


def encode_map(gradient: Tensor) -> str:
    """Mean |gradient| `(H, W)` as a base64 text of a small greyscale PNG; "" where it is all 0.

    Scaled so that all but the strongest 0.5% fit 0..255.
    """
    side = min(SIDE, *gradient.shape)
    small = F.adaptive_avg_pool2d(gradient[None].cpu().float(), side)[0]
    largest = float(torch.quantile(small.flatten(), _BRIGHTEST))
    if not largest > 0:
        return ""
    levels = (small / largest).clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def decode_map(text: str, size: tuple[int, int]) -> np.ndarray | None:
    """The map as float32 `(height, width)` in 0..1, smoothly enlarged; None where none was kept.

    Raises ImageError for a text that is no such map.
    """
    if not text:
        return None
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            if image.format != "PNG" or max(image.size) > SIDE:
                raise ImageError(f"a map must be a PNG of at most {SIDE} px, got {image.size}")
            levels = torch.from_numpy(np.asarray(image.convert("L"), dtype=np.float32)) / 255
    except (ValueError, OSError, UnidentifiedImageError) as error:
        raise ImageError(f"the map of where the network looked cannot be read: {error}") from error
    large = F.interpolate(levels[None, None], size=size, mode="bicubic", align_corners=False)
    return large[0, 0].clamp(0, 1).numpy()


def motif_box(where: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, width and height, as shares of the map `(H, W)`, of where most of it lies.

    Across and down, _TAILS of the sum are left out at each end.
    """
    edges = []
    for axis in (0, 1):
        share = np.cumsum(where.sum(axis=axis, dtype=np.float64))
        low, high = np.searchsorted(share / share[-1], (_TAILS, 1 - _TAILS))
        edges.append((low / len(share), (high + 1 - low) / len(share)))
    (left, width), (top, height) = edges
    return float(left), float(top), float(width), float(height)


def overlay(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The image `(H, W, 3)` in full colour where the network looked, dim and grey elsewhere."""
    share = np.sqrt(where)[..., None]  # gradients are peaked: the root shows the weaker parts too
    grey = image.mean(axis=2, keepdims=True) * _DIM
    return np.clip(np.rint(share * image + (1 - share) * grey), 0, 255).astype(np.uint8)


def with_alpha(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The image as `(H, W, 4)`, opaque where the network looked and transparent elsewhere."""
    alpha = np.rint(255 * np.sqrt(where)).astype(np.uint8)
    return np.dstack([image, alpha])


def alpha_png(image: np.ndarray, where: np.ndarray) -> bytes:
    """`with_alpha` as a PNG file, for downloads."""
    buffer = io.BytesIO()
    Image.fromarray(with_alpha(image, where), "RGBA").save(buffer, "PNG")
    return buffer.getvalue()
