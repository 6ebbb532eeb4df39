"""How fast and how lean path similarity is: ratios from one run, on real activations.

    python tests/benchmarks/path_similarity.py [--threads 2] [--models ...] [--ratios-only]

Prints, for each network with `all` layers at 224 pixels:
- ranking and correlating images' activations with the mean, against a loop over
  scipy.stats.spearmanr that does the same, and the largest difference between the two;
- the same for a same-class image, which is left out of its own mean, so that both sides are
  ranked for every image;
- the time and the peak memory above the model of a whole natural reference of 100 + 100 images,
  their pixels included: 2 GiB is the limit. What is ranked at a time does not grow with their
  number, but the pixels do.

The ratios are of processor time on one thread, which SciPy uses too; more threads help only us.
Networks have torchvision's default weights where these are on disk, the MobileNetV2 of the test
data, and random ones otherwise, which is said: the sparsity of activations differs a little.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that it runs without an installation
# Read when torch is loaded: threads that spin while they wait are many times slower as soon as
# something else wants the processor (114 s instead of 19 on two busy cores).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# ruff: noqa: E402
import numpy as np
import torch
import torchvision
from PIL import Image
from scipy import stats

from protocore.errors import ProtocoreError
from protocore.models.classifier import Classifier
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from protocore.similarity.activations import open_reader
from protocore.similarity.pixels import as_images
from protocore.similarity.ranks import correlate, rank_rows, spearman
from protocore.similarity.reference import NaturalReference
from protocore.similarity.statistics import measure_reference

MODELS = ("resnet18", "googlenet", "mobilenet_v2")
SIZE = 224
IMAGES = 4  # at once, as the library takes them on a CPU
REFERENCE_IMAGES = 100  # of each kind, as in the paper
MEMORY_LIMIT = 2.0  # GiB above the model
REPEATS = 3  # of each timing; the shortest counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--ratios-only", action="store_true", help="no whole reference (minutes)")
    parser.add_argument("--busy", action="store_true", help="beside other work on all cores, too")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)  # the child process
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.memory_of:
        whole_reference(args.memory_of)
        return
    for name in args.models:
        classifier, weights = open_classifier(name)
        print(f"\n{name} ({weights})", flush=True)
        if args.busy:
            busy(name)
            continue
        ratios(classifier)
        if not args.ratios_only:
            command = [sys.executable, __file__, "--memory-of", name]
            subprocess.run([*command, "--threads", str(args.threads)], check=True)


def ratios(classifier: Classifier) -> None:
    """Time of ours and of SciPy's for a batch of images, all layers."""
    torch.set_num_threads(1)
    reader = open_reader(classifier)
    outputs = reader.capture(as_images(photo_array(2 * IMAGES), SIZE))
    flat = [outputs[layer.name].flatten(1) for layer in reader.layers]
    pairs = [(values[:IMAGES].mean(0, keepdim=True), values[IMAGES:]) for values in flat]
    ranked = [(rank_rows(mean), images) for mean, images in pairs]

    ours, found = shortest(lambda: [correlate(mean, images) for mean, images in ranked])
    both, _ = shortest(lambda: [spearman(mean.expand_as(x), x) for mean, x in pairs])
    scipys, expected = shortest(lambda: [scipy_spearman(*pair) for pair in pairs], repeats=1)
    elements = sum(layer.size for layer in reader.layers)
    zeros = [int((images == 0).sum()) / IMAGES for _, images in pairs]
    off = np.nanmax(np.abs(torch.stack(found).numpy() - np.array(expected)))
    print(f"  {len(flat)} layers, {elements / 1e6:.1f} million activations, "
          f"{sum(zeros) / elements:.0%} zeros, up to {max(zeros):.0f} ties")  # fmt: skip
    for what, seconds in (
        ("scipy.stats.spearmanr in a loop", scipys),
        ("against a mean ranked once", ours),
        ("left out, both sides ranked", both),
    ):
        faster = "" if seconds == scipys else f"   {scipys / seconds:4.1f} x faster"
        print(f"  {what:<32} {seconds / IMAGES * 1e3:6.0f} ms per image{faster}")
    print(f"  largest difference               {off:.1e}", flush=True)


