"""Figures of a comparison carry the values they were given."""

import numpy as np

from protocore.reports.figures.compare import (
    AGAINST,
    SUPPORT,
    matrix_figure,
    occlusion_overlay,
)


def test_the_heatmap_holds_the_values_and_keeps_probabilities_on_one_scale():
    values = np.array([[0.9, 0.1], [0.3, 0.7]])
    heat = matrix_figure(values, ["p", "q"], ["A", "B"], kind="probability").data[0]
    np.testing.assert_allclose(heat.z, values)
    assert (heat.zmin, heat.zmax) == (0, 1) and list(heat.y) == ["p", "q"]
    logits = matrix_figure(np.array([[-8.0, 2.0]]), ["p"], ["A", "B"], kind="logit").data[0]
    assert (logits.zmin, logits.zmax) == (-8, 8)


def test_the_overlay_is_orange_where_it_counts_blue_where_it_hurts_and_grey_elsewhere():
    image = np.full((1, 3, 3), 100, dtype=np.uint8)
    found = occlusion_overlay(image, np.array([[4.0, 0.0, -4.0]]), limit=4.0)
    for place, colour in ((0, SUPPORT), (2, AGAINST)):
        np.testing.assert_array_equal(found[0, place], np.round(25 + 0.75 * np.array(colour)))
    np.testing.assert_array_equal(found[0, 1], [100, 100, 100])
    flat = occlusion_overlay(image, np.zeros((1, 3)), limit=0.0)
    np.testing.assert_array_equal(flat, image)
