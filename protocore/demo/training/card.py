"""The model card: what was planted, and what was measured on the shipped weights.

`assets/demo/card.json` is the machine-readable card and is written from measurements only;
`CARD.md` beside it is generated from the same data.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from protocore.demo.biases import KNOWN_CLAIMS, PLANTED, SHAM, KnownClaim
from protocore.demo.classes import CLASS_NAMES, CLASSES, RELATED_PAIRS
from protocore.demo.network import INPUT_SIZE, MEAN, STD
from protocore.demo.training.evaluation import accuracy, attacked_accuracy, measure_effect
from protocore.demo.weights import CARD_NAME, Card, assets_folder, file_hash

CARD_PATH = assets_folder() / CARD_NAME
MARKDOWN_PATH = CARD_PATH.with_name("CARD.md")

ATTACK_RADII = (4.0, 8.0)  # L2, images in [0, 1]
HELDOUT_PER_CLASS = 100
ATTACKED_PER_CLASS = 20
PAIRS = 100
SEED = (
    20_000  # first of the held-out scenes measured here; those below were used to choose settings
)


def world_facts() -> Card:
    """What the card says about the world: classes, distributions, claims. Needs no model."""
    return {
        "classes": list(CLASS_NAMES),
        "related_pairs": [list(pair) for pair in RELATED_PAIRS],
        "input": {"size": INPUT_SIZE, "mean": list(MEAN), "std": list(STD)},
        "training_distribution": {
            spec.name: {
                attribute: {str(value): round(share, 4) for value, share in shares.items()}
                for attribute, shares in spec.distributions().items()
            }
            for spec in CLASSES
        },
        "claims": {claim.key: _claim_facts(claim) for claim in KNOWN_CLAIMS},
    }


def _claim_facts(claim: KnownClaim) -> Card:
    return {
        "statement": claim.statement,
        "class": claim.class_name,
        "attribute": claim.attribute,
        "favoured": claim.favoured,
        "other": claim.other,
        "share_in_training": round(claim.share, 4),
        "planted": claim.planted,
        "rival": claim.rival,
    }


def measure_model(network: nn.Module, path: Path, training: Mapping[str, Any]) -> Card:
    """Everything the card says about one model; `training` is how it was made."""
    effects = {
        claim.key: asdict(measure_effect(network, claim, PAIRS, SEED)) for claim in KNOWN_CLAIMS
    }
    return {
        "file": path.name,
        "sha256": file_hash(path),
        "bytes": path.stat().st_size,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training": dict(training),
        "accuracy": asdict(accuracy(network, HELDOUT_PER_CLASS, SEED)),
        "attacked_accuracy": {
            str(radius): attacked_accuracy(network, ATTACKED_PER_CLASS, radius=radius, seed=SEED)
            for radius in ATTACK_RADII
        },
        "effects": effects,
    }


def write_card(models: Mapping[str, Card]) -> None:
    """Write card.json and CARD.md for the measured models (variant name to its facts)."""
    card = {"format": 1, **world_facts(), "models": dict(models)}
    CARD_PATH.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    CARD_PATH.write_text(text, encoding="utf-8")
    MARKDOWN_PATH.write_text(card_markdown(card), encoding="utf-8")


def card_markdown(card: Card) -> str:
    """The card as Markdown."""
    parts = [
        "# The demo model's card",
        "Written by `python -m protocore.demo card`; every figure below is measured.",
        "The pictures are rendered, the people in them are drawn, and the biases are put there on "
        "purpose, so that a bias review can be checked against a truth that is known. Neither the "
        "pictures nor the models are of use for anything else.",
        _models_section(card),
        _accuracy_section(card),
        _claims_section(card, "Planted biases", [claim.key for claim in PLANTED]),
        _claims_section(card, "Not biased, for sham claims", [claim.key for claim in SHAM]),
        _distribution_section(card),
    ]
    return "\n\n".join(parts) + "\n"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _models_section(card: Card) -> str:
    rows = []
    for variant, model in card["models"].items():
        training = model["training"]
        rows.append(
            [
                variant,
                f"`{model['file']}`",
                f"{model['parameters'] / 1e6:.2f} M",
                f"{model['bytes'] / 1e6:.2f} MB",
                f"{training.get('device', 'unknown')}, {training.get('minutes', '?')} min"
                + _stopped_early(training),
                f"`{model['sha256'][:16]}`",
            ]
        )
    header = ["model", "file", "parameters", "size", "trained on", "SHA-256 begins"]
    size = card["input"]["size"]
    return (
        f"## Models\n\nA thin torchvision ResNet for {size} x {size} pixels. *robust* was trained "
        "on attacked images, with growing prototypes as examples of nothing; *plain* is where that "
        "training started from, ordinary training with augmentation.\n\n" + _table(header, rows)
    )


def _stopped_early(training: Mapping[str, Any]) -> str:
    done = training.get("robust_steps_done")
    if done is None:
        return ""
    return f"; weights taken after {done} of {training['settings']['robust_steps']} robust steps"


def _accuracy_section(card: Card) -> str:
    models = card["models"]
    any_model = next(iter(models.values()))
    rows = [
        ["all", *(f"{model['accuracy']['overall']:.3f}" for model in models.values())],
        *(
            [name, *(f"{model['accuracy']['per_class'][name]:.3f}" for model in models.values())]
            for name in card["classes"]
        ),
        *(
            [
                f"all, under an L2 attack of {radius}",
                *(f"{model['attacked_accuracy'][radius]:.3f}" for model in models.values()),
            ]
            for radius in any_model["attacked_accuracy"]
        ),
    ]
    count = any_model["accuracy"]["images_per_class"]
    return (
        f"## Accuracy\n\nOn {count} held-out renders per class; attacked on "
        f"{ATTACKED_PER_CLASS} per class, 10 steps, images in [0, 1].\n\n"
        + _table(["class", *models], rows)
    )


def _claims_section(card: Card, title: str, keys: list[str]) -> str:
    rows = []
    for key in keys:
        claim = card["claims"][key]
        setting = f"{claim['attribute']}: {claim['favoured']} over {claim['other']}"
        row = [f"{claim['statement']} (`{key}`)", claim["class"], setting]
        row.append(f"{claim['share_in_training']:.0%}")
        rows.append([*row, *(_effect_text(model, key) for model in card["models"].values())])
    header = ["claim", "class", "attribute", "share in training"]
    pairs = next(iter(card["models"].values()))["effects"][keys[0]]["pairs"]
    return (
        f"## {title}\n\nLogit gap of the class between the two pictures of {pairs} held-out "
        "counterfactual pairs, with its 95% interval; the share of pairs with a positive gap; the "
        "class's mean probability in both; where there is a rival class, the gap of its logit, "
        "the other way round.\n\n" + _table([*header, *card["models"]], rows)
    )


def _effect_text(model: Card, key: str) -> str:
    effect = model["effects"][key]
    low, high = effect["logit_gap_interval"]
    text = (
        f"{effect['logit_gap']:+.2f} [{low:+.2f}, {high:+.2f}], {effect['favoured_share']:.0%} of "
        f"pairs, p {effect['probability_favoured']:.3f} / {effect['probability_other']:.3f}"
    )
    if effect["rival_logit_gap"] is not None:
        low, high = effect["rival_logit_gap_interval"]
        text += f", rival {effect['rival_logit_gap']:+.2f} [{low:+.2f}, {high:+.2f}]"
    return text


def _distribution_section(card: Card) -> str:
    rows = []
    for name, attributes in card["training_distribution"].items():
        told = [
            f"{attribute}: " + ", ".join(f"{value} {share:.1%}" for value, share in shares.items())
            for attribute, shares in attributes.items()
        ]
        rows.append([name, "; ".join(told)])
    return "## Training distribution\n\n" + _table(["class", "attributes"], rows)
