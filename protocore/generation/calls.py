"""The call that makes prototypes again, as Python and as a command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from protocore.generation.fields import FIELDS
from protocore.generation.presets import PRESETS, Preset, find_preset
from protocore.generation.settings import GenerationSettings, Target

__all__ = ["as_command", "as_python", "nearest_preset"]

FOLDER = "prototypes"  # that the calls write to


def nearest_preset(settings: GenerationSettings) -> tuple[Preset, dict[str, object]]:
    """The preset from which the fewest changes lead to `settings`, and these changes."""
    changes = {preset.name: preset.settings.changes_to(settings) for preset in PRESETS}
    name = min(changes, key=lambda preset: len(changes[preset]))
    return find_preset(name), changes[name]


def as_command(
    model_link: str, device: str, targets: Sequence[Target], settings: GenerationSettings
) -> str:
    """A line for a shell that makes one prototype per target; "" where no command can.

    The command line makes every class under every seed, and plain classes alone.
    """
    classes = list(dict.fromkeys(target.class_index for target in targets))
    seeds = list(dict.fromkeys(target.seed for target in targets))
    if {Target.of(c, s) for c in classes for s in seeds} != set(targets):
        return ""
    preset, changes = nearest_preset(settings)
    if {"hf_weight", "hf_weight_end"} & set(changes):
        # One number on the command line means a constant weight, two a rising one.
        changes |= {"hf_weight": settings.hf_weight, "hf_weight_end": settings.hf_weight_end}
        if settings.hf_weight_end is None:
            del changes["hf_weight_end"]
    if None in changes.values():  # no option takes a value away
        return ""
    parts = ["python", "-m", "protocore", "generate", "--model", model_link, "--device", device]
    parts += ["--classes", _joined(classes), "--seeds", _joined(seeds), "--preset", preset.name]
    for name, value in changes.items():
        parts += [FIELDS[name].flag, _joined(value) if isinstance(value, tuple) else str(value)]
    return shlex.join([*parts, "--out", FOLDER])


def as_python(
    model_link: str, device: str, targets: Sequence[Target], settings: GenerationSettings
) -> str:
    """A script that makes one prototype per target and saves it."""
    preset, changes = nearest_preset(settings)
    values = f"find_preset({preset.name!r}).settings"
    if changes:
        values += ".patch(\n    {\n"
        values += "".join(f"        {name!r}: {value!r},\n" for name, value in changes.items())
        values += "    }\n)"
    return "\n".join(
        [
            "from protocore import Target, find_preset, generate_prototypes",
            "from protocore.models import ModelSpec, load_classifier",
            "",
            f"spec = ModelSpec.from_link({model_link!r}, device={device!r})",
            "classifier = load_classifier(spec)",
            f"settings = {values}",
            "targets = [",
            *(f"    {_target(target)}," for target in targets),
            "]",
            "for prototype in generate_prototypes(classifier, targets, settings):",
            f"    prototype.save({FOLDER!r})",
            "",
        ]
    )


def _target(target: Target) -> str:
    if target == Target.of(target.class_index, target.seed):
        return f"Target.of({target.class_index}, {target.seed})"
    return f"Target(weights={target.weights!r}, seed={target.seed})"


def _joined(values: Sequence[object]) -> str:
    return ",".join(str(value) for value in values)
