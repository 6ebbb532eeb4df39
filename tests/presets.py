"""Presets of a few steps, so that tests can use what makes pictures."""

from dataclasses import replace

from protocore.generation import presets


def shorten(monkeypatch, steps: int = 3) -> None:
    """Let every preset take `steps` steps and nothing else that takes time."""
    quick = {"steps": steps, "baseline_steps": 0, "transforms_per_step": 1, "averaging": 1}
    short = tuple(
        replace(preset, settings=preset.settings.replace(**quick)) for preset in presets.PRESETS
    )
    monkeypatch.setattr(presets, "PRESETS", short)
