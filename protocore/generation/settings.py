"""All settings of prototype generation, validated, comparable and serialisable."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from protocore.errors import SettingsError
from protocore.generation.fields import FIELDS, WHOLE, Field

_CLASS_INDEX = Field(name="class_index", kind=WHOLE, high=2**31 - 1, label="Class index", help="")
_SEED = Field(name="seed", kind=WHOLE, high=2**32 - 1, label="Seed", help="")


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
            _CLASS_INDEX.parse(index)
        if len(set(classes)) != len(classes):
            raise SettingsError(f"each class may occur once in a target, got {classes}")
        for index, weight in self.weights:
            if not math.isfinite(weight) or weight == 0:
                raise SettingsError(
                    "a target needs finite weights other than 0, "
                    f"got class {index} with weight {weight}"
                )
        _SEED.parse(self.seed)
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
    noise: float = (
        0.0  # sd of noise in every view at the first step, falling to 0; not in the paper
    )
    jitter: float = 0.0  # how much brightness and contrast of the views vary; not in the paper
    greyscale: float = 0.0  # share of the views without colour; not in the paper
    hf_weight: float = 1000.0  # of the high-frequency loss, at the first step; not in the paper
    hf_weight_end: float | None = None  # at the last step, reached geometrically; None: constant
    hf_rise: str = "steps"  # to the end weight; "class": as fast as the class bears it, see loop
    hf_unit: str = "absolute"  # "gradient": hf_weight is in percent of the class gradient's size
    hf_penalty: str = "absolute"  # mean |difference| or mean squared difference of neighbours
    hf_colour: float = 0.0  # times the differences of colour alone are added; not in the paper
    averaging: int = 0  # steps; the prototype is an average of about the last so many iterates
    probability_floor: float = 0.0  # below it the rise of hf_weight is held back; 0: never
    image_size: int | None = None  # pixels; None: the model's input size
    parametrisation: str = "pixels"  # "fourier" (Olah et al., 2017), "maco"
    contrast_limit: float = 0.0  # of Fourier images before the sigmoid; 0: none
    precision: str = "auto"  # of the network; "auto": bfloat16 where it pays

    def __post_init__(self) -> None:
        for name, field in FIELDS.items():
            object.__setattr__(self, name, field.parse(getattr(self, name)))
        if self.scale[0] > self.scale[1]:
            raise SettingsError(f"scale must be (smallest, largest), got {self.scale}")
        if self.hf_weight_end is not None and (self.hf_weight == 0) != (self.hf_weight_end == 0):
            raise SettingsError(
                "a total variation weight that changes geometrically must be above 0 at both ends, "
                f"got {self.hf_weight} and {self.hf_weight_end}"
            )
        if self.hf_rise == "class" and self.hf_weight > (self.hf_weight_end or math.inf):
            raise SettingsError(
                "a total variation weight that rises with the class must not fall, "
                f"got {self.hf_weight} and {self.hf_weight_end}"
            )

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

    def noise_at(self, step: int) -> float:
        """Standard deviation of the noise in the views of `step`, counted from 0."""
        return self.noise * max(0.0, 1 - step / self.steps)

    def replace(self, **changes: object) -> GenerationSettings:
        """A copy with some values changed, validated again."""
        return dataclasses.replace(self, **changes)

    def patch(self, changes: Mapping[str, object]) -> GenerationSettings:
        """A copy with the changed fields of `changes`, plain JSON values or the fields' own.

        What is not in `changes` stays as it is here: two people who move different sliders of one
        run do not undo each other. Raises SettingsError for unknown names and wrong values.
        """
        if unknown := sorted(set(changes) - set(FIELDS)):
            raise SettingsError(f"unknown settings {unknown}; known are {sorted(FIELDS)}")
        return dataclasses.replace(self, **changes)

    def changes_to(self, other: GenerationSettings) -> dict[str, object]:
        """The patch that makes `other` of these: `self.patch(self.changes_to(other)) == other`."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in FIELDS)
        return {name: new for name, old, new in pairs if old != new}

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> GenerationSettings:
        """The inverse of `to_dict`; raises SettingsError for names it does not know."""
        return cls().patch(values)


def prototype_key(identity: str, target: Target, settings: GenerationSettings) -> str:
    """What makes two requests the same prototype: 64 hexadecimal digits.

    `identity` is the classifier's.
    """
    content = {
        "classifier": identity,
        "target": [[index, float(weight)] for index, weight in target.weights],
        "seed": target.seed,
        "settings": settings.to_dict(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
