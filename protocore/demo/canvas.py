"""Drawing primitives: polygons, ellipses and strokes in an object's own coordinates.

An object is drawn around the origin, roughly inside [-0.5, 0.5] x [-0.5, 0.5] with y downwards;
its `Pose` places it in the frame. Pictures are drawn at `SUPERSAMPLING` times the final size and
averaged down, which is all the antialiasing there is.
"""

import colorsys
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Points = Sequence[tuple[float, float]] | np.ndarray

SIZE = 96  # side of a rendered image, in pixels
SUPERSAMPLING = 2
DRAWN = SIZE * SUPERSAMPLING  # side of the picture while it is drawn

WHITE: RGB = (255, 255, 255)
INK: RGB = (18, 15, 17)


def clip_rgb(channels: Iterable[float]) -> RGB:
    """Round three channels to whole numbers in 0..255."""
    red, green, blue = (int(min(255.0, max(0.0, channel))) for channel in channels)
    return red, green, blue


def shade(colour: RGB, factor: float) -> RGB:
    """Darken (factor < 1) or lighten (factor > 1) a colour."""
    return clip_rgb(channel * factor for channel in colour)


def blend(first: RGB, second: RGB, share: float) -> RGB:
    """Mix two colours; `share` in [0, 1] is the part of the second."""
    return clip_rgb(a * (1 - share) + b * share for a, b in zip(first, second, strict=True))


def hsv(hue: float, saturation: float, value: float) -> RGB:
    """A colour from hue (in turns, wraps around), saturation and value in [0, 1]."""
    return clip_rgb(255 * c for c in colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def vary(rng: np.random.Generator, colour: RGB, spread: float = 10.0) -> RGB:
    """Add normal noise of standard deviation `spread` (of 255) to each channel."""
    return clip_rgb(np.asarray(colour) + rng.normal(0.0, spread, 3))


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where an object stands: centre and scale as shares of the frame, tilt in radians."""

    x: float = 0.5
    y: float = 0.5
    scale: float = 1.0
    tilt: float = 0.0
    mirrored: bool = False


class Canvas:
    """A picture with a pose; every method takes coordinates of the posed object."""

    def __init__(self, picture: Image.Image, pose: Pose) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._scale = pose.scale * picture.width
        side = -1.0 if pose.mirrored else 1.0
        cosine, sine = math.cos(pose.tilt), math.sin(pose.tilt)
        self._matrix = self._scale * np.array([[side * cosine, side * sine], [-sine, cosine]])
        self._origin = np.array([pose.x, pose.y]) * picture.width

    def _to_frame(self, points: Points) -> list[tuple[float, float]]:
        placed = np.asarray(points, dtype=float).reshape(-1, 2) @ self._matrix + self._origin
        return [tuple(point) for point in placed.tolist()]

    def polygon(self, points: Points, colour: RGB) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._to_frame(points), fill=colour)

    def line(self, points: Points, colour: RGB, width: float) -> None:
        """Draw a stroke; `width` in object units."""
        pixels = max(1, round(width * self._scale))
        self._draw.line(self._to_frame(points), fill=colour, width=pixels, joint="curve")

    def ellipse(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        colour: RGB,
        *,
        tilt: float = 0.0,
        arc: tuple[float, float] = (0.0, 360.0),
    ) -> None:
        """Fill an ellipse, or the segment of it between two angles in degrees (clockwise)."""
        steps = max(10, int(36 * (arc[1] - arc[0]) / 360))
        angle = np.radians(np.linspace(arc[0], arc[1], steps))
        x, y = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
        cosine, sine = math.cos(tilt), math.sin(tilt)
        outline = np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1)
        self.polygon(outline + np.asarray(centre), colour)

    def ball(
        self, centre: tuple[float, float], radii: tuple[float, float], colour: RGB, layers: int = 5
    ) -> None:
        """An ellipse that looks round: concentric layers, lighter towards the upper left."""
        for layer in range(layers):
            depth = layer / (layers - 1)
            tone = blend(shade(colour, 0.65), blend(colour, WHITE, 0.18), depth)
            x = centre[0] - 0.15 * radii[0] * depth
            y = centre[1] - 0.18 * radii[1] * depth
            size = 1 - 0.62 * depth
            self.ellipse((x, y), (radii[0] * size, radii[1] * size), tone)

    def blob(self, points: Points, colour: RGB, steps: int = 6) -> None:
        """Fill the closed Catmull-Rom curve through the points."""
        self.polygon(closed_curve(np.asarray(points, dtype=float), steps), colour)


def closed_curve(points: np.ndarray, steps: int = 6) -> np.ndarray:
    """Points on the closed Catmull-Rom spline through `points` (K, 2): (K * steps, 2)."""
    before, start = np.roll(points, 1, axis=0)[:, None], points[:, None]
    end, after = np.roll(points, -1, axis=0)[:, None], np.roll(points, -2, axis=0)[:, None]
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[None, :, None]
    curve = (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    return (0.5 * curve).reshape(-1, 2)
