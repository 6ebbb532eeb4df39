"""The Triton kernels against PyTorch, by Triton's interpreter where there is no card.

tests/conftest.py switches the interpreter on.
"""

import math
import os

import pytest
import torch

from protocore.generation.affine import Fill, inverse_matrices
from protocore.generation.card import plain

pytest.importorskip("triton")
from protocore.generation.card import fused

COUNT, TRANSFORMS, SIZE = 2, 3, 13
MEAN = (0.4, 0.5, 0.6)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
pytestmark = pytest.mark.skipif(
    DEVICE.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1",
    reason="neither a card nor Triton's interpreter, see tests/conftest.py",
)


def matrices(views: int, seed: int = 0, *, scale=(0.7, 1.3)) -> torch.Tensor:
    draw = torch.rand(views, 4, generator=torch.Generator().manual_seed(seed))
    factor = scale[0] + (scale[1] - scale[0]) * draw[:, 0]
    angle = (2 * draw[:, 1] - 1) * math.pi
    return inverse_matrices(factor, angle, draw[:, 2] - 0.5, draw[:, 3] - 0.5).to(DEVICE)


def colours(fill: Fill) -> torch.Tensor:
    rows = [fill.colour.flatten().cpu(), torch.tensor(MEAN), 1 / torch.tensor([0.2, 0.25, 0.3])]
    return torch.stack(rows).to(DEVICE)


def images(seed: int = 1, height: int = SIZE, width: int = SIZE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(COUNT, 3, height, width, generator=generator).to(DEVICE)


def both(name, *args, **kwargs):
    return getattr(plain, name)(*args, **kwargs), getattr(fused, name)(*args, **kwargs)


@pytest.mark.parametrize("fill", ["black", "mean", "edge", "reflect"])
@pytest.mark.parametrize("scale", [(0.7, 1.3), (0.2, 0.3), (1.8, 2.2)])
def test_views_are_those_of_grid_sample(fill, scale):
    fill = Fill.of(fill, MEAN, DEVICE)
    seen = torch.full((2, COUNT * TRANSFORMS + 1, SIZE, SIZE, 3), math.nan, device=DEVICE)
    for operations, views in zip((plain, fused), seen, strict=True):
        turned = matrices(len(views), scale=scale)
        operations.draw_views(images(), turned, fill, colours(fill), TRANSFORMS, views)
    torch.testing.assert_close(seen[1], seen[0], rtol=0, atol=2e-4)


@pytest.mark.parametrize("fill", ["black", "edge", "reflect"])
@pytest.mark.parametrize("scale", [(0.7, 1.3), (0.2, 0.3), (1.8, 2.2)])
def test_the_adjoint_is_autograds(fill, scale):
    fill = Fill.of(fill, MEAN, DEVICE)
    turned = matrices(COUNT * TRANSFORMS + 1, 3, scale=scale)
    given = torch.randn(len(turned), SIZE, SIZE, 3, generator=torch.Generator().manual_seed(2))
    given = given.to(DEVICE)
    expected, found = both("image_gradient", given, turned, fill, colours(fill), TRANSFORMS, COUNT)
    largest = expected[0].abs().max().item()
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=2e-5 * largest)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=0)


def test_the_adjoint_by_hand():
    """A view moved by one pixel to the right: gradients come back one pixel to the left."""
    fill = Fill.of("black", MEAN, DEVICE)
    turned = inverse_matrices(*(torch.tensor([v]) for v in (1.0, 0.0, 1 / 4, 0.0))).to(DEVICE)
    given = torch.arange(48.0, device=DEVICE).view(1, 4, 4, 3)
    ones = torch.ones(3, 3, device=DEVICE)
    result, size = fused.image_gradient(given, turned, fill, ones, 1, 1)
    expected = torch.zeros(1, 3, 4, 4, device=DEVICE)
    expected[..., :3] = given.permute(0, 3, 1, 2)[..., 1:]
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(size, expected.sum().view(1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("fill", ["black", "edge"])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_seen(fill, wrong):
    fill = Fill.of(fill, MEAN, DEVICE)
    turned = matrices(COUNT * TRANSFORMS, 3, scale=(0.9, 1.0))
    turned[0] = torch.eye(2, 3)
    given = torch.ones(len(turned), SIZE, SIZE, 3, device=DEVICE)
    given[0, 6, 6, 1] = wrong
    _, size = fused.image_gradient(given, turned, fill, colours(fill), TRANSFORMS, COUNT)
    assert size.isfinite().tolist() == [False, True]


@pytest.mark.parametrize("penalty", ["absolute", "squared"])
@pytest.mark.parametrize("colour", [0.0, 4.0])
@pytest.mark.parametrize("shape", [(13, 13), (9, 40)])
def test_roughness_is_the_loss_and_its_gradient(penalty, colour, shape):
    expected, found = both("roughness", images(5, *shape), penalty, colour)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=0)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-7)


def test_flat_images_have_no_slope():
    loss, slopes = fused.roughness(torch.full((1, 3, 9, 9), 0.25, device=DEVICE), "absolute", 0.0)
    assert loss.item() == 0 and not slopes.any()


def test_row_sums():
    values = torch.arange(2 * 700, dtype=torch.float32, device=DEVICE).view(2, 700)
    assert fused.row_sums(values).tolist() == values.sum(dim=1).tolist()


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("sloped", [True, False])
def test_adam_is_adam(clamp, sloped):
    results = []
    for operations in (plain, fused):
        generator = torch.Generator().manual_seed(4)
        tensors = torch.rand(6, COUNT, 3, 5, 5, generator=generator).to(DEVICE)
        parameters, gradient, slopes, first, second, average = tensors
        operations.adam_(
            parameters,
            gradient,
            slopes if sloped else None,
            torch.tensor([0.5, 200.0], device=DEVICE),
            first,
            second,
            average,
            torch.tensor([0.05, 2.5, 40.0, 0.125], device=DEVICE),
            clamp=clamp,
        )
        results.append([parameters, first, second, average])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
