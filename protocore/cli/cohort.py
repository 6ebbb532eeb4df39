"""Command line: `cohort`."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from protocore.cli.class_options import find_classes
from protocore.cli.model_options import add_model_options, classifier_from_args
from protocore.cli.progress import ProgressLine
from protocore.cohorts.cohort import (
    MAX_IMAGES,
    Cohort,
    claim_cohorts,
    cohort_from_folder,
    duplicates,
    pair_up,
    printable,
)
from protocore.cohorts.controls import edit_notes
from protocore.cohorts.edits import edited_pair, read_edit
from protocore.cohorts.plan import DIRECTIONS, MEASURES, TestPlan
from protocore.cohorts.prediction import predict
from protocore.cohorts.recipes import FILES, DemoRecipe
from protocore.cohorts.result import MAX_NOTES, TestResult
from protocore.demo.biases import KNOWN_CLAIMS, KnownClaim, claim_by_key
from protocore.errors import ReviewError
from protocore.generation.prototype import library_versions
from protocore.models.classifier import Classifier
from protocore.models.preprocessing import Preprocessing
from protocore.reports.tables.cohorts import analysis_csv, analysis_text, predictions_csv

DEMO_PAIRS = 100
_DIRECTIONS = {direction.replace(" ", ""): direction for direction in DIRECTIONS}


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `cohort`."""
    parser = subparsers.add_parser(
        "cohort",
        help="test whether a model treats two groups of images differently",
        description="Accuracy and mean scores of a class (and of rival classes) in two groups of "
        "images, with intervals, an exact test of what was predicted, and an outcome. Writes "
        "result.json, images.csv and comparisons.csv.",
    )
    add_model_options(parser)
    _add_cohort_options(parser)
    _add_plan_options(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.set_defaults(run=run_cohort)


def run_cohort(args: argparse.Namespace) -> int:
    """Predict both cohorts, print the tables and write the files."""
    _check_options(args)
    classifier = classifier_from_args(args)
    plan = _plan(args, classifier)
    a, b = _cohorts(args, classifier.preprocessing, plan)
    notes = [found.text for found in duplicates(a, b)]
    notes += [*a.notes, *b.notes]
    if not args.demo:
        notes.append(f"preprocessing of the images: {classifier.preprocessing.text}")
    if plan.paired:
        pairing = pair_up(a, b)
        a, b = pairing.a, pairing.b
        notes.append(pairing.text)
    skipped = [f"{one.name} skipped: {one.reason}" for side in (a, b) for one in side.skipped]
    for note in (*skipped, *notes):
        print(f"note: {printable(note)}", file=sys.stderr)
    result = _run_test(args, classifier, plan, (a, b), notes)
    for path in write_result(args.out, result):
        print(path, file=sys.stderr)
    print(analysis_text(result.analysis))
    return 0


def write_result(folder: Path, result: TestResult) -> list[Path]:
    """images.csv, comparisons.csv and last result.json; raises ReviewError, leaves no half file."""
    files = {
        "images.csv": predictions_csv(result.plan, result.a, result.b, labels=result.labels),
        "comparisons.csv": analysis_csv(result.analysis),
        "result.json": result.to_json(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / f".{name}.partial").write_text(content, encoding="utf-8")
        return [(folder / f".{name}.partial").replace(folder / name) for name in files]
    except OSError as error:
        _remove_drafts(folder, files)
        raise ReviewError(
            f"the test could not be written to {folder}: {error.strerror or error}; choose a "
            "folder that can be written and has room"
        ) from error


def _remove_drafts(folder: Path, names: dict[str, str]) -> None:
    if folder.is_dir():
        for name in names:
            (folder / f".{name}.partial").unlink(missing_ok=True)


def _add_cohort_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("cohorts")
    group.add_argument("--a", type=Path, metavar="FOLDER", help="images of cohort A")
    group.add_argument("--b", type=Path, metavar="FOLDER", help="images of cohort B")
    group.add_argument(
        "--edit",
        action="append",
        default=[],
        metavar="KIND:NAME=VALUE,...",
        help="B is A after this edit instead of --b, such as watermark:text=SALE,size=0.2 or "
        "cover:left=0,top=0,right=0.5,bottom=0.5,how=grey; give it again for a chain",
    )
    group.add_argument("--label-a", default="", metavar="WORDS", help="(default: folder name)")
    group.add_argument("--label-b", default="", metavar="WORDS")
    group.add_argument(
        "--paired", action="store_true", help="files with the same name in A and B are one pair"
    )
    group.add_argument(
        "--limit", type=int, default=MAX_IMAGES, metavar="N", help=f"images each ({MAX_IMAGES})"
    )
    group.add_argument(
        "--demo",
        metavar="CLAIM",
        choices=[claim.key for claim in KNOWN_CLAIMS],
        help="pairs of the demo world for a claim whose truth is known, instead of --a and --b: "
        + ", ".join(claim.key for claim in KNOWN_CLAIMS),
    )
    group.add_argument("--count", type=int, default=DEMO_PAIRS, help="pairs, with --demo")
    group.add_argument("--haze", type=float, default=0.0, help="0 to 1, with --demo")
    group.add_argument("--seed", type=int, default=0, help="of the first scene, with --demo")


def _add_plan_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("plan")
    group.add_argument("--target", metavar="CLASS", help="index or exact name")
    group.add_argument("--rivals", default="", metavar="C,D", help="indices or exact names")
    group.add_argument(
        "--measure", choices=MEASURES, help="what is predicted (accuracy; with --demo, logit)"
    )
    group.add_argument(
        "--predict",
        default="a>b",
        metavar="DIRECTION",
        help=f"{', '.join(_DIRECTIONS)} (default: a>b)",
    )
    group.add_argument(
        "--smallest-effect",
        type=float,
        metavar="X",
        help="smallest difference of interest, in the measure's unit (default: accuracy 0.05, "
        "probability 0.02, logit 0.1)",
    )


def _check_options(args: argparse.Namespace) -> None:
    """Say what is missing before a model is loaded."""
    if args.predict.replace(" ", "") not in _DIRECTIONS:
        raise ReviewError(
            f"--predict must be one of {', '.join(_DIRECTIONS)}, got {args.predict!r}"
        )
    if args.out.exists() and not args.out.is_dir():
        raise ReviewError(f"--out {args.out} is a file; give a folder")
    if args.demo:
        given = [name for name in ("a", "b", "target") if getattr(args, name) is not None]
        if given:
            raise ReviewError(
                f"--demo brings its own images and class; leave out --{given[0]}, or leave out "
                "--demo"
            )
        return
    if args.edit and args.b is not None:
        raise ReviewError("--edit makes cohort B from cohort A; leave out --b, or leave out --edit")
    needed = ("target", "a") if args.edit else ("target", "a", "b")
    missing = [name for name in needed if getattr(args, name) is None]
    if missing:
        raise ReviewError(
            f"--{missing[0]} is missing: give --target, --a and --b, or a claim of the demo world "
            "with --demo"
        )


def _plan(args: argparse.Namespace, classifier: Classifier) -> TestPlan:
    target, rivals = args.target, find_classes(classifier, args.rivals) if args.rivals else []
    if args.demo:
        claim = claim_by_key(args.demo)
        target = claim.class_name
        rivals = rivals or ([claim.rival] if claim.rival else [])
    return TestPlan(
        target=classifier.find_class(target),
        rivals=tuple(classifier.find_class(rival) for rival in rivals),
        measure=args.measure or ("logit" if args.demo else "accuracy"),
        direction=_DIRECTIONS[args.predict.replace(" ", "")],
        paired=args.paired or bool(args.demo or args.edit),
        edits=tuple(read_edit(given) for given in args.edit),
        smallest_effect=args.smallest_effect,
    )


def _cohorts(
    args: argparse.Namespace, size: Preprocessing, plan: TestPlan
) -> tuple[Cohort, Cohort]:
    if args.demo:
        claim: KnownClaim = claim_by_key(args.demo)
        print(f"{claim.statement} ({'planted' if claim.planted else 'not planted'})")
        made = claim_cohorts(
            claim, size=size.input_size, count=args.count, seed=args.seed, haze=args.haze
        )
        return edited_pair(made[0], plan.edits) if plan.edits else made
    if plan.edits:
        a = cohort_from_folder(args.a, label=args.label_a, size=size, limit=args.limit)
        return edited_pair(a, plan.edits)
    a, b = (
        cohort_from_folder(folder, label=label, size=size, limit=args.limit)
        for folder, label in ((args.a, args.label_a), (args.b, args.label_b))
    )
    return a, b


def _run_test(
    args: argparse.Namespace,
    classifier: Classifier,
    plan: TestPlan,
    pair: tuple[Cohort, Cohort],
    notes: list[str],
) -> TestResult:
    began = time.monotonic()
    a, b = pair
    predictions = []
    for cohort in pair:
        with ProgressLine() as line:
            show = partial(line.show, text=cohort.label)
            predictions.append(predict(classifier, cohort, plan, show))
    if plan.edits:
        notes += edit_notes(classifier, plan, a, predictions[0])
        for note in notes[-2:]:
            print(f"note: {printable(note)}", file=sys.stderr)
    how = {"count": args.count, "seed": args.seed, "haze": args.haze}
    return TestResult(
        plan=plan,
        class_names=tuple(classifier.class_names[i] for i in (plan.target, *plan.rivals)),
        a=predictions[0],
        b=predictions[1],
        labels=(a.label, b.label),
        sources=(a.source, b.source),
        model_title=classifier.title,
        weight_hash=classifier.weight_hash,
        versions={**library_versions(), "scipy": importlib.metadata.version("scipy")},
        seconds=time.monotonic() - began,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        skipped_a=a.skipped,
        skipped_b=b.skipped,
        notes=tuple(notes[:MAX_NOTES]),
        recipe=DemoRecipe(claim=args.demo, **how) if args.demo else FILES,
    )
