"""Things: sailboat, lighthouse, rubber duck, wall clock."""

import itertools
import math

import numpy as np

from protocore.demo.canvas import INK, RGB, WHITE, Canvas, blend, shade, vary

SAILBOAT_COLOURS: dict[str, RGB] = {
    "red": (190, 36, 36),
    "navy": (28, 36, 90),
    "wood": (132, 84, 46),
}
LIGHTHOUSE_COLOURS: dict[str, RGB] = {"red": (208, 34, 40), "orange": (222, 84, 26)}
DUCK_COLOURS: dict[str, RGB] = {"yellow": (255, 214, 10), "amber": (252, 192, 16)}
CLOCK_COLOURS: dict[str, RGB] = {
    "black": (34, 34, 38),
    "red": (196, 40, 40),
    "blue": (40, 74, 150),
    "wood": (120, 78, 44),
}


def sailboat(canvas: Canvas, rng: np.random.Generator, colour: RGB) -> None:
    """Sailboat: two white triangular sails on a mast above a short hull at y = 0.3."""
    sail, top = vary(rng, (250, 249, 244), 4), -rng.uniform(0.5, 0.58)
    canvas.line([(0.0, 0.28), (0.0, top)], (92, 66, 46), 0.03)
    main = [(0.03, top + 0.03), (0.2, -0.16), (0.4, 0.18), (0.2, 0.2), (0.03, 0.2)]
    canvas.polygon(main, sail)
    canvas.polygon([(-0.03, top + 0.12), (-0.34, 0.19), (-0.03, 0.2)], shade(sail, 0.86))
    for share in (0.35, 0.65, 0.85):
        y = top + (0.2 - top) * share
        canvas.line([(0.03, y), (0.03 + 0.36 * share, y)], shade(sail, 0.8), 0.012)
    canvas.polygon([(0.0, top), (0.15, top + 0.04), (0.0, top + 0.09)], (214, 40, 40))
    canvas.polygon([(-0.46, 0.24), (0.48, 0.22), (0.36, 0.42), (-0.34, 0.42)], colour)
    canvas.line([(-0.46, 0.25), (0.48, 0.23)], blend(colour, WHITE, 0.75), 0.035)
    for index in range(6):
        x = -0.46 + 0.16 * index + rng.uniform(-0.04, 0.04)
        canvas.line([(x, 0.43), (x + 0.12, 0.43)], (236, 245, 250), 0.028)


def lighthouse(canvas: Canvas, rng: np.random.Generator, colour: RGB) -> None:
    """Lighthouse: a tapering red and white tower with a lit lantern room, on a rock."""
    rock = vary(rng, (104, 94, 82), 8)
    canvas.blob([(-0.42, 0.5), (-0.26, 0.32), (0.0, 0.28), (0.24, 0.33), (0.42, 0.5)], rock)
    canvas.blob([(-0.32, 0.44), (-0.16, 0.34), (0.04, 0.33), (-0.08, 0.42)], shade(rock, 1.25))
    edges = np.linspace(-0.3, 0.34, 6)
    for index, (upper, lower) in enumerate(itertools.pairwise(edges)):
        tone = colour if index % 2 == 0 else (250, 248, 242)
        top, bottom = 0.1 + 0.1 * (upper + 0.3), 0.1 + 0.1 * (lower + 0.3)
        for start, end, light in ((-1.0, -0.3, 1.0), (-0.3, 0.4, 0.93), (0.4, 1.0, 0.74)):
            side = [(start * top, upper), (end * top, upper), (end * bottom, lower)]
            canvas.polygon([*side, (start * bottom, lower)], shade(tone, light))
    canvas.polygon([(-0.045, 0.22), (0.035, 0.22), (0.035, 0.34), (-0.045, 0.34)], (66, 46, 36))
    canvas.polygon([(-0.16, -0.34), (0.16, -0.34), (0.14, -0.29), (-0.14, -0.29)], (44, 44, 50))
    canvas.polygon(
        [(-0.085, -0.47), (0.085, -0.47), (0.085, -0.34), (-0.085, -0.34)], (255, 232, 120)
    )
    for x in (-0.085, 0.0, 0.085):
        canvas.line([(x, -0.47), (x, -0.34)], (44, 44, 50), 0.018)
    canvas.polygon([(-0.13, -0.46), (0.0, -0.58), (0.13, -0.46)], shade(colour, 0.85))


def rubber_duck(canvas: Canvas, rng: np.random.Generator, colour: RGB) -> None:
    """Rubber duck in profile, facing left: a yellow ball on a yellow hull, orange beak."""
    beak = vary(rng, (244, 112, 22), 6)
    tail = [(0.18, 0.0), (0.46, -0.14), (0.42, 0.12), (0.3, 0.28)]
    canvas.blob(tail, shade(colour, 0.85))
    hull = [(-0.36, 0.12), (-0.2, 0.02), (0.1, 0.04), (0.36, 0.0), (0.38, 0.2), (0.2, 0.36)]
    canvas.blob([*hull, (-0.18, 0.36), (-0.36, 0.26)], shade(colour, 0.86))
    canvas.blob(
        [(0.93 * x - 0.01, 0.93 * y) for x, y in [*hull, (-0.18, 0.36), (-0.36, 0.26)]], colour
    )
    wing = [(-0.02, 0.12), (0.16, 0.08), (0.3, 0.12), (0.18, 0.26), (0.04, 0.26)]
    canvas.blob(wing, shade(colour, 0.78))
    canvas.blob([(0.9 * x + 0.01, 0.85 * y + 0.01) for x, y in wing], shade(colour, 0.95))
    canvas.ellipse((-0.16, -0.16), (0.22, 0.21), shade(colour, 0.88))
    canvas.ellipse((-0.17, -0.17), (0.205, 0.195), colour)
    canvas.blob([(-0.34, -0.17), (-0.5, -0.16), (-0.52, -0.11), (-0.36, -0.07)], beak)
    canvas.line([(-0.5, -0.13), (-0.36, -0.12)], shade(beak, 0.6), 0.018)
    canvas.ellipse((-0.22, -0.22), (0.05, 0.06), WHITE)
    canvas.ellipse((-0.23, -0.22), (0.034, 0.042), INK)


TEN_PAST_TEN = 10 + 10 / 60  # hours


def wall_clock(canvas: Canvas, rng: np.random.Generator, colour: RGB, hours: float) -> None:
    """Wall clock showing `hours` (0 to 12): white dial, coloured rim, twelve marks, two hands."""
    dial = vary(rng, (250, 250, 246), 3)
    canvas.ellipse((0.015, 0.02), (0.48, 0.48), (50, 50, 52))
    canvas.ellipse((0.0, 0.0), (0.47, 0.47), shade(colour, 0.8))
    canvas.ellipse((-0.008, -0.008), (0.45, 0.45), colour)
    canvas.ellipse((0.0, 0.0), (0.375, 0.375), dial)
    for index in range(12):
        angle = 2 * math.pi * index / 12
        quarter = index % 3 == 0
        inner = 0.27 if quarter else 0.3
        mark = [(r * math.sin(angle), -r * math.cos(angle)) for r in (inner, 0.35)]
        canvas.line(mark, INK, 0.05 if quarter else 0.03)
    for turn, reach, width in ((hours / 12, 0.18, 0.06), (hours % 1, 0.28, 0.04)):
        angle = 2 * math.pi * turn
        hand = [(r * math.sin(angle), -r * math.cos(angle)) for r in (-0.05, reach)]
        canvas.line(hand, INK, width)
    canvas.ellipse((0.0, 0.0), (0.035, 0.035), (206, 30, 30))
