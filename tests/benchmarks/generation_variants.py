"""What tests/benchmarks/generation.py compares: each way to take a step on one image."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable
from unittest import mock

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from protocore.generation.affine import draw_matrices
from protocore.generation.loop import generate
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier
from protocore.models.fast import network as fast_network

SIZE = 224
CLASS = 574
PAPER = GenerationSettings(steps=100_000, baseline_steps=0)
Steps = Callable[[int], float]  # takes so many steps, returns the seconds they took


class Clock:
    """Wall time or, where other work shares the machine, this process's processor time."""

    now = staticmethod(time.perf_counter)

    @classmethod
    def count_processor_time(cls) -> None:
        cls.now = staticmethod(time.process_time)


def network(name: str) -> nn.Module:
    """A torchvision network with random weights and the batch norm statistics of noise.

    Speed does not depend on the weights, as long as activations neither vanish nor explode.
    """
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = getattr(torchvision.models, name)(**options)
        for child in module.modules():
            if isinstance(child, nn.BatchNorm2d):
                child.momentum = None  # the plain average
        with torch.no_grad():
            module.train()(torch.rand(4, 3, SIZE, SIZE))
    return module.eval()


def timed(step: Callable[[], object]) -> Steps:
    """Steps of which each is one call."""

    def take(count: int) -> float:
        start = Clock.now()
        for _ in range(count):
            step()
        return Clock.now() - start

    return take


def naive(module: nn.Module) -> Steps:
    """The paper's loop as one would write it: float32, torch.optim.Adam, nothing frozen."""
    module = copy.deepcopy(module)
    classifier = Classifier.from_module(module, input_size=SIZE)
    image = torch.rand(1, 3, SIZE, SIZE, requires_grad=True)
    optimiser = torch.optim.Adam([image], lr=PAPER.learning_rate)
    draw = torch.Generator().manual_seed(0)

    def step() -> None:
        optimiser.zero_grad()
        grid = F.affine_grid(draw_matrices(PAPER, draw), list(image.shape), align_corners=False)
        view = F.grid_sample(image, grid, align_corners=False)
        logits = module(classifier.normalise(view))
        roughness = (image[..., 1:] - image[..., :-1]).abs().mean()
        roughness = roughness + (image[..., 1:, :] - image[..., :-1, :]).abs().mean()
        (PAPER.hf_weight * roughness - logits[0, CLASS]).backward()
        optimiser.step()
        with torch.no_grad():
            image.clamp_(0, 1)

    return timed(step)


def ours(module: nn.Module, **changes: object) -> Steps:
    """Protocore with the same settings but for `changes`."""
    classifier = Classifier.from_module(module, input_size=SIZE)
    generation = generate(classifier, [Target.of(CLASS)], PAPER.replace(**changes))
    return timed(lambda: next(generation))


def unfrozen(module: nn.Module) -> Steps:
    """Protocore in float32 with PyTorch's own convolutions, all else as it is."""
    classifier = Classifier.from_module(module, input_size=SIZE)
    generation = generate(classifier, [Target.of(CLASS)], PAPER.replace(precision="float32"))
    with mock.patch.object(fast_network, "faster", lambda module, images, frozen: module):
        next(generation)  # what is played is settled in the first step
    return timed(lambda: next(generation))


def lucent(module: nn.Module) -> Steps | None:
    """torch-lucent's render_vis as it comes, with an image of the same size; None without it."""
    try:
        render, param = _import_lucent()
    except ImportError:
        return None

    def take(count: int) -> float:
        fresh = copy.deepcopy(module)  # its hooks stay on the model, and slow down the next call
        start = Clock.now()
        with contextlib.redirect_stdout(None):
            render.render_vis(
                fresh,
                f"labels:{CLASS}",
                lambda: param.image(SIZE),
                thresholds=(count,),
                show_image=False,
                progress=False,
            )
        return Clock.now() - start

    return take


def _import_lucent():
    import kornia

    # Names that torch-lucent 0.1.8 uses and newer versions of kornia have elsewhere.
    for name in ("get_rotation_matrix2d", "warp_affine"):
        if not hasattr(kornia, name):
            setattr(kornia, name, getattr(kornia.geometry.transform, name))
    from lucent.optvis import param, render

    return render, param


def matrix_rate(dtype: torch.dtype, size: int = 2048) -> Steps:
    """Multiplications of square matrices; 2 * size^3 operations each."""
    left, right = torch.rand(2, size, size).to(dtype)
    return timed(lambda: left @ right)


def passes(fast: Callable[[Tensor], Tensor], views: int) -> Steps:
    """Forward and backward passes of `views` images at once."""
    images = torch.rand(views, 3, SIZE, SIZE, requires_grad=True)
    return timed(lambda: torch.autograd.grad(fast(images)[:, CLASS].sum(), images))
