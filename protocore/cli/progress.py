"""One line on stderr that says how far a command is."""

from __future__ import annotations

import sys
import time
from typing import Self

from protocore.generation.loop import Snapshot
from protocore.text import duration, printable

_BAR_WIDTH = 30  # characters
_SECONDS_BETWEEN_LINES = 0.2


class ProgressLine:
    """A bar, counts and a text, drawn again in place; a context manager that ends the line."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._width:
            print(file=sys.stderr)

    def show(self, done: int, total: int, text: str = "") -> None:
        """Draw `done` of `total`, a few times a second at most; nothing but at a terminal."""
        if not sys.stderr.isatty():
            return
        now = time.monotonic()
        if now - self._shown < _SECONDS_BETWEEN_LINES and done < total:
            return
        self._shown = now
        filled = round(_BAR_WIDTH * done / max(total, 1))
        bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
        line = f"{bar} {done}/{total}  {printable(text)}"[:120]
        print(f"\r{line:{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(line)


class GenerationLine(ProgressLine):
    """The progress of `generate`: stage, speed, time left, mean probability."""

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()
        self._steps = 0

    def step(self, snapshot: Snapshot) -> None:
        """Draw the run after one step."""
        self._steps += 1
        rate = self._steps / max(time.monotonic() - self._started, 1e-9)
        stage = "balancing, " if snapshot.stage == "baseline" else ""
        left = duration((snapshot.total - snapshot.step) / rate)
        text = f"{stage}{rate:.1f} steps/s, {left} left, p={snapshot.probability.mean():.2f}"
        self.show(snapshot.step, snapshot.total, text)
