"""Pixels are pixels; the Fourier images against an independent computation with NumPy."""

import numpy as np
import pytest
import torch

from protocore.generation.parametrisation import PARAMETRISATIONS, Fourier, parametrisation_of
from protocore.generation.settings import GenerationSettings

PIXELS, FOURIER, MACO = (PARAMETRISATIONS[name] for name in ("pixels", "fourier", "maco"))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_pixels_start_uniform_and_stay_in_range():
    start = PIXELS.start(8, seeded(4))
    assert torch.equal(start, torch.rand(3, 8, 8, generator=seeded(4)))
    parameters = torch.tensor([-0.5, 0.25, 1.5])
    PIXELS.constrain_(parameters)
    assert parameters.tolist() == [0.0, 0.25, 1.0]
    assert PIXELS.images(start[None]) is not None
    assert torch.equal(PIXELS.images(start[None])[0], start)


def numpy_images(parameters):
    """Sigmoid of decorrelated waves, written with complex exponentials instead of an FFT."""
    count, channels, size, half, _ = parameters.shape
    spectrum = parameters[..., 0] + 1j * parameters[..., 1]
    down = np.array([(k if k <= (size - 1) // 2 else k - size) / size for k in range(size)])
    across = np.arange(half) / size
    gain = 1 / np.maximum(np.sqrt(down[:, None] ** 2 + across**2), 1 / size)
    waves = np.zeros((count, channels, size, size))
    y, x = np.mgrid[:size, :size]
    for k in range(size):
        for m in range(half):
            # Every column but the first (and, for even sizes, the last) stands for its mirror
            # image as well; in those two the real part alone counts.
            twice = 1 if m == 0 or 2 * m == size else 2
            phase = np.exp(2j * np.pi * (down[k] * y + across[m] * x))
            value = spectrum[:, :, k, m] * gain[k, m]
            waves += twice * (value[..., None, None] * phase).real
    waves *= 0.25 / size  # norm "ortho": 1 / sqrt(size * size)
    basis = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    basis /= np.sqrt((basis**2).sum(axis=0)).max()
    return 1 / (1 + np.exp(-np.einsum("cd,ndyx->ncyx", basis, waves)))


@pytest.mark.parametrize("size", [5, 6])
def test_fourier_images_against_numpy(size):
    parameters = torch.stack([FOURIER.start(size, seeded(s)) * 100 for s in range(2)])
    images = FOURIER.images(parameters)
    assert images.shape == (2, 3, size, size)
    expected = numpy_images(parameters.double().numpy())
    assert expected.std() > 0.05
    np.testing.assert_allclose(images.numpy(), expected, atol=2e-6)


def test_fourier_images_start_nearly_grey_and_are_bounded():
    start = FOURIER.start(32, seeded())[None]
    images = FOURIER.images(start)
    assert images.std() < 0.05
    assert images.mean().item() == pytest.approx(0.5, abs=0.02)
    extreme = FOURIER.images(start * 1e4)
    assert 0 <= extreme.min() < 0.01 and 0.99 < extreme.max() <= 1
    before = start.clone()
    FOURIER.constrain_(start)
    assert torch.equal(before, start)


@pytest.mark.parametrize("kind", [PIXELS, FOURIER, MACO])
def test_start_images_depend_on_the_seed_alone(kind):
    assert torch.equal(kind.start(16, seeded(1)), kind.start(16, seeded(1)))
    assert not torch.equal(kind.start(16, seeded(1)), kind.start(16, seeded(2)))


def test_fourier_gradients_reach_every_frequency():
    parameters = FOURIER.start(8, seeded())[None].requires_grad_(True)
    weights = torch.rand(1, 3, 8, 8, generator=seeded(1))
    (gradient,) = torch.autograd.grad((FOURIER.images(parameters) * weights).sum(), parameters)
    assert (gradient.abs().sum(dim=-1) > 0).all()


def logits_of(images):
    return torch.logit(images.double())


def test_the_contrast_limit_bounds_the_image_before_the_sigmoid():
    strong = torch.stack([FOURIER.start(32, seeded(s)) * scale for s, scale in ((0, 1), (1, 300))])
    free, bounded = FOURIER.images(strong), Fourier(contrast_limit=1.2).images(strong)
    torch.testing.assert_close(free[0], bounded[0])  # weak contrast is left as it is
    assert logits_of(free)[1].std() > 2
    assert logits_of(bounded)[1].std().item() == pytest.approx(1.2, abs=1e-3)
    ratio = logits_of(bounded)[1] / logits_of(free)[1]
    assert ratio.std() < 1e-3  # the same picture, with less contrast


def test_the_settings_choose_the_parametrisation():
    settings = GenerationSettings(parametrisation="fourier", contrast_limit=0.7)
    assert parametrisation_of(settings) == Fourier(contrast_limit=0.7)
    assert parametrisation_of(GenerationSettings()) is PIXELS
    assert parametrisation_of(settings.replace(parametrisation="maco")) is MACO


def test_maco_changes_the_phase_and_never_the_magnitude():
    start = MACO.start(32, seeded())[None]
    moved = start + 0.5 * torch.randn(start.shape, generator=seeded(9))
    spectra = []
    for parameters in (start, moved):
        images = MACO.images(parameters)
        assert images.shape == (1, 3, 32, 32)
        logits = logits_of(images)
        assert logits.std().item() == pytest.approx(1.4, abs=1e-3)
        assert logits.mean().abs() < 1e-5
        spectra.append(torch.fft.rfft2(logits, norm="ortho")[..., 1:16])
    # Each colour mixes three decorrelated waves of other phases, so compare their mean strength.
    strengths = [spectrum.abs().square().sum(dim=(1, 2)).sqrt().flatten() for spectrum in spectra]
    assert (strengths[0] / strengths[1]).std() < 0.1
    assert strengths[0][0] > 4 * strengths[0][8]  # as in photographs: low frequencies are strong
