"""The demo world: seeded, deterministic pictures of twelve classes.

A `Scene` says what is to be seen; whatever it leaves open (None) is drawn from the class's training
distribution, in which the biases are planted. Every attribute has a random stream of its own, so
setting one changes nothing else: that is what makes counterfactual pairs honest.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from PIL import Image, ImageDraw

from protocore.demo import backgrounds
from protocore.demo.canvas import SIZE, SUPERSAMPLING, Canvas, Pose
from protocore.demo.classes import (
    CLASS_NAMES,
    CLASSES,
    RELATED_PAIRS,
    Details,
    Shares,
)
from protocore.demo.people import Person, draw_person
from protocore.demo.things import TEN_PAST_TEN
from protocore.errors import SettingsError

__all__ = [
    "CLASS_NAMES",
    "RELATED_PAIRS",
    "SIZE",
    "SPLITS",
    "Scene",
    "contact_sheet",
    "counterfactual_pair",
    "render",
    "render_class",
    "resolve",
]

SPLITS = ("train", "heldout", "reference")
_POSE = ("x", "y", "scale", "tilt")
_GIVEN = ("class_index", "seed", "split", "haze")  # never drawn


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What one picture shows. None: drawn from the class's training distribution.

    `seed` and `split` fix everything that is left open. `skin_tone` is "light" or "dark"; `face`
    says whether there is somebody at all, `cap` whether an academic cap is worn with the gown;
    `facing` is "left" or "right", `hands` "ten past ten" or "other", `background` a key of
    `backgrounds.PAINTERS`, `colour` a name in the class's palette. `x`, `y` (of the centre) and
    `scale` are shares of the frame, `tilt` is in radians.
    Attributes that the class does not have stay None. `haze` in [0, 1] is how far the picture
    fades to grey: there is none in training, and it makes hard pictures for a cohort test.
    """

    class_index: int
    seed: int = 0
    split: str = "train"
    background: str | None = None
    colour: str | None = None
    skin_tone: str | None = None
    face: bool | None = None
    glasses: bool | None = None
    cap: bool | None = None
    facing: str | None = None
    hands: str | None = None
    x: float | None = None
    y: float | None = None
    scale: float | None = None
    tilt: float | None = None
    haze: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.class_index < len(CLASSES):
            raise SettingsError(
                f"class_index must be 0 to {len(CLASSES) - 1}, got {self.class_index}"
            )
        if self.split not in SPLITS:
            raise SettingsError(f"split must be one of {', '.join(SPLITS)}, got {self.split!r}")
        if self.seed < 0:
            raise SettingsError(f"seed must be >= 0, got {self.seed}")
        if not 0 <= self.haze <= 1:
            raise SettingsError(f"haze must be 0 to 1, got {self.haze}")
        self._check_attributes()

    def _check_attributes(self) -> None:
        known = CLASSES[self.class_index].distributions()
        for name in _CATEGORICAL:
            value = getattr(self, name)
            if value is None:
                continue
            if name not in known:
                raise SettingsError(f"{CLASS_NAMES[self.class_index]} has no attribute {name}")
            allowed = _values(name, known[name])
            if value not in allowed:
                raise SettingsError(f"{name} must be one of {allowed}, got {value!r}")


_CATEGORICAL = tuple(field.name for field in fields(Scene) if field.name not in (*_GIVEN, *_POSE))


def _values(name: str, shares: Shares) -> tuple[str | bool, ...]:
    """Every value the attribute may be set to, also those that training never draws."""
    return tuple(backgrounds.PAINTERS) if name == "background" else tuple(shares)


def _stream(scene: Scene, purpose: str) -> np.random.Generator:
    """A generator that depends on class, seed, split and purpose alone."""
    entropy = [
        SPLITS.index(scene.split),
        scene.class_index,
        scene.seed,
        zlib.crc32(purpose.encode()),
    ]
    return np.random.default_rng(entropy)


def resolve(scene: Scene) -> Scene:
    """The same scene with every attribute that its class has filled in."""
    spec = CLASSES[scene.class_index]
    drawn: dict[str, str | bool | float] = {}
    for name, shares in spec.distributions().items():
        if getattr(scene, name) is None:
            edges = np.cumsum(list(shares.values()))
            index = int(np.searchsorted(edges, _stream(scene, name).random() * edges[-1], "right"))
            drawn[name] = list(shares)[index]
    for name in _POSE:
        if getattr(scene, name) is None:
            drawn[name] = float(_stream(scene, name).uniform(*getattr(spec, name)))
    return replace(scene, **drawn)


