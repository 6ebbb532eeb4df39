"""Several claims tested at once."""

from __future__ import annotations

from collections.abc import Sequence

from protocore.errors import ReviewError


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p values, in the order given: reject where they are below alpha.

    Keeps the chance of any wrong rejection below alpha, whatever the dependence (Holm, "A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979)
    65-70). Raises ReviewError for what is not a p value.
    """
    if not all(0 <= p <= 1 for p in p_values):  # False for NaN
        raise ReviewError(f"p values must be between 0 and 1, got {list(p_values)}")
    count = len(p_values)
    adjusted = [0.0] * count
    largest = 0.0
    for place, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (count - place) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)
