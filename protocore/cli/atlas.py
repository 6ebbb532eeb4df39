"""Command line: `atlas`: prototypes of all classes as a web site, and two of them compared."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from protocore.cli.model_options import add_model_options, fetch, spec_from_args
from protocore.cli.progress import ProgressLine
from protocore.cli.settings_options import (
    add_settings_options,
    parse_seeds,
    settings_from_args,
    split_list,
)
from protocore.errors import SettingsError
from protocore.generation.presets import matching_preset
from protocore.jobs.atlas import Atlas, make_atlas, open_atlas, start_atlas
from protocore.jobs.atlas.cluster import make_on_ray
from protocore.library.library import Library
from protocore.models.catalog import find_entry
from protocore.models.classifier import Classifier
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from protocore.reports.atlas.difference import write_difference
from protocore.reports.atlas.site import write_site
from protocore.text import plural


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `atlas`."""
    parser = subparsers.add_parser(
        "atlas",
        help="make prototypes of all classes and a web site of them",
        description="Writes a folder that opens in any browser, without a server. The same command "
        "goes on after an interruption. With --difference, compares two such folders.",
    )
    add_model_options(parser)
    parser.add_argument(
        "--classes", default="all", metavar="all|A,B", help="all, or indices or exact names"
    )
    parser.add_argument("--seeds", default="0", metavar="0,1", help="with commas (default: 0)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument(
        "--width", type=int, metavar="N", help="prototypes at once (default: as suits the device)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that share the work"
    )
    parser.add_argument(
        "--ray", metavar="auto|ADDRESS|local", help="share the work on a Ray cluster"
    )
    parser.add_argument(
        "--library", action="store_true", help="also save the prototypes to the library"
    )
    parser.add_argument("--home", type=Path, metavar="DIR", help="another library folder")
    parser.add_argument(
        "--difference", nargs=2, type=Path, metavar=("DIR_A", "DIR_B"),
        help="make nothing; write to --out how two atlases differ, class by class",
    )  # fmt: skip
    add_settings_options(parser)
    parser.set_defaults(run=run_atlas)


def run_atlas(args: argparse.Namespace) -> int:
    """Make or go on with an atlas and write its site; 1 when others are still at work on it."""
    if args.difference:
        print(write_difference(*map(open_atlas, args.difference), args.out))
        return 0
    for name in ("width", "workers"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise SettingsError(f"--{name} must be >= 1, got {value}")
    settings_from_args(args, "")
    seeds = parse_seeds(args.seeds)
    spec = spec_from_args(args)
    if args.download and spec.kind == "torchvision":
        fetch(find_entry(spec.architecture, spec.weights))
    classifier = load_classifier(spec)
    atlas = _start(args, classifier, spec, seeds)
    total = plural(len(atlas.targets), "prototype")
    print(f"{classifier.title}: {total}, {atlas.count_made()} made before", file=sys.stderr)
    missing, measures = _make(args, atlas, classifier, spec)
    print(write_site(atlas, measures))
    if missing:
        print(f"{plural(missing, 'prototype')} still being made elsewhere", file=sys.stderr)
    return 1 if missing else 0


def _start(
    args: argparse.Namespace, classifier: Classifier, spec: ModelSpec, seeds: list[int]
) -> Atlas:
    settings = settings_from_args(args, classifier.source)
    preset = matching_preset(settings)
    if args.classes.strip().casefold() == "all":
        classes = list(range(classifier.num_classes))
    else:
        classes = [classifier.find_class(text) for text in split_list(args.classes, "class")]
    return start_atlas(
        args.out,
        classifier,
        classes,
        settings,
        seeds=seeds,
        width=args.width,
        model_link=spec.to_link(),
        preset=preset.name if preset else "",
    )


def _make(
    args: argparse.Namespace, atlas: Atlas, classifier: Classifier, spec: ModelSpec
) -> tuple[int, dict[str, dict[str, float]]]:
    """How many prototypes are missing still, and what the library has measured of the others."""
    library = None
    if args.library or args.home:
        library = Library(args.home) if args.home else Library.open_default()
    try:
        with ProgressLine() as line:
            if args.ray:
                missing = make_on_ray(atlas, spec, args.ray, library=library, progress=line.show)
            else:
                missing = make_atlas(
                    atlas, spec, workers=args.workers, classifier=classifier, library=library,
                    progress=line.show,
                )  # fmt: skip
        return missing, _measures(atlas, library) if library else {}
    finally:
        if library is not None:
            library.close()


def _measures(atlas: Atlas, library: Library) -> dict[str, dict[str, float]]:
    """Path similarity by prototype key, where the library knows it."""
    entries = [entry for entry in map(atlas.entry, atlas.targets) if entry]
    found = library.find(entry.key for entry in entries)
    infos = {key: library.prototype(identifier) for key, identifier in found.items()}
    return {key: dict(info.naturalness) for key, info in infos.items() if info.naturalness}
