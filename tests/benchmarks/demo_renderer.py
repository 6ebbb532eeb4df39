"""Images per second and core that the demo world renders, per class.

Run with `python tests/benchmarks/demo_renderer.py` from the repository's root.
"""

import statistics
import time

from protocore.demo.world import CLASS_NAMES, render_class

COUNT, ROUNDS = 40, 3


def rate(class_index: int) -> float:
    """Images per second, the median of a few rounds."""
    rounds = []
    for index in range(ROUNDS):
        start = time.process_time()
        render_class(class_index, COUNT, seed=index * COUNT)
        rounds.append(COUNT / (time.process_time() - start))
    return statistics.median(rounds)


if __name__ == "__main__":
    rates = [rate(index) for index in range(len(CLASS_NAMES))]
    for name, value in zip(CLASS_NAMES, rates, strict=True):
        print(f"{name:14} {value:6.0f} images per second and core")
    print(f"{'all classes':14} {statistics.harmonic_mean(rates):6.0f}")
