"""The transforms are torchvision's, with proper blending into the fill colour."""

import math

import pytest
import torch
from torchvision.transforms.functional import InterpolationMode, affine

from protocore.generation.affine import Fill, draw_matrices, inverse_matrices, transform
from protocore.generation.settings import GenerationSettings

CPU = torch.device("cpu")
MEAN = (0.2, 0.4, 0.6)
SIZE = 20
CASES = [  # scale, degrees clockwise, shift to the right and down in shares of the size
    (1.0, 0.0, 0.0, 0.0),
    (1.0, 0.0, 0.25, -0.1),
    (0.7, 0.0, 0.0, 0.0),
    (1.3, 30.0, 0.0, 0.0),
    (0.8, -135.0, 0.5, 0.3),
    (1.25, 180.0, -0.5, 0.5),
]


def picture(seed=0):
    return torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def matrices(*cases):
    scale, degrees, right, down = torch.tensor(cases, dtype=torch.float32).unbind(1)
    return inverse_matrices(scale, torch.deg2rad(degrees), right, down)


def by_torchvision(image, case, fill=None):
    scale, degrees, right, down = case
    return affine(
        image,
        angle=degrees,
        translate=[right * SIZE, down * SIZE],
        scale=scale,
        shear=[0.0],
        interpolation=InterpolationMode.BILINEAR,
        fill=fill,
    )


@pytest.mark.parametrize("case", CASES)
def test_black_fill_equals_torchvision(case):
    ours = transform(picture(), matrices(case), Fill.of("black", MEAN, CPU))
    torch.testing.assert_close(ours, by_torchvision(picture(), case), rtol=0, atol=2e-5)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "colour"), [("white", (1.0,) * 3), ("grey", (0.5,) * 3),
                                              ("mean", MEAN)])  # fmt: skip
def test_colours_equal_torchvision_off_the_edge(case, name, colour):
    """On the edge itself torchvision attenuates the image twice; there we blend."""
    ours = transform(picture(), matrices(case), Fill.of(name, MEAN, CPU))
    cover = by_torchvision(torch.ones(1, 3, SIZE, SIZE), case)
    theirs = by_torchvision(picture(), case, fill=list(colour))
    clear = (cover > 0.9999) | (cover == 0)
    assert clear.float().mean() > 0.6
    torch.testing.assert_close(ours[clear], theirs[clear], rtol=0, atol=2e-4)
    blended = by_torchvision(picture(), case) + (1 - cover) * torch.tensor(colour)[:, None, None]
    torch.testing.assert_close(ours, blended, rtol=0, atol=2e-5)


def test_a_shift_by_whole_pixels_by_hand():
    image = picture()
    moved = transform(image, matrices((1.0, 0.0, 5 / SIZE, 0.0)), Fill.of("white", MEAN, CPU))
    torch.testing.assert_close(moved[..., 5:], image[..., :-5], rtol=0, atol=1e-5)
    torch.testing.assert_close(moved[..., :5], torch.ones(1, 3, SIZE, 5))


@pytest.mark.parametrize(("fill", "column"), [("edge", [0] * 5), ("reflect", [4, 3, 2, 1, 0])])
def test_edges_go_on_by_hand(fill, column):
    image = picture()
    moved = transform(image, matrices((1.0, 0.0, 5 / SIZE, 0.0)), Fill.of(fill, MEAN, CPU))
    torch.testing.assert_close(moved[..., :5], image[..., column], rtol=0, atol=1e-5)


def test_each_view_has_its_own_matrix():
    image = picture()
    fill = Fill.of("grey", MEAN, CPU)
    together = transform(image.expand(len(CASES), -1, -1, -1), matrices(*CASES), fill)
    for row, case in zip(together, CASES, strict=True):
        torch.testing.assert_close(row[None], transform(image, matrices(case), fill))


# --- drawing ---


def test_what_is_drawn_by_hand():
    settings = GenerationSettings(
        transforms_per_step=3, scale=(0.5, 1.5), rotation=90.0, translation=(0.25, 0.5)
    )
    drawn = draw_matrices(settings, torch.Generator().manual_seed(5))
    numbers = torch.rand(3, 4, generator=torch.Generator().manual_seed(5))
    scale = 0.5 + numbers[:, 0]
    angle = (2 * numbers[:, 1] - 1) * math.pi / 2
    right, down = (2 * numbers[:, 2] - 1) * 0.25, (2 * numbers[:, 3] - 1) * 0.5
    torch.testing.assert_close(drawn, inverse_matrices(scale, angle, right, down))


def test_drawing_covers_the_ranges():
    settings = GenerationSettings(transforms_per_step=64)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([draw_matrices(settings, generator) for _ in range(40)])
    scale = 1 / drawn[:, 0, :2].norm(dim=1)
    angle = torch.rad2deg(torch.atan2(drawn[:, 0, 1], drawn[:, 0, 0]))
    forward = torch.linalg.inv(drawn[:, :, :2])
    shift = -(forward @ drawn[:, :, 2:])[..., 0] / 2
    for values, low, high in [
        (scale, 0.7, 1.3), (angle, -180, 180), (shift[:, 0], -0.5, 0.5), (shift[:, 1], -0.5, 0.5)
    ]:  # fmt: skip
        span = high - low
        assert low - 1e-4 <= values.min() < low + 0.01 * span
        assert high - 0.01 * span < values.max() <= high + 1e-4
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * span)


def test_the_sequence_does_not_depend_on_the_settings():
    """So that the transforms that follow are the same after a slider was moved."""
    gentle = GenerationSettings(scale=(1.0, 1.0), rotation=0.0, translation=(0.0, 0.0))
    one, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    draw_matrices(GenerationSettings(), one)
    identity = draw_matrices(gentle, other)
    assert torch.equal(identity, torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]))
    assert torch.equal(one.get_state(), other.get_state())


def test_several_transforms_continue_the_same_sequence():
    one, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    single = torch.cat([draw_matrices(GenerationSettings(), one) for _ in range(8)])
    at_once = draw_matrices(GenerationSettings(transforms_per_step=8), other)
    assert torch.equal(single, at_once)