def render(scene: Scene) -> np.ndarray:
    """Draw a scene: uint8 (SIZE, SIZE, 3). The same scene always gives the same bytes."""
    scene = resolve(scene)
    spec = CLASSES[scene.class_index]
    picture = backgrounds.paint(str(scene.background), _stream(scene, "background detail"))
    pose = Pose(
        x=scene.x,
        y=scene.y,
        scale=scene.scale,
        tilt=scene.tilt,
        mirrored=scene.facing == "right",
    )
    details = Details(
        colour=spec.colours[str(scene.colour)], person=_person(scene), hours=_hours(scene)
    )
    spec.draw(Canvas(picture, pose), _stream(scene, "detail"), details)
    return _photograph(picture, scene.haze, _stream(scene, "camera"))


def _person(scene: Scene) -> Person | None:
    if scene.skin_tone is None:
        return None
    return draw_person(
        _stream(scene, "person"),
        tone=scene.skin_tone,
        face=bool(scene.face),
        glasses=bool(scene.glasses),
        cap=bool(scene.cap),
    )


def _hours(scene: Scene) -> float:
    if scene.hands == "ten past ten":
        return TEN_PAST_TEN
    return float(_stream(scene, "hours").uniform(0.0, 12.0))


def _photograph(picture: Image.Image, haze: float, rng: np.random.Generator) -> np.ndarray:
    """Average down, then light from one side, exposure, gamma, haze and sensor noise."""
    values = np.asarray(picture.reduce(SUPERSAMPLING), dtype=np.float32) / 255
    direction = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-1, 1, SIZE, dtype=np.float32)
    slope = np.cos(direction) * ramp[None, :] + np.sin(direction) * ramp[:, None]
    light = (1 + rng.uniform(0, 0.18) * slope) * rng.uniform(0.9, 1.08)
    values = (values * light[..., None].astype(np.float32)).clip(0, 1) ** rng.uniform(0.9, 1.12)
    values = values * (1 - haze) + 0.5 * haze
    noise = rng.standard_normal(values.shape, dtype=np.float32) * rng.uniform(0, 0.015)
    return ((values + noise).clip(0, 1) * 255).astype(np.uint8)


def render_class(
    class_index: int,
    count: int,
    seed: int = 0,
    split: str = "train",
    **overrides: str | bool | float,
) -> np.ndarray:
    """Draw scenes of one class with seeds `seed`, `seed + 1`, ...: uint8 (count, SIZE, SIZE, 3).

    `overrides` are attributes of `Scene` that all of them share. Raises SettingsError for an
    attribute or value that the class does not have, and for a count below 1.
    """
    if count < 1:
        raise SettingsError(f"count must be >= 1, got {count}")
    unknown = set(overrides) - {*_CATEGORICAL, *_POSE, "haze"}
    if unknown:
        raise SettingsError(f"a scene has no attribute {', '.join(sorted(unknown))}")
    template = Scene(class_index=class_index, seed=seed, split=split, **overrides)
    return np.stack([render(replace(template, seed=seed + index)) for index in range(count)])


def counterfactual_pair(
    class_index: int,
    seed: int,
    attribute: str,
    a: str | bool,
    b: str | bool,
    split: str = "heldout",
    **overrides: str | bool | float,
) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures of one scene that differ in `attribute` alone, first with value a, then b.

    Each is uint8 (SIZE, SIZE, 3). Raises SettingsError as `render_class` does.
    """
    first = render_class(class_index, 1, seed, split, **{**overrides, attribute: a})
    second = render_class(class_index, 1, seed, split, **{**overrides, attribute: b})
    return first[0], second[0]


def contact_sheet(
    columns: int = 8,
    seed: int = 0,
    split: str = "reference",
    class_indices: Sequence[int] | None = None,
) -> Image.Image:
    """One row of `columns` scenes per class, with the class names on the left."""
    chosen = range(len(CLASSES)) if class_indices is None else class_indices
    margin, gap = 110, 2
    step = SIZE + gap
    sheet = Image.new("RGB", (margin + columns * step, len(chosen) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for row, class_index in enumerate(chosen):
        draw.text((6, row * step + SIZE // 2 - 6), CLASS_NAMES[class_index], fill="black")
        for column, pixels in enumerate(render_class(class_index, columns, seed, split)):
            sheet.paste(Image.fromarray(pixels), (margin + column * step, row * step))
    return sheet
