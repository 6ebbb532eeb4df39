"""First layers other than torchvision's: small stems and other numbers of channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from protocore.errors import ModelError

RGB = 3
SMALL_SIZE = 32  # pixels, of CIFAR's pictures
_SMALL_STEMS = ("resnet", "resnext", "wide_resnet")  # whose 7 x 7 stem people replace

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Stem:
    """How the first convolution differs from torchvision's; read from its shape."""

    key: str  # of the weight, such as "conv1.weight"
    channels: int = RGB
    small: bool = False  # 3 x 3 with stride 1, without max pooling, as for CIFAR

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of it."""
        notes = []
        if self.small:
            notes.append(
                "first layer 3 x 3: built as for CIFAR and Tiny ImageNet, with stride 1 and "
                "without max pooling"
            )
        if self.channels == 1:
            notes.append("one input channel: pictures are turned grey (ITU-R 601), prototypes too")
        elif self.channels != RGB:
            notes.append(
                f"{self.channels} input channels: red, green and blue of a picture go into the "
                "chosen ones (bands), the others stay at their mean"
            )
        return tuple(notes)


def stem_of(architecture: str, wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> Stem:
    """The stem that a state dict asks for; `wanted` is torchvision's outline, both by name."""
    key = next((key for key, shape in wanted.items() if len(shape) == 4), "")
    own, usual = found.get(key, ()), wanted.get(key, ())
    if len(own) != 4 or own[0] != usual[0] or own == usual:
        return Stem(key=key)
    small = (
        architecture.startswith(_SMALL_STEMS) and usual[2:] == (7, 7) and tuple(own[2:]) == (3, 3)
    )
    if not small and own[2:] != usual[2:]:
        return Stem(key=key)
    return Stem(key=key, channels=own[1], small=small)


def stem_shape(stem: Stem, usual: Shape) -> Shape:
    """The shape of the first weight with this stem."""
    side = (3, 3) if stem.small else usual[2:]
    return (usual[0], stem.channels, *side)


def put_stem(module: nn.Module, stem: Stem) -> None:
    """Give a torchvision network this stem, in place; its weight is to be loaded afterwards."""
    if stem.channels == RGB and not stem.small:
        return
    name = stem.key.rpartition(".")[0]
    usual = module.get_submodule(name)
    form = {"kernel_size": 3, "stride": 1, "padding": 1} if stem.small else {
        "kernel_size": usual.kernel_size, "stride": usual.stride, "padding": usual.padding,
    }  # fmt: skip
    first = nn.Conv2d(
        stem.channels, usual.out_channels, bias=usual.bias is not None, device="meta", **form
    )
    module.set_submodule(name, first)
    if stem.small:
        module.maxpool = nn.Identity()


class Bands(nn.Module):
    """A network of C channels that takes RGB: one channel as grey, or three as red, green, blue.

    Inputs are normalised, so that 0 is the mean; channels without a band stay there.
    """

    def __init__(self, network: nn.Module, channels: int, bands: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.channels, self.bands = network, channels, bands
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        if len(self.bands) == 1:
            images = images.mean(dim=1, keepdim=True)
        shown = {band: images[:, i] for i, band in enumerate(self.bands)}
        empty = torch.zeros_like(images[:, 0])
        return self.network(torch.stack([shown.get(c, empty) for c in range(self.channels)], dim=1))


def with_bands(
    module: nn.Module, channels: int, bands: tuple[int, ...] | None
) -> tuple[nn.Module, bool]:
    """The module as one that takes RGB, and whether its pictures are grey. Raises ModelError."""
    if channels == RGB and bands is None:
        return module, False
    bands = bands or ((0,) if channels == 1 else tuple(range(min(channels, RGB))))
    if len(bands) not in (1, 2, 3) or len(set(bands)) < len(bands):
        raise ModelError(f"bands must be one to three different channels, got {list(bands)}")
    if not all(0 <= band < channels for band in bands):
        raise ModelError(f"bands must be channels from 0 to {channels - 1}, got {list(bands)}")
    return Bands(module, channels, bands), len(bands) == 1
