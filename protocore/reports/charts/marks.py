"""Marked regions of a picture as SVG to lie over it: black with a white edge, so they show on any.

The number beside a region is that of its observation.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocore.compare.edits import Box, Stroke
from protocore.reports.charts.svg import Drawing, Point
from protocore.reports.html import Markup
from protocore.review.session import Observation

MOST_POINTS = 200  # of one brush stroke in the drawing; more cannot be told apart


def marks_svg(observations: Sequence[Observation], style: str = "") -> Markup:
    """The regions of these observations, numbered from 1; "" where there are none.

    `style` is CSS, a constant, for a drawing that stands alone.
    """
    if not any(observation.said.regions for observation in observations):
        return Markup("")
    drawing = Drawing(100, 100, preserveAspectRatio="none", role="img", aria_label="marked regions")
    if style:
        drawing.add("style", style)
    for number, observation in enumerate(observations, start=1):
        for region in observation.said.regions:
            _draw_region(drawing, region, number)
    return drawing.markup()


def _draw_region(drawing: Drawing, region: Box | Stroke, number: int) -> None:
    if isinstance(region, Box):
        edges = [100 * edge for edge in (region.left, region.top, region.right, region.bottom)]
        left, top, right, bottom = edges
        for kind in ("halo", "edge"):
            drawing.add("rect", kind=kind, x=left, y=top, width=right - left, height=bottom - top)
        _label(drawing, (left, top), number)
        return
    points = _thinned(region.points)
    drawing.path(points, kind="brush", stroke_width=200.0 * region.radius)
    for kind in ("halo", "edge"):
        drawing.path(points, kind=kind)
    _label(drawing, points[0], number)


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most MOST_POINTS of a stroke, its ends among them, in hundredths; far ones at the edge."""
    every = -(-len(points) // MOST_POINTS)
    kept = [*points[::every], points[-1]]
    x, y = zip(*kept, strict=True)
    return [(_hundredth(a), _hundredth(b)) for a, b in zip(x, y, strict=True)]


def _hundredth(value: float) -> float:
    return 100 * min(1.5, max(-0.5, float(value)))


def _label(drawing: Drawing, corner: Point, number: int) -> None:
    x, y = corner
    at = (min(94.0, max(1.0, x + 1)), min(99.0, max(7.0, y + 6)))
    drawing.text(at, str(number), kind="tag")
