"""Networks of timm and of Hugging Face's transformers, which are optional extras."""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from protocore.errors import (
    CheckpointError,
    DownloadError,
    ModelError,
    UnknownModelError,
    WeightsUnavailableError,
)
from protocore.models.catalog import find_entry, weights_member
from protocore.models.checkpoint import read_checkpoint
from protocore.models.class_names import names_from, parse_json
from protocore.models.network import Network
from protocore.models.outputs import kept_random_states
from protocore.models.preprocessing import INTERPOLATIONS, Preprocessing

PRETRAINED = "pretrained"  # timm's own weights, from its hub's cache on this machine
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_MODES = {"center": "crop", "squash": "squash", "border": "border"}
_CPU = torch.device("cpu")


def find_timm(name: str) -> str:
    """timm's spelling of a model's name, such as "tf_efficientnet_lite0.in1k".

    Raises UnknownModelError, and ModelError where timm is not installed.
    """
    timm = _extra("timm")
    wanted = name.strip()
    if timm.is_model(wanted.partition(".")[0]):
        return wanted
    near = difflib.get_close_matches(wanted, timm.list_models(), n=3)
    hint = f" (did you mean {', '.join(near)}?)" if near else ""
    raise UnknownModelError(f"timm has no model {name!r}{hint}; timm.list_models() lists them")


def load_timm(name: str, file: Path | None) -> Network:
    """A timm classifier with the weights in `file`, or with its own from the hub's cache.

    Never downloads. Preprocessing comes from its `pretrained_cfg`. Raises ModelError.
    """
    timm = _extra("timm")
    name = find_timm(name)
    state = _largest_part(file or _cached(name))
    with kept_random_states(_CPU):
        outline = timm.create_model(name, pretrained=False)
        state, left_out = _below_prefix(state, outline.state_dict())
        options = _timm_options(outline.pretrained_cfg, state)
        module = timm.create_model(name, pretrained=False, **options) if options else outline
    _load(module, state, f"timm's {name}")
    return Network(
        module=module.eval().requires_grad_(False),
        class_names=_imagenet_names(module.num_classes),
        preprocessing=_timm_preprocessing(timm, module),
        notes=_left_out_note(left_out),
    )


def download_timm(name: str) -> Path:
    """Fetch timm's own weights into its hub's cache, with its progress bar; returns the file.

    Raises DownloadError.
    """
    repository = _hub_id(find_timm(name))
    hub = _extra("huggingface_hub", "timm")
    try:
        return Path(hub.hf_hub_download(repository, _HUB_FILES[0]))
    except Exception as error:  # network, sign-in, disk: the hub raises many kinds
        raise DownloadError(
            f"{repository} could not be fetched from the hub: {error}. By hand: get its "
            f"{_HUB_FILES[0]} and give it with --weights"
        ) from error


def load_transformers(folder: Path) -> Network:
    """An image classifier of transformers from a local folder with `config.json`.

    Class names come from `id2label`, preprocessing from `preprocessor_config.json`. No code of
    the folder is executed. Raises ModelError.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} holds no config.json; give the folder that save_pretrained has written"
        )
    transformers = _extra("transformers")
    config = _json(folder / "config.json")
    try:
        with kept_random_states(_CPU):
            module = transformers.AutoModelForImageClassification.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # a foreign library may raise anything
        raise CheckpointError(
            f"transformers cannot load an image classifier from {folder}: {error}"
        ) from error
    return Network(
        module=module.float().eval().requires_grad_(False),
        class_names=names_from(config.get("id2label")),
        preprocessing=_transformers_preprocessing(folder, config),
    )


def _extra(name: str, extra: str = "") -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f"this model needs the package {name}, which is not installed; install it with "
            f"`pip install protocore[{extra or name}]` or `pip install {name}`"
        ) from error


def _hub_id(name: str) -> str:
    config = _extra("timm").get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise WeightsUnavailableError(
            f"timm has no weights of {name} on its hub; give a file with --weights"
        )
    return config.hf_hub_id


def _cached(name: str) -> Path:
    repository = _hub_id(name)
    hub = _extra("huggingface_hub", "timm")
    for file in _HUB_FILES:
        found = hub.try_to_load_from_cache(repository, file)
        if isinstance(found, str):
            return Path(found)
    raise WeightsUnavailableError(
        f"the weights of timm's {name} are not on disk: {repository} is not in the hub's cache. "
        f"Download them (--download), or get {_HUB_FILES[0]} from https://huggingface.co/"
        f"{repository} on a machine with a network and give it with --weights"
    )


def _largest_part(path: Path) -> dict[str, Tensor]:
    return next(iter(read_checkpoint(path).parts.values()))


def _below_prefix(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The state dict from the prefix on under which most names are wanted, and what is not."""
    first = next(iter(wanted))
    prefixes = {"", *(key[: -len(first)] for key in state if key.endswith("." + first))}
    prefix = max(sorted(prefixes), key=lambda p: sum(p + key in state for key in wanted))
    roots = {key.partition(".")[0] for key in wanted}
    inside = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    kept = {key: value for key, value in inside.items() if key.partition(".")[0] in roots}
    left_out = tuple(k for k in state if k.removeprefix(prefix) not in kept)
    return kept, left_out


