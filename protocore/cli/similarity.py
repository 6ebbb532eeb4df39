"""Command line: `similarity`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocore.cli.model_options import add_model_options, classifier_from_args
from protocore.cli.reference_options import ReferenceChooser, add_reference_options
from protocore.cli.witness_options import add_witness_option, witnesses_from_args
from protocore.errors import ImageError, LibraryError
from protocore.generation.prototype import Prototype, slug
from protocore.models.classifier import Classifier
from protocore.reports.charts.similarity import chart_files, evaluation_charts
from protocore.reports.figures.layers import chart_page
from protocore.reports.tables.similarity import layers_csv, similarity_text, summary_content
from protocore.similarity.decoding import SUFFIXES, decode_image
from protocore.similarity.path import evaluate_images, join
from protocore.similarity.summary import Evaluation
from protocore.similarity.witness import witness_report


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `similarity`."""
    parser = subparsers.add_parser(
        "similarity",
        help="measure how natural prototypes are, layer by layer",
        description="Compares prototypes with natural images of their classes in every layer "
        "(path similarity) and writes layers.csv, summary.json and the plots.",
    )
    add_model_options(parser)
    parser.add_argument(
        "--prototypes",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder written by `generate`, or of any images together with --class",
    )
    parser.add_argument(
        "--class", dest="class_", metavar="CLASS", help="of images that have no record"
    )
    add_reference_options(parser)
    add_witness_option(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.set_defaults(run=run_similarity)


def run_similarity(args: argparse.Namespace) -> int:
    """Measure, print the table and write the files."""
    classifier = classifier_from_args(args)
    by_class = _read_prototypes(args.prototypes, classifier, args.class_)
    witnesses = witnesses_from_args(args, classifier)
    choose = ReferenceChooser(args, classifier)
    evaluations = [
        _evaluate(classifier, choose, class_index, found, witnesses)
        for class_index, found in by_class.items()
    ]
    for path in _write(args.out, evaluations):
        print(path, file=sys.stderr)
    print(similarity_text(evaluations))
    return 0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Labelled:
    label: str
    image: np.ndarray  # (H, W, 3) uint8


def _read_prototypes(
    folder: Path, classifier: Classifier, class_query: str | None
) -> dict[int, list[_Labelled]]:
    """Prototypes by class index: those with a record, or all images when a class is given."""
    if not folder.is_dir():
        raise LibraryError(f"there is no folder {folder}; give one with prototypes")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    found: dict[int, list[_Labelled]] = {}
    for path in paths:
        if path.with_suffix(".json").is_file():
            prototype = Prototype.load(path)
            _check_model(prototype, classifier, path)
            index = prototype.record.class_index
            image = prototype.image
        elif class_query is not None:
            index = classifier.find_class(class_query)
            image = _decode(path, classifier.input_size)
        else:
            continue
        label = str(path.relative_to(folder).with_suffix(""))
        found.setdefault(index, []).append(_Labelled(label=label, image=image))
    if not found:
        raise LibraryError(
            f"{folder} holds no prototypes with a record ({len(paths)} images without one); make "
            "some with `generate`, or say with --class which class the images show"
        )
    return found


def _decode(path: Path, size: int) -> np.ndarray:
    try:
        return decode_image(path.read_bytes(), size)
    except (ImageError, OSError) as error:
        raise ImageError(f"{path} cannot be used: {error}") from error


def _check_model(prototype: Prototype, classifier: Classifier, path: Path) -> None:
    record = prototype.record
    if record.weight_hash != classifier.weight_hash:
        raise LibraryError(
            f"{path.name} was made with {record.model} · {record.weights} and not with "
            f"{classifier.title}; choose that model with --model and --weights"
        )


def _evaluate(
    classifier: Classifier,
    choose: ReferenceChooser,
    class_index: int,
    found: list[_Labelled],
    witnesses: Sequence[Classifier],
) -> Evaluation:
    natural = choose.images(class_index)
    report = _ask(classifier, class_index, found, witnesses, natural.same)
    statistics = choose.statistics(natural)
    scored = [evaluate_images(classifier, one.image[None], statistics) for one in found]
    return Evaluation(
        labels=tuple(one.label for one in found),
        class_label=classifier.label(class_index),
        model=classifier.title,
        natural=natural.info,
        similarity=join(scored),
        witnesses=report.images if report else (),
        ceiling=report.ceiling if report else None,
    )


def _ask(classifier, class_index: int, found: list[_Labelled], witnesses, photos: np.ndarray):
    """What the witnesses make of the prototypes and of the photos; None where there are none."""
    if not witnesses:
        return None
    images, classes = np.stack([one.image for one in found]), [class_index] * len(found)
    return witness_report(
        images, classes, witnesses, maker=classifier, natural={class_index: photos}
    )


def _write(folder: Path, evaluations: Sequence[Evaluation]) -> list[Path]:
    content = json.dumps(summary_content(evaluations), indent=2, allow_nan=False)
    files: dict[str, bytes] = {
        "layers.csv": layers_csv(evaluations).encode(),
        "summary.json": content.encode(),
    }
    for evaluation in evaluations:
        files |= chart_files(evaluation)
        charts = list(evaluation_charts(evaluation).values())
        files[f"{slug(evaluation.class_label)}.html"] = chart_page(charts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        for name in files:
            (folder / name).unlink(missing_ok=True)
        raise LibraryError(
            f"the results could not be written to {folder}: {error.strerror or error}; choose a "
            "folder that can be written and has room"
        ) from error
    return [folder / name for name in files]
