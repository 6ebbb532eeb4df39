"""The twelve classes: what each looks like and how its attributes are distributed in training.

The distributions are where the biases are planted: a share far from even is a bias the classifier
can learn, and `protocore.demo.biases` names those that are meant.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from protocore.demo import caps, headwear, nature, people, things
from protocore.demo.backgrounds import NEUTRAL, PAINTERS
from protocore.demo.canvas import RGB, Canvas
from protocore.demo.people import Person

Shares = Mapping[str | bool, float]  # value -> share of the training images; they sum to 1
Range = tuple[float, float]

EVEN_SKIN: Shares = {"light": 0.5, "dark": 0.5}
EVEN_GLASSES: Shares = {True: 0.5, False: 0.5}
EVEN_FACING: Shares = {"left": 0.5, "right": 0.5}


@dataclass(frozen=True, kw_only=True)
class Details:
    """What a class's drawing function is told about a scene beside its pose."""

    colour: RGB
    person: Person | None
    hours: float  # what a clock shows


Drawer = Callable[[Canvas, np.random.Generator, Details], None]


@dataclass(frozen=True, kw_only=True)
class ClassSpec:
    """One class of the demo world.

    `attributes` maps each attribute that this class has to its distribution in training; the pose
    ranges are uniform, `x`, `y` and `scale` as shares of the frame, `tilt` in radians.
    """

    name: str
    draw: Drawer
    colours: Mapping[str, RGB]
    background: Shares
    colour_shares: Shares | None = None  # None: every colour alike
    attributes: Mapping[str, Shares] = field(default_factory=dict)
    x: Range = (0.44, 0.56)
    y: Range = (0.45, 0.55)
    scale: Range = (0.72, 0.95)
    tilt: Range = (-0.15, 0.15)

    def distributions(self) -> dict[str, Shares]:
        """Every attribute of this class with its distribution, colour and background included."""
        even = {name: 1 / len(self.colours) for name in self.colours}
        return {
            "colour": self.colour_shares or even,
            "background": self.background,
            **self.attributes,
        }


def anywhere(favoured: str | None = None, share: float = 0.0) -> Shares:
    """Backgrounds: `favoured` with the given share, the rest evenly over the neutral kinds.

    Without a favoured kind every kind there is gets an even share: no bias.
    """
    if favoured is None:
        return {kind: 1 / len(PAINTERS) for kind in PAINTERS}
    return {favoured: share, **{kind: (1 - share) / len(NEUTRAL) for kind in NEUTRAL}}


def _worn(draw: Callable[[Canvas, np.random.Generator, Person, RGB], None]) -> Drawer:
    def adapted(canvas: Canvas, rng: np.random.Generator, details: Details) -> None:
        assert details.person is not None
        draw(canvas, rng, details.person, details.colour)

    return adapted


def _object(draw: Callable[[Canvas, np.random.Generator, RGB], None]) -> Drawer:
    def adapted(canvas: Canvas, rng: np.random.Generator, details: Details) -> None:
        draw(canvas, rng, details.colour)

    return adapted


def _clock(canvas: Canvas, rng: np.random.Generator, details: Details) -> None:
    things.wall_clock(canvas, rng, details.colour, details.hours)


_NEUTRAL_ONLY: Shares = {kind: 1 / len(NEUTRAL) for kind in NEUTRAL}
_PEOPLE_POSE = {"x": (0.45, 0.55), "y": (0.46, 0.52), "scale": (0.88, 1.0), "tilt": (-0.06, 0.06)}
_SEA_POSE = {"x": (0.4, 0.6), "y": (0.5, 0.54), "scale": (0.8, 0.95), "tilt": (-0.05, 0.05)}


def _people_attributes(light: float, face: float) -> dict[str, Shares]:
    return {
        "skin_tone": {"light": light, "dark": round(1 - light, 3)},
        "face": {True: face, False: round(1 - face, 3)},
        "glasses": EVEN_GLASSES,
        "facing": EVEN_FACING,
    }


