"""Images made against the classifier while it trains: attacks on real ones, and prototypes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from protocore.demo.network import MEAN, STD
from protocore.demo.training.augment import ASCENT_AFFINE, random_affine, uniform

CLASS_LOSS_WEIGHT = 0.5  # of the cross-entropy beside the one-vs-all loss


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Float32 logits of images in [0, 1], computed in bfloat16: half the time on CPU and GPU."""
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    inputs = ((images - mean) / std).contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, torch.bfloat16):
        return network(inputs).float()


def recognition_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """One-vs-all loss plus some cross-entropy, per image: (N, C), (N,) to (N,).

    One-vs-all makes each logit say "this is here" rather than "this rather than the others".
    """
    target = F.one_hot(labels, scores.shape[1]).to(scores)
    present = F.binary_cross_entropy_with_logits(scores, target, reduction="none").sum(dim=1)
    return present + CLASS_LOSS_WEIGHT * F.cross_entropy(scores, labels, reduction="none")


def _unit(gradient: Tensor) -> Tensor:
    return gradient / (gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1) + 1e-9)


def l2_attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    radius: float,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Projected gradient ascent on the recognition loss within an L2 ball (Madry et al. 2018).

    `radius` is the L2 norm over all channels and pixels of an image in [0, 1]; the start is random
    within the ball. Returns images of the same shape, in [0, 1], detached.
    """
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    reach = uniform(len(images), 0, radius, generator).view(-1, 1, 1, 1).to(images.device)
    change = _unit(noise) * reach
    for _ in range(steps):
        change.requires_grad_(True)
        loss = recognition_loss(logits(network, images + change), labels).sum()
        (gradient,) = torch.autograd.grad(loss, change)
        change = change.detach() + 0.8 * radius * _unit(gradient)
        norm = change.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        change = change * (radius / norm).clamp(max=1)
        change = (images + change).clamp(0, 1) - images
    return (images + change).detach()


def roughness(images: Tensor) -> Tensor:
    """Mean absolute difference of adjacent pixels, both directions added: (N, 3, H, W) to (N,)."""
    across = (images[..., 1:] - images[..., :-1]).abs().mean(dim=(1, 2, 3))
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    return across + down


def ascend(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    steps: int,
    step_size: float,
    smoothing: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """A few steps of prototype generation: raise each target logit, keep the image smooth.

    Every step sees the images through random affine transforms and moves each pixel by about
    `step_size`; `smoothing` (N,) weighs the roughness of each. Returns images of the same shape, in
    [0, 1], detached.
    """
    for _ in range(steps):
        images = images.detach().requires_grad_(True)
        scores = logits(network, random_affine(images, ASCENT_AFFINE, generator))
        wanted = scores.gather(1, targets[:, None]).sum()
        (gradient,) = torch.autograd.grad(wanted - (smoothing * roughness(images)).sum(), images)
        size = gradient.flatten(1).square().mean(dim=1).sqrt().view(-1, 1, 1, 1) + 1e-12
        images = (images.detach() + step_size * (gradient / size).clamp(-3, 3)).clamp(0, 1)
    return images.detach()
