"""What the optimiser changes: the pixels themselves, a Fourier spectrum, or its phase alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from protocore.generation.settings import GenerationSettings

# Square root of the covariance of ImageNet's colours, scaled to norm 1 (Olah et al., 2017, as
# published with Lucid): columns are the directions in which natural colours vary.
_COLOUR_BASIS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
_SPECTRUM_SD = 0.01  # of the start spectrum (Lucid)
_PHOTO_CONTRAST = 1.4  # standard deviation of photographs before the sigmoid (80 of ImageNet's)
# Strength at one cycle and steepness of photographs' spectra per decorrelated colour (the same).
_MAGNITUDES = ((145.0, 1.31), (85.0, 1.25), (87.0, 1.17))
_SPECTRUM_GAIN = 0.25  # of the image before the sigmoid (Lucid divides by 4)


class Parametrisation(Protocol):
    """How an image `(3, size, size)` in [0, 1] is held while it is optimised.

    `direct`: the parameters are the image, and nothing is to be computed.
    """

    direct: ClassVar[bool]

    def start(self, size: int, generator: torch.Generator) -> Tensor:
        """Parameters of one start image, on the CPU."""

    def images(self, parameters: Tensor) -> Tensor:
        """Parameters `(N, ...)` -> images `(N, 3, size, size)`, differentiable."""

    def constrain_(self, parameters: Tensor) -> None:
        """Bring parameters back to where `images` stays within [0, 1], in place."""


class Pixels:
    """The paper's: start at `torch.rand(3, H, W)`, optimise pixels directly, clamp to [0, 1]."""

    direct = True

    def start(self, size: int, generator: torch.Generator) -> Tensor:
        return torch.rand(3, size, size, generator=generator)

    def images(self, parameters: Tensor) -> Tensor:
        return parameters

    def constrain_(self, parameters: Tensor) -> None:
        parameters.clamp_(0, 1)


@dataclass(frozen=True)
class Fourier:
    """Olah et al.'s: a Fourier spectrum scaled by 1/frequency, decorrelated colours, sigmoid.

    `contrast_limit` bounds the standard deviation of the image before the sigmoid: nothing else
    bounds the lowest frequencies, which else turn large areas black or white. 0: no bound.
    """

    contrast_limit: float = 0.0
    direct: ClassVar[bool] = False

    def start(self, size: int, generator: torch.Generator) -> Tensor:
        return _SPECTRUM_SD * torch.randn(3, size, size // 2 + 1, 2, generator=generator)

    def images(self, parameters: Tensor) -> Tensor:
        size = parameters.shape[2]
        spectrum = torch.view_as_complex(parameters) * _inverse_frequencies(size, parameters.device)
        waves = torch.fft.irfft2(spectrum, s=(size, size), norm="ortho") * _SPECTRUM_GAIN
        return torch.sigmoid(_bounded(_coloured(waves), self.contrast_limit))

    def constrain_(self, parameters: Tensor) -> None:
        """Nothing: the sigmoid bounds the image."""


class Maco:
    """Fel et al.'s: the phase is optimised, the magnitude is that of photographs.

    Published with the mean spectrum of ImageNet; here a power law per decorrelated colour stands
    for it, fitted to photographs (_MAGNITUDES).
    """

    direct = False

    def start(self, size: int, generator: torch.Generator) -> Tensor:
        return math.pi * torch.randn(3, size, size // 2 + 1, generator=generator)

    def images(self, parameters: Tensor) -> Tensor:
        size, device = parameters.shape[2], parameters.device
        magnitude = _magnitudes(size, device)
        spectrum = torch.polar(magnitude.expand_as(parameters).contiguous(), parameters)
        waves = _coloured(torch.fft.irfft2(spectrum, s=(size, size), norm="ortho"))
        spread = waves.std(dim=(1, 2, 3), keepdim=True)
        return torch.sigmoid(waves / spread * _PHOTO_CONTRAST)

    def constrain_(self, parameters: Tensor) -> None:
        """Nothing: a phase has no bounds."""


PARAMETRISATIONS: dict[str, Parametrisation] = {
    "pixels": Pixels(),
    "fourier": Fourier(),
    "maco": Maco(),
}


def parametrisation_of(settings: GenerationSettings) -> Parametrisation:
    """The one that the settings ask for."""
    if settings.parametrisation == "fourier":
        return Fourier(settings.contrast_limit)
    return PARAMETRISATIONS[settings.parametrisation]


def _coloured(waves: Tensor) -> Tensor:
    """From decorrelated to red, green and blue: `(N, 3, H, W)`."""
    return torch.einsum("cd,ndhw->nchw", _colour_basis(waves.device), waves)


def _bounded(images: Tensor, limit: float) -> Tensor:
    if not limit:
        return images
    spread = images.std(dim=(1, 2, 3), keepdim=True)
    return images * (limit / spread.clamp(min=1e-6)).clamp(max=1.0)


def _constant(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Made once and left on its device: a step that is captured must move nothing there."""

    @functools.lru_cache(maxsize=16)
    def made(*args: object) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return make(*args)

    return made


@_constant
def _magnitudes(size: int, device: torch.device) -> Tensor:
    """`(3, size, size // 2 + 1)`: photographs' spectrum, without its mean, which is grey."""
    share, slope = torch.tensor(_MAGNITUDES, device=device).T[:, :, None, None]
    magnitude = share * (_inverse_frequencies(size, device) / size) ** slope
    magnitude[:, 0, 0] = 0
    return magnitude


@_constant
def _inverse_frequencies(size: int, device: torch.device) -> Tensor:
    """`(size, size // 2 + 1)`: 1 / |frequency|, the constant term counted as the lowest one."""
    down = torch.fft.fftfreq(size, device=device)[:, None]
    across = torch.fft.rfftfreq(size, device=device)[None, :]
    frequency = torch.sqrt(down**2 + across**2)
    return 1 / frequency.clamp(min=1 / size)


@_constant
def _colour_basis(device: torch.device) -> Tensor:
    basis = torch.tensor(_COLOUR_BASIS, device=device)
    return basis / basis.norm(dim=0).max()
