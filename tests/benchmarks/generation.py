"""How fast and how lean generation is: ratios from one run, the variants in turns.

    python tests/benchmarks/generation.py [--models ...] [--steps 10] [--rounds 7] [--quick]

Prints for each network, with one image of 224 pixels and the paper's settings:
- milliseconds per step of the naive loop, of torch-lucent, and of Protocore in float32 (with and
  without its frozen convolutions) and in the precision it chooses itself, and how many times
  faster Protocore is (median over rounds of
  the ratio within a round, so that other work on the machine cancels out);
- the floor: operations of one forward pass and one backward pass to the image, over the rate at
  which this machine multiplies matrices in float32 and bfloat16;
- the peak of resident memory above what was there before the first step;
- milliseconds per view for 1, 2, 4 and 8 views in one pass (protocore/generation/loop.py takes
  as many at once as pays);
- what the live view costs, see tests/benchmarks/live_view.py; with `--browser` also there.

torch-lucent is left out where it is not installed. It belongs in an environment of its own:

    pip install -r requirements.txt
    pip install --no-deps torch-lucent kornia kornia-rs packaging tqdm decorator ipython traitlets
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that it runs without an installation

# ruff: noqa: E402, I001
import protocore  # before torch: it says how torch's threads wait
import torch
from torch.utils.flop_counter import FlopCounterMode

from protocore.models.fast.network import FastNetwork
from protocore.models.classifier import Classifier
from tests.benchmarks.generation_variants import (
    SIZE,
    Clock,
    Steps,
    lucent,
    matrix_rate,
    naive,
    network,
    ours,
    passes,
    unfrozen,
)

MODELS = ("resnet18", "mobilenet_v2", "googlenet")
VIEWS = (1, 2, 4, 8)
MATRIX = 2048
VARIANTS = {
    "naive": naive,
    "lucent": lucent,
    "unfrozen": unfrozen,
    "float32": lambda module: ours(module, precision="float32"),
    "auto": ours,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--steps", type=int, default=10, help="of each variant in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="few steps: shows that it works")
    parser.add_argument("--browser", action="store_true", help="the live view in Chromium too")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)  # the child process
    parser.add_argument(
        "--busy",
        action="store_true",
        help="for a machine with other work: one thread, processor time instead of wall time",
    )
    args = parser.parse_args()
    if args.busy:
        args.threads = 1
        Clock.count_processor_time()
    torch.set_num_threads(args.threads)
    if args.memory_of:
        print(peak_growth(*args.memory_of))
        return
    if args.quick:
        args.steps, args.rounds = 3, 3
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    versions = f"Protocore {protocore.__version__}, torch {torch.__version__}"
    print(f"{versions}, {args.threads} threads, load before the start {load:.1f}\n")
    for name in args.models:
        module = network(name)
        show_speed(name, module, args.steps, args.rounds)
        show_memory(name, args.threads)
        show_passes(module, args.rounds)
        print()
    # In a process of its own: this one's main thread has computed, see live_view.in_thread.
    command = [sys.executable, str(ROOT / "tests/benchmarks/live_view.py")]
    command += ["--model", args.models[0], "--threads", str(args.threads)]
    command += ["--rounds", "3" if args.quick else "5"]
    subprocess.run(command, check=True)
    if args.browser:
        subprocess.run([*command, "--browser"], check=True)


def in_turns(variants: dict[str, Steps], steps: int, rounds: int) -> dict[str, list[float]]:
    """Seconds per step of each variant in each round, after one step to warm up."""
    for take in variants.values():
        take(1)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, take in variants.items():
            seconds[name].append(take(steps) / steps)
    return seconds


def ratio(slow: list[float], fast: list[float]) -> float:
    """How many times faster; the median over rounds."""
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


def show_speed(name: str, module: torch.nn.Module, steps: int, rounds: int) -> None:
    variants = {key: build(module) for key, build in VARIANTS.items()}
    variants = {key: take for key, take in variants.items() if take}
    rates = {"fp32": torch.float32, "bf16": torch.bfloat16}
    variants |= {key: matrix_rate(dtype, MATRIX) for key, dtype in rates.items()}
    seconds = in_turns(variants, steps, rounds)
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    classifier = Classifier.from_module(module, input_size=SIZE)
    chosen = FastNetwork(classifier).precision
    print(f"{name} (auto is {chosen})")
    for key in VARIANTS:
        if key not in seconds:
            print(f"  {key:8}  not installed")
            continue
        against = [
            f"{ratio(seconds[other], seconds[key]):.1f}x {other}"
            for other in ("naive", "lucent", "unfrozen")
            if key in ("float32", "auto") and other in seconds
        ]
        print(f"  {key:8} {medians[key] * 1e3:7.1f} ms per step   {', '.join(against)}")
    work = operations(classifier)
    floors = []
    for key in rates:
        per_second = 2 * MATRIX**3 / medians[key]
        floors.append(f"{work / per_second * 1e3:.0f} ms in {key} ({per_second / 1e9:.0f} GFLOP/s)")
    print(f"  floor    {work / 1e9:.2f} GFLOP per step: {', '.join(floors)}")


def operations(classifier: Classifier) -> float:
    """Floating-point operations of a forward pass and the backward pass to the image."""
    # Of the plain network: the counter does not know oneDNN's own operators.
    take = passes(lambda images: classifier.module(classifier.normalise(images)), 1)
    with FlopCounterMode(display=False) as counter:
        take(1)
    return counter.get_total_flops()


def show_memory(name: str, threads: int) -> None:
    peaks = []
    for key in ("naive", "float32", "auto"):
        command = [sys.executable, __file__, "--memory-of", name, key, "--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(f"{key} {int(done.stdout) / 2**20:.0f} MB")
    print(f"  memory   {', '.join(peaks)} above the loaded model")


def peak_growth(name: str, key: str) -> int:
    """Bytes by which the resident memory grows at most, from the loaded model through 5 steps."""
    module = network(name)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # starts the peak anew
    VARIANTS[key](module)(5)
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """Bytes, as Linux counts them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def show_passes(module: torch.nn.Module, rounds: int) -> None:
    classifier = Classifier.from_module(module, input_size=SIZE)
    for precision in ("float32", "bfloat16"):
        fast = FastNetwork(classifier, precision)
        seconds = in_turns({str(n): passes(fast, n) for n in VIEWS}, 2, rounds)
        shown = [f"{n}: {statistics.median(seconds[str(n)]) / n * 1e3:.1f}" for n in VIEWS]
        print(f"  ms per view by views in a pass, {precision}: {', '.join(shown)}")


if __name__ == "__main__":
    main()
