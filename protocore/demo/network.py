"""The demo classifier's architecture: a thin torchvision ResNet for 96-pixel images."""

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from protocore.demo.canvas import SIZE
from protocore.demo.classes import CLASS_NAMES

__all__ = ["CLASS_NAMES", "INPUT_SIZE", "MEAN", "STD", "build_network"]

INPUT_SIZE = SIZE
MEAN = (0.485, 0.456, 0.406)  # per channel, as torchvision's ImageNet weights are normalised
STD = (0.229, 0.224, 0.225)

WIDTH = 32  # channels after the stem; torchvision's ResNet-18 has 64
BLOCKS = (1, 1, 2, 2)  # residual blocks per stage


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """Residual blocks, the first of which halves the side.

    The shortcut averages before its 1 x 1 convolution (ResNet-D, He et al. 2019, section 4.1): a
    strided one looks at every fourth pixel only, which prototypes show as a grid.
    """
    shortcut = nn.Sequential(
        nn.AvgPool2d(2),
        nn.Conv2d(inputs, outputs, kernel_size=1, bias=False),
        nn.BatchNorm2d(outputs),
    )
    first = BasicBlock(inputs, outputs, stride=2, downsample=shortcut)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs) for _ in range(blocks - 1)))


def build_network() -> nn.Module:
    """An untrained torchvision ResNet: normalised (N, 3, 96, 96) to logits (N, 12).

    It differs from torchvision's ResNet-18 in width, in the number of blocks, and in taking the
    first stage's stride instead of max pooling, whose winners show in prototypes as 4-pixel blocks.
    """
    network = ResNet(BasicBlock, list(BLOCKS), num_classes=len(CLASS_NAMES))
    network.conv1 = nn.Conv2d(3, WIDTH, kernel_size=7, stride=2, padding=3, bias=False)
    network.bn1 = nn.BatchNorm2d(WIDTH)
    network.maxpool = nn.Identity()
    inputs = WIDTH
    for index, blocks in enumerate(BLOCKS):
        outputs = WIDTH * 2**index
        setattr(network, f"layer{index + 1}", _stage(inputs, outputs, blocks))
        inputs = outputs
    network.fc = nn.Linear(inputs, len(CLASS_NAMES))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
