"""What the optimiser changes: the pixels themselves, or a decorrelated Fourier spectrum."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

# Square root of the covariance of ImageNet's colours, scaled to norm 1 (Olah et al., 2017, as
# published with Lucid): columns are the directions in which natural colours vary.
_COLOUR_BASIS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
_SPECTRUM_SD = 0.01  # of the start spectrum (Lucid)
_SPECTRUM_GAIN = 0.25  # of the image before the sigmoid (Lucid divides by 4)


class Parametrisation(Protocol):
    """How an image `(3, size, size)` in [0, 1] is held while it is optimised."""

    def start(self, size: int, generator: torch.Generator) -> Tensor:
        """Parameters of one start image, on the CPU."""

    def images(self, parameters: Tensor) -> Tensor:
        """Parameters `(N, ...)` -> images `(N, 3, size, size)`, differentiable."""

    def constrain_(self, parameters: Tensor) -> None:
        """Bring parameters back to where `images` stays within [0, 1], in place."""


class Pixels:
    """The paper's: start at `torch.rand(3, H, W)`, optimise pixels directly, clamp to [0, 1]."""

    def start(self, size: int, generator: torch.Generator) -> Tensor:
        return torch.rand(3, size, size, generator=generator)

    def images(self, parameters: Tensor) -> Tensor:
        return parameters

    def constrain_(self, parameters: Tensor) -> None:
        parameters.clamp_(0, 1)


class Fourier:
    """Olah et al.'s: a Fourier spectrum scaled by 1/frequency, decorrelated colours, sigmoid."""

    def start(self, size: int, generator: torch.Generator) -> Tensor:
        return _SPECTRUM_SD * torch.randn(3, size, size // 2 + 1, 2, generator=generator)

    def images(self, parameters: Tensor) -> Tensor:
        size = parameters.shape[2]
        spectrum = torch.view_as_complex(parameters) * _inverse_frequencies(size, parameters.device)
        waves = torch.fft.irfft2(spectrum, s=(size, size), norm="ortho") * _SPECTRUM_GAIN
        return torch.sigmoid(torch.einsum("cd,ndhw->nchw", _colour_basis(waves.device), waves))

    def constrain_(self, parameters: Tensor) -> None:
        """Nothing: the sigmoid bounds the image."""


PARAMETRISATIONS: dict[str, Parametrisation] = {"pixels": Pixels(), "fourier": Fourier()}


def _inverse_frequencies(size: int, device: torch.device) -> Tensor:
    """`(size, size // 2 + 1)`: 1 / |frequency|, the constant term counted as the lowest one."""
    down = torch.fft.fftfreq(size, device=device)[:, None]
    across = torch.fft.rfftfreq(size, device=device)[None, :]
    frequency = torch.sqrt(down**2 + across**2)
    return 1 / frequency.clamp(min=1 / size)


def _colour_basis(device: torch.device) -> Tensor:
    basis = torch.tensor(_COLOUR_BASIS, device=device)
    return basis / basis.norm(dim=0).max()
