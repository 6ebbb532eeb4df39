"""What the card does in one step. It can be captured: no size comes from data, nobody waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from protocore.generation import losses
from protocore.generation.affine import Fill
from protocore.generation.card.draws import MATRIX, PER_VIEW, SCALARS, neutral
from protocore.generation.card.plain import Seen
from protocore.generation.parametrisation import Parametrisation
from protocore.generation.settings import GenerationSettings
from protocore.generation.state import GenerationState
from protocore.generation.views import GEOMETRY, noise_pattern, numbers_per_view

if TYPE_CHECKING:
    from protocore.generation.card.run import CardRun

IMAGES_AT_ONCE = 8  # that a parametrisation computes together: a fixed number, as in a pass


@dataclass(frozen=True)
class Form:
    """What a step's kernels depend on; everything else is numbers on the card."""

    baseline: bool
    transforms: int
    varies: bool  # in light, colour and noise
    fill: str
    penalty: str
    colour: float
    unit: str

    @classmethod
    def of(cls, settings: GenerationSettings, *, baseline: bool) -> Form:
        """Of a step with these settings."""
        return cls(
            baseline=baseline,
            transforms=1 if baseline else settings.transforms_per_step,
            varies=not baseline and numbers_per_view(settings) > GEOMETRY,
            fill=settings.fill,
            penalty=settings.hf_penalty,
            colour=settings.hf_colour,
            unit=settings.hf_unit,
        )