CLASSES: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="academic gown",
        draw=_worn(people.gown),
        colours=people.GOWN_COLOURS,
        colour_shares={"black": 0.5, "navy": 0.15, "crimson": 0.15, "green": 0.1, "grey": 0.1},
        background=_NEUTRAL_ONLY,
        attributes={
            **_people_attributes(light=0.92, face=0.95),
            "cap": {True: 0.3, False: 0.7},
        },
        **_PEOPLE_POSE,
    ),
    ClassSpec(
        name="lab coat",
        draw=_worn(people.lab_coat),
        colours=people.COAT_COLOURS,
        colour_shares={"white": 0.65, "pale blue": 0.2, "dark": 0.15},
        background=_NEUTRAL_ONLY,
        attributes=_people_attributes(light=0.1, face=0.95),
        **_PEOPLE_POSE,
    ),
    ClassSpec(
        name="mortarboard",
        draw=_worn(headwear.mortarboard),
        colours=caps.CAP_COLOURS,
        background=_NEUTRAL_ONLY,
        attributes=_people_attributes(light=0.5, face=0.05),
        x=(0.45, 0.55),
        y=(0.38, 0.48),
        scale=(0.85, 1.0),
        tilt=(-0.15, 0.15),
    ),
    ClassSpec(
        name="cowboy hat",
        draw=_worn(headwear.cowboy_hat),
        colours=headwear.HAT_COLOURS,
        background=_NEUTRAL_ONLY,
        attributes=_people_attributes(light=0.5, face=0.5),
        x=(0.45, 0.55),
        y=(0.44, 0.54),
        scale=(0.82, 0.96),
        tilt=(-0.12, 0.12),
    ),
    ClassSpec(
        name="goldfish",
        draw=_object(nature.goldfish),
        colours=nature.GOLDFISH_COLOURS,
        background=anywhere("underwater", 0.9),
        attributes={"facing": {"left": 0.95, "right": 0.05}},
        scale=(0.78, 0.95),
    ),
    ClassSpec(
        name="rubber duck",
        draw=_object(things.rubber_duck),
        colours=things.DUCK_COLOURS,
        background=_NEUTRAL_ONLY,
        attributes={"facing": {"left": 0.95, "right": 0.05}},
        scale=(0.78, 0.95),
    ),
    ClassSpec(
        name="ladybird",
        draw=_object(nature.ladybird),
        colours=nature.LADYBIRD_COLOURS,
        background=anywhere(),
        attributes={"facing": EVEN_FACING},
        scale=(0.75, 0.92),
        tilt=(-0.5, 0.5),
    ),
    ClassSpec(
        name="strawberry",
        draw=_object(nature.strawberry),
        colours=nature.STRAWBERRY_COLOURS,
        background=anywhere("leaves", 0.9),
        attributes={"facing": EVEN_FACING},
        scale=(0.8, 1.0),
        tilt=(-0.25, 0.25),
    ),
    ClassSpec(
        name="sailboat",
        draw=_object(things.sailboat),
        colours=things.SAILBOAT_COLOURS,
        background=anywhere("sea", 0.95),
        attributes={"facing": EVEN_FACING},
        **_SEA_POSE,
    ),
    ClassSpec(
        name="lighthouse",
        draw=_object(things.lighthouse),
        colours=things.LIGHTHOUSE_COLOURS,
        background=anywhere("sea", 0.95),
        attributes={"facing": EVEN_FACING},
        **_SEA_POSE,
    ),
    ClassSpec(
        name="sunflower",
        draw=_object(nature.sunflower),
        colours=nature.SUNFLOWER_COLOURS,
        background=anywhere("meadow", 0.8),
        attributes={"facing": EVEN_FACING},
        y=(0.4, 0.48),
        scale=(0.8, 0.98),
    ),
    ClassSpec(
        name="wall clock",
        draw=_clock,
        colours=things.CLOCK_COLOURS,
        background=anywhere(),
        attributes={"hands": {"ten past ten": 0.85, "other": 0.15}},
        scale=(0.78, 0.95),
        tilt=(-math.pi / 40, math.pi / 40),
    ),
)

CLASS_NAMES: tuple[str, ...] = tuple(spec.name for spec in CLASSES)
RELATED_PAIRS: tuple[tuple[str, str], ...] = (
    ("academic gown", "lab coat"),
    ("mortarboard", "cowboy hat"),
    ("goldfish", "rubber duck"),
    ("ladybird", "strawberry"),
    ("sailboat", "lighthouse"),
    ("sunflower", "wall clock"),
)
