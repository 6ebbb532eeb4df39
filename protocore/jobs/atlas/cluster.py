"""The passes of an atlas on a Ray cluster: tasks that Ray places, and repeats when a node dies.

Workers send what they made; this process alone writes the folder, so no disk need be shared.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import protocore
from protocore.errors import JobError, ProtocoreError
from protocore.generation.prototype import library_versions
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.atlas.folder import Atlas, Made
from protocore.jobs.atlas.workers import Clock, Progress, keep_pass, make_pass
from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec

RETRIES = 3  # of a pass whose worker or node died
TIMEOUT = 5.0  # seconds for an address to answer
MUST_AGREE = ("protocore", "torch", "torchvision")
_loaded: dict[ModelSpec, Classifier] = {}  # of a Ray worker: one model, loaded once


def make_on_ray(
    atlas: Atlas,
    spec: ModelSpec,
    address: str,
    *,
    library: Library | None = None,
    progress: Progress | None = None,
) -> int:
    """Make what is missing on the cluster at `address`; returns how many are missing still: 0.

    `address` is "local" (start one here), "auto" (the one running here) or HOST:PORT. Raises
    JobError when Ray is not installed or not there, when a worker has other versions or lacks the
    model, and when a pass dies more than RETRIES times.
    """
    ray = _ray()
    started = _connect(ray, address)
    clock = Clock(atlas, progress)
    try:
        _run(ray, atlas, spec, library, clock)
    finally:
        if started:
            ray.shutdown()
    clock.tell()
    return len(atlas.targets) - atlas.count_made()


def _run(ray: Any, atlas: Atlas, spec: ModelSpec, library: Library | None, clock: Clock) -> None:
    gpus = 0 if torch.device(spec.device).type == "cpu" else 1
    task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(_ray_pass)
    agreed = {name: library_versions()[name] for name in MUST_AGREE}
    running = {
        task.remote(spec, atlas.settings, atlas.passes[number], agreed): number
        for number in atlas.pending()
    }
    try:
        while running:
            ready, _ = ray.wait(list(running), timeout=0.5)
            for reference in ready:
                number = running.pop(reference)
                keep_pass(atlas, _result(ray, reference, number), library)
            clock.tell()
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _ray_pass(
    spec: ModelSpec,
    settings: GenerationSettings,
    targets: Sequence[Target],
    agreed: dict[str, str],
) -> list[Made] | str:
    """Runs on a worker: the pass, or what is wrong."""
    own = library_versions()
    differ = [f"{n} {own[n]} instead of {v}" for n, v in agreed.items() if own[n] != v]
    if differ:
        return f"it has {', '.join(differ)}: install the same versions on every node"
    torch.set_num_threads(1)
    try:
        if spec not in _loaded:
            _loaded.clear()
            _loaded[spec] = load_classifier(spec)
        return make_pass(_loaded[spec], targets, settings)
    except ProtocoreError as error:
        return str(error)


def _result(ray: Any, reference: Any, number: int) -> list[Made]:
    try:
        made = ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise  # a bug: it surfaces with the worker's traceback
    except ray.exceptions.RayError as error:
        raise JobError(
            f"workers died over pass {number}, tried {RETRIES + 1} times: "
            f"{str(error).splitlines()[0]}; what is made stays, run the same command again"
        ) from error
    if isinstance(made, str):
        raise JobError(f"a worker of the cluster cannot make pass {number}: {made}")
    return made


def _ray() -> Any:
    try:
        import ray  # an optional extra
    except ImportError as error:
        raise JobError(
            f"Ray is not installed ({error}); install it with `pip install protocore[ray]`, or "
            "share the work between processes of this machine with --workers"
        ) from error
    return ray


def _connect(ray: Any, address: str) -> bool:
    """Join the cluster; returns whether this process has to leave it again."""
    if ray.is_initialized():
        return False
    if address not in ("auto", "local"):
        _check_address(address)
    # Workers find a Protocore that is not installed where this process found it.
    path = str(Path(protocore.__file__).parents[1])
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            include_dashboard=False if address == "local" else None,
            runtime_env={"env_vars": {"PYTHONPATH": path}},
        )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise JobError(
            f"no Ray cluster answers at {address!r} ({str(error).splitlines()[0]}); start one with "
            "`ray start --head`, or use --ray local"
        ) from error
    return True


def _check_address(address: str) -> None:
    """Ask the port first: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        raise JobError(f"--ray takes auto, local or HOST:PORT, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise JobError(
            f"no Ray cluster answers at {address} ({error}); check it, start a cluster with "
            "`ray start --head`, or use --ray local"
        ) from error
