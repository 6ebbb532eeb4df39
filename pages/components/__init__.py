"""The parts of the pages. Imported by the home page and every other before torch is loaded."""

import os

from protocore.cli.main import THREAD_ENVIRONMENT

for name, value in THREAD_ENVIRONMENT.items():
    os.environ.setdefault(name, value)
