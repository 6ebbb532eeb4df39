"""The parts of the pages. Imported by the home page and every other before torch is loaded."""

import os

# torch reads them once. Threads that spin for long while they wait starve each other as soon as a
# page or a second job runs beside a generation; threads that do not spin make a step of
# MobileNetV2 on 2 cores take 64 ms instead of 34. So they spin briefly, then sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "100000")
