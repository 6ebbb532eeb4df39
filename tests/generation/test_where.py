"""Where the network looked: found where it does look, kept in the record, shown by hand."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from protocore.errors import ImageError
from protocore.generation import where
from protocore.generation.api import generate_prototype
from protocore.generation.prototype import Prototype
from protocore.generation.settings import GenerationSettings
from protocore.models.classifier import Classifier


class TopLeft(nn.Module):
    """Class 1 is the brightness of the top left quarter; nothing else counts."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images):
        quarter = images[:, :, :8, :8].mean(dim=(1, 2, 3)) * self.scale
        return torch.stack([-quarter, quarter], dim=1)


def test_it_is_where_the_network_looks(tmp_path):
    classifier = Classifier.from_module(TopLeft(), input_size=16, class_names=("dark", "bright"))
    still = GenerationSettings(
        steps=4, baseline_steps=0, hf_weight=0, scale=(1, 1), rotation=0, translation=(0, 0)
    )
    prototype = generate_prototype(classifier, "bright", still)
    found = prototype.where
    assert found.shape == (16, 16) and found.dtype == np.float32
    assert found[:7, :7].min() > 0.9
    assert found[10:].max() < 0.05 and found[:, 10:].max() < 0.05
    again = Prototype.load(prototype.save(tmp_path))
    np.testing.assert_array_equal(again.where, found)


def test_a_map_survives_its_text_at_most_64_pixels_wide():
    ramp = torch.linspace(0, 1, 200)[None].repeat(200, 1)
    text = where.encode_map(ramp)
    assert len(text) < 8000
    found = where.decode_map(text, (200, 200))
    assert np.abs(found - ramp.numpy()).max() < 0.03


def test_no_gradient_is_no_map():
    assert where.encode_map(torch.zeros(8, 8)) == ""
    assert where.decode_map("", (8, 8)) is None


@pytest.mark.parametrize("text", ["no base64!", "aGVsbG8=", "iVBORw0KGgo="])
def test_a_damaged_map_is_explained(text):
    with pytest.raises(ImageError, match="cannot be read"):
        where.decode_map(text, (8, 8))


def test_overlay_and_transparency_by_hand():
    image = np.full((1, 3, 3), (200, 100, 0), np.uint8)
    looked = np.array([[0.0, 0.25, 1.0]], np.float32)
    shown = where.overlay(image, looked)
    assert shown[0].tolist() == [[25, 25, 25], [112, 62, 12], [200, 100, 0]]
    with Image.open(io.BytesIO(where.alpha_png(image, looked))) as file:
        assert file.mode == "RGBA"
        pixels = np.asarray(file)
    assert pixels[0, :, 3].tolist() == [0, 128, 255]
    assert (pixels[..., :3] == image).all()
