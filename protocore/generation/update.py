"""How a gradient changes the parameters: Adam, and the average of the iterates."""

from __future__ import annotations

from torch import Tensor

from protocore.generation.state import GenerationState

ADAM_BETAS = (0.9, 0.999)  # Kingma and Ba, 2015; the paper says "Adam" and gives the rate alone
ADAM_EPSILON = 1e-8


def adam_(state: GenerationState, gradient: Tensor, learning_rate: float) -> None:
    """One update of Adam (Kingma and Ba, 2015, algorithm 1), in place and per element."""
    beta1, beta2 = ADAM_BETAS
    state.updates += 1
    state.first_moment.lerp_(gradient, 1 - beta1)
    state.second_moment.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    mean = state.first_moment / (1 - beta1**state.updates)
    deviation = (state.second_moment / (1 - beta2**state.updates)).sqrt_().add_(ADAM_EPSILON)
    state.parameters.addcdiv_(mean, deviation, value=-learning_rate)


def average_(state: GenerationState, period: int) -> None:
    """Take the newest iterate into the average."""
    state.average.lerp_(state.parameters, newest_share(state.step, period))


def newest_share(step: int, period: int) -> float:
    """Share of the iterate of `step` in the average.

    An exponential average whose weights have the mean age of a `period`-step moving average.
    Unlike the plain mean of the last steps it is there at every step, for the live view and for
    a run that is stopped early or continued.
    """
    return min(1.0, max(2 / (period + 1), 1 / (step + 1)))
