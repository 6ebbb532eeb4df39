"""What the next steps need from the host: made for many at once, moved to the card once."""

from __future__ import annotations

import torch
from torch import Tensor

from protocore.generation.affine import matrices_of
from protocore.generation.settings import GenerationSettings
from protocore.generation.state import GenerationState
from protocore.generation.update import ADAM_BETAS, newest_share
from protocore.generation.views import VARIATION, numbers_per_view, variations_of

# Learning rate, two bias corrections, share of the newest iterate, weight of L_hf; and three that
# keep what follows at an address that the card likes.
SCALARS = 8
MATRIX = 6
PER_VIEW = MATRIX + VARIATION


def coming(
    state: GenerationState, settings: GenerationSettings, steps: int, *, baseline: bool
) -> Tensor:
    """Numbers of the next steps `(steps, SCALARS + PER_VIEW * N * T)`.

    Scalars, then PER_VIEW for each view, target by target: its matrix and its variation. Stage 1
    sees the images as they are.
    """
    scalars = _scalars(state, settings, steps, baseline=baseline)
    views = _still(state, steps) if baseline else coming_views(state, settings, steps)
    return torch.cat([scalars, views.flatten(1)], dim=1)


def coming_views(state: GenerationState, settings: GenerationSettings, steps: int) -> Tensor:
    """Views of the next steps `(steps, N * T, PER_VIEW)`, as views.draw_views would draw them.

    The state's generators stay where they are. The k-th number of a generator depends on its
    seed and on k alone, so that a step's numbers do not depend on how they are drawn.
    """
    ahead = [generator.clone_state() for generator in state.generators]
    shape = (steps, settings.transforms_per_step, numbers_per_view(settings))
    drawn = torch.stack([torch.rand(shape, generator=g) for g in ahead], dim=1)
    rows = drawn.flatten(1, 2)  # (steps, N * T, numbers)
    matrices = matrices_of(settings, rows.flatten(0, 1)).view(steps, -1, MATRIX)
    variations = [variations_of(settings, row, state.step + step) for step, row in enumerate(rows)]
    if not variations[0].shape[1]:
        variations = list(neutral(matrices.shape[1]).expand(steps, -1, -1))
    return torch.cat([matrices, torch.stack(variations)], dim=2)


def neutral(views: int) -> Tensor:
    """Variations `(V, VARIATION)` that change nothing."""
    return torch.eye(1, VARIATION).expand(views, VARIATION)  # contrast 1, everything else 0


def _still(state: GenerationState, steps: int) -> Tensor:
    view = torch.cat([torch.eye(2, 3).flatten(), neutral(1)[0]])
    return view.expand(steps, len(state.targets), PER_VIEW)


def _scalars(
    state: GenerationState, settings: GenerationSettings, steps: int, *, baseline: bool
) -> Tensor:
    """SCALARS of the next steps `(steps, SCALARS)`; see kernels.adam_kernel."""
    rows = []
    for ahead in range(steps):
        updates, step = state.updates + ahead + 1, state.step + (0 if baseline else ahead)
        newest = newest_share(step, 0 if baseline else settings.averaging)
        corrections = (1 / (1 - beta**updates) for beta in ADAM_BETAS)
        weight = 0.0 if baseline else settings.hf_weight_at(step)
        rows.append((settings.learning_rate, *corrections, newest, weight, 0.0, 0.0, 0.0))
    return torch.tensor(rows)
