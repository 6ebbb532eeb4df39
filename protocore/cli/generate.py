"""Command line: `generate` and the options that set GenerationSettings."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from protocore.cli.models import add_model_options, classifier_from_args
from protocore.errors import SettingsError
from protocore.generation.api import generate_prototypes
from protocore.generation.fields import CHOICE, FIELDS, PAIR, WHOLE, Field
from protocore.generation.loop import Snapshot
from protocore.generation.presets import PRESETS, default_preset, find_preset
from protocore.generation.prototype import make_folder
from protocore.generation.settings import GenerationSettings, Target

_BAR_WIDTH = 30  # characters
_SECONDS_BETWEEN_LINES = 0.2


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `generate`."""
    parser = subparsers.add_parser(
        "generate",
        help="make prototypes of some classes",
        description="Writes a PNG and a JSON record for every class and seed.",
    )
    add_model_options(parser)
    parser.add_argument(
        "--classes", required=True, metavar="A,B", help="indices or exact names, with commas"
    )
    parser.add_argument("--seeds", default="0", metavar="0,1", help="with commas (default: 0)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    add_settings_options(parser)
    parser.set_defaults(run=run_generate)


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


def run_generate(args: argparse.Namespace) -> int:
    """Generate, save and name the files."""
    settings_from_args(args, "")  # what is wrong with them is said before a model is loaded
    seeds = [_seed(text) for text in split_list(args.seeds, "seed")]
    make_folder(args.out)  # and a folder that cannot be written before the work is done
    classifier = classifier_from_args(args)
    settings = settings_from_args(args, classifier.source)
    classes = [classifier.find_class(text) for text in split_list(args.classes, "class")]
    targets = [Target.of(index, seed) for index in classes for seed in seeds]
    print(f"{classifier.title} on {classifier.device}: {len(targets)} prototypes", file=sys.stderr)
    bar = ProgressBar()
    try:
        prototypes = generate_prototypes(classifier, targets, settings, on_step=bar.show)
    finally:
        bar.close()
    for prototype in prototypes:
        path = prototype.save(args.out)
        record = prototype.record
        print(f"{path}  p={record.probability:.3f}  logit={record.logit:.2f}")
    return 0


class ProgressBar:
    """One line on stderr: share, steps, speed, time left."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._shown = 0.0
        self._steps = 0

    def show(self, snapshot: Snapshot) -> None:
        """Redraw, a few times a second at most."""
        self._steps += 1
        now = time.monotonic()
        if now - self._shown < _SECONDS_BETWEEN_LINES and snapshot.step < snapshot.total:
            return
        self._shown = now
        rate = self._steps / max(now - self._started, 1e-9)
        left = (snapshot.total - snapshot.step) / rate
        filled = round(_BAR_WIDTH * snapshot.step / snapshot.total)
        stage = "balancing" if snapshot.stage == "baseline" else "step"
        line = (
            f"\r{'█' * filled}{'░' * (_BAR_WIDTH - filled)} {stage} "
            f"{snapshot.step}/{snapshot.total}  {rate:.1f} steps/s  {left:.0f} s left  "
            f"p={snapshot.probability.mean():.2f} "
        )
        print(line, end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line."""
        if self._steps:
            print(file=sys.stderr)


def split_list(text: str, what: str) -> list[str]:
    """ "a, b" -> ["a", "b"]; raises SettingsError when nothing is left."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise SettingsError(f"give at least one {what}, got {text!r}")
    return parts


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"seeds must be whole numbers, got {text!r}") from None


def _pair(text: str) -> tuple[float, float]:
    parts = tuple(float(part) for part in text.split(","))
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"needs two numbers with a comma, got {text!r}")
    return parts
