"""Animals and plants: goldfish, ladybird, sunflower, strawberry."""

import math

import numpy as np

from protocore.demo.canvas import INK, RGB, WHITE, Canvas, blend, hsv, shade

GOLDFISH_COLOURS: dict[str, RGB] = {"orange": (255, 132, 20), "red": (250, 92, 28)}
LADYBIRD_COLOURS: dict[str, RGB] = {"red": (222, 28, 24), "orange": (236, 84, 20)}
SUNFLOWER_COLOURS: dict[str, RGB] = {"yellow": (255, 205, 20), "gold": (250, 180, 24)}
STRAWBERRY_COLOURS: dict[str, RGB] = {"red": (224, 26, 36), "crimson": (198, 18, 48)}


def goldfish(canvas: Canvas, rng: np.random.Generator, colour: RGB) -> None:
    """Goldfish in profile, head to the left: round body, big eye, forked veil tail."""
    fin, dark = blend(colour, (255, 236, 190), 0.4), shade(colour, 0.72)
    spread = rng.uniform(0.3, 0.38)
    tail = [(0.2, 0.0), (0.34, -0.14), (0.52, -spread), (0.6, -spread + 0.06), (0.46, 0.0)]
    canvas.blob(tail + [(x, -y) for x, y in reversed(tail[1:4])], fin)
    for y in np.linspace(-0.8, 0.8, 5):
        canvas.line([(0.3, 0.1 * y), (0.5, spread * 0.85 * y)], dark, 0.018)
    canvas.blob([(-0.2, -0.2), (-0.06, -0.42), (0.14, -0.38), (0.2, -0.12)], fin)
    canvas.blob([(-0.06, 0.2), (0.06, 0.4), (0.17, 0.33), (0.12, 0.12)], fin)
    half = [(-0.3, -0.2), (-0.1, -0.27), (0.12, -0.19), (0.3, -0.05)]
    body = [(-0.45, 0.0), *half, *[(x, -y) for x, y in reversed(half)]]
    canvas.blob(body, shade(colour, 0.9))
    canvas.blob([(0.92 * x - 0.01, 0.85 * y - 0.02) for x, y in body], colour)
    canvas.blob([(-0.34, 0.12), (-0.1, 0.15), (0.16, 0.1), (0.0, 0.23), (-0.2, 0.23)], fin)
    for row in range(4):
        for column in range(5):
            centre = (-0.12 + 0.085 * column + 0.04 * (row % 2), -0.12 + 0.075 * row)
            canvas.ellipse(centre, (0.03, 0.03), dark, arc=(-60, 60))
    canvas.line([(-0.2, -0.18), (-0.15, 0.0), (-0.2, 0.17)], dark, 0.026)
    canvas.blob([(-0.13, 0.05), (0.05, 0.06), (0.08, 0.17), (-0.05, 0.15)], fin)
    canvas.ellipse((-0.3, -0.05), (0.07, 0.07), (252, 246, 226))
    canvas.ellipse((-0.305, -0.05), (0.045, 0.045), INK)
    canvas.line([(-0.45, 0.04), (-0.38, 0.07)], shade(colour, 0.5), 0.024)


def ladybird(canvas: Canvas, rng: np.random.Generator, colour: RGB) -> None:
    """Ladybird from above, head up: red wing cases with seven black spots, six legs."""
    for side in (-1, 1):
        for start, end in ((-0.16, -0.3), (0.04, 0.06), (0.22, 0.38)):
            leg = [(0.28, start), (0.46, end), (0.52, end + 0.1)]
            canvas.line([(side * x, y) for x, y in leg], INK, 0.04)
        feeler = [(0.07, -0.4), (0.15, -0.52), (0.22, -0.53)]
        canvas.line([(side * x, y) for x, y in feeler], INK, 0.028)
    canvas.ellipse((0.0, -0.36), (0.2, 0.15), INK)
    canvas.ellipse((0.0, -0.27), (0.3, 0.16), (24, 22, 24))
    for side in (-1, 1):
        canvas.ellipse((side * 0.17, -0.32), (0.075, 0.06), (248, 244, 232))
    canvas.ball((0.0, 0.08), (0.41, 0.42), colour)
    canvas.line([(0.0, -0.3), (0.0, 0.5)], INK, 0.03)
    canvas.ellipse((0.0, -0.23), (0.09, 0.06), INK)
    radius = rng.uniform(0.075, 0.095)
    for side in (-1, 1):
        for x, y in ((0.2, -0.1), (0.25, 0.14), (0.15, 0.32)):
            jitter = rng.uniform(-0.015, 0.015, 2)
            canvas.ellipse((side * x + jitter[0], y + jitter[1]), (radius, radius), INK)
    canvas.ellipse((-0.22, -0.18), (0.05, 0.03), blend(colour, WHITE, 0.75), tilt=-0.6)


