"""Command line: `models`."""

from __future__ import annotations

import argparse
import dataclasses
import json

from protocore.cli.model_options import fetch
from protocore.models.catalog import (
    CatalogEntry,
    catalog,
    find_entry,
    search_catalog,
    weights_folder,
)
from protocore.models.checkpoint import SUFFIXES
from protocore.text import aligned


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
    return aligned(rows, left=2)
