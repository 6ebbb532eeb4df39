"""The shipped weights: where they are, how they are loaded and saved."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from protocore.demo.network import build_network
from protocore.errors import ModelError

VARIANTS = ("robust", "plain")
CARD_NAME = "card.json"  # the model card: what was planted, and what was measured on the weights
_WAY_OUT = (
    "restore assets/demo from the repository, or make it with `python -m protocore.demo train`"
)

Card = dict[str, Any]


def assets_folder() -> Path:
    """Where weights and card are: `assets/demo` of a checkout, else the installed package's copy.

    A missing folder is not an error here; whoever reads from it explains that.
    """
    package = Path(__file__).resolve().parent
    checkout = package.parents[1] / "assets" / "demo"
    return checkout if checkout.is_dir() else package / "assets"


def read_card() -> Card:
    """The shipped card. Raises ModelError where it is missing or is not valid JSON."""
    path = assets_folder() / CARD_NAME
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the demo model's card {path} cannot be read ({error}); restore assets/demo from the "
            "repository, or write it again with `python -m protocore.demo card`"
        ) from error


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def demo_weights_path(variant: str = "robust") -> Path:
    """Where the weights of a variant are kept. Raises ModelError for another variant."""
    if variant not in VARIANTS:
        raise ModelError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    return assets_folder() / f"{variant}.safetensors"


def load_demo_network(variant: str = "robust") -> nn.Module:
    """The demo classifier, float32, on the CPU, in eval mode: normalised (N, 3, 96, 96) to (N, 12).

    Raises ModelError where the file is missing, is not the one the card describes, or is damaged.
    """
    path = demo_weights_path(variant)
    if not path.is_file():
        raise ModelError(f"the demo weights {path} are missing; {_WAY_OUT}")
    expected = read_card()["models"].get(variant, {}).get("sha256")
    found = file_hash(path)
    if found != expected:
        raise ModelError(
            f"the demo weights {path} are not those the card describes "
            f"(SHA-256 must be {expected}, got {found}); {_WAY_OUT}"
        )
    return read_weights(path)


def read_weights(path: Path) -> nn.Module:
    """The network whose weights are in `path`: float32, eval mode, not checked against a card."""
    try:
        state = load_file(path)
        network = build_network()
        network.load_state_dict(
            {
                name: value.float() if value.is_floating_point() else value
                for name, value in state.items()
            }
        )
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"the demo weights {path} cannot be loaded ({error}); {_WAY_OUT}"
        ) from error
    return network.eval()


def save_weights(network: nn.Module, path: Path, training: Mapping[str, Any]) -> None:
    """Write a network's weights in half precision, and beside them how they were trained."""
    state = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata={"training": json.dumps(dict(training))})


def read_training(path: Path) -> dict[str, Any]:
    """How the weights in `path` were trained. Raises ModelError where the file cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {}).get("training", "{}"))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"the demo weights {path} cannot be read ({error}); {_WAY_OUT}") from error