def _left_out_note(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return ()
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (f"left out of the weights file: {', '.join(names[:3])}{more}",)


def _timm_options(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What a builder needs to know where the weights differ from its default."""
    options: dict[str, Any] = {}
    heads = config.get("classifier") or ()
    head = heads if isinstance(heads, str) else next(iter(heads), "")
    weight = state.get(f"{head}.weight")
    if weight is not None and weight.ndim and weight.shape[0] != config.get("num_classes"):
        options["num_classes"] = weight.shape[0]
    first = config.get("first_conv")
    weight = state.get(f"{first if isinstance(first, str) else ''}.weight")
    if weight is not None and weight.ndim == 4 and weight.shape[1] != 3:
        raise CheckpointError(
            f"the weights take {weight.shape[1]} input channels; timm's networks are read with 3"
        )
    return options


def _load(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    targets = module.state_dict()
    cast = {k: v.to(targets[k].dtype) if k in targets else v for k, v in state.items()}
    try:
        module.load_state_dict(cast, strict=True)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise CheckpointError(
            f"the weights do not fit {what}: {' '.join(line.strip() for line in lines[1:3])[:300]}"
        ) from error


def _imagenet_names(outputs: int) -> tuple[str, ...] | None:
    """torchvision's names for the 1000 classes, in the order that all ImageNet networks share."""
    names = tuple(weights_member(find_entry("resnet18")).meta["categories"])
    return names if outputs == len(names) else None


def _timm_preprocessing(timm: ModuleType, module: nn.Module) -> Preprocessing:
    config = importlib.import_module("timm.data").resolve_model_data_config(module)
    channels, height, width = config["input_size"]
    if height != width or channels != 3:
        raise ModelError(
            f"the network takes images of {channels}x{height}x{width}; square RGB is needed"
        )
    mode = _MODES.get(config.get("crop_mode", "center"), "crop")
    interpolation = config.get("interpolation", "bicubic")
    return Preprocessing(
        input_size=height,
        resize=math.floor(height / config["crop_pct"]),
        mode=mode,
        interpolation=interpolation if interpolation in INTERPOLATIONS else "bilinear",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _transformers_preprocessing(folder: Path, config: Mapping[str, Any]) -> Preprocessing:
    path = folder / "preprocessor_config.json"
    about = _json(path) if path.is_file() else {}
    size, crop = about.get("size"), about.get("crop_size")
    side = _side(crop) if about.get("do_center_crop") and crop else _side(size)
    side = side or int(config.get("image_size") or 224)
    resize, mode = _side(size) or side, "crop"
    if share := about.get("crop_pct"):  # ConvNeXt: the stated size is that of the crop below 384
        side, resize = _side(size), int(_side(size) / share) if _side(size) < 384 else _side(size)
        mode = "crop" if _side(size) < 384 else "squash"
    elif isinstance(size, int) or (isinstance(size, Mapping) and "height" in size):
        mode = "squash"
    names = {int(value): name for name, value in INTERPOLATIONS.items()}
    given = {
        "interpolation": names.get(about.get("resample", 2), "bilinear"),
        "mean": tuple(about.get("image_mean") or (0.5, 0.5, 0.5)),
        "std": tuple(about.get("image_std") or (0.5, 0.5, 0.5)),
    }
    if about.get("do_normalize") is False:
        given |= {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    return Preprocessing(input_size=side, resize=max(resize, side), mode=mode, **given)


def _side(size: Any) -> int:
    if isinstance(size, Mapping):
        size = size.get("shortest_edge") or size.get("height") or 0
    return int(size) if isinstance(size, int | float) else 0


def _json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_bytes(), path.name)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path.name} must hold an object, got {type(content).__name__}")
    return content
