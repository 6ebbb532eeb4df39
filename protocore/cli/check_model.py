"""Command line: `check-model`."""

from __future__ import annotations

import argparse

from protocore.cli.model_options import add_model_options, load_from_args
from protocore.models.check import check_model
from protocore.text import aligned, printable


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `check-model`."""
    parser = subparsers.add_parser(
        "check-model",
        help="load a classifier, take two steps and say what was found",
        description="Says what Protocore takes a model for: input, classes, head, preprocessing of "
        "photos, whether it is repeatable, whether a gradient reaches the image, how fast a step "
        "is. Exit status 1 when there is something to mind.",
    )
    add_model_options(parser)
    parser.set_defaults(run=run_check_model)


def run_check_model(args: argparse.Namespace) -> int:
    """Print the findings; 1 when one of them is not good."""
    check = check_model(load_from_args(args))
    print(printable(check.title))
    rows = [tuple(printable(cell) for cell in row) for row in check.rows()]
    print(aligned(rows, left=3))
    return 0 if check.good else 1
