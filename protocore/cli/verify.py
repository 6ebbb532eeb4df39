"""Command line: `verify`."""

from __future__ import annotations

import argparse
from pathlib import Path

from protocore.cli.model_options import add_model_options, fetch, spec_from_args
from protocore.cli.progress import ProgressLine
from protocore.library.verify import verify_bundle
from protocore.models.catalog import find_entry

DIFFERS = 3  # exit status when something is not what the bundle says


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `verify`."""
    parser = subparsers.add_parser(
        "verify",
        help="check a session's bundle and make its prototypes and tests again",
        description="Checks every file, makes every prototype again, judges the images of the "
        "demo world again, and prints what became of each check. Exit status 0: nothing differs, "
        f"{DIFFERS}: something does. The model is the session's own unless one is given.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    add_model_options(parser)
    parser.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    """Check a bundle and print the table."""
    spec = None
    if args.model or args.weights:
        spec = spec_from_args(args)
        if args.download and spec.kind == "torchvision":
            fetch(find_entry(spec.architecture, spec.weights))
    with ProgressLine() as line:
        verification = verify_bundle(args.bundle, progress=line.show, spec=spec)
    print(verification.text)
    return 0 if verification.ok else DIFFERS
