"""Checkpoints: the state of a run on disk while it goes on, for whoever goes on with it.

<folder>/state-000512.safetensors  pixels, moments, random states
         part-000512.json          frames and curves since the part before
         checkpoint.json           the rest, and the names of these; written last

A checkpoint is the content of checkpoint.json: other files that lie there belong to one that was
not finished.
"""

from __future__ import annotations

import base64
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from protocore.errors import LibraryError, ProtocoreError
from protocore.files import write_atomic
from protocore.generation.prototype import SettingsChange
from protocore.generation.recording import Recording
from protocore.generation.settings import GenerationSettings
from protocore.generation.state import GenerationState
from protocore.models.classifier import Classifier

__all__ = ["Checkpoint", "CheckpointFolder", "Tuned", "Worth"]

FILE = "checkpoint.json"
VERSION = 1
MOST_SECONDS = 30.0  # between two checkpoints, unless each takes long
SHARE_OF_WORK = 0.1  # after which there is one at the latest
SHARE_OF_TIME = 0.01  # that checkpoints may take
LONGEST_SECONDS = 300.0  # between two checkpoints, however long each takes
FIRST_COST = 0.03  # seconds, before the first one is measured

# What a damaged or foreign checkpoint raises.
UNUSABLE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
    ProtocoreError,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A change of settings while a run went on."""

    step: int  # from which it holds
    author: str  # "" when nobody said
    changes: Mapping[str, Any]  # field: value, plain JSON


@dataclass(kw_only=True, eq=False)
class Checkpoint:
    """What `CheckpointFolder.load` found."""

    state: GenerationState
    recording: Recording
    settings: GenerationSettings  # of the next step
    tuned: tuple[Tuned, ...]
    seconds: float  # wall time up to here, without pauses


class Worth:
    """When the next checkpoint is worth its time.

    At least every MOST_SECONDS and every tenth of the work; but all of them together take no more
    than SHARE_OF_TIME, so that where one takes long they come less often, down to one in
    LONGEST_SECONDS, and in the first seconds of a run not at all.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cost = FIRST_COST
        self._since = clock()
        self._share = 0.0

    def due(self, share: float) -> bool:
        """Whether it is time, with `share` of the work done."""
        passed = self._clock() - self._since
        wanted = passed >= MOST_SECONDS or share - self._share >= SHARE_OF_WORK
        return wanted and passed >= min(self._cost / SHARE_OF_TIME, LONGEST_SECONDS)

    def paid(self, started: float, share: float) -> None:
        """Note one that began at the clock's `started` and is done now."""
        self._since = self._clock()
        self._cost = self._since - started
        self._share = share

    def now(self) -> float:
        """The clock."""
        return self._clock()


class CheckpointFolder:
    """The checkpoint of one run; each one replaces the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts: list[str] = []
        self._frames: list[int] = []  # how many of each target are on disk
        self._points = 0  # of the curves

    def save(
        self,
        recording: Recording,
        settings: GenerationSettings,
        tuned: Sequence[Tuned] = (),
        seconds: float = 0.0,
    ) -> None:
        """Keep the run as it is after its last snapshot. Raises OSError; the last one stays."""
        state = recording.last.state
        number = f"{state.baseline_step + state.step:06d}"
        self.folder.mkdir(parents=True, exist_ok=True)
        state_name, part_name = f"state-{number}.safetensors", f"part-{number}.json"
        write_atomic(self.folder / state_name, state.to_bytes())
        write_atomic(self.folder / part_name, json.dumps(self._part(recording)))
        parts = [*self._parts, part_name]
        content = {
            "version": VERSION,
            "state": state_name,
            "parts": parts,
            "weight_hash": recording.classifier.weight_hash,
            "settings": settings.to_dict(),
            "start": recording.settings.to_dict(),
            "history": [
                {"step": change.step, "settings": change.settings.to_dict(), "by": change.by}
                for change in recording.history
            ],
            "changed_by": recording.changed_by,
            "tuned": [asdict(change) for change in tuned],
            "seconds": seconds,
        }
        write_atomic(self.folder / FILE, json.dumps(content))
        self._parts = parts
        self._frames = [len(frames) for frames in recording.frames]
        self._points = len(recording.curves[0]["step"])
        self._sweep({state_name, *parts})

    def load(self, classifier: Classifier) -> Checkpoint | None:
        """The last checkpoint; None when there is none, or it is of other weights or damaged."""
        path = self.folder / FILE
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["weight_hash"] != classifier.weight_hash:
                raise LibraryError("it was made with other weights")
            state_path = str(self.folder / content["state"])
            state = GenerationState.from_file(state_path, classifier.device)
            settings = GenerationSettings.from_dict(content["settings"])
            tuned = tuple(Tuned(**change) for change in content["tuned"])
            seconds = float(content["seconds"])
            recorded = self._recorded(content, len(state.targets))
        except UNUSABLE as error:
            log.warning("the checkpoint %s cannot be used (%s), begun anew", path, error)
            return None
        recording = Recording(classifier=classifier, targets=state.targets, **recorded)
        found = Checkpoint(
            state=state, recording=recording, settings=settings, tuned=tuned, seconds=seconds
        )
        self._parts = content["parts"]
        self._frames = [len(frames) for frames in found.recording.frames]
        self._points = len(found.recording.curves[0]["step"])
        return found

    def remove(self) -> None:
        """It is not needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part(self, recording: Recording) -> dict[str, Any]:
        """Frames and curves that are not on disk yet; floats come back to the last bit."""
        known = self._frames or [0] * len(recording.frames)
        return {
            "frames": [
                [(step, base64.b64encode(content).decode()) for step, content in frames[first:]]
                for frames, first in zip(recording.frames, known, strict=True)
            ],
            "curves": [
                {name: values[self._points :] for name, values in curve.items()}
                for curve in recording.curves
            ],
        }

    def _recorded(self, content: Mapping[str, Any], count: int) -> dict[str, Any]:
        """What the Recording of `count` targets is made of."""
        rows = range(count)
        frames: list[list[tuple[int, bytes]]] = [[] for _ in rows]
        curves: list[dict[str, list[float]]] = [{} for _ in rows]
        for name in content["parts"]:
            part = json.loads((self.folder / name).read_text(encoding="utf-8"))
            for row in rows:
                frames[row] += [(step, base64.b64decode(c)) for step, c in part["frames"][row]]
                for key, values in part["curves"][row].items():
                    curves[row].setdefault(key, []).extend(values)
        return {
            "settings": GenerationSettings.from_dict(content["start"]),
            "history": [
                SettingsChange(
                    step=change["step"],
                    settings=GenerationSettings.from_dict(change["settings"]),
                    by=change["by"],
                )
                for change in content["history"]
            ],
            "curves": curves,
            "frames": frames,
            "changed_by": str(content["changed_by"]),
        }

    def _sweep(self, needed: set[str]) -> None:
        """Remove what the last checkpoint does not name."""
        for pattern in ("state-*", "part-*"):
            for path in self.folder.glob(pattern):
                if path.name not in needed:
                    path.unlink(missing_ok=True)
