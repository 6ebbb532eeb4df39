"""Mortarboards and cowboy hats, with or without somebody under them."""

import numpy as np

from protocore.demo.canvas import RGB, WHITE, Canvas, blend, shade
from protocore.demo.caps import academic_cap
from protocore.demo.people import Person, head, shoulders

HAT_COLOURS: dict[str, RGB] = {
    "brown": (146, 94, 50),
    "dark brown": (106, 62, 34),
    "tan": (190, 142, 88),
}


def mortarboard(canvas: Canvas, rng: np.random.Generator, person: Person, colour: RGB) -> None:
    """Mortarboard: the academic cap alone, or on somebody in a jumper."""
    shoulders(canvas, rng, person, 0.46)
    head(canvas, person, (0.0, 0.2), 0.18)
    academic_cap(canvas, rng, (0.0, 0.0), 0.9, colour)


_BRIM = [
    (-0.5, -0.13),
    (-0.38, 0.03),
    (-0.2, 0.1),
    (0.0, 0.125),
    (0.2, 0.1),
    (0.38, 0.03),
    (0.5, -0.13),
]
_CROWN = [
    (-0.25, 0.04),
    (-0.22, -0.2),
    (-0.16, -0.36),
    (-0.06, -0.38),
    (0.0, -0.32),
    (0.06, -0.38),
    (0.16, -0.36),
    (0.22, -0.2),
    (0.25, 0.04),
    (0.0, 0.08),
]


def cowboy_hat(canvas: Canvas, rng: np.random.Generator, person: Person, colour: RGB) -> None:
    """Cowboy hat: a pinched crown with a dark band over a wide brim, turned up at both ends."""
    band: RGB = [(40, 24, 18), (150, 28, 28), (60, 32, 20)][int(rng.integers(3))]
    shoulders(canvas, rng, person, 0.42)
    head(canvas, person, (0.0, 0.17), 0.17)
    dark, light = shade(colour, 0.6), blend(colour, WHITE, 0.16)
    back = [(x, y - 0.05 - 0.1 * (1 - 2 * abs(x))) for x, y in _BRIM]
    canvas.blob(back + [(x, y + 0.02) for x, y in reversed(_BRIM)], dark)
    canvas.blob(_CROWN, colour)
    canvas.blob(
        [(-0.16, -0.06), (-0.15, -0.25), (-0.1, -0.33), (-0.05, -0.29), (-0.06, -0.06)], light
    )
    canvas.line([(0.0, -0.32), (0.015, -0.18)], dark, 0.03)
    canvas.blob(
        [(-0.25, -0.07), (0.0, -0.03), (0.25, -0.07), (0.26, 0.03), (0.0, 0.08), (-0.26, 0.03)],
        band,
    )
    front = [(x, y - 0.075 * (1 - (2 * x) ** 2)) for x, y in _BRIM]
    canvas.blob(_BRIM + list(reversed(front)), light)
