"""The optimisation itself: a Python generator of snapshots.

Pausing is not asking for the next snapshot; `send(settings)` replaces the settings from the next
step on; the state can be saved between steps and gone on from.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from protocore.errors import (
    DivergedError,
    OutOfMemoryError,
    SettingsError,
    is_out_of_memory,
)
from protocore.generation import losses
from protocore.generation.affine import Fill, transform
from protocore.generation.fields import FIXED_WHILE_RUNNING
from protocore.generation.parametrisation import parametrisation_of
from protocore.generation.schedule import AdaptiveWeight
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from protocore.generation.views import draw_views, still_views, vary
from protocore.models.classifier import Classifier
from protocore.models.fast.network import FastNetwork

ADAM_BETAS = (0.9, 0.999)  # Kingma and Ba, 2015; the paper says "Adam" and gives the rate alone
ADAM_EPSILON = 1e-8
_VIEWS_PER_PASS_CPU = 4  # views per forward pass; more do not pay on CPU (benchmark)
_VIEWS_PER_PASS_GPU = 4096  # as many as fit; halved when they do not


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The run after one step. Tensors have one entry per target and are on the CPU.

    What the model says is measured on the transformed views of that step, as the loss sees them
    (in the baseline stage on the image itself).
    """

    stage: str  # "baseline" (L_pv) or "prototype"
    step: int  # steps taken in this stage
    total: int  # steps of this stage
    logit: Tensor  # (N,) objective: weighted sum of logits, mean over the views
    probability: Tensor  # (N,) softmax of the target's class, mean over the views
    hf_loss: Tensor  # (N,) high-frequency loss before weighting
    hf_weight: float  # its weight in this step; 0 in the baseline stage
    settings: GenerationSettings  # that held in this step
    precision: str  # of the network
    state: GenerationState  # live: changes with the next step

    def images(self) -> Tensor:
        """The current images `(N, 3, H, W)` in [0, 1], a copy; averaged if the settings say so."""
        parametrisation = parametrisation_of(self.settings)
        return parametrisation.images(self.state.average).clone()


Views = tuple[Tensor, Tensor]  # matrices (N, T, 2, 3) and variations (N, T, 6), see views
Generation = Generator[Snapshot, GenerationSettings | None, None]


def generate(
    classifier: Classifier,
    targets: Sequence[Target],
    settings: GenerationSettings | None = None,
    *,
    state: GenerationState | None = None,
) -> Generation:
    """Optimise one image per target; yields a Snapshot after every step of both stages.

    `state` goes on from a saved run of the same targets. `send(settings)` takes the next step
    with other settings, which hold from then on; those that check_change refuses end the run.
    What one target gives does not depend on the others, up to floating point. Raises
    SettingsError, UnknownClassError, DivergedError and OutOfMemoryError; the classifier is left
    as it was in every case.
    """
    settings = settings or GenerationSettings()
    targets = tuple(targets)
    size = settings.image_size or classifier.input_size
    _check_targets(classifier, targets)
    if state is not None:
        _check_state(state, targets, settings, size)
    try:
        state = state or GenerationState.start(targets, settings, size, classifier.device)
        problem = _Problem(classifier, targets, settings)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise _no_room(classifier.device) from error
        raise
    return _run(problem, settings, state)


def _run(problem: _Problem, settings: GenerationSettings, state: GenerationState) -> Generation:
    while state.baseline_step < settings.baseline_steps:
        measured = problem.step(state, settings, baseline=True)
        state.baseline_step += 1
        if state.baseline_step == settings.baseline_steps:
            state.clear_moments()
        changed = yield Snapshot(
            stage="baseline",
            step=state.baseline_step,
            total=settings.baseline_steps,
            hf_weight=0.0,
            settings=settings,
            precision=problem.network.precision,
            state=state,
            **measured,
        )
        settings = _changed(settings, changed)
    while state.step < settings.steps:
        measured = problem.step(state, settings, baseline=False)
        state.step += 1
        changed = yield Snapshot(
            stage="prototype",
            step=state.step,
            total=settings.steps,
            hf_weight=settings.hf_weight_at(state.step - 1),
            settings=settings,
            precision=problem.network.precision,
            state=state,
            **measured,
        )
        settings = _changed(settings, changed)


def check_change(before: GenerationSettings, after: GenerationSettings) -> None:
    """Raise SettingsError when a running generation cannot go over from `before` to `after`."""
    fixed = [name for name in FIXED_WHILE_RUNNING if getattr(before, name) != getattr(after, name)]
    if fixed:
        names = ", ".join(name.replace("_", " ") for name in fixed)
        raise SettingsError(f"{names} cannot change while a run goes on; start a new one")


