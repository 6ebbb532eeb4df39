"""Prototypes that grow while the classifier trains, and what they start from.

Their right answer is "nothing of the kind": each time the classifier's idea of a class can be
satisfied by something that is no picture of it, it is told so. This is how energy-based models are
trained by adversarial training (Yin et al. 2022); the starts out of distribution, attacked without
a bound, follow RATIO (Augustin et al. 2020).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from protocore.demo.training.ascent import ascend
from protocore.demo.training.augment import uniform

NOISE_SHARE, SCRAMBLED_SHARE = 0.5, 0.3  # of the starts; the rest are smooth colours
ASCENT_STEPS = 3
STEP_SIZE = 0.04  # per pixel; prototypes are generated with Adam at 0.05
SMOOTHING = (3.0, 60.0)  # weight of the roughness, drawn log-uniformly for each prototype


def scrambled(image: Tensor, generator: torch.Generator) -> Tensor:
    """An image (3, H, W) cut into 4 to 36 squares that are put back in random order."""
    cells = (2, 3, 4, 6)[int(torch.randint(4, (1,), generator=generator))]
    side = image.shape[1] // cells
    pieces = image.unfold(1, side, side).unfold(2, side, side)  # (3, cells, cells, side, side)
    pieces = pieces.reshape(3, cells * cells, side, side)
    pieces = pieces[:, torch.randperm(cells * cells, generator=generator)]
    pieces = pieces.reshape(3, cells, cells, side, side).permute(0, 1, 3, 2, 4)
    return pieces.reshape(3, cells * side, cells * side)


def starts(count: int, photos: Tensor, generator: torch.Generator) -> Tensor:
    """Images of nothing: noise, smooth colours, scrambled photos. float32 (count, 3, H, W)."""
    size = list(photos.shape[2:])
    drawn = []
    for _ in range(count):
        kind = float(torch.rand(1, generator=generator))
        if kind < NOISE_SHARE:
            drawn.append(torch.rand(3, *size, generator=generator))
        elif kind < NOISE_SHARE + SCRAMBLED_SHARE:
            photo = photos[int(torch.randint(len(photos), (1,), generator=generator))]
            drawn.append(scrambled(photo.float() / 255, generator))
        else:
            cells = int(torch.randint(2, 16, (1,), generator=generator))
            coarse = torch.rand(1, 3, cells, cells, generator=generator)
            smooth = F.interpolate(coarse, size, mode="bicubic", align_corners=False)
            drawn.append(smooth[0].clamp(0, 1))
    return torch.stack(drawn)


class PrototypePool:
    """Growing prototypes, the same number for every class; each is sometimes started afresh."""

    def __init__(
        self,
        photos: Tensor,
        classes: int,
        per_class: int,
        restart: float,
        generator: torch.Generator,
    ) -> None:
        """`photos` are uint8 (N, 3, H, W), `restart` is the chance to start afresh per draw."""
        self._photos = photos
        self._restart = restart
        self._generator = generator
        self.targets = torch.arange(classes).repeat(per_class)
        self.images = starts(len(self.targets), photos, generator)

    def grow(self, network: nn.Module, count: int, device: torch.device) -> Tensor:
        """Let `count` prototypes grow a few steps and return them: (count, 3, H, W)."""
        chosen = torch.randperm(len(self.images), generator=self._generator)[:count]
        images = self.images[chosen]
        fresh = torch.rand(count, generator=self._generator) < self._restart
        if fresh.any():
            images[fresh] = starts(int(fresh.sum()), self._photos, self._generator)
        low, high = (math.log(weight) for weight in SMOOTHING)
        smoothing = uniform(count, low, high, self._generator).exp()
        grown = ascend(
            network,
            images.to(device),
            self.targets[chosen].to(device),
            steps=ASCENT_STEPS,
            step_size=STEP_SIZE,
            smoothing=smoothing.to(device),
            generator=self._generator,
        )
        self.images[chosen] = grown.cpu()
        return grown
