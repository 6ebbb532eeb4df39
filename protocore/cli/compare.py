"""Command line: `compare`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from protocore.cli.class_options import (
    add_class_options,
    check_class_options,
    classes_from_args,
)
from protocore.cli.model_options import add_model_options, classifier_from_args
from protocore.cli.progress import GenerationLine
from protocore.cli.settings_options import (
    add_settings_options,
    settings_from_args,
    split_list,
)
from protocore.compare.comparison import Comparison, compare
from protocore.compare.fairness import plan_targets
from protocore.compare.related import natural_images, suggest
from protocore.errors import LibraryError, SettingsError
from protocore.generation.api import generate_prototypes
from protocore.generation.prototype import Prototype, make_folder
from protocore.models.classifier import Classifier
from protocore.reports.comparison import comparison_html
from protocore.reports.pictures import contact_sheet, png_bytes
from protocore.reports.tables.compare import (
    matrix_csv,
    paths_csv,
    stability_csv,
    top_csv,
)
from protocore.similarity.activations import LAYER_SETS


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `compare`."""
    parser = subparsers.add_parser(
        "compare",
        help="prototypes of related classes side by side",
        description="Makes the prototypes of some classes in one batch, with the same start images "
        "and transforms, and writes the grid, the matrices as CSV and a page index.html. With "
        "--related it only lists the classes most related to one.",
    )
    add_model_options(parser)
    add_class_options(parser)
    parser.add_argument("--related", metavar="CLASS", help="list the classes related to this one")
    parser.add_argument(
        "--images", metavar="DIR", help="with --related: natural images, one subfolder per class"
    )
    parser.add_argument("--seeds", default="0", metavar="0,1", help="with commas (default: 0)")
    parser.add_argument("--out", type=Path, metavar="DIR")
    parser.add_argument(
        "--layers", choices=LAYER_SETS, default="weighted", help="for similarity between prototypes"
    )
    add_settings_options(parser)
    parser.set_defaults(run=run_compare)


def run_compare(args: argparse.Namespace) -> int:
    """List related classes, or generate, compare and write."""
    if args.related is not None:
        if args.classes is not None or args.single_classes:
            raise SettingsError("give --related or classes, not both")
        return _list_related(classifier_from_args(args), args.related, args.images)
    check_class_options(args)
    if args.out is None:
        raise SettingsError("--classes needs --out: the folder for the comparison")
    settings_from_args(args, "")  # what is wrong with them is said before a model is loaded
    seeds = _whole_numbers(split_list(args.seeds, "seed"))
    make_folder(args.out)
    classifier = classifier_from_args(args)
    classes = classes_from_args(classifier, args)
    targets = plan_targets(classifier, classes, seeds)
    settings = settings_from_args(args, classifier.source)
    print(f"{classifier.title} on {classifier.device}: {len(targets)} prototypes", file=sys.stderr)
    with GenerationLine() as line:
        prototypes = generate_prototypes(classifier, targets, settings, on_step=line.step)
    comparison = compare(classifier, prototypes, layer_set=args.layers)
    for path in write_comparison(args.out, comparison, prototypes):
        print(path)
    return 0


def write_comparison(
    folder: Path, comparison: Comparison, prototypes: Sequence[Prototype]
) -> list[Path]:
    """Prototypes, grid, CSV files and the page; raises LibraryError and leaves no half file."""
    matrix = comparison.matrix
    files = {
        "grid.png": png_bytes(contact_sheet(comparison)),
        "probabilities.csv": matrix_csv(comparison, matrix.probabilities).encode(),
        "logits.csv": matrix_csv(comparison, matrix.logits).encode(),
        "top_classes.csv": top_csv(comparison).encode(),
        "layers.csv": paths_csv(comparison).encode(),
        "stability.csv": stability_csv(comparison).encode(),
        "index.html": comparison_html(comparison).encode(),
    }
    written = [prototype.save(folder / "prototypes") for prototype in prototypes]
    try:
        for name, content in files.items():
            draft = folder / f".{name}.partial"
            draft.write_bytes(content)
            written.append(draft.replace(folder / name))
    except OSError as error:
        for name in files:
            (folder / f".{name}.partial").unlink(missing_ok=True)
        raise LibraryError(
            f"the comparison could not be written to {folder}: {error.strerror or error}; choose a "
            "folder that can be written and has room"
        ) from error
    return written


def _list_related(classifier: Classifier, query: str, folder: str | None) -> int:
    anchor = classifier.find_class(query)
    natural = natural_images(classifier, anchor, folder)
    found = suggest(classifier, anchor, natural=natural)
    for item in found.items:
        print(f"{item.label}  ({item.reason})")
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _whole_numbers(texts: Sequence[str]) -> list[int]:
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise SettingsError(f"seeds must be whole numbers, got {','.join(texts)!r}") from None
