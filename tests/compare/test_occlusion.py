"""Occlusion maps of a classifier that looks at known places."""

import numpy as np
import pytest

from protocore.compare.occlusion import occlusion_map
from protocore.errors import ImageError, SettingsError, UnknownClassError
from tests.compare.makers import lit_quadrant, quadrants


def test_covering_the_place_that_counts_lowers_the_logit_and_no_other_does():
    image = lit_quadrant(1)  # logit of class 1 is 10, of the others 0
    seen = []
    found = occlusion_map(
        quadrants(), image, [1, 0], patch=8, stride=8, how="black",
        progress=lambda *progress: seen.append(progress),
    )  # fmt: skip
    np.testing.assert_allclose(found.logits, [10, 0], atol=1e-5)
    np.testing.assert_allclose(found.drops[0], [[0, 10], [0, 0]], atol=1e-5)
    np.testing.assert_allclose(found.drops[1], np.zeros((2, 2)), atol=1e-5)
    np.testing.assert_allclose(found.heat[0], lit_quadrant(1)[:, :, 0] / 25.5, atol=1e-5)
    assert seen == [(4, 4)]


def test_a_pixel_has_the_mean_of_the_patches_that_cover_it():
    found = occlusion_map(quadrants(), lit_quadrant(0), [0], patch=8, stride=4, how="black")
    assert found.drops.shape == (1, 3, 3)
    np.testing.assert_allclose(found.drops[0], [[10, 5, 0], [5, 2.5, 0], [0, 0, 0]], atol=1e-5)
    np.testing.assert_allclose(found.heat[0, 0, 0], 10, atol=1e-5)
    np.testing.assert_allclose(found.heat[0, 4, 4], (10 + 5 + 5 + 2.5) / 4, atol=1e-5)


def test_covering_with_the_mean_can_raise_a_logit():
    found = occlusion_map(quadrants(), lit_quadrant(0, level=200), [3], patch=8, stride=8)
    np.testing.assert_allclose(found.drops[0, 1, 1], -10 * 50 / 255, atol=1e-5)


def test_the_last_patch_ends_at_the_border():
    found = occlusion_map(quadrants(), lit_quadrant(0), [0], patch=6, stride=6, how="black")
    assert found.drops.shape == (1, 3, 3)  # 0, 6 and 10
    assert np.isfinite(found.heat).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 17}, "the patch must be between 1 and 16 pixels, got 17"),
        (
            {"patch": 4, "stride": 5},
            "the stride must be between 1 and the patch's 4 pixels, so that no pixel is left out, "
            "got 5",
        ),
        ({"how": "magic"}, "cover must be one of mean, blur, grey, black, got 'magic'"),
    ],
)
def test_settings_outside_their_range(changes, message):
    with pytest.raises(SettingsError) as caught:
        occlusion_map(quadrants(), lit_quadrant(0), [0], **changes)
    assert str(caught.value) == message


def test_other_input_is_explained():
    with pytest.raises(ImageError) as caught:
        occlusion_map(quadrants(), np.zeros((16, 16)), [0])
    assert str(caught.value) == "an image must be uint8 (H, W, 3), got float64 of shape (16, 16)"
    with pytest.raises(UnknownClassError):
        occlusion_map(quadrants(), lit_quadrant(0), [4])
