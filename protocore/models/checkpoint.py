"""Read the user's own weights files without running what they contain."""

from __future__ import annotations

import argparse
import codecs
import os
import pickle
import re
import struct
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from protocore.errors import CheckpointError, ModelError
from protocore.models.class_names import NAME_KEYS, names_from, parse_json

SUFFIXES = (".pth", ".pt", ".safetensors")
MAX_UPLOAD_BYTES = 1 * 2**30  # the largest common ones (vgg19, vit_b_16) have 0.3 to 0.6 GB

# Where training scripts put the weights inside a checkpoint, best first.
_NESTED = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "state_dict_ema",
    "model_ema",
    "ema",
)
_NOT_WEIGHTS = ("optim", "scheduler", "lr_sched", "scaler", "amp", "loops", "callbacks")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.")
_FORCED = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
# Plain data that training scripts (torchvision's own among them) save beside the weights:
# their arguments, and NumPy numbers such as the best accuracy.
_SCALAR = np.float64(0).__reduce__()[0]
_ARRAY = np.zeros(1).__reduce__()[0]
_HARMLESS = [
    argparse.Namespace,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefdFDSUO"},
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_ARRAY, "numpy._core.multiarray._reconstruct"),
    (_ARRAY, "numpy.core.multiarray._reconstruct"),
    (codecs.encode, "_codecs.encode"),  # how bytes stand in older pickles
]
_reading = threading.Lock()  # safe_globals changes a list of the whole process


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What a weights file holds."""

    parts: dict[str, dict[str, Tensor]]  # state dicts by where they are in the file, best first
    class_names: tuple[str, ...] | None  # None: the file names no classes

    @property
    def state(self) -> dict[str, Tensor]:
        """The first state dict, without prefixes that all its names have."""
        return _strip_prefixes(next(iter(self.parts.values())))


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Weights and class names of a `.pth`, `.pt` or `.safetensors` file, on the CPU.

    Nothing in the file is executed (`weights_only`). Weights nested under a usual name
    ("state_dict", "model", ...) or another one are found, averaged ones ("state_dict_ema") beside
    the raw ones too; what `torch.compile` puts into names ("_orig_mod.") is removed. Raises
    CheckpointError.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"there is no file {path}; give the path of a {', '.join(SUFFIXES)} file"
        )
    if path.suffix.lower() == ".safetensors":
        content, names = _read_safetensors(path)
    else:
        content = _read_pickled(path)
        names = _find_names(content)
    parts = _find_parts(content)
    if not parts:
        raise CheckpointError(
            f"{path.name} holds no state dict, but {_describe(content)}; save "
            "`model.state_dict()` with torch.save, or as .safetensors"
        )
    for state in parts.values():
        _check_plain(path, state)
    return Checkpoint(parts=parts, class_names=names)


def _read_pickled(path: Path) -> object:
    if os.environ.get(_FORCED, "0").lower() in ("1", "y", "yes", "true"):
        raise CheckpointError(
            f"weights files are not read while {_FORCED} is set, because it lets a file run code; "
            "unset it and start again"
        )
    try:
        with _reading, torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(path, str(error))) from error
    except Exception as error:  # a damaged file can fail anywhere in the reader
        if isinstance(error, MemoryError) or "not enough memory" in str(error):
            raise CheckpointError(
                f"{path.name} needs more memory than is free; close other programs, or save the "
                "weights alone, without the optimizer's state"
            ) from error
        raise CheckpointError(_damage(path, error)) from error


def _refusal(path: Path, reason: str) -> str:
    """What the safe unpickler objected to."""
    found = re.search(r"(?:GLOBAL|class) ([A-Za-z_][\w.]*)", reason)
    if found is None:
        return _damage(path, reason)
    return (
        f"{path.name} holds a Python object ({found.group(1)}) beside or instead of weights; "
        "reading it could run code, so it is refused. Save `model.state_dict()` with torch.save, "
        "or as .safetensors"
    )


def _damage(path: Path, error: object) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    if is_zip and not zipfile.is_zipfile(path):
        return (
            f"{path.name} is cut off after {size} bytes: the end of the archive is missing; copy "
            "or download it again"
        )
    if is_zip and _is_torchscript(path):
        return (
            f"{path.name} is a TorchScript program, not a state dict; save `model.state_dict()` "
            "with torch.save, or as .safetensors"
        )
    # PyTorch's own words are left out: they advise to switch the protection off.
    cut = isinstance(error, EOFError) or "EOF" in str(error)
    reason = "it ends too early" if cut else "it holds something else"
    return (
        f"{path.name} ({size} bytes) is not a weights file that can be read, {reason}; "
        f"give an undamaged {', '.join(SUFFIXES)} file"
    )


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...] | None]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        size = path.stat().st_size
        raise CheckpointError(
            f"{path.name} ({size} bytes) is not a readable safetensors file: {error}; copy or "
            "save it again"
        ) from error
    for key in NAME_KEYS:
        if key in metadata:
            try:
                return tensors, names_from(parse_json(metadata[key], key))
            except ModelError:
                continue
    return tensors, None


def _find_parts(content: object) -> dict[str, dict[str, Tensor]]:
    """All state dicts at most three levels down by their place ("model", "student.weights")."""
    found: dict[str, dict[str, Tensor]] = {}
    for place, mapping in _mappings(content, "", 3):
        tensors = {
            key.replace("_orig_mod.", ""): value
            for key, value in mapping.items()
            if isinstance(key, str) and isinstance(value, Tensor)
        }
        # Some state dicts carry "_extra_state" entries or counters that are not tensors.
        if tensors and len(tensors) > len(mapping) / 2 and any(t.ndim for t in tensors.values()):
            found[place] = tensors
    return found


def _mappings(content: object, place: str, depth: int) -> Iterator[tuple[str, Mapping]]:
    """The mapping and those inside it, under the usual names first; no optimiser's state."""
    if not isinstance(content, Mapping):
        return
    yield place, content
    if depth:
        names = [key for key in content if isinstance(key, str)]
        names.sort(key=lambda key: _NESTED.index(key) if key in _NESTED else len(_NESTED))
        for name in names:
            if not name.lower().startswith(_NOT_WEIGHTS):
                yield from _mappings(content[name], f"{place}.{name}".lstrip("."), depth - 1)


def _check_plain(path: Path, state: dict[str, Tensor]) -> None:
    """Refuse tensors without values, and those that claim to be larger than what is stored."""
    for key, value in state.items():
        odd = value.is_meta or value.is_quantized or value.layout is not torch.strided
        if odd or value.nbytes > value.untyped_storage().nbytes():
            raise CheckpointError(
                f"{path.name} holds {key!r} as a tensor that is quantised, sparse, expanded or "
                "without values; save ordinary tensors of 16 or 32-bit floating-point numbers"
            )


def _find_names(content: object) -> tuple[str, ...] | None:
    """Class names at the top or one level down, as in {"meta": {"classes": [...]}}."""
    if not isinstance(content, Mapping):
        return None
    levels = [content, *(value for value in content.values() if isinstance(value, Mapping))]
    for level in levels:
        for key in NAME_KEYS:
            found = names_from(level.get(key))
            if found:
                return found
    return None


def _strip_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without what DataParallel, torch.compile and wrapper classes put before every name."""
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            return _strip_prefixes({k.removeprefix(prefix): v for k, v in state.items()})
    return state


def _describe(content: object) -> str:
    if isinstance(content, Mapping):
        keys = [str(key) for key in list(content)[:5]]
        return f"a dictionary with the keys {', '.join(keys) or '(none)'}"
    return f"a {type(content).__name__}"
