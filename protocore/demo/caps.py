"""The academic cap, which mortarboards are and some gowns are worn with."""

import numpy as np

from protocore.demo.canvas import RGB, WHITE, Canvas, blend, shade

CAP_COLOURS: dict[str, RGB] = {"black": (26, 26, 31), "navy": (26, 30, 70), "green": (18, 58, 42)}
_TASSEL: RGB = (240, 188, 40)


def academic_cap(
    canvas: Canvas,
    rng: np.random.Generator,
    centre: tuple[float, float],
    width: float,
    colour: RGB,
) -> None:
    """A square board seen as a flat diamond around `centre`, a skull cap below, a golden tassel."""
    depth, skew = rng.uniform(0.14, 0.19), rng.uniform(-0.07, 0.07)
    side = 1 if rng.random() < 0.5 else -1
    length = rng.uniform(0.25, 0.33)

    def place(points: list[tuple[float, float]]) -> np.ndarray:
        return np.asarray(points) * width + np.asarray(centre)

    band = [(-0.23, 0.0), (0.23, 0.0), (0.26, 0.19), (0.13, 0.23), (-0.13, 0.23), (-0.26, 0.19)]
    canvas.polygon(place(band), shade(colour, 0.75))
    board = [(-0.5, skew), (skew, -depth), (0.5, -skew), (-skew, depth)]
    canvas.polygon(place([(x, y + 0.033) for x, y in board]), shade(colour, 0.45))
    canvas.polygon(place(board), blend(colour, WHITE, 0.1))
    canvas.polygon(place([(0.88 * x, 0.88 * y) for x, y in board]), blend(colour, WHITE, 0.17))
    x = side * 0.41
    canvas.line(place([(0.0, 0.0), (x, 0.01)]), _TASSEL, 0.029 * width)
    canvas.line(place([(x, 0.01), (x, length)]), _TASSEL, 0.035 * width)
    end = length + 0.17
    brush = [(x - 0.033, length), (x + 0.033, length), (x + 0.06, end), (x - 0.06, end)]
    canvas.polygon(place(brush), _TASSEL)
