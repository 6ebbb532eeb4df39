"""People and what they wear: heads, academic gowns and lab coats.

Skin tone, face and glasses are arguments and draw nothing from the generator, so two pictures that
differ in one of them share every other detail.
"""

from dataclasses import dataclass

import numpy as np

from protocore.demo.canvas import RGB, WHITE, Canvas, blend, hsv, shade
from protocore.demo.caps import CAP_COLOURS, academic_cap

LIGHT_SKIN: tuple[RGB, ...] = ((255, 222, 194), (248, 206, 170), (240, 194, 158), (252, 214, 184))
DARK_SKIN: tuple[RGB, ...] = ((120, 74, 47), (98, 60, 40), (80, 49, 34), (134, 86, 56))
SKIN_TONES = {"light": LIGHT_SKIN, "dark": DARK_SKIN}

_HAIR: tuple[RGB, ...] = (
    (30, 22, 18),
    (66, 40, 24),
    (112, 72, 38),
    (150, 118, 66),
    (128, 126, 126),
)
GOWN_COLOURS: dict[str, RGB] = {
    "black": (24, 24, 28),
    "navy": (26, 30, 76),
    "crimson": (112, 20, 36),
    "green": (18, 62, 44),
    "grey": (196, 196, 200),
}
COAT_COLOURS: dict[str, RGB] = {
    "white": (246, 247, 248),
    "pale blue": (206, 224, 236),
    "dark": (70, 80, 108),
}


@dataclass(frozen=True, kw_only=True)
class Person:
    """What is visible of somebody's head; `skin` is None where there is nobody."""

    skin: RGB | None
    hair: RGB
    long_hair: bool
    glasses: bool
    cap: bool


def draw_person(
    rng: np.random.Generator, *, tone: str, face: bool, glasses: bool, cap: bool = False
) -> Person:
    """Draw the shade within the tone, and the hair. Uses the same numbers for every argument."""
    shade_index, hair_index = int(rng.integers(4)), int(rng.integers(len(_HAIR)))
    long_hair = bool(rng.random() < 0.4)
    skin = SKIN_TONES[tone][shade_index]
    return Person(
        skin=skin if face else None,
        hair=_HAIR[hair_index],
        long_hair=long_hair,
        glasses=glasses,
        cap=cap,
    )


def head(canvas: Canvas, person: Person, centre: tuple[float, float], size: float) -> None:
    """Neck, hair and face around `centre`; the face is 1.5 x 2 `size` large. Nobody: nothing."""
    if person.skin is None:
        return
    x, y = centre
    if person.long_hair:
        canvas.ellipse((x, y + 0.2 * size), (size, 1.4 * size), shade(person.hair, 0.85))
    neck = [(-0.38, 0.5), (0.38, 0.5), (0.46, 1.7), (-0.46, 1.7)]
    canvas.polygon([(x + a * size, y + b * size) for a, b in neck], shade(person.skin, 0.8))
    canvas.ellipse((x, y - 0.24 * size), (0.92 * size, size), person.hair)
    for side in (-1, 1):
        ear = (x + side * 0.8 * size, y + 0.1 * size)
        canvas.ellipse(ear, (0.13 * size, 0.22 * size), shade(person.skin, 0.87))
    canvas.ellipse(centre, (0.78 * size, 1.05 * size), shade(person.skin, 0.92))
    canvas.ellipse((x, y - 0.02 * size), (0.68 * size, 0.95 * size), person.skin)
    canvas.ellipse((x, y - 0.52 * size), (0.76 * size, 0.52 * size), person.hair, arc=(180, 360))
    _features(canvas, person.skin, person.hair, centre, size)
    if person.glasses:
        _glasses(canvas, centre, size)


def _features(
    canvas: Canvas, skin: RGB, hair: RGB, centre: tuple[float, float], size: float
) -> None:
    x, y = centre
    for side in (-1, 1):
        eye = (x + side * 0.32 * size, y - 0.02 * size)
        canvas.ellipse(eye, (0.18 * size, 0.11 * size), (246, 244, 240))
        canvas.ellipse(eye, (0.1 * size, 0.11 * size), (35, 25, 20))
        brow = [(x + side * a * size, y + b * size) for a, b in ((0.14, -0.22), (0.5, -0.24))]
        canvas.line(brow, shade(hair, 0.7), 0.08 * size)
    nose = [
        (x, y + 0.05 * size),
        (x - 0.07 * size, y + 0.3 * size),
        (x + 0.06 * size, y + 0.32 * size),
    ]
    canvas.line(nose, shade(skin, 0.72), 0.06 * size)
    mouth = (x, y + 0.52 * size)
    canvas.ellipse(mouth, (0.3 * size, 0.16 * size), blend(skin, (190, 40, 45), 0.65), arc=(0, 180))


def _glasses(canvas: Canvas, centre: tuple[float, float], size: float) -> None:
    x, y = centre
    angle = np.linspace(0, 2 * np.pi, 14)
    for side in (-1, 1):
        ring = np.stack([0.25 * np.cos(angle), 0.2 * np.sin(angle)], axis=1) * size
        canvas.line(ring + np.array([x + side * 0.33 * size, y]), (30, 30, 35), 0.07 * size)
    canvas.line([(x - 0.08 * size, y), (x + 0.08 * size, y)], (30, 30, 35), 0.07 * size)


