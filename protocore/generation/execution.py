"""How a prototype was computed, beside what was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Execution:
    """On a card: what decides its bytes. On a CPU nothing of it does, and the defaults stand."""

    card: str = ""  # name of the graphics card
    views_per_pass: int = 0  # through the network
    captured: bool = False  # steps were CUDA graphs, and not taken call by call
    fixed_order: bool = True  # all sums: the same request gives the same bytes again


ON_CPU = Execution()
