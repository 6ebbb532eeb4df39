"""The training recipe behind the shipped weights.

Stage 1 trains plainly. Stage 2 goes on from there with attacked images as positives and growing
prototypes as negatives, and keeps a moving average of the weights, whose last layer is then fitted
once more. Everything is drawn from one
seed; the numbers of a run still differ between kinds of processors, and with them the weights.
"""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from protocore.demo.classes import CLASS_NAMES
from protocore.demo.network import build_network
from protocore.demo.training.ascent import l2_attack, logits, recognition_loss
from protocore.demo.training.augment import ASCENT_AFFINE, augment, random_affine
from protocore.demo.training.pool import PrototypePool
from protocore.demo.world import render_class
from protocore.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """One training run. Steps are weight updates; the counts of images are per step."""

    seed: int = 0
    images_per_class: int = 600
    plain_steps: int = 400
    plain_batch: int = 64
    plain_rate: float = 2e-3
    robust_steps: int = 1200
    robust_rate: float = 1e-3
    positives: int = 32
    negatives: int = 24
    prototypes_per_class: int = 16
    restart: float = 0.03  # chance that a prototype starts afresh each time it is drawn
    attack_radius: float = 3.5  # L2, images in [0, 1]
    attack_steps: int = 2
    weight_decay: float = 0.02
    averaging: float = 0.995  # decay of the moving average of the weights
    refit_images: int = 3000
    refit_share: float = 0.8  # of the last layer fitted to real images, added to the trained one
    refit_decay: float = 1e-2  # on its squared weights, for standardised features

    def __post_init__(self) -> None:
        for name in ("images_per_class", "plain_batch", "positives", "negatives"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.plain_steps < 0 or self.robust_steps < 0:
            raise SettingsError(
                f"steps must be >= 0, got {self.plain_steps} plain and {self.robust_steps} robust"
            )
        if self.negatives > self.prototypes_per_class * len(CLASS_NAMES):
            raise SettingsError(
                f"negatives must be <= {self.prototypes_per_class * len(CLASS_NAMES)} "
                f"(prototypes_per_class for each class), got {self.negatives}"
            )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a training run stands; `seconds_left` is of the current stage."""

    stage: str
    step: int
    steps: int
    loss: float
    seconds_left: float


FEW = 100  # images per class below which starting worker processes does not pay

OnProgress = Callable[[Progress], None]


def _render_task(task: tuple[int, int]) -> np.ndarray:
    return render_class(task[0], task[1])


def render_photos(per_class: int, workers: int = 2) -> tuple[Tensor, Tensor]:
    """The training images: uint8 (12 * per_class, 3, H, W) and their labels (12 * per_class,)."""
    tasks = [(index, per_class) for index in range(len(CLASS_NAMES))]
    if workers == 1 or per_class < FEW:
        rows = [_render_task(task) for task in tasks]
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
            rows = list(executor.map(_render_task, tasks))
    photos = torch.from_numpy(np.concatenate(rows)).permute(0, 3, 1, 2).contiguous()
    return photos, torch.arange(len(CLASS_NAMES)).repeat_interleave(per_class)


class _Run:
    """What both stages share: the data, the generator, the optimiser's schedule, the reports."""

    def __init__(
        self,
        photos: Tensor,
        labels: Tensor,
        settings: TrainingSettings,
        device: torch.device,
        on_progress: OnProgress,
    ) -> None:
        self.photos, self.labels, self.settings = photos, labels, settings
        self.device, self.on_progress = device, on_progress
        self.generator = torch.Generator().manual_seed(settings.seed)

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Augmented images (count, 3, H, W) in [0, 1] and their labels."""
        chosen = torch.randint(len(self.photos), (count,), generator=self.generator)
        images = self.photos[chosen].to(self.device).float() / 255
        return augment(images, self.generator), self.labels[chosen].to(self.device)

    def optimise(
        self,
        network: nn.Module,
        stage: str,
        steps: int,
        rate: float,
        loss_of: Callable[[float], Tensor],
    ) -> Iterator[int]:
        """AdamW over a warmed-up cosine schedule; yields after each of the `steps` updates."""
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=rate, weight_decay=self.settings.weight_decay
        )
        start, smooth = time.monotonic(), 0.0
        for step in range(steps):
            share = step / steps
            cosine = 0.5 * (1 + math.cos(math.pi * share)) + 0.02
            optimiser.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 50) * cosine
            loss = loss_of(share)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            smooth = loss.item() if step == 0 else 0.95 * smooth + 0.05 * loss.item()
            left = (time.monotonic() - start) / (step + 1) * (steps - step - 1)
            self.on_progress(
                Progress(stage=stage, step=step + 1, steps=steps, loss=smooth, seconds_left=left)
            )
            yield step


def _train_plain(run: _Run, network: nn.Module) -> None:
    def loss_of(_share: float) -> Tensor:
        images, labels = run.batch(run.settings.plain_batch)
        network.train()
        return nn.functional.cross_entropy(logits(network, images), labels)

    settings = run.settings
    for _ in run.optimise(network, "plain", settings.plain_steps, settings.plain_rate, loss_of):
        pass


def _train_robust(run: _Run, network: nn.Module) -> nn.Module:
    """Stage 2 in place; returns the network with the averaged weights."""
    settings = run.settings
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging), use_buffers=True
    )
    pool = PrototypePool(
        run.photos,
        len(CLASS_NAMES),
        settings.prototypes_per_class,
        settings.restart,
        run.generator,
    )

    def loss_of(share: float) -> Tensor:
        images, labels = run.batch(settings.positives)
        network.eval()
        radius = settings.attack_radius * min(1.0, 0.3 + 4 * share)
        attacked = l2_attack(
            network,
            images,
            labels,
            radius=radius,
            steps=settings.attack_steps,
            generator=run.generator,
        )
        grown = pool.grow(network, settings.negatives, run.device)
        grown = random_affine(grown, ASCENT_AFFINE, run.generator)
        network.train()
        scores = logits(network, torch.cat([attacked, grown]))
        positive = recognition_loss(scores[: len(attacked)], labels).mean()
        none = nn.functional.softplus(scores[len(attacked) :]).sum(dim=1).mean()
        return positive + none

    for _ in run.optimise(network, "robust", settings.robust_steps, settings.robust_rate, loss_of):
        average.update_parameters(network)
    return average.module


def refit_last_layer(
    network: nn.Module,
    photos: Tensor,
    labels: Tensor,
    settings: TrainingSettings,
    generator: torch.Generator,
) -> None:
    """Add to the last layer, in place, a share of one fitted to real images alone.

    Prototypes as negatives show what is typical of a class even more often than its images do, and
    so teach the last layer to hold it against an image: planted attributes came out reversed.
    """
    chosen = torch.randperm(len(photos), generator=generator)[: settings.refit_images]
    found: list[Tensor] = []
    hook = network.avgpool.register_forward_hook(lambda _m, _i, out: found.append(out.flatten(1)))
    try:
        with torch.no_grad():
            for part in chosen.split(100):
                logits(network, augment(photos[part].float() / 255, generator))
    finally:
        hook.remove()
    features = torch.cat(found).float()
    mean, spread = features.mean(dim=0), features.std(dim=0) + 1e-3
    fitted = _fit_linear((features - mean) / spread, labels[chosen], settings.refit_decay)
    with torch.no_grad():
        weight = settings.refit_share * fitted.weight / spread
        network.fc.weight += weight
        network.fc.bias += settings.refit_share * fitted.bias - weight @ mean


def _fit_linear(features: Tensor, labels: Tensor, decay: float) -> nn.Linear:
    """The regularised linear layer with the least recognition loss (convex; L-BFGS)."""
    layer = nn.Linear(features.shape[1], len(CLASS_NAMES))
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=100)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = recognition_loss(layer(features), labels).mean()
        loss = loss + decay * layer.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return layer


def train(
    photos: Tensor,
    labels: Tensor,
    settings: TrainingSettings,
    *,
    device: torch.device,
    on_progress: OnProgress = lambda progress: None,
) -> tuple[nn.Module, nn.Module]:
    """Train both demo models: (plain, robust), in eval mode on the CPU.

    `photos` are uint8 (N, 3, 96, 96), `labels` (N,). The plain one is what stage 1 ends with.
    """
    run = _Run(photos, labels, settings, device, on_progress)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build_network()
    network = network.to(device, memory_format=torch.channels_last)
    _train_plain(run, network)
    plain = build_network()
    plain.load_state_dict({name: value.cpu() for name, value in network.state_dict().items()})
    robust = _train_robust(run, network)
    robust = robust.cpu().eval()
    refit_last_layer(robust, photos, labels, settings, run.generator)
    return plain.eval(), robust
