from dataclasses import replace

import numpy as np
import pytest

from protocore.reports.charts.layers import raw_chart
from protocore.reports.figures.layers import chart_page, layer_figure, scores_figure

LAYERS = ("conv · Conv2d", "relu · ReLU", "head · Linear")


def chart():
    return raw_chart(
        LAYERS,
        ["golf ball"],
        np.array([[0.5, np.nan, 0.7]]),
        (np.array([0.6, 0.6, 0.6]), np.array([0.1, np.nan, 0.1])),
        (np.array([0.4, 0.4, 0.4]), np.array([0.1, 0.1, 0.1])),
        title="Spearman",
        y_title="similarity",
    )


def test_hover_names_the_layer_and_points_carry_its_index():
    figure = layer_figure(chart())
    trace = next(trace for trace in figure.data if trace.name == "golf ball")
    assert trace.text == LAYERS
    assert list(trace.customdata) == [0, 1, 2]
    assert trace.hovertemplate.startswith("%{text}")


def test_a_band_is_not_drawn_across_a_gap():
    areas = [trace for trace in layer_figure(chart()).data if trace.fill == "toself"]
    same = [trace for trace in areas if trace.name.startswith("same")]
    assert [list(area.x) for area in same] == [[0, 0], [2, 2]]  # nothing over layer 1
    assert list(same[0].y) == pytest.approx([0.7, 0.5])
    (different,) = [trace for trace in areas if trace.name.startswith("different")]
    assert list(different.x) == [0, 1, 2, 2, 1, 0]


def test_foreign_names_are_no_markup_to_plotly():
    evil = "<a href='https://evil.example'>x</a>"
    drawn = layer_figure(replace(chart(), title=evil))
    assert drawn.layout.title.text == "&lt;a href='https://evil.example'&gt;x&lt;/a&gt;"


def test_scores_show_every_image_and_the_place_of_the_prototype():
    figure = scores_figure([0.5, 0.6], [0.2], [0.55, np.nan], ["a", "b"], title="t", x_title="x")
    assert [list(trace.x) for trace in figure.data] == [[0.5, 0.6], [0.2], [0.55]]
    assert [shape.x0 for shape in figure.layout.shapes] == [0.55]


def test_a_page_brings_plotly_along_once():
    one, two = chart_page([chart()]), chart_page([chart(), chart()])
    assert len(one) > 1_000_000
    assert len(two) < 1.1 * len(one)
    assert two.count(b"plotly-graph-div") >= 2