HEAD_CENTRE = (0.0, -0.19)  # of a standing figure, in its own coordinates
HEAD_SIZE = 0.18


def gown(canvas: Canvas, rng: np.random.Generator, person: Person, colour: RGB) -> None:
    """Academic gown: a wide dark robe with bell sleeves, a bright hood and a white collar."""
    golden, other = rng.uniform(0.1, 0.15), rng.random()
    hue = golden if rng.random() < 0.7 else other
    hood = hsv(hue, rng.uniform(0.75, 1.0), rng.uniform(0.8, 1.0))
    fold, light = shade(colour, 0.5), blend(colour, WHITE, 0.16)
    body = [(-0.1, 0.05), (0.1, 0.05), (0.28, 0.11), (0.42, 0.4), (0.5, 0.9)]
    canvas.polygon(body + [(-x, y) for x, y in reversed(body)], colour)
    for side in (-1, 1):
        sleeve = [(0.24, 0.1), (0.36, 0.18), (0.54, 0.55), (0.46, 0.68), (0.27, 0.6), (0.22, 0.3)]
        canvas.blob([(side * x, y) for x, y in sleeve], blend(colour, WHITE, 0.07))
        for start, end in (((0.23, 0.2), (0.25, 0.6)), ((0.33, 0.2), (0.46, 0.62))):
            canvas.line([(side * start[0], start[1]), (side * end[0], end[1])], fold, 0.02)
    for x in np.linspace(-0.14, 0.14, 4):
        tone = fold if rng.random() < 0.5 else light
        canvas.line([(x, 0.25), (x * 1.5, 0.9)], tone, 0.018)
    head(canvas, person, HEAD_CENTRE, HEAD_SIZE)
    canvas.polygon([(-0.1, 0.04), (0.1, 0.04), (0.0, 0.2)], (242, 242, 242))
    for side in (-1, 1):
        stole = [(0.09, 0.01), (0.2, 0.07), (0.16, 0.45), (0.09, 0.56), (0.03, 0.45), (0.03, 0.26)]
        canvas.polygon([(side * x, y) for x, y in stole], hood)
        edge = [(side * 0.19, 0.07), (side * 0.155, 0.45), (side * 0.09, 0.55)]
        canvas.line(edge, blend(hood, WHITE, 0.6), 0.02)
    if person.cap and person.skin is not None:
        top = (HEAD_CENTRE[0], HEAD_CENTRE[1] - 0.85 * HEAD_SIZE)
        academic_cap(canvas, rng, top, 3.2 * HEAD_SIZE, CAP_COLOURS["black"])


def lab_coat(canvas: Canvas, rng: np.random.Generator, person: Person, colour: RGB) -> None:
    """Lab coat: white and straight, with lapels over a shirt, buttons, a pocket with pens."""
    shirt = hsv(rng.random(), rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.9))
    line = shade(colour, 0.68)
    body = [(-0.1, 0.05), (0.1, 0.05), (0.3, 0.11), (0.37, 0.25), (0.38, 0.9)]
    canvas.polygon(body + [(-x, y) for x, y in reversed(body)], colour)
    for side in (-1, 1):
        sleeve = [(0.28, 0.11), (0.38, 0.2), (0.42, 0.55), (0.42, 0.95), (0.3, 0.95), (0.26, 0.45)]
        canvas.blob([(side * x, y) for x, y in sleeve], shade(colour, 0.93))
        canvas.line([(side * 0.27, 0.25), (side * 0.3, 0.9)], line, 0.018)
    canvas.polygon([(-0.11, 0.03), (0.11, 0.03), (0.02, 0.4), (-0.02, 0.4)], shirt)
    head(canvas, person, HEAD_CENTRE, HEAD_SIZE)
    canvas.polygon([(-0.035, 0.07), (0.035, 0.07), (0.045, 0.3), (-0.045, 0.3)], shade(shirt, 0.45))
    for side in (-1, 1):
        lapel = [(0.1, 0.0), (0.21, 0.13), (0.15, 0.19), (0.18, 0.23), (0.01, 0.46), (0.04, 0.3)]
        canvas.polygon([(side * x, y) for x, y in lapel], blend(colour, WHITE, 0.4))
        canvas.line([(side * x, y) for x, y in lapel[:5]], line, 0.016)
    canvas.line([(0.01, 0.44), (0.01, 0.95)], line, 0.02)
    for y in (0.52, 0.62, 0.72):
        canvas.ellipse((-0.045, y), (0.02, 0.02), line)
    canvas.polygon([(0.12, 0.34), (0.26, 0.34), (0.26, 0.48), (0.12, 0.48)], shade(colour, 0.9))
    canvas.line([(0.12, 0.34), (0.26, 0.34)], line, 0.018)
    for pen in range(int(rng.integers(1, 4))):
        x = 0.155 + 0.035 * pen
        canvas.line([(x, 0.28), (x, 0.38)], hsv(rng.random(), 0.9, 0.7), 0.022)


def shoulders(canvas: Canvas, rng: np.random.Generator, person: Person, top: float) -> None:
    """A plain round-necked jumper from `top` down, under a head; nobody: nothing."""
    jumper = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.8))
    if person.skin is None:
        return
    half = [(0.12, top), (0.3, top + 0.07), (0.4, top + 0.2), (0.42, 1.0)]
    canvas.polygon([(-x, y) for x, y in reversed(half)] + half, jumper)
