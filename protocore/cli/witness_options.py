"""The option with which commands choose the networks that witness for a prototype."""

from __future__ import annotations

import argparse
from pathlib import Path

from protocore.cli.model_options import spec_from_args
from protocore.errors import ModelError
from protocore.models.checkpoint import SUFFIXES
from protocore.models.classifier import Classifier
from protocore.models.loading import detect_architecture, load_classifier
from protocore.models.spec import KINDS, ModelSpec
from protocore.similarity.witness import check_witness, default_witnesses, why_no_witness


def add_witness_option(parser: argparse.ArgumentParser) -> None:
    """The option `--witness`; read it with `witnesses_from_args`."""
    parser.add_argument(
        "--witness",
        nargs="*",
        metavar="MODEL",
        help="networks that say whether they recognise the class: names or links as for --model, "
        "or files; without a name those at hand (the other demo model, torchvision's on disk)",
    )


def witnesses_from_args(args: argparse.Namespace, maker: Classifier) -> list[Classifier]:
    """The witnesses that `--witness` names, loaded; none without the option.

    Raises ModelError for a network that cannot be a witness of what `maker` made, and where none
    is at hand.
    """
    if args.witness is None:
        return []
    spec = spec_from_args(args)
    if args.witness:
        found = [load_classifier(_spec(name, spec.device)) for name in args.witness]
        for witness in found:
            check_witness(maker, witness)
        return found
    at_hand = map(load_classifier, default_witnesses(spec))
    found = [witness for witness in at_hand if not why_no_witness(maker, witness)]
    if not found:
        raise ModelError(
            f"no other network with the labels of {maker.title} is at hand; name one with "
            "--witness MODEL, or put its weights where `python -m protocore models` looks for them"
        )
    return found


def _spec(name: str, device: str) -> ModelSpec:
    """A file, else a name or link of a model."""
    if Path(name).suffix.lower() in SUFFIXES:
        return ModelSpec.checkpoint(detect_architecture(name), name, device=device)
    kind = name.partition(":")[0]
    if kind in KINDS:
        return ModelSpec.from_link(name, device=device)
    return ModelSpec.torchvision(*name.split(":", 1), device=device)
