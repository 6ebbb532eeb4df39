"""`python -m protocore.demo`: the same as `protocore demo`."""

import sys

from protocore.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
