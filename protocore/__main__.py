"""`python -m protocore`: the same as the command `protocore`."""

import sys

from protocore.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
