"""Backgrounds: what a scene can stand in front of.

Each painter takes a random generator and returns an RGB picture of side `DRAWN`. Kinds named in
`NEUTRAL` say nothing about a class; the others are contexts a class can be biased towards.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from protocore.demo.canvas import DRAWN, RGB, WHITE, blend, clip_rgb, hsv, shade, vary

Painter = Callable[[np.random.Generator], Image.Image]


def clouds(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth random values in [0, 1], shape (DRAWN, DRAWN, 1), with about `cells` bumps a side."""
    coarse = Image.fromarray((rng.random((cells, cells)) * 255).astype(np.uint8))
    smooth = coarse.resize((DRAWN, DRAWN), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32)[..., None] / 255


def to_picture(values: np.ndarray) -> Image.Image:
    """An (H, W, 3) array in 0..255, clipped, as a picture."""
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _two_colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two unrelated muted colours, as float arrays of shape (3,)."""
    pair = [hsv(rng.random(), rng.uniform(0.05, 0.45), rng.uniform(0.25, 0.8)) for _ in range(2)]
    return np.asarray(pair[0], dtype=float), np.asarray(pair[1], dtype=float)


def _mottle(rng: np.random.Generator) -> Image.Image:
    first, second = _two_colours(rng)
    mask = clouds(rng, int(rng.integers(2, 9)))
    return to_picture(first * mask + second * (1 - mask))


def _gradient(rng: np.random.Generator) -> Image.Image:
    first, second = _two_colours(rng)
    ramp = np.linspace(0, 1, DRAWN)[:, None, None] * rng.uniform(0.2, 1.0)
    mask = clouds(rng, 4)
    return to_picture(first + (second - first) * (0.75 * ramp + 0.25 * mask))


def _bokeh(rng: np.random.Generator) -> Image.Image:
    picture = _gradient(rng)
    draw = ImageDraw.Draw(picture)
    tone = clip_rgb(_two_colours(rng)[0])
    for _ in range(int(rng.integers(5, 14))):
        x, y = rng.uniform(0, DRAWN, 2)
        radius = rng.uniform(5, 24)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=vary(rng, tone, 25))
    return picture.filter(ImageFilter.BoxBlur(float(rng.uniform(3, 7))))


def _stripes(rng: np.random.Generator) -> Image.Image:
    picture = _gradient(rng)
    draw = ImageDraw.Draw(picture)
    tone = clip_rgb(_two_colours(rng)[1])
    count, width = int(rng.integers(3, 9)), rng.uniform(3, 12)
    upright = rng.random() < 0.5
    for index in range(count):
        start = (index + rng.uniform(0, 0.5)) * DRAWN / count
        band = (start, 0, start + width, DRAWN) if upright else (0, start, DRAWN, start + width)
        draw.rectangle(band, fill=tone)
    return picture.filter(ImageFilter.BoxBlur(float(rng.uniform(1, 4))))


def _bricks(rng: np.random.Generator) -> Image.Image:
    picture = _mottle(rng)
    draw = ImageDraw.Draw(picture)
    height = int(rng.integers(16, 36))
    tone = shade(clip_rgb(np.asarray(picture).mean(axis=(0, 1))), rng.uniform(0.6, 1.2))
    for row, y in enumerate(range(0, DRAWN, height)):
        draw.line((0, y, DRAWN, y), fill=tone, width=2)
        for x in range((row % 2) * height, DRAWN, 2 * height):
            draw.line((x, y, x, y + height), fill=tone, width=2)
    return picture


def _sea(rng: np.random.Generator) -> Image.Image:
    """Sky above, dark blue water with wavelets below; the horizon is at `HORIZON`."""
    sky = np.asarray(hsv(rng.uniform(0.52, 0.6), rng.uniform(0.15, 0.5), rng.uniform(0.85, 1.0)))
    water = hsv(rng.uniform(0.56, 0.63), rng.uniform(0.65, 0.9), rng.uniform(0.4, 0.7))
    y = np.linspace(0, 1, DRAWN)[:, None, None]
    cover = (clouds(rng, 5) - 0.5).clip(0, 1) * rng.uniform(0, 1.4)
    above = sky * (0.85 + 0.3 * y) + (255 - sky) * cover
    below = np.asarray(water) * (1.2 - 0.5 * (y - HORIZON) / (1 - HORIZON)) + 0 * cover
    picture = to_picture(np.where(y < HORIZON, above, below))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(20, 45))):
        depth = rng.random()
        top = (HORIZON + (1 - HORIZON) * depth) * DRAWN
        left = rng.uniform(-10, DRAWN)
        length = (4 + 30 * depth) * rng.uniform(0.5, 1.2)
        tone = blend(water, WHITE, rng.uniform(0.15, 0.5))
        draw.line((left, top, left + length, top), fill=tone, width=1 + int(2 * depth))
    return picture


HORIZON = 0.66  # of the frame's height; boats and towers stand on it


def _leaves(rng: np.random.Generator) -> Image.Image:
    tone = np.asarray(hsv(rng.uniform(0.26, 0.36), rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.75)))
    picture = to_picture(tone * (0.7 + 0.6 * clouds(rng, int(rng.integers(5, 9)))))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(4, 9))):
        x, y = rng.uniform(0, DRAWN, 2)
        dx, dy = rng.uniform(-45, 45, 2)
        vein = shade(clip_rgb(tone), rng.uniform(0.7, 1.35))
        draw.line((x, y, x + dx, y + dy), fill=vein, width=int(rng.integers(2, 6)))
    return picture.filter(ImageFilter.BoxBlur(float(rng.uniform(1, 4))))


def _underwater(rng: np.random.Generator) -> Image.Image:
    tone = np.asarray(hsv(rng.uniform(0.47, 0.54), rng.uniform(0.55, 0.85), rng.uniform(0.5, 0.85)))
    depth = np.linspace(1.25, 0.65, DRAWN)[:, None, None]
    picture = to_picture(tone * depth * (0.85 + 0.3 * clouds(rng, 5)))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(2, 5))):
        _weed(draw, rng)
    for _ in range(int(rng.integers(3, 9))):
        x, y, radius = *rng.uniform(0, DRAWN, 2), rng.uniform(2, 6)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, outline=blend(clip_rgb(tone), WHITE, 0.6), width=2)
    return picture


def _weed(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    x, height = rng.uniform(0, DRAWN), rng.uniform(0.2, 0.6) * DRAWN
    y = np.linspace(DRAWN, DRAWN - height, 10)
    sway = x + rng.uniform(3, 9) * np.sin(np.linspace(0, rng.uniform(3, 8), 10))
    colour: RGB = hsv(rng.uniform(0.3, 0.42), 0.7, rng.uniform(0.3, 0.5))
    draw.line(list(zip(sway.tolist(), y.tolist(), strict=True)), fill=colour, width=5)


def _meadow(rng: np.random.Generator) -> Image.Image:
    """Blue sky over green grass."""
    sky = np.asarray(hsv(rng.uniform(0.55, 0.6), rng.uniform(0.35, 0.6), rng.uniform(0.85, 1.0)))
    grass = np.asarray(hsv(rng.uniform(0.24, 0.33), rng.uniform(0.6, 0.8), rng.uniform(0.4, 0.65)))
    y = np.linspace(0, 1, DRAWN)[:, None, None]
    hill = rng.uniform(0.62, 0.75) + 0.1 * (clouds(rng, 3)[:1] - 0.5)
    cover = (clouds(rng, 5) - 0.5).clip(0, 1) * rng.uniform(0, 1.2)
    above = sky + (255 - sky) * cover
    below = grass * (0.75 + 0.5 * clouds(rng, 12))
    return to_picture(np.where(y < hill, above, below))


PAINTERS: dict[str, Painter] = {
    "mottle": _mottle,
    "gradient": _gradient,
    "bokeh": _bokeh,
    "stripes": _stripes,
    "bricks": _bricks,
    "sea": _sea,
    "leaves": _leaves,
    "underwater": _underwater,
    "meadow": _meadow,
}
NEUTRAL = ("mottle", "gradient", "bokeh", "stripes", "bricks")


def paint(kind: str, rng: np.random.Generator) -> Image.Image:
    """Paint the background called `kind` (a key of `PAINTERS`): RGB, DRAWN x DRAWN."""
    return PAINTERS[kind](rng)
