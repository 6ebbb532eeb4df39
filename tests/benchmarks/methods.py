"""The table of the README: makers x methods x measures, over classes and seeds, with its spread.

python -m tests.benchmarks.methods --out DIR [--makers demo,demo:plain] [--methods natural,paper]
       [--classes 0,4,5] [--seeds 0,1] [--set natural:jitter=0.1]

Makers are links of models ("demo", "demo:plain", "mobilenet_v2") or, for networks of timm,
timm:NAME=FILE. Every maker is a witness of the others that have its labels. Prototypes are kept in
DIR as they come: after an interruption, the same command goes on where it stopped. The command
`similarity --prototypes DIR/MAKER/METHOD` measures the path similarity of what is there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocore.generation.api import generate_prototypes
from protocore.generation.presets import find_preset
from protocore.generation.prototype import Prototype
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import IMAGENET_MEAN, IMAGENET_STD, Classifier
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from protocore.similarity.witness import read, summarise_readings, why_no_witness

WITNESS_HEADS = ("witness top-1", "top-5", "log p", "top-1 by seed")
AT_ONCE = 4  # prototypes generated together: what is lost at an interruption


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """One prototype of the table."""

    maker: str
    method: str
    prototype: Prototype


def main(words: list[str] | None = None) -> None:
    args = _parser().parse_args(words)
    makers = {link: load(link, args.device) for link in args.makers.split(",")}
    methods = {name: _settings(name, args.set) for name in args.methods.split(",")}
    seeds = [int(seed) for seed in args.seeds.split(",")]
    made = [
        Made(maker=link, method=method, prototype=prototype)
        for method, settings in methods.items()
        for link, maker in makers.items()
        for prototype in _prototypes(args, link, maker, method, settings, seeds)
    ]
    table = "\n".join(_table(made, makers, list(methods)))
    print(table)
    (args.out / "table.md").write_text(table + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--makers", default="demo,demo:plain")
    parser.add_argument("--methods", default="natural,paper,fourier,maco")
    parser.add_argument("--classes", help="indices; default: all of a small model, else ten")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[], metavar="METHOD:FIELD=VALUE")
    return parser


def load(link: str, device: str) -> Classifier:
    """The classifier of a link."""
    if not link.startswith("timm:"):
        return load_classifier(ModelSpec.from_link(link, device=device))
    import timm
    from safetensors.torch import load_file
    from torchvision.models import MobileNet_V2_Weights

    name, _, file = link.removeprefix("timm:").partition("=")
    network = timm.create_model(name, pretrained=not file)
    if file:
        state = load_file(file)
        network.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
    config = network.pretrained_cfg
    names = MobileNet_V2_Weights.DEFAULT.meta["categories"] if network.num_classes == 1000 else None
    return Classifier.from_module(
        network.to(device), class_names=names, name=name, weights=Path(file).stem or "pretrained",
        mean=config.get("mean", IMAGENET_MEAN), std=config.get("std", IMAGENET_STD),
        input_size=config["input_size"][-1],
    )  # fmt: skip


def _settings(name: str, changes: list[str]) -> GenerationSettings:
    """A preset, or "preset+anything" for a variant of it, with the --set values of that name."""
    found = find_preset(name.partition("+")[0]).settings
    mine = [text.partition(":")[2] for text in changes if text.partition(":")[0] == name]
    pairs = [text.partition("=") for text in mine]
    return found.patch({field: _value(value) for field, _, value in pairs})


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _prototypes(args, link: str, maker: Classifier, method: str, settings, seeds) -> Iterator:
    """Those that are kept already, and then the rest, kept as they come."""
    chosen = (
        args.classes.split(",")
        if args.classes
        else range(0, maker.num_classes, max(1, maker.num_classes // 10))
    )
    targets = [Target.of(maker.find_class(c), seed) for c in chosen for seed in seeds]
    folder = args.out / _folder(link) / method
    missing = []
    for target in targets:
        path = folder / f"{target.class_index}_{target.seed}.png"
        kept = Prototype.load(path) if path.with_suffix(".json").is_file() else None
        if (
            kept is not None
            and kept.record.settings == settings
            and kept.record.weight_hash == maker.weight_hash
        ):
            yield kept
        else:
            missing.append(target)
    for start in range(0, len(missing), AT_ONCE):
        part, began = missing[start : start + AT_ONCE], time.monotonic()
        for target, prototype in zip(part, generate_prototypes(maker, part, settings), strict=True):
            prototype.save(folder, f"{target.class_index}_{target.seed}")
            yield prototype
        seconds = (time.monotonic() - began) / len(part)
        print(
            f"{link} {method}: {start + len(part)}/{len(missing)}, {seconds:.1f} s each", flush=True
        )


def _folder(link: str) -> str:
    return link.partition("=")[0].replace(":", "_").replace("/", "_")


def _table(made: list[Made], makers: dict[str, Classifier], methods: list[str]) -> Iterator[str]:
    """Rows of Markdown."""
    heads = ("maker", "method", "own p (least)", "p < .5", *WITNESS_HEADS, "contrast")
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for link in makers:
        for method in methods:
            some = [one.prototype for one in made if (one.maker, one.method) == (link, method)]
            if some:
                yield f"| {_folder(link)} | {method} | {_figures(some, link, makers)} |"


def _figures(some: list[Prototype], link: str, makers: dict[str, Classifier]) -> str:
    maker = makers[link]
    own = np.array([p.record.probability for p in some])
    images = np.stack([p.image for p in some])
    classes = [p.record.class_index for p in some]
    readings = [
        read(other, images, maker.class_names, classes)
        for name, other in makers.items()
        if name != link and not why_no_witness(maker, other)
    ]
    figures = [f"{own.mean():.2f} ({own.min():.2f})", str(int((own < 0.5).sum()))]
    if readings:
        every = summarise_readings([one for row in readings for one in row])
        seeds = sorted({p.record.seed for p in some})
        by_seed = [
            np.mean(
                [
                    row[k].rank < 1
                    for row in readings
                    for k, p in enumerate(some)
                    if p.record.seed == seed
                ]
            )
            for seed in seeds
        ]
        figures += [f"{every.top1:.0%}", f"{every.top5:.0%}", f"{every.log_probability:.2f}"]
        figures += [" ".join(f"{share:.0%}" for share in by_seed)]
    else:
        figures += ["–"] * 4
    figures.append(f"{(images / 255).std(axis=(1, 2, 3)).mean():.2f}")
    return " | ".join(figures)


if __name__ == "__main__":
    main()
