"""The Triton kernels against PyTorch, by Triton's interpreter where there is no card.

tests/conftest.py switches the interpreter on.
"""

import math
import os

import pytest
import torch

from protocore.generation.affine import Fill, inverse_matrices
from protocore.generation.card import plain
from protocore.generation.card.draws import neutral
from protocore.generation.card.plain import Seen
from protocore.generation.settings import GenerationSettings
from protocore.generation.views import noise_pattern, variations_of

pytest.importorskip("triton")
from protocore.generation.card import fused

COUNT, TRANSFORMS, SIZE = 2, 3, 13
MEAN = (0.4, 0.5, 0.6)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
pytestmark = pytest.mark.skipif(
    DEVICE.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1",
    reason="neither a card nor Triton's interpreter, see tests/conftest.py",
)


def seen(fill: str, views: int, seed: int = 0, *, scale=(0.7, 1.3), varied: bool = False) -> Seen:
    draw = torch.rand(views, 4, generator=torch.Generator().manual_seed(seed))
    factor = scale[0] + (scale[1] - scale[0]) * draw[:, 0]
    angle = (2 * draw[:, 1] - 1) * math.pi
    matrices = inverse_matrices(factor, angle, draw[:, 2] - 0.5, draw[:, 3] - 0.5)
    variations = neutral(views)
    if varied:
        settings = GenerationSettings(noise=0.3, jitter=0.3, greyscale=0.5)
        numbers = torch.rand(views, 10, generator=torch.Generator().manual_seed(seed))
        variations = variations_of(settings, numbers, 0)
        variations[:, 2] *= 0.7  # some of the colour may stay
    fill = Fill.of(fill, MEAN, DEVICE)
    spread = 1 / torch.tensor([0.2, 0.25, 0.3])
    colours = torch.stack([fill.colour.flatten().cpu(), torch.tensor(MEAN), spread])
    return Seen(
        drawn=torch.cat([matrices.flatten(1), variations], dim=1).to(DEVICE),
        transforms=TRANSFORMS,
        fill=fill,
        colours=colours.to(DEVICE),
        pattern=noise_pattern(SIZE, DEVICE) if varied else None,
    )


def images(seed: int = 1, height: int = SIZE, width: int = SIZE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(COUNT, 3, height, width, generator=generator).to(DEVICE)


def both(name, *args, **kwargs):
    return getattr(plain, name)(*args, **kwargs), getattr(fused, name)(*args, **kwargs)


@pytest.mark.parametrize("fill", ["black", "mean", "edge", "reflect"])
@pytest.mark.parametrize("scale", [(0.7, 1.3), (0.2, 0.3), (2.0, 4.0)])
@pytest.mark.parametrize("varied", [False, True])
def test_views_are_those_of_grid_sample(fill, scale, varied):
    how = seen(fill, COUNT * TRANSFORMS + 1, scale=scale, varied=varied)
    found = torch.full((2, len(how.drawn), SIZE, SIZE, 3), math.nan, device=DEVICE)
    for operations, views in zip((plain, fused), found, strict=True):
        operations.draw_views(images(), how, views)
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=3e-4)


@pytest.mark.parametrize("fill", ["black", "edge", "reflect"])
@pytest.mark.parametrize(
    ("scale", "varied"), [((0.7, 1.3), False), ((0.2, 0.3), True), ((1.8, 2.2), False)]
)
def test_the_adjoint_is_autograds(fill, scale, varied):
    how = seen(fill, COUNT * TRANSFORMS + 1, 3, scale=scale, varied=varied)
    given = torch.randn(len(how.drawn), SIZE, SIZE, 3, generator=torch.Generator().manual_seed(2))
    given = given.to(DEVICE)
    results = []
    for operations in (plain, fused):
        where = torch.ones(COUNT, SIZE, SIZE, device=DEVICE)
        results.append((*operations.image_gradient(given, how, COUNT, where), where))
    expected, found = results
    largest = expected[0].abs().max().item()
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=2e-5 * largest)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=0)
    torch.testing.assert_close(found[2], expected[2], rtol=1e-4, atol=2e-5 * largest)


def test_the_adjoint_by_hand():
    """A view moved by one pixel to the right: gradients come back one pixel to the left."""
    matrices = inverse_matrices(*(torch.tensor([v]) for v in (1.0, 0.0, 1 / 4, 0.0)))
    how = Seen(
        drawn=torch.cat([matrices.flatten(1), neutral(1)], dim=1).to(DEVICE),
        transforms=1,
        fill=Fill.of("black", MEAN, DEVICE),
        colours=torch.ones(3, 3, device=DEVICE),
        pattern=None,
    )
    given = torch.arange(48.0, device=DEVICE).view(1, 4, 4, 3)
    result, size = fused.image_gradient(given, how, 1, None)
    expected = torch.zeros(1, 3, 4, 4, device=DEVICE)
    expected[..., :3] = given.permute(0, 3, 1, 2)[..., 1:]
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(size, expected.sum().view(1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("fill", ["black", "edge"])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of the interpreter
def test_what_is_not_finite_is_seen(fill, wrong):
    how = seen(fill, COUNT * TRANSFORMS, 3, scale=(0.9, 1.0))
    how.drawn[0, :6] = torch.eye(2, 3).flatten()
    given = torch.ones(len(how.drawn), SIZE, SIZE, 3, device=DEVICE)
    given[0, 6, 6, 1] = wrong
    _, size = fused.image_gradient(given, how, COUNT, None)
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
