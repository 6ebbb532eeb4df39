"""The table of generation settings: what each is, may be and does, in one place.

Validation (settings.py), the command line, the page's controls and the help texts all read it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocore.errors import SettingsError

MAX_STEPS = 100_000  # about an hour for the fastest CPU model here; more is a typing error
FILLS = ("black", "mean", "grey", "white", "edge", "reflect")
PARAMETRISATIONS = ("pixels", "fourier", "maco")
PENALTIES = ("absolute", "squared")
HF_UNITS = ("absolute", "gradient")
HF_RISES = ("steps", "class")
PRECISIONS = ("auto", "float32", "bfloat16")

WHOLE, NUMBER, PAIR, CHOICE = "whole", "number", "pair", "choice"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One setting. `low` and `high` bound a number, or both numbers of a pair."""

    name: str  # of the attribute of GenerationSettings
    kind: str  # WHOLE, NUMBER, PAIR or CHOICE
    label: str  # for people, with a capital letter
    help: str  # what more and less of it do
    unit: str = ""  # for people: "degrees", "share of the size"
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    optional: bool = False  # None is a value too
    fixed: bool = False  # cannot change while a run goes on

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def title(self) -> str:
        """Label and unit as they stand in a message: "rotation (degrees)"."""
        label = self.label[0].lower() + self.label[1:]
        return f"{label} ({self.unit})" if self.unit else label

    @property
    def _range(self) -> str:
        return f"from {_plain(self.low)} to {_plain(self.high)}"

    def parse(self, value: object) -> object:
        """The value as GenerationSettings holds it; raises SettingsError outside the range.

        300 and 300.0 become the same float, a list of two numbers a pair.
        """
        if value is None and self.optional:
            return None
        if self.kind == CHOICE:
            return self._choice(value)
        if self.kind == WHOLE:
            return self._whole(value)
        if self.kind == NUMBER:
            return self._number(value)
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise SettingsError(f"{self.title} must be two numbers, got {value!r}")
        return tuple(self._number(part) for part in value)

    def _choice(self, value: object) -> str:
        if value not in self.choices:
            choices = ", ".join(self.choices)
            raise SettingsError(f"{self.title} must be one of {choices}, got {value!r}")
        return value

    def _whole(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise SettingsError(f"{self.title} must be a whole number {self._range}, got {value!r}")
        self._check_range(value)
        return value

    def _number(self, value: object) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise SettingsError(f"{self.title} must be a number {self._range}, got {value!r}")
        self._check_range(value)
        return float(value)

    def _check_range(self, value: float) -> None:
        if value < self.low:
            raise SettingsError(f"{self.title} must be >= {_plain(self.low)}, got {value}")
        if value > self.high:
            raise SettingsError(f"{self.title} must be <= {_plain(self.high)}, got {value}")


def _plain(bound: float) -> str:
    """1000000 and 0.1, not 1e+06."""
    return f"{bound:.0f}" if bound == round(bound) else f"{bound:g}"


_TABLE = (
    Field(
        name="steps", kind=WHOLE, low=1, high=MAX_STEPS, label="Steps",
        help="How long the image is optimised. More: stronger and more detailed.",
    ),
    Field(
        name="learning_rate", kind=NUMBER, low=1e-5, high=10, label="Learning rate",
        help="Size of each step of Adam. Large: bold and noisy. Small: faint and slow.",
    ),
    Field(
        name="baseline_steps", kind=WHOLE, high=MAX_STEPS, label="Baseline steps", fixed=True,
        help="Stage 1 (L_pv): first balances all classes, so that the start image favours none.",
    ),
    Field(
        name="scale", kind=PAIR, low=0.1, high=4, label="Scale", unit="factor",
        help="How much each view is shrunk or enlarged. Wider: the object shows at more sizes.",
    ),
    Field(
        name="rotation", kind=NUMBER, high=180, label="Rotation", unit="degrees",
        help="How far each view is turned. Small: things stand upright. Large: parts, all around.",
    ),
    Field(
        name="translation", kind=PAIR, high=1, label="Translation", unit="share of the size",
        help="How far each view is shifted. Large: the motif repeats.",
    ),
    Field(
        name="fill", kind=CHOICE, choices=FILLS, label="Fill outside the moved image",
        help="What a view shows beyond the border; it tints the background.",
    ),
    Field(
        name="transforms_per_step", kind=WHOLE, low=1, high=64, label="Transforms per step",
        help="Views averaged in each step. More: cleaner and steadier, and slower in proportion.",
    ),
    Field(
        name="noise", kind=NUMBER, high=1, label="Noise in the views", unit="of white",
        help="Standard deviation of noise added to every view at the first step; it falls to 0 at "
        "the last. More: bolder shapes, which other networks see too. Too much hides the class.",
    ),
    Field(
        name="jitter", kind=NUMBER, high=1, label="Brightness and contrast jitter", unit="factor",
        help="How much the brightness and contrast of each view vary. More: shapes that do not "
        "depend on the light.",
    ),
    Field(
        name="greyscale", kind=NUMBER, high=1, label="Views without colour", unit="share",
        help="Share of the views that are shown in shades of grey. More: shape counts besides "
        "colour.",
    ),
    Field(
        name="hf_weight", kind=NUMBER, high=1e6, label="Total variation weight",
        help="Weight of the paper's L_hf at the first step: it smooths the image. More: calmer and "
        "more natural, but the class can fade. The right weight depends on the model and the "
        "image size, unless its unit is the class gradient, in percent of it.",
    ),
    Field(
        name="hf_weight_end", kind=NUMBER, high=1e6, optional=True,
        label="Total variation weight at the last step",
        help="Rising from step to step: the motif forms first and is smoothed later.",
    ),
    Field(
        name="hf_rise", kind=CHOICE, choices=HF_RISES, label="Rise of the weight",
        help="steps: evenly from the first to the last. class: as fast as the probability stays "
        "above the floor, for each prototype by itself.",
    ),
    Field(
        name="hf_unit", kind=CHOICE, choices=HF_UNITS, label="Unit of the weight",
        help="absolute: the paper's loss; the right weight differs from model to model. gradient: "
        "percent of the class gradient, which smooths all models alike.",
    ),
    Field(
        name="hf_penalty", kind=CHOICE, choices=PENALTIES, label="Total variation penalty",
        help="absolute differences keep edges; squared ones blur them and allow faint grain.",
    ),
    Field(
        name="hf_colour", kind=NUMBER, high=100, label="Total variation of colour", unit="factor",
        help="Smooths colours so many times more, apart from brightness. More: calm colours, as in "
        "photographs.",
    ),
    Field(
        name="averaging", kind=WHOLE, high=MAX_STEPS, label="Averaging", unit="steps",
        help="Shows the average of about the last so many images: removes flicker and grain.",
    ),
    Field(
        name="probability_floor", kind=NUMBER, high=1, label="Probability floor",
        help="Where the class's probability falls below it, the rising weight gives way, for each "
        "prototype by itself. 0: never.",
    ),
    Field(
        name="image_size", kind=WHOLE, low=16, high=2048, optional=True, label="Image size",
        unit="pixels", fixed=True, help="Larger: more room and repetition, slower.",
    ),
    Field(
        name="parametrisation", kind=CHOICE, choices=PARAMETRISATIONS, label="Parametrisation",
        fixed=True,
        help="pixels: the paper's. fourier: waves with the colours of photographs (Olah et al., "
        "2017). maco: only the phase of the waves; their strength is that of photographs (Fel et "
        "al., 2023).",
    ),
    Field(
        name="contrast_limit", kind=NUMBER, high=100, label="Contrast limit", fixed=True,
        unit="standard deviation before the sigmoid",
        help="Fourier only: bounds the contrast of the whole image, so that no large areas turn "
        "black or white. Photographs have about 1.4. 0: no bound.",
    ),
    Field(
        name="precision", kind=CHOICE, choices=PRECISIONS, label="Precision", fixed=True,
        help="Of the network's arithmetic; bfloat16 is faster on some models.",
    ),
)  # fmt: skip

FIELDS = {field.name: field for field in _TABLE}
FIXED_WHILE_RUNNING = tuple(field.name for field in _TABLE if field.fixed)
