"""Where networks can run on this machine."""

from __future__ import annotations

import torch

from protocore.errors import ModelError


def available_devices() -> tuple[str, ...]:
    """Names of the usable devices, the fastest first; the last one is always "cpu"."""
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return (*names, "cpu")


def default_device() -> str:
    """The device that is used unless another one is chosen: a GPU where there is one."""
    return available_devices()[0]


def find_device(name: str) -> str:
    """The full name of an available device ("cuda" is "cuda:0"); raises ModelError."""
    wanted = name.strip().lower()
    available = available_devices()
    if wanted == "cuda":
        wanted = "cuda:0"
    if wanted not in available:
        raise ModelError(
            f"there is no device {name!r} on this machine; available are {', '.join(available)}"
        )
    return wanted
