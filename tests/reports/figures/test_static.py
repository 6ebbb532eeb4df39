import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from protocore.reports.figures.similarity import Band, LayerChart, Line
from protocore.reports.figures.static import _ticks, chart_png, chart_svg

SVG = "{http://www.w3.org/2000/svg}"


def chart(values, bands=(), layers=3, y_range=None) -> LayerChart:
    line = Line(label="a < b", values=np.array(values), colour="#ff0000")
    return LayerChart(
        title="title & more", y_title="y", layers=("x",) * layers, lines=(line,), bands=bands,
        y_range=y_range,
    )  # fmt: skip


def polylines(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    root = ElementTree.fromstring(svg)
    return [
        [tuple(float(v) for v in point.split(",")) for point in element.get("points").split()]
        for element in root.iter(f"{SVG}polyline")
        if element.get("stroke") == colour and element.get("stroke-width") == "1.6"
    ]


def test_line_runs_over_the_plot_area():
    ((first, second, third),) = polylines(chart_svg(chart([0, 1, 0], y_range=(0, 1))), "#ff0000")
    # margins: 70 left, 20 right, 84 above, 56 below, of 1000 x 520
    assert (first, second, third) == ((70, 464), (525, 84), (980, 464))


def test_missing_values_are_gaps_and_lone_ones_stay_visible():
    values = [0.1, 0.2, np.nan, 0.5, np.nan, 0.3]
    lines = polylines(chart_svg(chart(values, layers=6)), "#ff0000")
    assert [len(line) for line in lines] == [2, 2, 2]
    assert lines[1][0][1] == lines[1][1][1]  # a short level stroke
    assert lines[1][0][0] < lines[1][1][0]


def test_band_and_escaped_text():
    band = Band(label="", low=np.zeros(3), high=np.ones(3), colour="#00ff00")
    root = ElementTree.fromstring(chart_svg(chart([0, 1, 0], (band,))))
    assert [p.get("fill") for p in root.iter(f"{SVG}polygon")] == ["#00ff00"]
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "a < b" in texts
    assert "title & more" in texts


def test_png_shows_the_same_line():
    image = Image.open(io.BytesIO(chart_png(chart([0.5, 0.5, 0.5], y_range=(0, 1)))))
    assert image.size == (2000, 1040)
    assert image.getpixel((1000, 548)) == (255, 0, 0)  # twice (500, 274), the middle of 84..464
    assert image.getpixel((1000, 400)) == (255, 255, 255)


def test_nothing_to_draw():
    ElementTree.fromstring(chart_svg(chart([np.nan] * 3)))
    assert Image.open(io.BytesIO(chart_png(chart([1.0], layers=1)))).size == (2000, 1040)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.1, 0.11, [-0.1, -0.05, 0, 0.05, 0.1]),
        (0, 223, [0, 50, 100, 150, 200]),
    ],
)
def test_ticks_are_round(low, high, ticks):
    assert _ticks(low, high) == pytest.approx(ticks)
