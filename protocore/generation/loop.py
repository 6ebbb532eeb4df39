"""The optimisation itself: a Python generator of snapshots.

Pausing is not asking for the next snapshot; `send(settings)` replaces the settings from the next
step on; the state can be saved between steps and gone on from.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from protocore.errors import SettingsError, is_out_of_memory
from protocore.generation import losses
from protocore.generation.affine import Fill, transform
from protocore.generation.card.run import CardRun
from protocore.generation.card.step import images_of
from protocore.generation.execution import ON_CPU, Execution
from protocore.generation.faults import diverged, no_room
from protocore.generation.fields import FIXED_WHILE_RUNNING
from protocore.generation.measured import NAMES, Measured
from protocore.generation.parametrisation import parametrisation_of
from protocore.generation.schedule import AdaptiveWeight
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from protocore.generation.update import adam_, average_
from protocore.generation.views import draw_views, still_views, vary
from protocore.models.classifier import Classifier
from protocore.models.fast.network import FastNetwork

_VIEWS_PER_PASS = 4  # more do not pay on a CPU (benchmark)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The run after one step. Tensors have one entry per target and are on the CPU.

    Where a card computes, it may not have come that far: whoever looks at a value or at the
    images waits for it. What the model says is measured on the transformed views of that step, as
    the loss sees them (in the baseline stage on the image itself).
    """

    stage: str  # "baseline" (L_pv) or "prototype"
    step: int  # steps taken in this stage
    total: int  # steps of this stage
    measured: Measured
    hf_weight: float  # its weight in this step; 0 in the baseline stage
    settings: GenerationSettings  # that held in this step
    precision: str  # of the network
    execution: Execution  # what decides the bytes on a card
    state: GenerationState  # live: changes with the next step

    @property
    def logit(self) -> Tensor:
        """`(N,)` objective: weighted sum of logits, mean over the views."""
        return self.measured.values()[NAMES.index("logit")]

    @property
    def probability(self) -> Tensor:
        """`(N,)` softmax of the target's class, mean over the views."""
        return self.measured.values()[NAMES.index("probability")]

    @property
    def hf_loss(self) -> Tensor:
        """`(N,)` high-frequency loss before weighting."""
        return self.measured.values()[NAMES.index("hf_loss")]

    def images(self) -> Tensor:
        """The current images `(N, 3, H, W)` in [0, 1], a copy; averaged if the settings say so."""
        parametrisation, average = parametrisation_of(self.settings), self.state.average
        if average.is_cuda:
            return images_of(parametrisation, average)[0].clone()
        return parametrisation.images(average).clone()


Views = tuple[Tensor, Tensor]  # matrices (N, T, 2, 3) and variations (N, T, 6), see views
Generation = Generator[Snapshot, GenerationSettings | None, None]


def generate(
    classifier: Classifier,
    targets: Sequence[Target],
    settings: GenerationSettings | None = None,
    *,
    state: GenerationState | None = None,
    views_per_pass: int | None = None,
) -> Generation:
    """Optimise one image per target; yields a Snapshot after every step of both stages.

    `state` goes on from a saved run of the same targets. `send(settings)` takes the next step
    with other settings, which hold from then on; those that check_change refuses end the run.
    What one target gives does not depend on the others, on a CPU up to floating point; on a card
    not at all, as long as `views_per_pass` through the network are the same (None: what suits the
    device; on a CPU it has no effect). Raises SettingsError, ModelError (no gradient),
    DivergedError and OutOfMemoryError; the classifier is left as it was in every case.
    """
    settings = settings or GenerationSettings()
    targets = tuple(targets)
    size = settings.image_size or classifier.input_size
    _check_targets(classifier, targets)
    classifier.check_differentiable()
    if state is not None:
        _check_state(state, targets, settings, size)
    try:
        state = state or GenerationState.start(targets, settings, size, classifier.device)
        state.catch_up()
        # A network that must run apart reads random states in between, which no graph can hold.
        if classifier.device.type == "cuda" and not getattr(classifier.module, "apart", False):
            problem = CardRun(classifier, targets, settings, views_per_pass=views_per_pass)
        else:
            problem = _Problem(classifier, targets, settings)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_room(classifier.device) from error
        raise
    return _run(problem, settings, state)


def _run(
    problem: _Problem | CardRun, settings: GenerationSettings, state: GenerationState
) -> Generation:
    try:
        yield from _steps(problem, settings, state)
    finally:
        problem.close()