def _changed(before: GenerationSettings, sent: GenerationSettings | None) -> GenerationSettings:
    if sent is None:
        return before
    check_change(before, sent)
    return sent


class _Problem:
    """What stays the same during a run, and one step of it."""

    def __init__(self, classifier: Classifier, targets, settings: GenerationSettings) -> None:
        self.network = FastNetwork(classifier, settings.precision)
        self._parametrisation = parametrisation_of(settings)
        self._device = classifier.device
        self._mean = classifier.mean
        self._weights = losses.target_weights(targets, classifier.num_classes).to(self._device)
        self._classes = torch.tensor([t.class_index for t in targets], device=self._device)
        # A target that is to be avoided has no probability to keep up.
        self._wanted = torch.tensor([t.weights[0][1] > 0 for t in targets], device=self._device)
        self._mixed = self._device.type != "cpu"
        self._views_per_pass = _VIEWS_PER_PASS_GPU if self._mixed else _VIEWS_PER_PASS_CPU

    def step(self, state: GenerationState, settings: GenerationSettings, *, baseline: bool) -> dict:
        """Advance `state` by one step; returns the measured values of a Snapshot."""
        drawn = [
            _drawn(settings, generator, state.step, baseline) for generator in state.generators
        ]
        views = tuple(torch.stack(parts).to(self._device) for parts in zip(*drawn, strict=True))
        gradient, where, measured = self._with_room(
            lambda: self._gradient(state, settings, views, baseline=baseline)
        )
        # The sum is finite only if every part is; the activations of oneDNN turn NaN into 0, so
        # that one in the image is not seen in the logits.
        seen = gradient.sum().cpu() + measured["logit"].sum() + measured["hf_loss"].sum()
        if not torch.isfinite(seen):
            raise _diverged(state, settings, baseline)
        _adam_(state, gradient, settings.learning_rate)
        self._parametrisation.constrain_(state.parameters)
        _average_(state, 0 if baseline else settings.averaging)
        if not baseline:
            state.where.add_(where)
        if not baseline and AdaptiveWeight(settings).looks(state.step):
            self._adapt_weight_(state, settings)
        return measured

    @torch.no_grad()
    def _adapt_weight_(self, state: GenerationState, settings: GenerationSettings) -> None:
        """Look at the images themselves, without transform, and change the weights' shares."""
        images = self._parametrisation.images(state.parameters)
        at_once = self._views_per_pass if self._mixed else 1  # see _passes
        logits = torch.cat([self.network(part) for part in images.split(at_once)])
        probability = logits.softmax(dim=1).gather(1, self._classes[:, None])[:, 0]
        share, memory = AdaptiveWeight(settings).changed(
            state.step, state.hf_share, probability, self._wanted
        )
        state.hf_share.copy_(share)
        shape = (-1, *(1,) * (state.parameters.dim() - 1))
        state.first_moment.mul_(memory.view(shape))
        state.second_moment.mul_(memory.view(shape) ** 2)

    def _gradient(self, state, settings, views: Views, *, baseline: bool):
        """Gradient of the summed losses in the parameters; the class's |gradient| `(N, H, W)` in
        the pixels; and what was measured on the way.
        """
        parameters = state.parameters.detach().requires_grad_(True)
        images = self._parametrisation.images(parameters)
        hf_loss = losses.high_frequency(images, settings.hf_penalty, settings.hf_colour)
        objective, probability, image_gradient = self._views(images, views, settings, baseline)
        weight = AdaptiveWeight(settings).at(state.step, state.hf_share) * (not baseline)
        if settings.hf_unit == "gradient":
            weight = weight / 100 * losses.gradient_size(image_gradient)
        total = (images * image_gradient).sum() + (weight * hf_loss).sum()
        (gradient,) = torch.autograd.grad(total, parameters)
        measured = {"logit": objective, "probability": probability, "hf_loss": hf_loss}
        where = image_gradient.abs().mean(dim=1)
        return gradient, where, {name: value.detach().cpu() for name, value in measured.items()}

    def _views(self, images: Tensor, drawn: Views, settings, baseline: bool):
        """Mean objective and probability `(N,)` over the views, and the loss's image gradient.

        The views pass through the network a few at a time; their gradients add up in the images.
        """
        matrices, variations = drawn
        count, transforms = matrices.shape[:2]
        fill = Fill.of(settings.fill, self._mean, self._device)
        images = images.detach()
        gradient = torch.zeros_like(images)
        objective = torch.zeros(count, device=self._device)
        probability = torch.zeros(count, device=self._device)
        for views in _passes(count, transforms, self._views_per_pass, mixed=self._mixed):
            rows = (views // transforms).to(self._device)  # whose view it is
            source = images[rows].requires_grad_(True)
            moved = transform(source, matrices.flatten(0, 1)[views], fill)
            logits = self.network(vary(moved, variations.flatten(0, 1)[views]))
            score = losses.class_objective(logits, self._weights[rows])
            loss = losses.probability_variance(logits) if baseline else -score
            (of_views,) = torch.autograd.grad(loss.sum() / transforms, source)
            with torch.no_grad():
                # Added up here and not by autograd, whose order of summation differs from run to
                # run when there are several threads.
                gradient.index_add_(0, rows, of_views)
                objective.index_add_(0, rows, score / transforms)
                own = torch.softmax(logits, dim=1).gather(1, self._classes[rows, None])[:, 0]
                probability.index_add_(0, rows, own / transforms)
        return objective, probability, gradient

    def _with_room(self, work: Callable):
        """Run `work`; when memory runs out, with fewer views per pass."""
        while True:
            try:
                return work()
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._views_per_pass == 1:
                    raise _no_room(self._device) from error
                self._views_per_pass = min(self._views_per_pass // 2, 256)


def _passes(targets: int, transforms: int, most: int, *, mixed: bool) -> list[Tensor]:
    """Which views, numbered target by target, go through the network together; at most `most`.

    Unless `mixed`, those of one target only: convolutions round differently for other batch
    sizes, and what one target gives must not depend on the others. A GPU needs large passes.
    """
    views = torch.arange(targets * transforms)
    groups = [views] if mixed else views.split(transforms)
    return [part for group in groups for part in group.split(most)]


def _drawn(settings: GenerationSettings, generator: torch.Generator, step: int, baseline: bool):
    """The views of one step of one target; stage 1 balances the image itself, untransformed.

    Under the paper's wide transforms L_pv stays far from 0: no image is balanced in every pose.
    """
    return still_views() if baseline else draw_views(settings, generator, step)


def _adam_(state: GenerationState, gradient: Tensor, learning_rate: float) -> None:
    """One update of Adam (Kingma and Ba, 2015, algorithm 1), in place and per element."""
    beta1, beta2 = ADAM_BETAS
    state.updates += 1
    state.first_moment.lerp_(gradient, 1 - beta1)
    state.second_moment.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    mean = state.first_moment / (1 - beta1**state.updates)
    deviation = (state.second_moment / (1 - beta2**state.updates)).sqrt_().add_(ADAM_EPSILON)
    state.parameters.addcdiv_(mean, deviation, value=-learning_rate)


def _average_(state: GenerationState, period: int) -> None:
    """Exponential average whose weights have the mean age of a `period`-step moving average.

    Unlike the plain mean of the last steps it is there at every step, for the live view and for
    a run that is stopped early or continued.
    """
    newest = min(1.0, max(2 / (period + 1), 1 / (state.step + 1)))
    state.average.lerp_(state.parameters, newest)


def _check_targets(classifier: Classifier, targets: tuple[Target, ...]) -> None:
    if not targets:
        raise SettingsError("choose at least one class: there is nothing to generate")
    for target in targets:
        for index, _ in target.weights:
            classifier.find_class(index)
    if len(set(targets)) != len(targets):
        raise SettingsError("the same class and seed was asked for twice in one run")


def _check_state(state: GenerationState, targets, settings: GenerationSettings, size: int) -> None:
    if state.targets != targets:
        raise SettingsError("the saved state belongs to other classes or seeds")
    expected = parametrisation_of(settings).start(size, torch.Generator()).shape
    if state.parameters.shape[1:] != expected:
        raise SettingsError(
            "the saved state belongs to another image size or parametrisation than "
            f"{size} pixels, {settings.parametrisation}"
        )


def _diverged(
    state: GenerationState, settings: GenerationSettings, baseline: bool
) -> DivergedError:
    step = f"baseline step {state.baseline_step + 1}" if baseline else f"step {state.step + 1}"
    return DivergedError(
        f"the loss became NaN or infinite in {step}; lower the learning rate "
        f"({settings.learning_rate:g}) or the high-frequency weight "
        f"({settings.hf_weight_at(state.step):g}), or use precision float32"
    )


def _no_room(device: torch.device) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"not even one view at a time fits into the memory of {device}; choose fewer classes or "
        "seeds, a smaller image size or another device"
    )
