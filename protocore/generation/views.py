"""How the views of a step differ beside their geometry: light, colour and noise.

What holds up under them is what other networks recognise too; see assets/METHOD.md. All of it
is drawn on the host, a few numbers a view, from the target's own generator: what one prototype
gives does not depend on the others, and a resumed run goes on as if it had never stopped.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from protocore.generation.affine import matrices_of
from protocore.generation.settings import GenerationSettings

GEOMETRY, VARIATION = 4, 6  # numbers that a view draws for each
_NOISE_SEED = 0x5EED


def numbers_per_view(settings: GenerationSettings) -> int:
    """How many numbers a view takes from its target's generator."""
    varies = settings.noise > 0 or settings.jitter > 0 or settings.greyscale > 0
    return GEOMETRY + (VARIATION if varies else 0)


def draw_views(
    settings: GenerationSettings, generator: torch.Generator, step: int
) -> tuple[Tensor, Tensor]:
    """Inverse affine matrices `(T, 2, 3)` and variations of one step, counted from 0."""
    shape = (settings.transforms_per_step, numbers_per_view(settings))
    numbers = torch.rand(shape, generator=generator)
    return matrices_of(settings, numbers), variations_of(settings, numbers, step)


def still_views() -> tuple[Tensor, Tensor]:
    """One view that is the image itself, as `draw_views` gives it."""
    return torch.eye(2, 3)[None], torch.empty(1, 0)


def variations_of(settings: GenerationSettings, numbers: Tensor, step: int) -> Tensor:
    """What `vary` does to each view: `(V, VARIATION)`, or `(V, 0)` where views do not vary.

    Columns: contrast factor, offset of brightness, 1 where colours are left out, standard
    deviation of the noise with a sign, and how far its pattern is shifted down and across, as
    shares of the size. `numbers` is `(V, numbers_per_view)`, drawn from 0..1.
    """
    draw = numbers[:, GEOMETRY:]
    if not draw.shape[1]:
        return draw
    contrast = torch.exp((4 * draw[:, 0] - 2) * settings.jitter)
    brightness = (2 * draw[:, 1] - 1) * settings.jitter
    grey = (draw[:, 2] < settings.greyscale).float()
    noise = torch.where(draw[:, 3] < 0.5, -1.0, 1.0) * settings.noise_at(step)
    return torch.stack([contrast, brightness, grey, noise, draw[:, 4], draw[:, 5]], dim=1)


def vary(views: Tensor, variations: Tensor) -> Tensor:
    """Views `(V, 3, H, W)` in another light, some without colour, with noise; differentiable.

    Contrast is changed about middle grey. The noise is one fixed pattern, shifted at random, so
    that no view costs a draw per pixel and every machine sees the same.
    """
    if not variations.shape[1]:
        return views
    contrast, brightness, grey, noise, down, across = variations[:, :, None, None, None].unbind(1)
    views = torch.lerp(views, views.mean(dim=1, keepdim=True), grey)
    pattern = _shifted(noise_pattern(views.shape[-1], views.device), down, across)
    return (views - 0.5) * contrast + 0.5 + brightness + noise * pattern


@functools.lru_cache(maxsize=4)
def noise_pattern(size: int, device: torch.device) -> Tensor:
    """Standard normal noise `(3, size, size)`, always the same for a size."""
    generator = torch.Generator().manual_seed(_NOISE_SEED)
    return torch.randn(3, size, size, generator=generator).to(device)


def _shifted(pattern: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """The pattern shifted in a circle for each view, `(V, 3, H, W)`; shifts are `(V, 1, 1, 1)`."""
    size = pattern.shape[-1]
    index = torch.arange(size, device=pattern.device)
    rows = (index + (down.view(-1, 1) * size).long()) % size  # (V, H)
    columns = (index + (across.view(-1, 1) * size).long()) % size
    return pattern[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
