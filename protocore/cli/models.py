"""Command line: `models`, and the options with which every other command chooses a model."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from protocore.errors import ModelError
from protocore.models.catalog import (
    CatalogEntry,
    catalog,
    find_entry,
    search_catalog,
    weights_folder,
)
from protocore.models.checkpoint import SUFFIXES
from protocore.models.classifier import Classifier
from protocore.models.devices import default_device, find_device
from protocore.models.download import download_weights
from protocore.models.files import FileContent
from protocore.models.loading import detect_architecture, load_classifier
from protocore.models.spec import KINDS, ModelSpec, parse_triple


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `models`."""
    parser = subparsers.add_parser(
        "models",
        help="list the classifiers that can be used, or download one",
        description="Lists the demo model and all torchvision classification models with each of "
        "their weights entries. Nothing is downloaded unless --download is given.",
    )
    parser.add_argument("--search", metavar="TEXT", default="", help='for example "resnet v2"')
    parser.add_argument("--on-disk", action="store_true", help="only those that need no download")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--download", metavar="NAME[:ENTRY]", help="fetch the weights of a torchvision model"
    )
    parser.set_defaults(run=run_models)


def run_models(args: argparse.Namespace) -> int:
    """Print the list, or fetch one entry."""
    if args.download:
        name, _, weights = args.download.partition(":")
        print(fetch(find_entry(name, weights or None)))
        return 0
    entries = search_catalog(args.search, on_disk=args.on_disk)
    if args.json:
        print(json.dumps([_as_json(entry) for entry in entries], indent=2))
        return 0
    print(_table(entries))
    print(
        f"\n{len(entries)} of {len(catalog())} torchvision entries (* default); weights are looked "
        f"for in {weights_folder()}\nAlso: --model demo (shipped), and your own weights with "
        f"--model NAME --weights FILE ({', '.join(SUFFIXES)})"
    )
    return 0


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options that choose a classifier; read them with `classifier_from_args`."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        metavar="NAME",
        help='"demo" (the default), a torchvision name or a link such as '
        "torchvision:resnet18:IMAGENET1K_V1; with a weights file it may be left out",
    )
    group.add_argument(
        "--weights",
        metavar="ENTRY|FILE",
        help=f"a torchvision weights entry, or your own {', '.join(SUFFIXES)} file",
    )
    group.add_argument(
        "--class-names", metavar="FILE", help="text file with one name per line, or JSON"
    )
    group.add_argument("--mean", metavar="R,G,B", help="for images in [0, 1]")
    group.add_argument("--std", metavar="R,G,B", help="for images in [0, 1]")
    group.add_argument("--input-size", type=int, metavar="PIXELS", help="height and width")
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
    }
    given = {key: value for key, value in changes.items() if value is not None}
    return dataclasses.replace(spec, **given)


def classifier_from_args(args: argparse.Namespace) -> Classifier:
    """The classifier that the options name, loaded; downloads only with `--download`."""
    spec = spec_from_args(args)
    if args.download and spec.kind == "torchvision":
        fetch(find_entry(spec.architecture, spec.weights))
    return load_classifier(spec)


def fetch(entry: CatalogEntry) -> Path:
    """Download with a progress line on stderr; returns the file."""

    def show(done: int, total: int) -> None:
        share = done / max(total, 1)
        end = "\n" if done >= total else ""
        text = f"\r{entry.file_name} {share:4.0%} of {total / 2**20:.1f} MB"
        print(text, end=end, file=sys.stderr, flush=True)

    return download_weights(entry, progress=show)


def _named(model: str | None, weights: str | None, device: str) -> ModelSpec:
    if weights and _is_file(weights):
        if model in (None, "auto"):
            model = detect_architecture(weights)
        return ModelSpec.checkpoint(model, weights, device=device)
    if model is None and weights is not None:
        raise ModelError(
            f"--weights {weights} needs --model: the architecture it belongs to (a weights file "
            f"must end in {', '.join(SUFFIXES)})"
        )
    kind, _, rest = (model or "demo").partition(":")
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


def _as_json(entry: CatalogEntry) -> dict[str, object]:
    return {
        **dataclasses.asdict(entry),
        "file": str(entry.path),
        "on_disk": entry.on_disk,
        "classifies": entry.classifies,
    }


def _table(entries: tuple[CatalogEntry, ...]) -> str:
    rows = [("model", "weights", "parameters", "pixels", "acc@1", "acc@5", "GFLOPs", "on disk")]
    rows += [
        (
            entry.architecture,
            entry.weights + ("*" if entry.is_default else ""),
            f"{entry.parameters / 1e6:.1f} M",
            str(entry.input_size),
            "-" if entry.acc1 is None else f"{entry.acc1:.1f}",
            "-" if entry.acc5 is None else f"{entry.acc5:.1f}",
            f"{entry.gflops:.2f}",
            "yes" if entry.on_disk else f"{entry.file_size / 2**20:.0f} MB",
        )
        for entry in entries
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(_cell(row, c, w) for c, w in enumerate(widths)) for row in rows)


def _cell(row: tuple[str, ...], column: int, width: int) -> str:
    return row[column].ljust(width) if column < 2 else row[column].rjust(width)