def _petal(
    canvas: Canvas, angle: float, reach: tuple[float, float], width: float, colour: RGB
) -> None:
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    inner, outer = reach
    outline = [
        along * inner - across * width * 0.6,
        along * outer * 0.66 - across * width,
        along * outer,
        along * outer * 0.66 + across * width,
        along * inner + across * width * 0.6,
    ]
    canvas.polygon(np.stack(outline), colour)
    canvas.line([tuple(along * inner), tuple(along * outer * 0.85)], shade(colour, 0.8), 0.012)


def sunflower(canvas: Canvas, rng: np.random.Generator, colour: RGB) -> None:
    """Sunflower from the front: two rings of pointed petals, a brown disc, stem and leaves."""
    green = hsv(rng.uniform(0.27, 0.33), 0.7, rng.uniform(0.4, 0.6))
    canvas.line([(0.0, 0.2), (0.0, 1.0)], green, 0.075)
    canvas.blob([(0.02, 0.66), (0.14, 0.5), (0.36, 0.46), (0.22, 0.64)], green)
    canvas.blob([(-0.02, 0.7), (-0.14, 0.54), (-0.36, 0.5), (-0.22, 0.68)], shade(green, 0.85))
    count = int(rng.integers(14, 18))
    disc = rng.uniform(0.19, 0.22)
    for tone, offset, reach in ((shade(colour, 0.8), 0.5, 0.46), (colour, 0.0, 0.43)):
        for index in range(count):
            angle = 2 * math.pi * (index + offset) / count + rng.uniform(-0.05, 0.05)
            length = reach * rng.uniform(0.94, 1.04)
            _petal(canvas, angle, (0.8 * disc, length), 1.2 / count, tone)
    canvas.ball((0.0, 0.0), (disc, disc), (92, 54, 24), layers=4)
    for index in range(60):
        angle, radius = 2.39996 * index, 0.96 * disc * math.sqrt((index + 0.5) / 60)
        seed = (radius * math.cos(angle), radius * math.sin(angle))
        canvas.ellipse(seed, (0.014, 0.014), (42, 24, 12) if index % 2 else (146, 96, 44))


_STRAWBERRY = np.array(
    [(0.0, -0.3), (0.22, -0.33), (0.36, -0.17), (0.32, 0.08), (0.16, 0.36), (0.0, 0.47)]
)


def strawberry(canvas: Canvas, rng: np.random.Generator, colour: RGB) -> None:
    """Strawberry: a red heart shape with rows of yellow pips under a crown of green leaves."""
    green = hsv(rng.uniform(0.27, 0.34), rng.uniform(0.7, 0.9), rng.uniform(0.45, 0.7))
    left = _STRAWBERRY[1:-1][::-1] * (-1, 1)
    outline = np.concatenate([_STRAWBERRY, left])
    for layer in range(4):
        tone = blend(shade(colour, 0.72), blend(colour, WHITE, 0.08), layer / 3)
        canvas.blob(outline * (1 - 0.14 * layer) + np.array([-0.02, -0.015]) * layer, tone)
    for row in range(6):
        y = -0.18 + 0.105 * row
        half = 0.33 * (1 - max(0.0, y) * 1.75)
        count = max(1, round(half / 0.06))
        for x in np.linspace(-half, half, count + row % 2) * 0.85:
            canvas.ellipse((x, y + 0.006), (0.023, 0.032), shade(colour, 0.55))
            canvas.ellipse((x, y), (0.016, 0.025), (250, 222, 110))
    canvas.line([(0.0, -0.32), (0.05, -0.5)], shade(green, 0.8), 0.05)
    for angle in np.linspace(0.15, math.pi - 0.15, 6):
        leaf = np.array([math.cos(angle), 0.62 * math.sin(angle)]) * rng.uniform(0.26, 0.33)
        across = np.array([-leaf[1], leaf[0]]) * 0.34
        start = np.array([0.0, -0.35])
        tips = [start, start + 0.5 * leaf - across, start + leaf, start + 0.5 * leaf + across]
        canvas.polygon(np.stack(tips), shade(green, rng.uniform(0.8, 1.15)))