def _steps(
    problem: _Problem | CardRun, settings: GenerationSettings, state: GenerationState
) -> Generation:
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
            execution=problem.execution,
            measured=measured,
            state=state,
        )
        settings = _changed(settings, changed)
    while state.step < settings.steps:
        measured = problem.step(state, settings, baseline=False)
        if AdaptiveWeight(settings).looks(state.step):
            _adapt_weight_(state, settings, problem.look(state), problem.wanted)
        state.step += 1
        if state.step == settings.steps:
            problem.settle()
        changed = yield Snapshot(
            stage="prototype",
            step=state.step,
            total=settings.steps,
            hf_weight=settings.hf_weight_at(state.step - 1),
            settings=settings,
            precision=problem.network.precision,
            execution=problem.execution,
            measured=measured,
            state=state,
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
        self._probabilities = classifier.probabilities
        self._weights = losses.target_weights(targets, classifier.num_classes).to(self._device)
        self._classes = torch.tensor([t.class_index for t in targets], device=self._device)
        # A target that is to be avoided has no probability to keep up.
        self.wanted = torch.tensor([t.weights[0][1] > 0 for t in targets], device=self._device)
        self._views_per_pass = _VIEWS_PER_PASS

    execution = ON_CPU

    def step(self, state: GenerationState, settings: GenerationSettings, *, baseline: bool):
        """Advance `state` by one step; returns what was Measured."""
        drawn = [
            _drawn(settings, generator, state.step, baseline) for generator in state.generators
        ]
        views = tuple(torch.stack(parts).to(self._device) for parts in zip(*drawn, strict=True))
        gradient, where, measured = self._with_room(
            lambda: self._gradient(state, settings, views, baseline=baseline)
        )
        # The sum is finite only if every part is; the activations of oneDNN turn NaN into 0, so
        # that one in the image is not seen in the logits.
        seen = gradient.sum().cpu() + measured[0].sum() + measured[2].sum()
        if not torch.isfinite(seen):
            step = state.baseline_step if baseline else state.step
            raise diverged(settings, step, baseline=baseline)
        adam_(state, gradient, settings.learning_rate)
        self._parametrisation.constrain_(state.parameters)
        average_(state, 0 if baseline else settings.averaging)
        if not baseline:
            state.where.add_(where)
        return Measured(measured)

    def settle(self) -> None:
        """Nothing to wait for."""

    def close(self) -> None:
        """Nothing to let go of."""

    @torch.no_grad()
    def look(self, state: GenerationState) -> Tensor:
        """Probability `(N,)` of each target's class for the images themselves."""
        images = self._parametrisation.images(state.parameters)
        # One by one: see _passes.
        logits = torch.cat([self.network(part) for part in images.split(1)])
        return self._probabilities(logits).gather(1, self._classes[:, None])[:, 0]

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
        measured = torch.stack([objective, probability, hf_loss])  # as NAMES
        where = image_gradient.abs().mean(dim=1)
        return gradient, where, measured.detach().cpu()

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
        for views in _passes(count, transforms, self._views_per_pass):
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
                own = self._probabilities(logits).gather(1, self._classes[rows, None])[:, 0]
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
                    raise no_room(self._device) from error
                self._views_per_pass = min(self._views_per_pass // 2, 256)


def _passes(targets: int, transforms: int, most: int) -> list[Tensor]:
    """Which views, numbered target by target, go through the network together; at most `most`.

    Those of one target only: convolutions round differently for other batch sizes, and what one
    target gives must not depend on the others.
    """
    views = torch.arange(targets * transforms)
    return [part for group in views.split(transforms) for part in group.split(most)]


def _drawn(settings: GenerationSettings, generator: torch.Generator, step: int, baseline: bool):
    """The views of one step of one target; stage 1 balances the image itself, untransformed.

    Under the paper's wide transforms L_pv stays far from 0: no image is balanced in every pose.
    """
    return still_views() if baseline else draw_views(settings, generator, step)


@torch.no_grad()
def _adapt_weight_(
    state: GenerationState, settings: GenerationSettings, probability: Tensor, wanted: Tensor
) -> None:
    """Change the weights' shares after a look at the images; nothing is waited for."""
    weight = AdaptiveWeight(settings)
    share, memory = weight.changed(state.step, state.hf_share, probability, wanted)
    state.hf_share.copy_(share)
    shape = (-1, *(1,) * (state.parameters.dim() - 1))
    state.first_moment.mul_(memory.view(shape))
    state.second_moment.mul_(memory.view(shape) ** 2)


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
