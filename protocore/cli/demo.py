"""Command line: `demo` trains, measures and draws the demo world."""

import argparse
import platform
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from protocore.demo.biases import KNOWN_CLAIMS
from protocore.demo.training.card import CARD_PATH, measure_model, write_card
from protocore.demo.training.evaluation import accuracy, measure_effect
from protocore.demo.training.train import TrainingSettings, render_photos, train
from protocore.demo.weights import (
    VARIANTS,
    assets_folder,
    demo_weights_path,
    load_demo_network,
    read_training,
    read_weights,
    save_weights,
)
from protocore.demo.world import contact_sheet


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `demo` with its actions."""
    parser = subparsers.add_parser(
        "demo",
        help="train, measure or draw the demo world",
        description="The shipped demo world: rendered images, two small networks, planted biases.",
    )
    commands = parser.add_subparsers(required=True, metavar="ACTION")

    train = commands.add_parser("train", help="train both models, write weights and card")
    for name in ("seed", "images-per-class", "plain-steps", "robust-steps"):
        train.add_argument(f"--{name}", type=int, help="default: the shipped recipe's")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    train.add_argument("--threads", type=int, help="processor threads, default: PyTorch's choice")
    train.add_argument("--out", type=Path, help="folder for weights alone, instead of assets/demo")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="measure a model and print the result")
    evaluate.add_argument("--variant", choices=("robust", "plain"), default="robust")
    evaluate.add_argument("--weights", type=Path, help="a weights file other than the shipped one")
    evaluate.add_argument("--images-per-class", type=int, default=100)
    evaluate.add_argument("--pairs", type=int, default=100)
    evaluate.set_defaults(run=_evaluate)

    sheet = commands.add_parser("sheet", help="write a contact sheet of renders")
    sheet.add_argument("file", type=Path, help="where to, .png")
    sheet.add_argument("--columns", type=int, default=8)
    sheet.add_argument("--seed", type=int, default=0)
    sheet.add_argument("--split", default="reference")
    sheet.set_defaults(run=_sheet)

    card = commands.add_parser("card", help="measure the shipped weights and write the card anew")
    card.set_defaults(run=_card)


def _report(progress: Any) -> None:
    if progress.step % 20 and progress.step != progress.steps:
        return
    minutes, seconds = divmod(int(progress.seconds_left), 60)
    print(
        f"{progress.stage} {progress.step}/{progress.steps}  loss {progress.loss:.3f}  "
        f"{minutes}:{seconds:02d} left in this stage",
        flush=True,
    )


def _device_name(device: Any) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} threads of a {platform.machine()} processor"


def _train(arguments: argparse.Namespace) -> int:
    chosen = {
        field.name: getattr(arguments, field.name)
        for field in fields(TrainingSettings)
        if getattr(arguments, field.name, None) is not None
    }
    settings = TrainingSettings(**chosen)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    on_gpu = arguments.device == "cuda" or (
        arguments.device == "auto" and torch.cuda.is_available()
    )
    device = torch.device("cuda" if on_gpu else "cpu")
    start = time.monotonic()
    print(f"rendering {settings.images_per_class} images per class", flush=True)
    photos, labels = render_photos(settings.images_per_class)
    plain, robust = train(photos, labels, settings, device=device, on_progress=_report)
    facts = {
        "settings": asdict(settings),
        "device": _device_name(device),
        "minutes": round((time.monotonic() - start) / 60, 1),
        "torch": torch.__version__,
    }
    folder = assets_folder() if arguments.out is None else arguments.out
    for variant, network in (("robust", robust), ("plain", plain)):
        save_weights(network, folder / f"{variant}.safetensors", facts)
    print(f"weights written to {folder}")
    if arguments.out is None:
        _card(arguments)
    return 0


def _card(_arguments: argparse.Namespace) -> int:
    models = {}
    for variant in VARIANTS:
        path = demo_weights_path(variant)
        print(f"measuring {path.name}", flush=True)
        models[variant] = measure_model(read_weights(path), path, read_training(path))
    write_card(models)
    print(f"card written to {CARD_PATH}")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    if arguments.weights is None:
        network = load_demo_network(arguments.variant)
    else:
        network = read_weights(arguments.weights)
    result = accuracy(network, arguments.images_per_class)
    print(f"accuracy {result.overall:.3f}")
    for name, share in result.per_class.items():
        print(f"  {name:14} {share:.3f}")
    for claim in KNOWN_CLAIMS:
        effect = measure_effect(network, claim, arguments.pairs)
        low, high = effect.logit_gap_interval
        kind = "planted" if claim.planted else "sham"
        print(
            f"{kind:8}{claim.key:18} logit gap {effect.logit_gap:+.2f} [{low:+.2f}, {high:+.2f}]  "
            f"{effect.favoured_share:.0%} of pairs  "
            f"p {effect.probability_favoured:.3f} / {effect.probability_other:.3f}"
        )
    return 0


def _sheet(arguments: argparse.Namespace) -> int:
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(arguments.columns, arguments.seed, arguments.split).save(arguments.file)
    print(f"contact sheet written to {arguments.file}")
    return 0
