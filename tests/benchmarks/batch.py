"""Does a comparison pay as one batch? 4 classes x 2 seeds together against 8 single runs.

    python tests/benchmarks/batch.py [--models mobilenet_v2 resnet18] [--steps 8] [--rounds 3]

Prints for each network the seconds of the batch and of the sum of the single runs, both with all
that a run needs before its first step, and their ratio: the median over rounds in which the two
take turns, so that other work on the machine cancels out. Then, for 1, 2, 4, 8 and 16 images in
one pass through the network, milliseconds per image: where more stop paying, larger batches only
cost memory. What protocore/generation/loop.py does follows from that:

- on a CPU a pass holds the views of one prototype only. Wider passes gain little there, and
  convolutions round differently for other batch sizes: a prototype would depend on its
  neighbours. The batch saves the preparation (the private copy, the folding, the probe for the
  fastest precision), which counts most for short runs;
- on a GPU passes have one fixed shape, so that a prototype does not depend on its neighbours;
  see tests/benchmarks/gpu.py.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that it runs without an installation

# ruff: noqa: E402
import torch
import torchvision

from protocore.compare.fairness import plan_targets
from protocore.generation.loop import generate
from protocore.generation.settings import GenerationSettings
from protocore.models.classifier import Classifier
from protocore.models.devices import default_device
from protocore.models.fast.network import FastNetwork

CLASSES, SEEDS = (0, 1, 2, 3), (0, 1)
WIDTHS = (1, 2, 4, 8, 16)  # images in one pass


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["mobilenet_v2", "resnet18"])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=224, help="pixels")
    parser.add_argument("--transforms", type=int, default=1, help="per step")
    parser.add_argument("--device", default=default_device())
    args = parser.parse_args()
    print(f"{args.device}, {torch.get_num_threads()} threads, {args.steps} steps")
    for name in args.models:
        classifier = build(name, args.size, args.device)
        settings = GenerationSettings(
            steps=args.steps, baseline_steps=0, transforms_per_step=args.transforms
        )
        compare_runs(name, classifier, settings, args.rounds)
        sweep_widths(classifier, args.rounds)


def build(name: str, size: int, device: str) -> Classifier:
    """A torchvision network with random weights: speed does not depend on them."""
    torch.manual_seed(0)
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    network = getattr(torchvision.models, name)(**options).to(device)
    return Classifier.from_module(network, name=name, input_size=size)


def compare_runs(
    name: str, classifier: Classifier, settings: GenerationSettings, rounds: int
) -> None:
    """One line: the batch, the sum of single runs, their ratio."""
    targets = plan_targets(classifier, CLASSES, SEEDS)
    batches, singles = [], []
    run(classifier, targets[:1], settings)  # the first run in a process also warms up
    for _ in range(rounds):
        batches.append(timed(lambda: run(classifier, targets, settings), classifier.device))
        single = (
            timed(lambda t=t: run(classifier, (t,), settings), classifier.device) for t in targets
        )
        singles.append(sum(single))
    ratio = statistics.median(b / s for b, s in zip(batches, singles, strict=True))
    print(
        f"{name}: batch of {len(targets)} {statistics.median(batches):.2f} s, sum of singles "
        f"{statistics.median(singles):.2f} s, ratio {ratio:.2f}"
    )


def run(classifier: Classifier, targets: tuple, settings: GenerationSettings) -> None:
    """A whole run, from preparation to the last step."""
    for _ in generate(classifier, targets, settings):
        pass


def sweep_widths(classifier: Classifier, rounds: int) -> None:
    """Milliseconds per image of one pass forward and back, for several widths."""
    network = FastNetwork(classifier)
    size = classifier.input_size
    found = []
    for width in WIDTHS:
        images = torch.rand(width, 3, size, size, device=classifier.device, requires_grad=True)

        def step(images: torch.Tensor = images) -> None:
            torch.autograd.grad(network(images).sum(), images)

        step()
        fastest = min(timed(step, classifier.device) for _ in range(max(rounds, 3)))
        found.append(f"{width}: {1000 * fastest / width:.2f}")
    print(f"  ms per image by images in one pass ({network.precision}): {', '.join(found)}")


def timed(work: Callable[[], None], device: torch.device) -> float:
    """Seconds, with a GPU's queue emptied before and after."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