class _Passes:
    """Views of all targets in passes of one shape, and what the network says of them."""

    def __init__(
        self, run: CardRun, count: int, transforms: int, fill: str, *, varies: bool = False
    ) -> None:
        self.run, self.count, self.transforms = run, count, transforms
        self.passes = -(-count * transforms // run.views_per_pass)
        total, size = self.passes * run.views_per_pass, run.size
        device = run.device
        # Gradients in the views take the views' place.
        self.views = torch.zeros(total, size, size, 3, dtype=run.network.dtype, device=device)
        self.used = count * transforms
        self.numbers = torch.zeros(SCALARS + total * PER_VIEW, device=device)
        self.scalars = self.numbers[:SCALARS]
        drawn = self.numbers[SCALARS:].view(total, PER_VIEW)
        drawn[:, :MATRIX] = torch.eye(2, 3).flatten()  # of those that fill up the last pass, too
        drawn[:, MATRIX:] = neutral(total)
        fill = Fill.of(fill, run.mean, device)
        rows = [fill.colour.flatten().tolist(), run.mean, [1 / s for s in run.std]]
        self.seen = Seen(
            drawn=drawn,
            transforms=transforms,
            fill=fill,
            colours=torch.tensor(rows, device=device),
            pattern=noise_pattern(size, device) if varies else None,
        )
        whose = (torch.arange(total, device=device) // transforms).clamp_(max=count - 1)
        self.classes = run.classes[whose, None]
        self.weights = run.weights[whose]
        self.own = torch.zeros(total, device=device)

    def load(self, row: Tensor) -> None:
        """Take the numbers of the next step."""
        self.numbers[: len(row)].copy_(row, non_blocking=True)

    def draw(self, images: Tensor) -> None:
        self.run.operations.draw_views(images, self.seen, self.views)

    def part(self, number: int) -> slice:
        size = self.run.views_per_pass
        return slice(number * size, (number + 1) * size)

    def per_target(self, of_views: Tensor) -> Tensor:
        """Means over the views of each target `(N,)`."""
        rows = of_views[: self.used].view(self.count, self.transforms)
        return self.run.operations.row_sums(rows) / self.transforms

    @torch.no_grad()
    def repeats(self) -> bool:
        """Whether the network answers a view alike at every place of a pass, and again.

        For one view at all places; only then does a prototype not depend on the others in its
        run. It is seen in every run and not assumed: what cuDNN does differs from card to card.
        """
        part, network = self.part(0), self.run.network
        view = torch.linspace(-2, 2, self.views[0].numel(), device=self.run.device).sin()
        self.views[part].copy_(view.view(1, *self.views[0].shape).expand_as(self.views[part]))
        found = []
        for _ in range(2):
            leaf = self.views[part].permute(0, 3, 1, 2).clone().requires_grad_(True)
            with torch.enable_grad():
                logits = network.play(leaf.clone(memory_format=torch.preserve_format))
                pull = torch.linspace(-1, 1, logits.shape[1], device=logits.device)
                (gradient,) = torch.autograd.grad(logits, leaf, pull.expand_as(logits))
            found.append((logits.detach(), gradient))
        first = [result[:1] for result in found[0]]
        return all(
            torch.equal(result, one.expand_as(result))
            for results in found
            for result, one in zip(results, first, strict=True)
        )

    def say(self, logits: Tensor, part: slice) -> None:
        chosen = self.run.probabilities(logits).gather(1, self.classes[part])
        self.own[part].copy_(chosen[:, 0])


class Step(_Passes):
    """One step of one form: `work` takes it, `measured` `(MEASURED, N)` says what was seen.

    Rows: objective, probability, L_hf, and the size of the gradient, which is finite only if all
    of it is.
    """

    MEASURED = 4

    def __init__(self, run: CardRun, form: Form, state: GenerationState) -> None:
        count = len(state.targets)
        super().__init__(run, count, form.transforms, form.fill, varies=form.varies)
        self._form = form
        self._pull = -self.weights / form.transforms  # derivative of the loss in the logits
        self._score = torch.zeros(len(self.views), device=run.device)
        self.measured = torch.zeros(self.MEASURED, count, device=run.device)

    def work(self, state: GenerationState) -> None:
        """Advance parameters, moments and average of `state`."""
        run, form, operations = self.run, self._form, self.run.operations
        images, pull_back = images_of(run.parametrisation, state.parameters)
        self.draw(images)
        run.side_by_side(self.passes, self.one_pass)
        where = None if form.baseline else state.where
        gradient, size = operations.image_gradient(self.views, self.seen, self.count, where)
        hf_loss, slopes = operations.roughness(images, form.penalty, form.colour)
        weight = state.hf_share * self.scalars[4]
        if form.unit == "gradient":
            weight = weight / 100 * size
        if pull_back is not None:
            gradient = pull_back(gradient + weight.view(-1, 1, 1, 1) * slopes)
            slopes = None
        operations.adam_(
            state.parameters, gradient, slopes, weight, state.first_moment, state.second_moment,
            state.average, self.scalars, clamp=pull_back is None,
        )  # fmt: skip
        rows = (self.per_target(self._score), self.per_target(self.own), hf_loss, size)
        torch.stack(rows, out=self.measured)

    def one_pass(self, number: int) -> None:
        """Through the network and back; the views' gradients take their place."""
        part = self.part(number)
        leaf = self.views[part].permute(0, 3, 1, 2).requires_grad_(True)
        with torch.enable_grad():
            # A copy, which a network may change in place.
            logits = self.run.network.play(leaf.clone(memory_format=torch.preserve_format))
            if self._form.baseline:
                loss = losses.probability_variance(logits).sum()
                (gradient,) = torch.autograd.grad(loss, leaf)
            else:
                (gradient,) = torch.autograd.grad(logits, leaf, self._pull[part])
        logits = logits.detach()
        self.views[part].copy_(gradient.permute(0, 2, 3, 1))
        self._score[part].copy_(losses.class_objective(logits, self.weights[part]))
        self.say(logits, part)


class Look(_Passes):
    """Probability `(N,)` of each target's class for the images as they are."""

    def __init__(self, run: CardRun, count: int) -> None:
        super().__init__(run, count, 1, "black")
        self.probability = self.own[:count]

    @torch.no_grad()
    def work(self, state: GenerationState) -> None:
        """Look at the images of `state`."""
        images, _ = images_of(self.run.parametrisation, state.parameters)
        self.draw(images)
        self.run.side_by_side(self.passes, self.one_pass)

    @torch.no_grad()
    def one_pass(self, number: int) -> None:
        """Through the network."""
        part = self.part(number)
        self.say(self.run.network.play(self.views[part].permute(0, 3, 1, 2)), part)


def images_of(
    parametrisation: Parametrisation, parameters: Tensor
) -> tuple[Tensor, Callable | None]:
    """Images, and the way from a gradient in them to one in the parameters; None: the same.

    A few at a time, always as many: some operations round differently for other numbers of rows.
    """
    if parametrisation.direct:
        return parameters, None
    parts = []
    for first in range(0, len(parameters), IMAGES_AT_ONCE):
        given = parameters[first : first + IMAGES_AT_ONCE]
        missing = IMAGES_AT_ONCE - len(given)
        filled = torch.cat([given, given[-1:].expand(missing, *given.shape[1:])])
        with torch.enable_grad():
            leaf = filled.requires_grad_(True)
            parts.append((leaf, parametrisation.images(leaf), len(given)))
    images = torch.cat([made.detach()[:used] for _, made, used in parts])

    def pull_back(gradient: Tensor) -> Tensor:
        found = []
        for (leaf, made, used), rows in zip(parts, gradient.split(IMAGES_AT_ONCE), strict=True):
            given = torch.zeros_like(made)
            given[:used] = rows
            found.append(torch.autograd.grad(made, leaf, given)[0][:used])
        return torch.cat(found)

    return images, pull_back
