"""All settings of prototype generation, validated, comparable and serialisable."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from protocore.errors import SettingsError

MAX_STEPS = 100_000  # about an hour for the fastest CPU model here; more is a typing error
FILLS = ("black", "mean", "grey", "white", "edge", "reflect")
PARAMETRISATIONS = ("pixels", "fourier")
PENALTIES = ("absolute", "squared")
HF_UNITS = ("absolute", "gradient")
HF_RISES = ("steps", "class")
PRECISIONS = ("auto", "float32", "bfloat16")
# Settings that came after the first images were kept, and the value that changes nothing. At that
# value they are no part of a key, so that what was made before is still found.
_ADDED_LATER = {"hf_colour": 0.0, "hf_unit": "absolute", "hf_rise": "steps"}


@dataclass(frozen=True, kw_only=True)
class Target:
    """What one prototype is to excite: a weighted sum of logits, and the seed it starts from.

    `weights` are `(class index, weight)` pairs; the objective is the sum of weight * logit.
    The seed decides the start image and the sequence of random transforms, whatever the class,
    so that two classes under one seed differ by the class alone.
    """

    weights: tuple[tuple[int, float], ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.weights:
            raise SettingsError("a target needs at least one class, got none")
        classes = [index for index, _ in self.weights]
        for index in classes:
            _check_whole("class index", index, 0, 2**31 - 1)
        if len(set(classes)) != len(classes):
            raise SettingsError(f"each class may occur once in a target, got {classes}")
        for index, weight in self.weights:
            if not math.isfinite(weight) or weight == 0:
                raise SettingsError(
                    "a target needs finite weights other than 0, "
                    f"got class {index} with weight {weight}"
                )
        _check_whole("seed", self.seed, 0, 2**32 - 1)
        object.__setattr__(self, "weights", tuple((i, float(w)) for i, w in self.weights))

    @classmethod
    def of(cls, index: int, seed: int = 0) -> Target:
        """The prototype of one class (paper, section 3)."""
        return cls(weights=((index, 1.0),), seed=seed)

    @classmethod
    def contrast(cls, index: int, against: int, strength: float, seed: int = 0) -> Target:
        """What the model sees in `index` and not in `against`: z_index - strength * z_against."""
        if strength == 0:
            return cls.of(index, seed)
        return cls(weights=((index, 1.0), (against, -strength)), seed=seed)

    @classmethod
    def antitype(cls, index: int, seed: int = 0) -> Target:
        """The image that the model finds least like the class."""
        return cls(weights=((index, -1.0),), seed=seed)

    @property
    def class_index(self) -> int:
        """The class that the prototype is filed under."""
        return self.weights[0][0]

    def title(self, class_names: Mapping[int, str]) -> str:
        """For people: "golf ball · seed 0", "antitype of tench · seed 0", "cat − 0.5 × dog ..."."""
        names = {index: class_names.get(index, f"class {index}") for index, _ in self.weights}
        (first, own), *others = self.weights
        start = names[first] if own > 0 else f"antitype of {names[first]}"
        rest = "".join(f" {'−' if w < 0 else '+'} {abs(w):g} × {names[i]}" for i, w in others)
        return f"{start}{rest} · seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """How a prototype is made. The defaults are the paper's; what it leaves open is said.

    Raises SettingsError for values outside their range.
    """

    steps: int = 512  # stage 2 (appendix A)
    learning_rate: float = 0.05  # Adam (appendix A)
    baseline_steps: int = 32  # stage 1, loss L_pv; length not in the paper
    scale: tuple[float, float] = (0.7, 1.3)  # factor, drawn uniformly (Table 3)
    rotation: float = 180.0  # degrees, drawn from -rotation..rotation (Table 3)
    translation: tuple[float, float] = (0.5, 0.5)  # share of width and height (Table 3)
    fill: str = "black"  # what lies outside the moved image; not in the paper
    transforms_per_step: int = 1  # averaged in each step; 1 in the paper
    hf_weight: float = 1000.0  # of the high-frequency loss, at the first step; not in the paper
    hf_weight_end: float | None = None  # at the last step, reached geometrically; None: constant
    hf_rise: str = "steps"  # to the end weight; "class": as fast as the class bears it, see loop
    hf_unit: str = "absolute"  # "gradient": hf_weight is in percent of the class gradient's size
    hf_penalty: str = "absolute"  # mean |difference| or mean squared difference of neighbours
    hf_colour: float = 0.0  # times the differences of colour alone are added; not in the paper
    averaging: int = 0  # steps; the prototype is an average of about the last so many iterates
    probability_floor: float = 0.0  # below it the rise of hf_weight is held back; 0: never
    image_size: int | None = None  # pixels; None: the model's input size
    parametrisation: str = "pixels"  # "fourier": decorrelated Fourier basis (Olah et al., 2017)
    precision: str = "auto"  # of the network; "auto": bfloat16 where it pays

    def __post_init__(self) -> None:
        _check_whole("steps", self.steps, 1, MAX_STEPS)
        _check_range("learning rate", self.learning_rate, 1e-5, 10.0)
        _check_whole("baseline steps", self.baseline_steps, 0, MAX_STEPS)
        _check_scale(self.scale)
        _check_range("rotation (degrees)", self.rotation, 0, 180)
        _check_pair("translation", self.translation)
        for share in self.translation:
            _check_range("translation (share of the size)", share, 0, 1)
        _check_choice("fill", self.fill, FILLS)
        _check_whole("transforms per step", self.transforms_per_step, 1, 64)
        _check_range("high-frequency weight", self.hf_weight, 0, 1e6)
        if self.hf_weight_end is not None:
            _check_range("high-frequency weight at the end", self.hf_weight_end, 0, 1e6)
            if (self.hf_weight == 0) != (self.hf_weight_end == 0):
                raise SettingsError(
                    "a high-frequency weight that changes geometrically must be above 0 at both "
                    f"ends, got {self.hf_weight} and {self.hf_weight_end}"
                )
        _check_choice("rise of the high-frequency weight", self.hf_rise, HF_RISES)
        if self.hf_rise == "class" and self.hf_weight > (self.hf_weight_end or math.inf):
            raise SettingsError(
                "a high-frequency weight that rises with the class must not fall, "
                f"got {self.hf_weight} and {self.hf_weight_end}"
            )
        _check_choice("unit of the high-frequency weight", self.hf_unit, HF_UNITS)
        _check_choice("high-frequency penalty", self.hf_penalty, PENALTIES)
        _check_range("high-frequency colour factor", self.hf_colour, 0, 100)
        _check_whole("averaging (steps)", self.averaging, 0, MAX_STEPS)
        _check_range("probability floor", self.probability_floor, 0, 1)
        if self.image_size is not None:
            _check_whole("image size (pixels)", self.image_size, 16, 2048)
        _check_choice("parametrisation", self.parametrisation, PARAMETRISATIONS)
        _check_choice("precision", self.precision, PRECISIONS)
        self._unify_numbers()

    def _unify_numbers(self) -> None:
        """300 and 300.0 are the same setting: they must give the same key."""
        single = ("learning_rate", "rotation", "hf_weight", "hf_weight_end", "hf_colour")
        for name in (*single, "probability_floor"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, float(value))
        for name in ("scale", "translation"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))

    def hf_weight_at(self, step: int) -> float:
        """Weight of the high-frequency loss in `step`, counted from 0.

        The most there may be, where it rises with the class.
        """
        if self.hf_weight_end is None or self.hf_weight == 0:
            return self.hf_weight
        if self.hf_rise == "class":
            return self.hf_weight_end
        progress = min(step / max(self.steps - 1, 1), 1.0)
        return self.hf_weight * (self.hf_weight_end / self.hf_weight) ** progress

    def replace(self, **changes: object) -> GenerationSettings:
        """A copy with some values changed, validated again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict) -> GenerationSettings:
        """The inverse of `to_dict`; raises SettingsError for names it does not know."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise SettingsError(f"unknown settings {unknown}; known are {sorted(known)}")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def prototype_key(identity: str, target: Target, settings: GenerationSettings) -> str:
    """What makes two requests the same prototype: 64 hexadecimal digits.

    `identity` is the classifier's.
    """
    values = settings.to_dict()
    for name, plain in _ADDED_LATER.items():
        if values[name] == plain:
            del values[name]
    content = {
        "classifier": identity,
        "target": [[index, float(weight)] for index, weight in target.weights],
        "seed": target.seed,
        "settings": values,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingsError(f"{name} must be a number from {low} to {high}, got {value!r}")
    if not low <= value <= high:
        relation = f">= {low}" if value < low else f"<= {high}"
        raise SettingsError(f"{name} must be {relation}, got {value}")


def _check_whole(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingsError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    _check_range(name, value, low, high)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _check_pair(name: str, value: tuple) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        raise SettingsError(f"{name} must be two numbers, got {value!r}")


def _check_scale(scale: tuple[float, float]) -> None:
    _check_pair("scale", scale)
    for factor in scale:
        _check_range("scale", factor, 0.1, 4.0)
    if scale[0] > scale[1]:
        raise SettingsError(f"scale must be (smallest, largest), got {scale}")
