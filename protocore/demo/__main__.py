"""`python -m protocore.demo`: the same as `protocore demo`."""

import sys

from protocore.cli.demo import main

if __name__ == "__main__":
    sys.exit(main())
