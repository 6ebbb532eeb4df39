"""The three losses of the method (paper, section 3.1), each one number per image."""

from __future__ import annotations

import torch
from torch import Tensor

from protocore.generation.settings import Target


def probability_variance(logits: Tensor) -> Tensor:
    """L_pv: how unequal the class probabilities are; `(N, K)` logits -> `(N,)`.

    The paper names the loss without a formula. Here it is the variance of the K probabilities in
    units of their mean, 1/K: mean over classes of (K * p - 1)^2, which is 0 when all classes are
    equally likely and K - 1 when one is certain, so that it means the same for any K.
    """
    probabilities = torch.softmax(logits, dim=1)
    return (logits.shape[1] * probabilities - 1).square().mean(dim=1)


def class_objective(logits: Tensor, weights: Tensor) -> Tensor:
    """-L_c: weighted sum of logits; `(N, K)` logits and weights -> `(N,)`. To be maximised."""
    return (logits * weights).sum(dim=1)


def high_frequency(images: Tensor, penalty: str = "absolute", colour: float = 0.0) -> Tensor:
    """L_hf: difference of adjacent pixels over all channels; `(N, 3, H, W)` -> `(N,)`.

    "absolute": mean |difference| between horizontal neighbours plus the same between vertical
    ones (anisotropic total variation per pixel); "squared": mean squared differences. The paper
    gives neither form nor weight. `colour` times the loss of the image without its brightness,
    the mean over channels, is added: in photographs colours differ less than brightness.
    """
    if colour:
        colours = images - images.mean(dim=1, keepdim=True)
        return high_frequency(images, penalty) + colour * high_frequency(colours, penalty)
    across = images[..., :, 1:] - images[..., :, :-1]
    down = images[..., 1:, :] - images[..., :-1, :]
    if penalty == "squared":
        return across.square().mean(dim=(1, 2, 3)) + down.square().mean(dim=(1, 2, 3))
    return across.abs().mean(dim=(1, 2, 3)) + down.abs().mean(dim=(1, 2, 3))


def gradient_size(gradients: Tensor) -> Tensor:
    """Sum of |gradient| over each image; `(N, 3, H, W)` -> `(N,)`.

    How strongly a class pulls at the pixels differs a hundredfold from model to model (about 1500
    for an ImageNet MobileNetV2, 25 for the demo model, which was trained to be robust), while the
    gradient of `high_frequency` adds up to 4 at most whatever the model and the image size. A
    weight in this unit smooths different models alike.
    """
    # Row by row: how a sum over all is divided up depends on how many images there are.
    return torch.stack([gradient.abs().sum() for gradient in gradients])


def target_weights(targets: tuple[Target, ...], num_classes: int) -> Tensor:
    """The targets as a matrix `(N, K)` for `class_objective`, on the CPU."""
    matrix = torch.zeros(len(targets), num_classes)
    for row, target in zip(matrix, targets, strict=True):
        for index, weight in target.weights:
            row[index] = weight
    return matrix
