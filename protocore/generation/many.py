"""Many prototypes at once: in runs as large as a device holds, over several devices.

What one prototype gives is the same as in a run of its own with as many views per pass, whatever
the devices and however the work is cut up, on one kind of card.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from protocore.errors import SettingsError
from protocore.generation.loop import Snapshot, generate
from protocore.generation.prototype import Prototype
from protocore.generation.recording import Recording
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier

MOST_TOGETHER = {"cuda": 256, "cpu": 8}  # prototypes in one run: progress, and what a kill costs
MEMORY_SHARE = 0.4  # of a card's free memory that images, moments and averages may take
WIDE = 64  # views per pass on a card, unless asked otherwise: a batch is in no hurry
_COPIES = 12  # float32 images that a prototype keeps while it is made
WRITERS = min(16, os.cpu_count() or 1)  # threads

Keep = Callable[[Prototype], object]
OnStep = Callable[[str, Snapshot], None]  # name of the device, and what was reached there


def generate_many(
    classifiers: Sequence[Classifier],
    targets: Sequence[Target],
    settings: GenerationSettings,
    keep: Keep,
    *,
    views_per_pass: int | None = None,
    on_step: OnStep | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Make a prototype of every target and hand each to `keep`; returns how many there were.

    `classifiers` is one network on one or more devices: the targets are shared out among these
    run by run, as each gets done. `keep` is called in threads, so that files are written while
    the next run goes on; what it raises ends the work, as does what `generate` raises. Only
    finished prototypes are kept: after `should_stop()`, those of the runs in hand are not.
    """
    identities = {classifier.identity for classifier in classifiers}
    if len(identities) != 1:
        raise SettingsError(f"one network at a time is needed, got {len(identities)}")
    waiting: queue.SimpleQueue[tuple[Target, ...]] = queue.SimpleQueue()
    size = min(_together(classifier, settings) for classifier in classifiers)
    for part in _parts(targets, size):
        waiting.put(part)
    work = _Work(waiting, settings, keep, views_per_pass, on_step, should_stop)
    with ThreadPoolExecutor(max(WRITERS, 2), thread_name_prefix="protocore files") as writers:
        work.writers = writers
        if len(classifiers) == 1:
            work.run(classifiers[0])
        else:
            with ThreadPoolExecutor(len(classifiers)) as devices:
                for done in [devices.submit(work.run, one) for one in classifiers]:
                    done.result()
        written = [future for run in work.finished for future in run.result()]
        for future in written:
            future.result()
    return len(written)


class _Work:
    """What the threads share."""

    writers: ThreadPoolExecutor

    def __init__(self, waiting, settings, keep, views_per_pass, on_step, should_stop) -> None:
        self.waiting = waiting
        self.settings = settings
        self.keep = keep
        self.views_per_pass = views_per_pass
        self.on_step = on_step
        self.should_stop = should_stop
        self.finished: list[Future] = []  # runs, and in each the files that are written
        self.failed = threading.Event()

    def run(self, classifier: Classifier) -> None:
        """Take parts until there is none left."""
        try:
            while not (self.failed.is_set() or self.should_stop()):
                try:
                    targets = self.waiting.get_nowait()
                except queue.Empty:
                    return
                self._one_run(classifier, targets)
        except BaseException:
            self.failed.set()
            raise

    def _one_run(self, classifier: Classifier, targets: tuple[Target, ...]) -> None:
        settings, started = self.settings, time.monotonic()
        recording = Recording(
            classifier=classifier, targets=targets, settings=settings, most_frames=0
        )
        views = self.views_per_pass or WIDE
        run = generate(classifier, targets, settings, views_per_pass=views)
        for snapshot in run:
            recording.add(snapshot)
            if self.on_step:
                self.on_step(str(classifier.device), snapshot)
            if self.failed.is_set() or self.should_stop():
                return
        del run  # and with it the memory of its steps
        seconds = (time.monotonic() - started) / len(targets)
        self.finished.append(self.writers.submit(self._finish, recording, seconds))

    def _finish(self, recording: Recording, seconds: float) -> list[Future]:
        return [self.writers.submit(self.keep, made) for made in recording.prototypes(seconds)]


def _together(classifier: Classifier, settings: GenerationSettings) -> int:
    """How many prototypes to make in one run."""
    device = classifier.device
    most = MOST_TOGETHER.get(device.type, MOST_TOGETHER["cpu"])
    if device.type != "cuda":
        return most
    size = settings.image_size or classifier.input_size
    free = torch.cuda.mem_get_info(device)[0]
    return max(1, min(most, int(MEMORY_SHARE * free / (_COPIES * 3 * 4 * size * size))))


def _parts(targets: Sequence[Target], most: int) -> Iterator[tuple[Target, ...]]:
    """Even parts of at most `most`."""
    count = -(-len(targets) // most)
    size = -(-len(targets) // max(count, 1))
    for first in range(0, len(targets), max(size, 1)):
        yield tuple(targets[first : first + size])
