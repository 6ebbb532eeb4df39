"""Everything that is promised of a graphics card, in a few minutes: one line for each check.

    python tests/benchmarks/gpu.py [--only bytes,speed] [--data FOLDER] [--quick]

Prints a Markdown table with the card's name:
- bytes: the same run twice, in a batch, at another place in it, with fewer lanes, saved and gone
  on with, under a card that is nearly full;
- speed: milliseconds per step of one prototype, with and without a live view, and per step and
  prototype of many, against a bare graph loop that does the same but not the same bytes;
- atlas: 1000 classes from the start of this program to the last file;
- natural: thirty prototypes of the default preset;
- precision: bfloat16 against float32 by probability, a second network and path similarity;
- similarity: natural references on the card against this machine's processors.

Networks have random weights (speed does not depend on them) except for `precision`, which needs
`weights/mobilenet_v2_imagenet.pth`, photos in `images/imagenette` and timm in the data folder
(PROTOCORE_TEST_DATA, or `shared` beside the project), and is left out without.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

STARTED = time.perf_counter()
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that it runs without an installation

# ruff: noqa: E402
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import Tensor, nn

from protocore.generation.card import run as card_run
from protocore.generation.loop import Snapshot, generate
from protocore.generation.many import generate_many
from protocore.generation.presets import PAPER, find_preset
from protocore.generation.recording import Recording, encode_jpeg, image_logits, to_uint8
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from protocore.models.classifier import Classifier
from protocore.models.fast.network import fold_batch_norms
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from protocore.similarity.path import evaluate_images, layer_curves
from protocore.similarity.reference import NaturalReference
from protocore.similarity.statistics import measure_reference

SIZE = 224
LIVE_INTERVAL = 0.2  # seconds
NETWORKS = ("resnet18", "mobilenet_v2", "googlenet")
CHECKS: dict[str, Callable[[argparse.Namespace], None]] = {}


def check(work: Callable[[argparse.Namespace], None]) -> Callable:
    CHECKS[work.__name__] = work
    return work


def row(what: str, *values: object) -> None:
    print("| " + " | ".join([what, *map(str, values)]) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(CHECKS), help="names with commas")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--classes", type=int, default=1000, help="of the atlas")
    parser.add_argument("--steps", type=int, default=512, help="of the atlas")
    args = parser.parse_args()
    global SIZE
    SIZE = 32 if args.quick else SIZE
    args.device = torch.device(args.device)
    name = torch.cuda.get_device_name(args.device) if on_card(args) else "no card"
    row("check", f"{name}, torch {torch.__version__}")
    row("---", "---")
    for key in args.only.split(","):
        started = time.perf_counter()
        try:
            CHECKS[key](args)
        except Exception:  # the others are still worth having
            traceback.print_exc(limit=-8)
            row(key, "FAILED")
        print(f"<!-- {key}: {time.perf_counter() - started:.0f} s -->", flush=True)
        if on_card(args):
            torch.cuda.empty_cache()


def on_card(args: argparse.Namespace) -> bool:
    return args.device.type == "cuda"


def data_folder() -> Path:
    return Path(os.environ.get("PROTOCORE_TEST_DATA") or ROOT.parent / "shared")


@functools.lru_cache(maxsize=8)
def network(name: str, device: torch.device) -> Classifier:
    """Random weights, with the statistics of noise in its batch norms."""
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    torch.manual_seed(0)
    module = torchvision.models.get_model(name, weights=None, **options)
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.momentum = None  # the plain average
    with torch.no_grad():
        module.to(device).train()(torch.rand(8, 3, SIZE, SIZE, device=device))
    return Classifier.from_module(module.eval(), name=name, input_size=SIZE)


def targets(count: int, classes: int = 1000) -> tuple[Target, ...]:
    return tuple(Target.of(i % classes, i // classes) for i in range(count))


def last(run) -> Snapshot:
    snapshot = None
    for snapshot in run:  # noqa: B007
        pass
    return snapshot


# --- the same bytes ---


@check
def bytes(args: argparse.Namespace) -> None:
    """Every way to come to the same prototype."""
    natural = find_preset("natural").settings
    presets = {"paper": PAPER.replace(baseline_steps=4), "natural": natural}
    presets["reflect"] = PAPER.replace(fill="reflect", hf_unit="gradient", hf_weight=50.0)
    for name in NETWORKS:
        for key, settings in presets.items():
            if name == "resnet18" or key != "reflect":
                found = ways(network(name, args.device), settings.replace(steps=16), on_card(args))
                row(f"same bytes: {name}, {key}", found)


def ways(classifier: Classifier, settings: GenerationSettings, card: bool) -> str:
    own, others = Target.of(7, 3), targets(20)

    def image(run, place: int = 0) -> Tensor:
        return last(run).images()[place].cpu()

    first = image(generate(classifier, [own], settings))
    found = {
        "again": image(generate(classifier, [own], settings)),
        "in a batch": image(generate(classifier, [own, *others[:2]], settings)),
        "elsewhere in a batch": image(generate(classifier, [*others, own], settings), len(others)),
        "gone on with": image(gone_on(classifier, own, settings)),
    }
    if card:
        found["in a full card"] = image(crowded(classifier, [*others, own], settings), len(others))
    wrong = {
        what: f"{(other - first).abs().max():.2g}"
        for what, other in found.items()
        if not torch.equal(first, other)
    }
    return f"DIFFERS {wrong}" if wrong else f"same: {', '.join(found)}"


def gone_on(classifier: Classifier, target: Target, settings: GenerationSettings):
    run = generate(classifier, [target], settings)
    for snapshot in run:
        if snapshot.stage == "prototype" and snapshot.step == 7:
            break
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        path.write_bytes(snapshot.state.to_bytes())
        state = GenerationState.from_file(str(path), classifier.device)
    return generate(classifier, [target], settings, state=state)


def crowded(classifier: Classifier, wanted: list[Target], settings: GenerationSettings):
    """A run while something else leaves little of the card."""
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info(classifier.device)[0]
    crowd = torch.empty(max(free - 2 * 2**30, 0), dtype=torch.uint8, device=classifier.device)
    yield from generate(classifier, wanted, settings)
    del crowd


# --- speed ---


@check
def speed(args: argparse.Namespace) -> None:
    """One prototype and many, against a bare loop."""
    for name in NETWORKS[:2]:
        classifier = network(name, args.device)
        off = milliseconds(classifier, 1, args, live=False)
        on = milliseconds(classifier, 1, args, live=True)
        bare = bare_loop(classifier, 1, args) if on_card(args) else float("nan")
        row(
            f"{name}: one prototype, ms per step", f"{off:.2f}, live view {on:.2f}, bare {bare:.2f}"
        )
        for count, views in ((64, None), (64, 64), (500, None), (500, 500)):
            if not on_card(args) or (args.quick and count > 64):
                continue
            ours = milliseconds(classifier, count, args, views_per_pass=views) / count
            bare = bare_loop(classifier, count, args) / count
            passes = views or card_run.VIEWS_PER_PASS
            what = f"{name}: {count} in passes of {passes}, ms per step and prototype"
            row(what, f"{ours:.4f}, bare in one pass {bare:.4f}: {ours / bare:.2f}x")


def milliseconds(
    classifier: Classifier, count: int, args: argparse.Namespace, *, live: bool = False, **options
) -> float:
    """Per step of all, with what a run records; the median of a few rounds."""
    rounds, steps = 3, (4 if args.quick else 300 if count == 1 else 2400 // count + 4)
    settings = PAPER.replace(steps=(rounds + 1) * steps, baseline_steps=0)
    wanted = targets(count)
    recording = Recording(classifier=classifier, targets=wanted, settings=settings)
    times, shown = [time.perf_counter()], 0.0
    for snapshot in generate(classifier, wanted, settings, **options):
        recording.add(snapshot)
        if live and time.perf_counter() > shown + LIVE_INTERVAL:
            shown = time.perf_counter()
            for image in to_uint8(snapshot.images()):
                encode_jpeg(image, 80)
            _ = recording.curves
        if snapshot.step % steps == 0:
            if on_card(args):
                torch.cuda.synchronize(args.device)
            times.append(time.perf_counter())
    spans = [1000 * (b - a) / steps for a, b in itertools.pairwise(times)]
    return statistics.median(spans[1:])  # the first holds the preparation


def bare_loop(classifier: Classifier, count: int, args: argparse.Namespace) -> float:
    """Milliseconds per step of a graph that takes the paper's steps by PyTorch's own operations.

    In bfloat16 and channels last, with the fastest convolutions that PyTorch finds. Its
    grid_sample adds up in another order each time.
    """
    device = args.device
    folded = fold_batch_norms(classifier.module, SIZE).to(torch.bfloat16)
    folded = folded.to(memory_format=torch.channels_last)
    x = torch.rand(count, 3, SIZE, SIZE, device=device)
    first, second = torch.zeros_like(x), torch.zeros_like(x)
    chosen = torch.arange(count, device=device)[:, None] % classifier.num_classes

    mean, std = (
        torch.tensor(t, device=device).view(3, 1, 1) for t in (classifier.mean, classifier.std)
    )

    def step() -> None:
        leaf = x.detach().requires_grad_(True)
        theta = torch.rand(count, 2, 3, device=device) + torch.eye(2, 3, device=device) - 0.5
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        views = (F.grid_sample(leaf, grid, align_corners=False) - mean) / std
        views = views.to(torch.bfloat16, memory_format=torch.channels_last)
        score = folded(views).float().gather(1, chosen).sum()
        across = (leaf[..., 1:] - leaf[..., :-1]).abs().mean(dim=(1, 2, 3))
        down = (leaf[..., 1:, :] - leaf[..., :-1, :]).abs().mean(dim=(1, 2, 3))
        (slope,) = torch.autograd.grad((1000 * (across + down)).sum() - score, leaf)
        first.lerp_(slope, 0.1)
        second.mul_(0.999).addcmul_(slope, slope, value=0.001)
        x.sub_(0.05 * first / (second.sqrt() + 1e-8)).clamp_(0, 1)

    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(2):
                step()
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
    times, steps = [], 100 if count == 1 else 640 // count + 4
    for _ in range(3):
        torch.cuda.synchronize(device)
        started = time.perf_counter()
        for _ in range(steps):
            graph.replay()
        torch.cuda.synchronize(device)
        times.append(1000 * (time.perf_counter() - started) / steps)
    return statistics.median(times)


# --- many ---


@check
def atlas(args: argparse.Namespace) -> None:
    """From the start of this program, if it is asked for alone."""
    alone = args.only == "atlas"
    for name in NETWORKS[:2]:
        started = STARTED if alone and name == NETWORKS[0] else time.perf_counter()
        classifier = network(name, args.device)
        settings = PAPER.replace(steps=args.steps)
        with tempfile.TemporaryDirectory() as folder:
            count = generate_many(
                [classifier], targets(args.classes), settings, lambda made: made.save(folder)
            )
            written = len(list(Path(folder).iterdir()))
        seconds = time.perf_counter() - started
        what = f"{name}: {count} classes, 32 + {args.steps} steps, {written} files"
        row(what, f"{seconds:.1f} s")


@check
def natural(args: argparse.Namespace) -> None:
    classifier = network("mobilenet_v2", args.device)
    settings = find_preset("natural").settings
    for turn in ("first", "second"):
        started = time.perf_counter()
        wanted = targets(30)
        recording = Recording(classifier=classifier, targets=wanted, settings=settings)
        for snapshot in generate(classifier, wanted, settings):
            recording.add(snapshot)
        recording.prototypes(1.0)
        seconds = time.perf_counter() - started
        row(f"mobilenet_v2: 30 Natural prototypes, {turn} time", f"{seconds:.1f} s")


# --- precision ---


@check
def precision(args: argparse.Namespace) -> None:
    """The same prototypes in float32 and bfloat16, as networks and the measure see them."""
    maker, witness = real_network(args), second_network(args)
    references = photo_references(args, maker)
    classes = (0, 217, 497, 566, 574, 207, 292, 340, 779, 948)
    wanted = [Target.of(index, seed) for index in classes for seed in (0, 1)]
    for preset in ("paper", "natural"):
        images = {}
        for kind in ("float32", "bfloat16"):
            settings = find_preset(preset).settings.replace(precision=kind)
            images[kind] = to_uint8(last(generate(maker, wanted, settings)).images())
            probability = image_logits(maker, images[kind]).softmax(1)
            own = torch.stack([p[t.class_index] for p, t in zip(probability, wanted, strict=True)])
            seen = witness_logits(witness, images[kind])
            hits = sum(int(r.argmax()) == t.class_index for r, t in zip(seen, wanted, strict=True))
            logs = seen.log_softmax(1)
            log = statistics.mean(
                float(r[t.class_index]) for r, t in zip(logs, wanted, strict=True)
            )
            scores = [
                np.nanmean(layer_curves(evaluate_images(maker, of_class, reference)).prototypes)
                for reference in references
                for of_class in [images[kind][[i for i, t in enumerate(wanted)
                                               if t.class_index == reference.class_index]]]
            ]  # fmt: skip
            row(
                f"mobilenet_v2, {preset}, {kind}",
                f"p {own.mean():.3f} (least {own.min():.3f}), witness {hits} of {len(wanted)}, "
                f"log p {log:.2f}, similarity {np.mean(scores):.4f}",
            )
        gap = np.abs(images["float32"].astype(int) - images["bfloat16"]).mean()
        row(f"mobilenet_v2, {preset}: mean difference of the pixels", f"{gap:.1f} of 255")


def real_network(args: argparse.Namespace) -> Classifier:
    path = args.data / "weights" / "mobilenet_v2_imagenet.pth"
    return load_classifier(ModelSpec.checkpoint("mobilenet_v2", path, device=str(args.device)))


def second_network(args: argparse.Namespace) -> nn.Module:
    import timm
    from safetensors.torch import load_file

    module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    path = args.data / "weights" / "tf_efficientnet_lite0_half.safetensors"
    module.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return module.eval().to(args.device)


def witness_logits(witness: nn.Module, images: np.ndarray) -> Tensor:
    given = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        return witness(given.to(next(witness.parameters()).device)).cpu()


def photo_references(args: argparse.Namespace, maker: Classifier) -> list:
    folders = {"n01440764": 0, "n03394916": 566, "n03445777": 574}
    photos = {
        index: np.stack([photo(p) for p in sorted((args.data / "images" / "imagenette" / name)
                                                  .glob("*.JPEG"))[:12]])
        for name, index in folders.items()
    }  # fmt: skip
    return [
        measure_reference(
            maker,
            NaturalReference(
                class_index=index,
                same=own,
                different=np.concatenate([o[:6] for i, o in photos.items() if i != index]),
            ),
            "weighted",
        )
        for index, own in photos.items()
    ]


def photo(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE)))


# --- path similarity ---


@check
def similarity(args: argparse.Namespace) -> None:
    """The same references on both; the processors get fewer images and are counted up."""
    most, few = (10, 5) if args.quick else (100, 10)
    noise = np.random.default_rng(0).integers(0, 256, (2 * most, 14, 14, 3), dtype=np.uint8)
    images = np.stack([np.asarray(Image.fromarray(n).resize((SIZE, SIZE))) for n in noise])
    seconds, found = {}, {}
    for device, count in ((args.device, most), (args.device, most), (torch.device("cpu"), few)):
        classifier = network("resnet18", device)
        natural = NaturalReference(
            class_index=0, same=images[:count], different=images[most : most + count]
        )
        started = time.perf_counter()
        found[count] = measure_reference(classifier, natural)
        seconds[count] = time.perf_counter() - started
    slow = seconds[few] * most / few
    row(
        f"resnet18: reference of {most} + {most} images, all layers",
        f"{seconds[most]:.2f} s; {torch.get_num_threads()} processor threads {slow:.1f} s "
        f"(counted up from {few} + {few}): {slow / seconds[most]:.0f}x",
    )


if __name__ == "__main__":
    main()
