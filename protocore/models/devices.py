"""Where networks can run on this machine."""

from __future__ import annotations

import os

import torch

from protocore.errors import ModelError, SettingsError

THREADS_VARIABLE = "PROTOCORE_THREADS"


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


def apply_thread_limit() -> None:
    """Let arithmetic use as many threads as PROTOCORE_THREADS says; all cores where it is not set.

    For the start of a program: it holds for the whole process. Raises SettingsError for a value
    that is no number of threads.
    """
    text = os.environ.get(THREADS_VARIABLE, "").strip()
    if not text:
        return
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise SettingsError(f"{THREADS_VARIABLE} must be a number from 1 to 1024, got {text!r}")
    torch.set_num_threads(int(text))
