"""Who makes the passes of an atlas: this process, several, or a Ray cluster.

A pass is claimed by creating a file that only one process can create. Claims of processes that
are gone are removed, so a kill costs the passes in hand; two machines may share one folder.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch

from protocore.errors import JobError, LibraryError, OutOfMemoryError, ProtocoreError
from protocore.generation.api import generate_prototypes
from protocore.generation.loop import Snapshot
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.atlas.folder import Atlas, Made, open_atlas
from protocore.library.entries import SavedRun
from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from protocore.text import duration

Progress = Callable[[int, int, str], None]  # prototypes made, prototypes in all, time left
OnStep = Callable[[Snapshot], None]

DEATHS = 3  # of workers over one pass, from which on it is not tried again
_held: set[Path] = set()  # claims of this process
_AT_ONCE = 64  # images a forward pass when measuring logits


def make_atlas(
    atlas: Atlas,
    spec: ModelSpec,
    *,
    workers: int = 1,
    classifier: Classifier | None = None,
    library: Library | None = None,
    progress: Progress | None = None,
) -> int:
    """Make what is missing with so many processes; returns how many prototypes are missing still.

    Those are being made by processes of others on the same folder. `classifier` saves loading
    `spec` again in this process. Raises what generation raises, LibraryError on a full disk and
    JobError when a worker keeps dying. What is made stays, whatever happens.
    """
    if workers < 1:
        raise JobError(f"workers must be >= 1, got {workers}")
    _ready_claims(atlas.folder)
    clock = Clock(atlas, progress)
    if workers == 1:
        _work_alone(atlas, classifier or load_classifier(spec), library, clock)
    else:
        _Team(atlas, spec, workers, library, clock).run()
    clock.tell()
    return len(atlas.targets) - atlas.count_made()


class Clock:
    """How far an atlas is, and how long the rest takes at the rate of this run."""

    def __init__(self, atlas: Atlas, progress: Progress | None) -> None:
        self._atlas, self._progress = atlas, progress
        self._started, self._before = time.monotonic(), atlas.count_made()

    def tell(self, extra: float = 0.0) -> None:
        """Report; `extra` are prototypes in the making, as a fraction of their steps."""
        if self._progress is None:
            return
        total, made = len(self._atlas.targets), self._atlas.count_made()
        fresh = made - self._before + extra
        seconds = time.monotonic() - self._started
        left = seconds / fresh * (total - made - extra) if fresh > 0 else None
        text = "" if left is None else f"{duration(max(0.0, left))} left"
        self._progress(made, total, text)


def make_pass(
    classifier: Classifier,
    targets: Sequence[Target],
    settings: GenerationSettings,
    on_step: OnStep | None = None,
) -> list[Made]:
    """The prototypes of one pass; one too wide for the device is made in halves."""
    try:
        prototypes = generate_prototypes(classifier, targets, settings, on_step=on_step)
    except OutOfMemoryError:
        if len(targets) == 1:
            raise
        middle = len(targets) // 2
        return [
            made
            for half in (targets[:middle], targets[middle:])
            for made in make_pass(classifier, half, settings, on_step)
        ]
    images = torch.from_numpy(np.stack([prototype.image for prototype in prototypes]))
    pixels = images.permute(0, 3, 1, 2).float() / 255
    logits = torch.cat([classifier.logits(part).cpu() for part in pixels.split(_AT_ONCE)])
    return [Made(*pair) for pair in zip(prototypes, logits.numpy(), strict=True)]


def keep_pass(atlas: Atlas, made: Sequence[Made], library: Library | None) -> None:
    """Write a pass into the atlas, and first into the library what is not there yet."""
    if library is not None:
        known = library.find(one.prototype.record.key for one in made)
        fresh = [one.prototype for one in made if one.prototype.record.key not in known]
        if fresh:
            library.save_run(
                SavedRun(
                    title=f"Atlas of {atlas.manifest.model_title}",
                    prototypes=tuple(fresh),
                    model_link=atlas.manifest.model_link,
                    preset=atlas.manifest.preset,
                )
            )
    atlas.keep(made)


# --- claims ---


def claim(folder: Path, number: int) -> bool:
    """Take a pass; False when another process has it."""
    path = _claim_path(folder, number)
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
    try:
        with path.open("x", encoding="utf-8") as file:
            _held.add(path)
            json.dump(owner, file)
    except FileExistsError:
        return False
    except OSError as error:
        raise LibraryError(
            f"{path} could not be written: {error.strerror or error}; make room or choose a folder "
            "that can be written, and run the same command again"
        ) from error
    return True


def release(folder: Path, number: int) -> None:
    """Give a pass back."""
    path = _claim_path(folder, number)
    path.unlink(missing_ok=True)
    _held.discard(path)


def drop_dead_claims(folder: Path, dead: int | None = None) -> list[int]:
    """Remove the claims of process `dead` of this machine, or of all that are gone; which."""
    dropped = []
    for path in sorted((folder / "claims").glob("[0-9]*")):
        with suppress(OSError):
            if _is_dead(path, dead):
                path.unlink(missing_ok=True)
                dropped.append(int(path.name))
    return dropped


def _ready_claims(folder: Path) -> None:
    """The folder of claims, which a copy of an atlas may lack, without those of the dead."""
    try:
        (folder / "claims").mkdir(exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{folder} cannot be written: {error.strerror or error}; choose a folder that can"
        ) from error
    drop_dead_claims(folder)


def _claim_path(folder: Path, number: int) -> Path:
    return folder / "claims" / f"{number:05d}"


def _is_dead(path: Path, dead: int | None) -> bool:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        host, pid = owner["host"], int(owner["pid"])
    except (ValueError, KeyError, TypeError):
        return time.time() - path.stat().st_mtime > 60  # cut off while it was written
    if host != socket.gethostname():
        return False
    if dead is not None:
        return pid == dead
    return path not in _held if pid == os.getpid() else not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, and alive
    return True


# --- work ---


def _work_alone(
    atlas: Atlas, classifier: Classifier, library: Library | None, clock: Clock | None = None
) -> None:
    """Take passes until none is free."""
    for number in atlas.pending():
        if not claim(atlas.folder, number):
            continue
        try:
            targets = atlas.passes[number]
            if all(map(atlas.is_made, targets)):  # by another, since we looked
                continue

            def on_step(snapshot: Snapshot, width: int = len(targets)) -> None:
                if clock:
                    clock.tell(width * snapshot.step / max(snapshot.total, 1))

            keep_pass(atlas, make_pass(classifier, targets, atlas.settings, on_step), library)
        finally:
            release(atlas.folder, number)


def _worker(
    folder: Path, spec: ModelSpec, threads: int, home: Path | None, errors: Connection
) -> None:
    """One process of a team."""
    torch.set_num_threads(threads)
    library = None
    try:
        library = Library(home) if home else None
        _work_alone(open_atlas(folder), load_classifier(spec), library)
    except ProtocoreError as error:
        errors.send(f"{error}")
    except KeyboardInterrupt:
        pass
    finally:
        if library is not None:
            library.close()


class _Team:
    """Several processes on one atlas."""

    def __init__(
        self, atlas: Atlas, spec: ModelSpec, workers: int, library: Library | None, clock: Clock
    ) -> None:
        self._atlas, self._spec, self._clock = atlas, spec, clock
        self._home = library.folder if library else None
        self._threads = max(1, torch.get_num_threads() // workers)
        self._context = multiprocessing.get_context("spawn")
        self._errors, self._sender = self._context.Pipe(duplex=False)
        self._deaths: Counter[int] = Counter()
        self._workers = workers
        self._running: list[BaseProcess] = []

    def run(self) -> None:
        try:
            for _ in range(min(self._workers, len(self._atlas.pending()))):
                self._start()
            while self._running:
                wait([process.sentinel for process in self._running], timeout=0.5)
                if self._errors.poll():
                    raise JobError(f"a worker stopped: {self._errors.recv()}")
                for process in [one for one in self._running if not one.is_alive()]:
                    self._running.remove(process)
                    self._bury(process)
                self._clock.tell()
            if self._errors.poll():
                raise JobError(f"a worker stopped: {self._errors.recv()}")
        finally:
            for process in self._running:
                process.terminate()
            for process in self._running:
                process.join()
                drop_dead_claims(self._atlas.folder, process.pid)

    def _start(self) -> None:
        process = self._context.Process(
            target=_worker,
            args=(self._atlas.folder, self._spec, self._threads, self._home, self._sender),
            daemon=True,
        )
        process.start()
        self._running.append(process)

    def _bury(self, process: BaseProcess) -> None:
        """Give back what a dead worker had in hand, and replace it."""
        process.join()
        if process.exitcode == 0:
            return
        lost = drop_dead_claims(self._atlas.folder, process.pid)
        self._deaths.update(lost or [-1])
        number, deaths = self._deaths.most_common(1)[0]
        if deaths >= DEATHS:
            what = f"pass {number}" if number >= 0 else "loading the model"
            raise JobError(
                f"{deaths} workers died over {what} (exit status {process.exitcode}), probably "
                "because memory ran out; use fewer workers or a smaller width"
            )
        self._start()