def busy(name: str, images: int = 5) -> None:
    """Wall time of a small reference, alone and beside processes that keep every core busy."""
    classifier, _ = open_classifier(name)
    photos = photo_array(2 * images)
    natural = NaturalReference(class_index=0, same=photos[:images], different=photos[images:])
    seconds = []
    for others in (0, os.cpu_count() or 1):
        spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                    for _ in range(others)]  # fmt: skip
        try:
            started = time.perf_counter()
            measure_reference(classifier, natural)
            seconds.append(time.perf_counter() - started)
        finally:
            for process in spinning:
                process.kill()
                process.wait()
    alone, beside = seconds
    print(f"  reference of {images} + {images} images: alone {alone:.1f} s, beside "
          f"{os.cpu_count()} busy processes {beside:.1f} s: {beside / alone:.1f}x")  # fmt: skip


def whole_reference(name: str) -> None:
    """Time and peak memory of a reference of REFERENCE_IMAGES images of each kind."""
    count = REFERENCE_IMAGES
    classifier, _ = open_classifier(name)
    classifier.logits(as_images(photo_array(1), SIZE))  # the model has run: its buffers are there
    before = peak_memory(reset=True)
    photos = photo_array(2 * count)
    natural = NaturalReference(class_index=0, same=photos[:count], different=photos[count:])
    started = time.perf_counter()
    measure_reference(classifier, natural)
    seconds = time.perf_counter() - started
    above = (peak_memory() - before) / 2**30
    verdict = "within" if above < MEMORY_LIMIT else "ABOVE"
    print(f"  reference of {count} + {count} images, {torch.get_num_threads()} thread(s): "
          f"{seconds:.0f} s, peak {above:.2f} GiB above the model ({verdict} {MEMORY_LIMIT:g} GiB)"
          )  # fmt: skip


def open_classifier(name: str) -> tuple[Classifier, str]:
    """The classifier and what its weights are."""
    kept = data_folder() / "weights" / f"{name}_imagenet.pth"
    if kept.is_file():
        return load_classifier(ModelSpec.checkpoint(name, kept, device="cpu")), "ImageNet weights"
    try:
        return load_classifier(ModelSpec.torchvision(name, device="cpu")), "ImageNet weights"
    except ProtocoreError:
        torch.manual_seed(0)
        options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        module = torchvision.models.get_model(name, weights=None, **options).eval()
        return Classifier.from_module(module, name=name, input_size=SIZE), "random weights"


def photo_array(count: int) -> np.ndarray:
    """Photos of the test data, or noise that is as smooth as photos are."""
    paths = sorted((data_folder() / "images" / "imagenette").glob("*/*.JPEG"))[:count]
    if len(paths) == count:
        return np.stack(
            [np.asarray(Image.open(p).convert("RGB").resize((SIZE,) * 2)) for p in paths]
        )
    noise = np.random.default_rng(0).integers(0, 256, (count, 14, 14, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(n).resize((SIZE, SIZE))) for n in noise])


def data_folder() -> Path:
    return Path(os.environ.get("PROTOCORE_TEST_DATA") or ROOT.parent / "shared")


def scipy_spearman(mean: torch.Tensor, images: torch.Tensor) -> list[float]:
    """One call per image; a constant layer would warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return [float(stats.spearmanr(mean[0].numpy(), x.numpy()).statistic) for x in images]


def shortest(work, repeats: int = REPEATS):
    """The shortest processor time of some runs, and what the work gave.

    Processor time and not the clock: it hardly depends on what else the machine does.
    """
    times = []
    for _ in range(repeats):
        started = time.process_time()
        result = work()
        times.append(time.process_time() - started)
    return min(times), result


def peak_memory(*, reset: bool = False) -> int:
    """The most memory used since the last reset, in bytes (Linux; elsewhere since the start)."""
    status = Path("/proc/self/status")
    if not status.is_file():
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
