import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from protocore.reports.charts.layers import (
    Band,
    LayerChart,
    Line,
    chart_svg,
    divergence_chart,
    normalised_chart,
    raw_chart,
)

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


def test_nothing_to_draw():
    ElementTree.fromstring(chart_svg(chart([np.nan] * 3)))
    ElementTree.fromstring(chart_svg(chart([1.0], layers=1)))


LAYERS = ("conv · Conv2d", "relu · ReLU", "head · Linear")


def natural_chart():
    return raw_chart(
        LAYERS,
        ["golf ball"],
        np.array([[0.5, np.nan, 0.7]]),
        (np.array([0.6, 0.6, 0.6]), np.array([0.1, np.nan, 0.1])),
        (np.array([0.4, 0.4, 0.4]), np.array([0.1, 0.1, 0.1])),
        title="Spearman",
        y_title="similarity",
    )


def test_raw_chart_has_bands_of_one_standard_deviation():
    bands = {band.label: band for band in natural_chart().bands}
    same = bands["same-class images, ±1 sd"]
    np.testing.assert_allclose(same.low, [0.5, np.nan, 0.5])
    np.testing.assert_allclose(same.high, [0.7, np.nan, 0.7])
    labels = [line.label for line in natural_chart().lines]
    assert labels == ["same-class images", "different-class images", "golf ball"]


def test_normalised_range_holds_zero_one_and_most_values():
    values = np.array([[0.2, 0.8, 1.7]])
    found = normalised_chart(LAYERS, ["a"], values, title="n")
    assert found.y_range[0] < 0 < 1.6 < found.y_range[1]
    everything_masked = normalised_chart(LAYERS, ["a"], values * np.nan, title="n")
    assert everything_masked.y_range == pytest.approx((-0.15, 1.15))


def test_the_chart_has_a_dashed_line_where_seeds_are_known():
    lines = [("a | b", np.array([0.9, 0.5])), ("a | c", np.array([0.8, 0.4]))]
    within = [("within", np.array([0.9, 0.9])), ("unknown", np.array([np.nan, np.nan]))]
    chart = divergence_chart(["x", "y"], lines, within, title="t", y_title="y")
    assert [(line.label, line.dashed) for line in chart.lines] == [
        ("a | b", False),
        ("a | c", False),
        ("within", True),
    ]
    assert chart.lines[2].colour == chart.lines[0].colour != chart.lines[1].colour


def test_a_band_has_a_gap_where_an_edge_is_not_known():
    known = np.array([1.0, 1.0, np.nan, 1.0, 1.0])
    band = Band(label="", low=known - 1, high=known, colour="#00ff00")
    assert band.runs == [[0, 1], [3, 4]]
    root = ElementTree.fromstring(chart_svg(chart([0.0] * 5, (band,), layers=5)))
    assert len(list(root.iter(f"{SVG}polygon"))) == 2
