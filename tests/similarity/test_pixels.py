import numpy as np
import pytest
import torch

from protocore.errors import ImageError
from protocore.similarity.pixels import as_images


def test_bytes_become_floats_channels_first():
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 1] = (255, 51, 0)
    images = as_images(pixels, 2)
    assert images.shape == (1, 3, 2, 2)
    assert images[0, :, 0, 1].tolist() == pytest.approx([1.0, 0.2, 0.0])
    flipped = as_images(pixels[:, ::-1], 2)  # a view with negative strides
    assert flipped[0, :, 1, 1].tolist() == pytest.approx([1.0, 0.2, 0.0])


def test_larger_images_are_averaged_and_not_sampled():
    checks = np.indices((8, 8)).sum(0) % 2 * 255
    images = as_images(np.repeat(checks[None, :, :, None], 3, 3).astype(np.uint8), 4)
    assert images.shape == (1, 3, 4, 4)
    assert (images - 0.5).abs().max() < 0.1


def test_floats_pass_without_gradient():
    given = torch.rand(2, 3, 4, 4, requires_grad=True)
    images = as_images(given, 4)
    assert torch.equal(images, given)
    assert not images.requires_grad


def test_other_forms_are_refused():
    with pytest.raises(ImageError) as error:
        as_images(torch.zeros(3, 4, 4), 4)
    assert str(error.value) == "images must have the shape (N, 3, H, W), got (3, 4, 4)"
