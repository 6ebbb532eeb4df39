"""Command line: `generate`."""

from __future__ import annotations

import argparse
import sys
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
    parse_seeds,
    settings_from_args,
)
from protocore.cli.witness_options import add_witness_option, witnesses_from_args
from protocore.generation.api import generate_prototypes
from protocore.generation.prototype import make_folder
from protocore.generation.settings import Target
from protocore.similarity.witness import summarise_readings, with_witnesses


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `generate`."""
    parser = subparsers.add_parser(
        "generate",
        help="make prototypes of some classes",
        description="Writes a PNG and a JSON record for every class and seed.",
    )
    add_model_options(parser)
    add_class_options(parser)
    parser.add_argument("--seeds", default="0", metavar="0,1", help="with commas (default: 0)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    add_witness_option(parser)
    add_settings_options(parser)
    parser.set_defaults(run=run_generate)


def run_generate(args: argparse.Namespace) -> int:
    """Generate, save and name the files."""
    settings_from_args(args, "")  # what is wrong with them is said before a model is loaded
    check_class_options(args)
    seeds = parse_seeds(args.seeds)
    make_folder(args.out)  # and a folder that cannot be written before the work is done
    classifier = classifier_from_args(args)
    settings = settings_from_args(args, classifier.source)
    classes = classes_from_args(classifier, args)
    witnesses = witnesses_from_args(args, classifier)
    targets = [Target.of(index, seed) for index in classes for seed in seeds]
    print(f"{classifier.title} on {classifier.device}: {len(targets)} prototypes", file=sys.stderr)
    with GenerationLine() as line:
        prototypes = generate_prototypes(classifier, targets, settings, on_step=line.step)
    if witnesses:
        prototypes = with_witnesses(prototypes, witnesses, maker=classifier)
    for prototype in prototypes:
        path = prototype.save(args.out)
        record = prototype.record
        facts = [str(path), f"p={record.probability:.3f}", f"logit={record.logit:.2f}"]
        if record.witnesses:
            facts.append(summarise_readings(record.witnesses).text)
        print("  ".join([*facts, *filter(None, [record.finding])]))
    return 0
