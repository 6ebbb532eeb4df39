import numpy as np
import pytest

from protocore.reports.figures.similarity import (
    layer_figure,
    normalised_chart,
    raw_chart,
    scores_figure,
)

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


def test_raw_chart_has_bands_of_one_standard_deviation():
    bands = {band.label: band for band in chart().bands}
    same = bands["same-class images, ±1 sd"]
    np.testing.assert_allclose(same.low, [0.5, np.nan, 0.5])
    np.testing.assert_allclose(same.high, [0.7, np.nan, 0.7])
    labels = [line.label for line in chart().lines]
    assert labels == ["same-class images", "different-class images", "golf ball"]


def test_normalised_range_holds_zero_one_and_most_values():
    values = np.array([[0.2, 0.8, 1.7]])
    found = normalised_chart(LAYERS, ["a"], values, title="n")
    assert found.y_range[0] < 0 < 1.6 < found.y_range[1]
    everything_masked = normalised_chart(LAYERS, ["a"], values * np.nan, title="n")
    assert everything_masked.y_range == pytest.approx((-0.15, 1.15))


def test_hover_names_the_layer_and_points_carry_its_index():
    figure = layer_figure(chart())
    trace = next(trace for trace in figure.data if trace.name == "golf ball")
    assert trace.text == LAYERS
    assert list(trace.customdata) == [0, 1, 2]
    assert trace.hovertemplate.startswith("%{text}")
    band = figure.data[0]
    assert list(band.x) == [0, 2, 2, 0]
    assert list(band.y) == pytest.approx([0.7, 0.7, 0.5, 0.5])


def test_scores_show_every_image_and_the_place_of_the_prototype():
    figure = scores_figure([0.5, 0.6], [0.2], [0.55, np.nan], ["a", "b"], title="t", x_title="x")
    assert [list(trace.x) for trace in figure.data] == [[0.5, 0.6], [0.2], [0.55]]
    assert [shape.x0 for shape in figure.layout.shapes] == [0.55]
