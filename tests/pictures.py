"""Small pictures for tests."""

from pathlib import Path

import numpy as np
from PIL import Image


def save_png(path: Path, size: int = 8) -> Path:
    """A gradient, so that it is no blank image."""
    pixels = np.linspace(0, 255, size * size * 3).astype(np.uint8).reshape(size, size, 3)
    Image.fromarray(pixels).save(path)
    return path
