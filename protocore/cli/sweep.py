"""Command line: `sweep`, the affine protocols ranked by path similarity."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from protocore.cli.model_options import add_model_options, classifier_from_args
from protocore.cli.reference_options import ReferenceChooser, add_reference_options
from protocore.cli.settings_options import (
    add_settings_options,
    parse_seeds,
    settings_from_args,
)
from protocore.errors import SettingsError
from protocore.generation.prototype import Prototype, slug
from protocore.similarity.sweep import (
    ROTATIONS,
    SCALES,
    TRANSLATIONS,
    AffineProtocol,
    protocols,
    rank_protocols,
    results_csv,
    sweep,
    table3_text,
)

PAPER_LINES = 5  # of Table 3


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `sweep`."""
    parser = subparsers.add_parser(
        "sweep",
        help="rank affine transforms by path similarity (the paper's Table 3)",
        description="Makes prototypes of one class under the paper's 125 affine protocols, or "
        "some of them, and ranks them. Run it again to go on after an interruption.",
    )
    add_model_options(parser)
    parser.add_argument("--class", dest="class_", required=True, metavar="CLASS")
    parser.add_argument("--seeds", default="0,1,2", metavar="0,1", help="default: 0,1,2")
    group = parser.add_argument_group("protocols", "default: the paper's five of each")
    group.add_argument("--scales", metavar="LIST", help='such as "none 0.9,1.1 0.7,1.3"')
    group.add_argument("--rotations", metavar="LIST", help='degrees, such as "none 30 180"')
    group.add_argument("--translations", metavar="LIST", help='such as "none 0.1,0.1 0.5,0.5"')
    add_reference_options(parser)
    add_settings_options(parser)
    parser.add_argument("--top", type=int, default=PAPER_LINES, help="lines to print (default: 5)")
    parser.add_argument("--keep-images", action="store_true", help="save every prototype")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.set_defaults(run=run_sweep)


def run_sweep(args: argparse.Namespace) -> int:
    """Sweep, with a line for each protocol on stderr; print the table and write the CSV."""
    wanted = _protocols(args)
    seeds = parse_seeds(args.seeds)
    classifier = classifier_from_args(args)
    settings = settings_from_args(args, classifier.source)
    choose = ReferenceChooser(args, classifier)
    statistics = choose.statistics(choose.images(classifier.find_class(args.class_)))

    def keep(protocol: AffineProtocol, prototypes: Sequence[Prototype]) -> None:
        for prototype in prototypes:
            name = slug("_".join(("scale", *protocol.cells)))
            prototype.save(args.out / "prototypes" / name)

    started = time.monotonic()
    trials = []
    on_prototypes = keep if args.keep_images else None
    for done, found in enumerate(
        sweep(classifier, statistics, settings, wanted, seeds, args.out, on_prototypes), start=1
    ):
        trials.extend(found)
        (result,) = rank_protocols(found)
        left = (time.monotonic() - started) / done * (len(wanted) - done)
        print(
            f"{done}/{len(wanted)}  {' '.join(result.protocol.cells)}  "
            f"{result.similarity:.3f}  p={result.probability:.2f}  {left / 60:.1f} min left",
            file=sys.stderr,
        )
    results = rank_protocols(trials)
    (args.out / "table3.csv").write_text(results_csv(results), encoding="utf-8")
    print(table3_text(results[: args.top]))
    return 0


def _protocols(args: argparse.Namespace) -> tuple[AffineProtocol, ...]:
    if any(value is not None for value in (args.scale, args.rotation, args.translation)):
        raise SettingsError(
            "a sweep sets scale, rotation and translation itself; say which with --scales, "
            "--rotations and --translations"
        )
    return protocols(
        _parse(args.scales, 2, (1.0, 1.0)) or SCALES,
        [one for (one,) in _parse(args.rotations, 1, (0.0,))] or ROTATIONS,
        _parse(args.translations, 2, (0.0, 0.0)) or TRANSLATIONS,
    )


def _parse(text: str | None, length: int, none: tuple[float, ...]) -> list[tuple[float, ...]]:
    """ "none 0.9,1.1" -> [(1.0, 1.0), (0.9, 1.1)]; [] when nothing is given."""
    found = []
    for part in (text or "").split():
        try:
            values = none if part == "none" else tuple(float(x) for x in part.split(","))
        except ValueError:
            values = ()
        if len(values) != length:
            wanted = "a number" if length == 1 else "two numbers with a comma"
            raise SettingsError(f"each protocol value must be 'none' or {wanted}, got {part!r}")
        found.append(values)
    return found
