"""How fast a job is and how long it will take: steady figures from uneven steps."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median

__all__ = ["Pace"]

FEWEST_STEPS = 10  # before which no time left is given: the first steps load, compile and allocate
MOST_SAMPLES = 64
SPACING = 0.1  # seconds between two samples at first, so that fast steps cost nothing
WARM_UP = 1  # samples at the start that do not count


class Pace:
    """Rate of a job from samples of its progress.

    Samples cover the whole time since the last step back: once there are MOST_SAMPLES, every
    other one is dropped and the spacing doubled. The rate is the median over the later half, so
    neither a pause of the machine nor a slow start moves it much.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()  # (seconds running, steps done)
        self._spacing = SPACING
        self._done = 0

    def add(self, seconds: float, done: int) -> None:
        """Note that `done` steps are taken after `seconds` of running. A step back starts anew."""
        if done < self._done:
            self._samples.clear()
            self._spacing = SPACING
        elif self._samples and done == self._done:
            return  # another word about the same step
        self._done = done
        if self._samples and seconds - self._samples[-1][0] < self._spacing:
            return
        self._samples.append((seconds, done))
        if len(self._samples) > MOST_SAMPLES:
            self._samples = deque(list(self._samples)[::2])
            self._spacing *= 2

    @property
    def rate(self) -> float | None:
        """Steps per second; None while too little is known."""
        samples = list(self._samples)[WARM_UP if len(self._samples) > 4 else 0 :]
        recent = samples[len(samples) // 2 - 1 :] if len(samples) > 3 else samples
        slopes = [
            (done - before) / (until - since)
            for (since, before), (until, done) in pairwise(recent)
            if until > since
        ]
        return (median(slopes) or None) if slopes else None

    def seconds_left(self, total: int) -> float | None:
        """Until `total` steps are taken; None before FEWEST_STEPS, or when nothing moves."""
        if not self._samples or self._done - self._samples[0][1] < FEWEST_STEPS:
            return None
        rate = self.rate
        return max(total - self._done, 0) / rate if rate else None
