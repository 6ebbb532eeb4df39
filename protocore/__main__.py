"""Command line: every capability without a browser.

python -m protocore models | generate | similarity | sweep | library ...
"""

from __future__ import annotations

import argparse
import importlib
import sys

from protocore import __version__
from protocore.errors import ProtocoreError
from protocore.models import devices

# Each package registers its own commands; imported here so that `import protocore` stays light.
COMMANDS = (
    "protocore.cli.models",
    "protocore.cli.generate",
    "protocore.cli.similarity",
    "protocore.cli.compare",
    "protocore.cli.cohort",
    "protocore.cli.library",
    "protocore.cli.review",
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0: done, 1: stopped by the user, 2: an error that is explained."""
    parser = argparse.ArgumentParser(
        prog="protocore", description="Find out what an image classifier has learned."
    )
    parser.add_argument("--version", action="version", version=f"Protocore {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(name).register(subparsers)
    args = parser.parse_args(arguments)
    try:
        devices.apply_thread_limit()
        return args.run(args)
    except ProtocoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
