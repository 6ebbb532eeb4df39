"""One generation, step by step, that can be cut off anywhere and goes on from its checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocore.generation.loop import Generation, Snapshot, generate
from protocore.generation.recording import Recording
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from protocore.jobs.checkpoint import Checkpoint, CheckpointFolder, Tuned, Worth
from protocore.models.classifier import Classifier

__all__ = ["Beginning", "Run", "open_run"]

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class Beginning:
    """Where a run starts: at nothing, or at the end of one that is gone on with."""

    recording: Recording
    settings: GenerationSettings
    state: GenerationState | None = None
    seconds: float = 0.0


class Run:
    """A generation under way. After `advance`, what it has come to is in `recording`."""

    def __init__(self, begun: Beginning | Checkpoint, folder: CheckpointFolder) -> None:
        self.recording = begun.recording
        self.settings = begun.settings
        self.tuned: list[Tuned] = list(getattr(begun, "tuned", ()))
        self.resumed = isinstance(begun, Checkpoint)
        self.kept_step = begun.state.step if self.resumed else 0  # of the last checkpoint
        self.waited = 0.0  # seconds in pauses; the caller adds to it
        self._folder = folder
        self._before, self._started = begun.seconds, time.monotonic()
        self._worth = Worth()
        self._state = begun.state
        self._snapshots: Generation | None = None

    @property
    def seconds(self) -> float:
        """Wall time of the run, without pauses and without what was lost."""
        return self._before + time.monotonic() - self._started - self.waited

    def advance(self, changed: GenerationSettings | None = None) -> Snapshot | None:
        """Take the next step, with other settings if given; None when there is none left."""
        if self._snapshots is None:
            classifier, targets = self.recording.classifier, self.recording.targets
            settings, changed = changed or self.settings, None
            self._snapshots = generate(classifier, targets, settings, state=self._state)
        try:
            snapshot = self._snapshots.send(changed)
        except StopIteration:
            return None
        self.recording.add(snapshot)
        self.settings = snapshot.settings
        return snapshot

    def keep_if_due(self, changed: GenerationSettings | None = None) -> bool:
        """A checkpoint when it is worth it; `changed` holds from the next step on."""
        share = self._share()
        return share < 1 and self._worth.due(share) and self.keep(changed)

    def keep(self, changed: GenerationSettings | None = None) -> bool:
        """A checkpoint now, if there is anything to keep; says whether it is on disk."""
        if self.recording.last is None or self._share() >= 1:
            return False
        started = self._worth.now()
        try:
            settings = changed or self.settings
            self._folder.save(self.recording, settings, self.tuned, self.seconds)
        except OSError as error:  # the run goes on without
            log.warning("no checkpoint in %s: %s", self._folder.folder, error)
            return False
        finally:
            self._worth.paid(started, self._share())
        self.kept_step = self.recording.steps_taken
        return True

    def close(self) -> None:
        """End the generation and leave the model as it was."""
        if self._snapshots is not None:
            self._snapshots.close()

    def _share(self) -> float:
        """Of the steps of both stages that are taken, 0..1."""
        state = self.recording.last.state
        total = self.settings.baseline_steps + self.settings.steps
        return (state.baseline_step + state.step) / total


def open_run(
    classifier: Classifier,
    folder: CheckpointFolder,
    begin: Callable[[], Beginning],
) -> Run:
    """The run from its checkpoint in `folder`, or from its beginning when there is none."""
    return Run(folder.load(classifier) or begin(), folder)


def beginning(
    classifier: Classifier, targets: Sequence[Target], settings: GenerationSettings
) -> Beginning:
    """At the first step."""
    recording = Recording(classifier=classifier, targets=tuple(targets), settings=settings)
    return Beginning(recording=recording, settings=settings)
