"""Mortarboards and cowboy hats, with or without somebody under them."""

import numpy as np

from protocore.demo.canvas import RGB, WHITE, Canvas, blend, shade
from protocore.demo.people import Person, head, shoulders

CAP_COLOURS: dict[str, RGB] = {"black": (26, 26, 31), "navy": (26, 30, 70), "green": (18, 58, 42)}
HAT_COLOURS: dict[str, RGB] = {
    "brown": (146, 94, 50),
    "dark brown": (106, 62, 34),
    "tan": (190, 142, 88),
}
_TASSEL: RGB = (240, 188, 40)


def mortarboard(canvas: Canvas, rng: np.random.Generator, person: Person, colour: RGB) -> None:
    """Mortarboard: a square board seen as a flat diamond, a skull cap, a golden tassel."""
    depth, skew = rng.uniform(0.13, 0.17), rng.uniform(-0.06, 0.06)
    side = 1 if rng.random() < 0.5 else -1
    length = rng.uniform(0.22, 0.3)
    shoulders(canvas, rng, person, 0.46)
    head(canvas, person, (0.0, 0.2), 0.18)
    band = [(-0.21, 0.0), (0.21, 0.0), (0.23, 0.17), (0.12, 0.21), (-0.12, 0.21), (-0.23, 0.17)]
    canvas.polygon(band, shade(colour, 0.75))
    board = np.array([(-0.45, skew), (skew, -depth), (0.45, -skew), (-skew, depth)])
    canvas.polygon(board + np.array([0.0, 0.03]), shade(colour, 0.45))
    canvas.polygon(board, blend(colour, WHITE, 0.1))
    canvas.polygon(board * 0.88, blend(colour, WHITE, 0.17))
    x = side * 0.37
    canvas.line([(0.0, 0.0), (x, 0.01)], _TASSEL, 0.026)
    canvas.line([(x, 0.01), (x, length)], _TASSEL, 0.03)
    brush = [(x - 0.03, length), (x + 0.03, length), (x + 0.055, length + 0.15)]
    canvas.polygon([*brush, (x - 0.055, length + 0.15)], _TASSEL)
    canvas.ellipse((x, length), (0.038, 0.032), shade(_TASSEL, 0.8))
    canvas.ellipse((0.0, 0.0), (0.034, 0.02), _TASSEL)


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
