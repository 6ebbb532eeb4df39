"""A LayerChart as an SVG or PNG file, without a browser.

plotly's own export needs Chrome and a package that drives it; these charts are simple enough to
be drawn directly. Both files come from one list of shapes, so they cannot differ.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from protocore.reports.figures.similarity import BAND_OPACITY, LayerChart

WIDTH, HEIGHT = 1000, 520  # pixels; the PNG has twice as many
SCALE = 4  # painted so large and halved, because Pillow's lines have no smooth edges
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 84, 56  # margins
INK, FAINT = "#33333d", "#d9d9e0"
_Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class _Area:
    points: tuple[_Point, ...]
    colour: str


@dataclass(frozen=True, kw_only=True)
class _Stroke:
    points: tuple[_Point, ...]
    colour: str
    width: float = 1.6
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Text:
    at: _Point
    text: str
    size: int = 13
    anchor: str = "start"  # as in SVG: "start", "middle" or "end"
    turned: bool = False  # reads upwards


_Shape = _Area | _Stroke | _Text


def chart_svg(chart: LayerChart) -> str:
    """The chart as an SVG document on white."""
    parts = [_svg_shape(shape) for shape in _shapes(chart)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" fill="{INK}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def chart_png(chart: LayerChart) -> bytes:
    """The chart as a PNG file on white, 2000 x 1040 pixels."""
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    for shape in _shapes(chart):
        _paint(image, shape)
    image = image.resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _shapes(chart: LayerChart) -> Iterator[_Shape]:
    low, high = chart.y_range or _limits(chart)
    last = max(len(chart.layers) - 1, 1)

    def place(index: float, value: float) -> _Point:
        x = LEFT + index / last * (WIDTH - LEFT - RIGHT)
        inside = min(max(value, low), high)
        return x, TOP + (high - inside) / (high - low) * (HEIGHT - TOP - BOTTOM)

    yield from _axes(chart, low, high, place)
    for band in chart.bands:
        for run in _runs(np.isfinite(band.low) & np.isfinite(band.high)):
            upper = [place(i, band.high[i]) for i in run]
            lower = [place(i, band.low[i]) for i in reversed(run)]
            yield _Area(points=(*upper, *lower), colour=band.colour)
    for line in chart.lines:
        for run in _runs(np.isfinite(line.values)):
            ends = run if len(run) > 1 else [run[0] - 0.3, run[0] + 0.3]  # a lone value, visible
            points = tuple(place(i, line.values[run[0] if len(run) == 1 else i]) for i in ends)
            yield _Stroke(points=points, colour=line.colour, dashed=line.dashed)
    yield from _legend(chart)


def _limits(chart: LayerChart) -> tuple[float, float]:
    rows = [line.values for line in chart.lines]
    rows += [edge for band in chart.bands for edge in (band.low, band.high)]
    known = np.concatenate([np.asarray(row, dtype=float) for row in rows] or [np.zeros(1)])
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _axes(chart: LayerChart, low: float, high: float, place) -> Iterator[_Shape]:
    last = len(chart.layers) - 1
    for value in _ticks(low, high):
        _, y = place(0, value)
        yield _Stroke(points=((LEFT, y), (WIDTH - RIGHT, y)), colour=FAINT, width=1)
        yield _Text(at=(LEFT - 8, y + 4), text=f"{value:g}", anchor="end")
    for index in _ticks(0, max(last, 1)):
        if index == int(index):
            x, _ = place(index, low)
            yield _Text(at=(x, HEIGHT - BOTTOM + 20), text=f"{int(index)}", anchor="middle")
    yield _Text(at=(LEFT, 26), text=chart.title, size=17)
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _Text(at=(middle, HEIGHT - 12), text="layer, in execution order", anchor="middle")
    centre = (TOP + HEIGHT - BOTTOM) / 2
    yield _Text(at=(18, centre), text=chart.y_title, anchor="middle", turned=True)


def _ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round values between the limits: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = np.ceil(low / step)
    return [round(float(k * step), 10) + 0.0 for k in np.arange(first, high / step + 1e-9)]


def _legend(chart: LayerChart) -> Iterator[_Shape]:
    x, y = float(LEFT), 50.0
    for line in chart.lines:
        width = 44 + _font(13).getlength(line.label)
        if x + width > WIDTH - RIGHT and x > LEFT:
            x, y = float(LEFT), y + 18
        if y > TOP - 10:
            return  # what does not fit is told by the table beside the chart
        points = ((x, y - 4), (x + 24, y - 4))
        yield _Stroke(points=points, colour=line.colour, width=2.4, dashed=line.dashed)
        yield _Text(at=(x + 30, y), text=line.label)
        x += width


def _runs(known: np.ndarray) -> list[list[int]]:
    """Consecutive places where `known` holds."""
    groups = groupby(range(len(known)), key=lambda i: bool(known[i]))
    return [list(places) for holds, places in groups if holds]


def _svg_shape(shape: _Shape) -> str:
    if isinstance(shape, _Text):
        x, y = shape.at
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if shape.turned else ""
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{shape.size}" '
            f'text-anchor="{shape.anchor}"{turn}>{escape(shape.text)}</text>'
        )
    points = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.points)
    if isinstance(shape, _Area):
        return f'<polygon points="{points}" fill="{shape.colour}" fill-opacity="{BAND_OPACITY}"/>'
    dash = ' stroke-dasharray="6 4"' if shape.dashed else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="{shape.colour}" '
        f'stroke-width="{shape.width}"{dash}/>'
    )


def _paint(image: Image.Image, shape: _Shape) -> None:
    if isinstance(shape, _Text):
        _paint_text(image, shape)
        return
    points = [(x * SCALE, y * SCALE) for x, y in shape.points]
    draw = ImageDraw.Draw(image, "RGBA")
    if isinstance(shape, _Area):
        draw.polygon(points, fill=(*ImageColor.getrgb(shape.colour), round(255 * BAND_OPACITY)))
        return
    for piece in _dashes(points) if shape.dashed else [points]:
        draw.line(piece, fill=shape.colour, width=round(shape.width * SCALE), joint="curve")


def _dashes(
    points: Sequence[_Point], on: float = 6 * SCALE, off: float = 4 * SCALE
) -> Iterator[list[_Point]]:
    """Pieces of a polyline, `on` pixels long and `off` pixels apart, as in the SVG."""
    corners = np.asarray(points, dtype=float)
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    for start in np.arange(0, along[-1], on + off):
        stop = min(start + on, along[-1])
        inner = along[(along > start) & (along < stop)]
        stations = np.concatenate([[start], inner, [stop]])
        x, y = (np.interp(stations, along, corners[:, axis]) for axis in (0, 1))
        yield list(zip(x.tolist(), y.tolist(), strict=True))


def _paint_text(image: Image.Image, shape: _Text) -> None:
    font = _font(shape.size * SCALE)
    x, y = (value * SCALE for value in shape.at)
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
    if not shape.turned:
        ImageDraw.Draw(image).text((x, y), shape.text, fill=INK, font=font, anchor=anchor)
        return
    length = round(font.getlength(shape.text))
    strip = Image.new("RGB", (length + 4, 2 * shape.size * SCALE), "white")
    baseline = (strip.width / 2, 1.4 * shape.size * SCALE)
    ImageDraw.Draw(strip).text(baseline, shape.text, fill=INK, font=font, anchor="ms")
    turned = strip.rotate(90, expand=True)
    image.paste(turned, (round(x - turned.width * 0.7), round(y - turned.height / 2)))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
