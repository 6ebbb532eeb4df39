"""The options with which a command chooses a model."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from protocore.cli.progress import ProgressLine
from protocore.errors import ModelError
from protocore.models.catalog import CatalogEntry, find_entry
from protocore.models.checkpoint import SUFFIXES
from protocore.models.classifier import Classifier
from protocore.models.devices import default_device, find_device
from protocore.models.download import download_weights
from protocore.models.external import download_timm
from protocore.models.files import FileContent
from protocore.models.loading import detect_architecture, load_classifier
from protocore.models.outputs import HEADS
from protocore.models.preprocessing import INTERPOLATIONS
from protocore.models.spec import KINDS, ModelSpec, parse_bands, parse_triple
from protocore.text import printable


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options that choose a classifier; read them with `classifier_from_args`."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        metavar="NAME",
        help='"demo" (the default), a torchvision name or a link such as '
        "torchvision:resnet18:IMAGENET1K_V1, timm:NAME (timm's, with --weights FILE or its own "
        "from the hub's cache), hf:FOLDER (of transformers); with a weights file it may be left "
        "out",
    )
    group.add_argument(
        "--weights",
        metavar="ENTRY|FILE",
        help=f"a torchvision weights entry, or your own {', '.join(SUFFIXES)} file",
    )
    group.add_argument(
        "--class-names", metavar="FILE", help="one name per line, CSV, JSON or a Python dictionary"
    )
    group.add_argument("--mean", metavar="R,G,B", help="for images in [0, 1]")
    group.add_argument("--std", metavar="R,G,B", help="for images in [0, 1]")
    group.add_argument("--input-size", type=int, metavar="PIXELS", help="height and width")
    group.add_argument(
        "--resize",
        type=int,
        metavar="PIXELS",
        help="of a photo's shorter side before the centre is cropped (default: what the weights "
        "entry states; for own weights input size / 0.875, below 128 pixels the input size)",
    )
    group.add_argument(
        "--interpolation", choices=INTERPOLATIONS, help="of photos (default: the entry's)"
    )
    group.add_argument(
        "--head",
        choices=HEADS,
        help="how outputs become probabilities: softmax, or sigmoid where several classes may "
        "apply to one image (default: found out; one output is sigmoid)",
    )
    group.add_argument(
        "--part",
        metavar="NAME",
        help="which network of a weights file that holds several, such as state_dict_ema",
    )
    group.add_argument(
        "--bands",
        metavar="N|R,G,B",
        help="for networks of 1, 2, 4 or more channels: one channel, shown grey, or those shown as "
        "red, green and blue (default: the first ones)",
    )
    group.add_argument("--device", metavar="NAME", help="such as cpu or cuda (default: a GPU)")
    group.add_argument(
        "--download", action="store_true", help="fetch torchvision's weights if they are missing"
    )


def spec_from_args(args: argparse.Namespace) -> ModelSpec:
    """What the options of `add_model_options` name; raises ModelError."""
    device = find_device(args.device) if args.device else default_device()
    spec = _named(args.model, args.weights, device)
    changes = {
        "names_file": FileContent.of(args.class_names) if args.class_names else None,
        "mean": parse_triple(args.mean) if args.mean else None,
        "std": parse_triple(args.std) if args.std else None,
        "input_size": args.input_size,
        "resize": args.resize,
        "interpolation": args.interpolation,
        "head": args.head,
        "part": args.part,
        "bands": parse_bands(args.bands) if args.bands else None,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    return dataclasses.replace(spec, **given)


def load_from_args(args: argparse.Namespace) -> Classifier:
    """The classifier that the options name, loaded; downloads only with `--download`."""
    spec = spec_from_args(args)
    if args.download and spec.kind == "torchvision":
        fetch(find_entry(spec.architecture, spec.weights))
    if args.download and spec.kind == "timm" and spec.file is None:
        download_timm(spec.architecture)
    return load_classifier(spec)


def classifier_from_args(args: argparse.Namespace) -> Classifier:
    """`load_from_args`, with what was found about the model on stderr."""
    classifier = load_from_args(args)
    for note in classifier.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    return classifier


def fetch(entry: CatalogEntry) -> Path:
    """Download with a progress line on stderr; returns the file."""

    with ProgressLine() as line:
        return download_weights(
            entry,
            progress=lambda done, total: line.show(
                done, total, f"{entry.file_name}, {total / 2**20:.1f} MB"
            ),
        )


def _named(model: str | None, weights: str | None, device: str) -> ModelSpec:
    kind, _, rest = (model or "demo").partition(":")
    if kind == "hf" and weights is None:
        return ModelSpec.hf(rest, device=device)
    if kind == "timm":
        return ModelSpec.timm(rest, weights, device=device)
    if weights and _is_file(weights):
        if model in (None, "auto"):
            model = detect_architecture(weights)
        return ModelSpec.checkpoint(model, weights, device=device)
    if model is None and weights is not None:
        raise ModelError(
            f"--weights {weights} needs --model: the architecture it belongs to (a weights file "
            f"must end in {', '.join(SUFFIXES)})"
        )
    if kind not in KINDS:
        return ModelSpec.torchvision(kind, weights or rest or None, device=device)
    if weights is None:
        return ModelSpec.from_link(model or "demo", device=device)
    if kind == "demo":
        return ModelSpec.demo(weights, device=device)
    raise ModelError(f"--weights {weights} cannot be combined with the link --model {model}")


def _is_file(weights: str) -> bool:
    path = Path(weights).expanduser()
    return path.suffix.lower() in SUFFIXES or path.is_file() or len(path.parts) > 1
