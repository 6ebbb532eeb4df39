"""The command `protocore`: the first word names the command, and its module alone is imported."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys

from protocore import __version__
from protocore.errors import ProtocoreError

# Read once, when torch is loaded. Threads that spin for long while they wait starve each other as
# soon as a page or a second job runs beside a generation; threads that do not spin at all make a
# step of MobileNetV2 on 2 cores take 64 ms instead of 34. So they spin for a fraction of a
# millisecond and then sleep.
THREAD_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "100000"}

COMMANDS = {  # word: what `protocore --help` says of it; the module is named like it
    "models": "list the classifiers that can be used, or download one",
    "check-model": "load a classifier, take two steps and say what was found",
    "generate": "make prototypes of some classes",
    "similarity": "measure how natural prototypes are, layer by layer",
    "atlas": "make prototypes of all classes and a web site of them",
    "sweep": "rank affine transforms by path similarity (the paper's Table 3)",
    "compare": "put prototypes of related classes side by side",
    "cohort": "test whether a model treats two groups of images differently",
    "review": "list, export or import review sessions",
    "report": "write the report of a review session",
    "verify": "check a session's bundle and make its prototypes and tests again",
    "library": "list, export, import or delete what was made",
    "demo": "train, measure or draw the demo world",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0: done, 1: stopped by the user, 2: an error that is explained."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] not in COMMANDS:
        return _overview(words)
    for name, value in THREAD_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    parser = argparse.ArgumentParser(prog="protocore")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    importlib.import_module(f"protocore.cli.{words[0].replace('-', '_')}").register(subparsers)
    args = parser.parse_args(words)
    from protocore.models import devices  # loads torch, after the environment is set

    try:
        devices.apply_thread_limit()
        return args.run(args)
    except ProtocoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1


def _overview(words: list[str]) -> int:
    """Print the commands, or what is wrong with the first word."""
    parser = argparse.ArgumentParser(
        prog="protocore",
        usage="protocore COMMAND [options]",
        description="Find out what an image classifier has learned.",
        epilog="commands:\n"
        + "\n".join(f"  {word:12}{text}" for word, text in COMMANDS.items())
        + "\n\n`protocore COMMAND --help` lists the options of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Protocore {__version__}")
    unknown = parser.parse_known_args(words)[1]
    if unknown and not unknown[0].startswith("-"):
        near = difflib.get_close_matches(unknown[0], COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(COMMANDS)}"
        print(f"error: there is no command {unknown[0]!r}; {hint}", file=sys.stderr)
        return 2
    parser.print_help(sys.stderr if words else sys.stdout)
    return 2 if words else 0
