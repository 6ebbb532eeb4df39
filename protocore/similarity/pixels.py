"""Images in whatever form they come -> float32 `(N, 3, S, S)` in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from protocore.errors import ImageError


def as_images(images: np.ndarray | Tensor, size: int) -> Tensor:
    """Float32 images `(N, 3, size, size)` in [0, 1].

    Takes uint8 arrays `(N, H, W, 3)` and float tensors `(N, 3, H, W)`; another size is resampled
    with antialiasing. Raises ImageError for other shapes or types.
    """
    if isinstance(images, np.ndarray) and images.dtype == np.uint8:
        _check(images.shape, images.ndim == 4 and images.shape[3] == 3, "(N, H, W, 3)")
        batch = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float() / 255
    elif isinstance(images, Tensor) and images.is_floating_point():
        _check(images.shape, images.ndim == 4 and images.shape[1] == 3, "(N, 3, H, W)")
        batch = images.detach().float()
    else:
        raise ImageError(
            "images must be a uint8 array (N, H, W, 3) or a float tensor (N, 3, H, W) in [0, 1], "
            f"got {type(images).__name__} of {images.dtype}"
        )
    if batch.shape[2:] != (size, size):
        batch = F.interpolate(batch, (size, size), mode="bilinear", antialias=True)
    return batch.contiguous()


def _check(shape: tuple[int, ...], fits: bool, wanted: str) -> None:
    if not fits:
        raise ImageError(f"images must have the shape {wanted}, got {tuple(shape)}")
