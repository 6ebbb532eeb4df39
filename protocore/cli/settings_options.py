"""The options that set GenerationSettings, and lists of seeds and classes."""

from __future__ import annotations

import argparse

from protocore.errors import SettingsError
from protocore.generation.fields import CHOICE, FIELDS, PAIR, WHOLE, Field
from protocore.generation.presets import PRESETS, default_preset, find_preset
from protocore.generation.settings import GenerationSettings


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Options for a preset and for every single setting; read with `settings_from_args`."""
    group = parser.add_argument_group("settings", "values given replace those of the preset")
    names = [preset.name for preset in PRESETS]
    group.add_argument("--preset", choices=names, help="default: what fits the model")
    for field in FIELDS.values():
        group.add_argument(field.flag, **_argument(field))


def _argument(field: Field) -> dict:
    """What argparse needs to know of a setting."""
    unit = f" ({field.unit})" if field.unit else ""
    text = {"help": f"{field.label}{unit}: {field.help}".replace("%", "%%")}
    if field.kind == CHOICE:
        return {"choices": field.choices, **text}
    if field.kind == PAIR:
        return {"type": _pair, "metavar": "A,B", **text}
    return {"type": int if field.kind == WHOLE else float, "metavar": "N", **text}


def settings_from_args(args: argparse.Namespace, source: str) -> GenerationSettings:
    """The preset (or what fits a classifier of that source) with the given values replaced."""
    preset = find_preset(args.preset) if args.preset else default_preset(source)
    given = {name: getattr(args, name) for name in FIELDS if getattr(args, name) is not None}
    if "hf_weight" in given and "hf_weight_end" not in given:
        given["hf_weight_end"] = None  # one number means a constant weight
    return preset.settings.patch(given)


def split_list(text: str, what: str) -> list[str]:
    """ "a, b" -> ["a", "b"]; raises SettingsError when nothing is left."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise SettingsError(f"give at least one {what}, got {text!r}")
    return parts


def parse_seeds(text: str) -> list[int]:
    """ "0, 1" -> [0, 1]; raises SettingsError."""
    try:
        return [int(part) for part in split_list(text, "seed")]
    except ValueError:
        raise SettingsError(f"seeds must be whole numbers with commas, got {text!r}") from None


def _pair(text: str) -> tuple[float, float]:
    parts = tuple(float(part) for part in text.split(","))
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"needs two numbers with a comma, got {text!r}")
    return parts
