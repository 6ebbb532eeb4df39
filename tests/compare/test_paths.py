"""Similarity between prototypes, against SciPy, and where classes part."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from protocore.compare.paths import correlations, divergence, path_matrix, stability
from protocore.similarity.activations import open_reader
from protocore.similarity.pixels import as_images
from protocore.similarity.ranks import rank_rows
from tests.compare.makers import noise
from tests.networks import assert_unchanged, fingerprint, tiny_classifier

GROUPS, SEEDS = ["a", "a", "b", "b"], [0, 1, 0, 1]


def test_correlations_agree_with_scipy_and_constants_have_none():
    rows = torch.tensor([[1.0, 2.0, 2.0, 5.0, 0.0], [3.0, 1.0, 4.0, 4.0, 0.0], [2.0] * 5])
    found = correlations(rank_rows(rows))
    expected = spearmanr(rows[0], rows[1]).statistic
    np.testing.assert_allclose(found[:2, :2], [[1, expected], [expected, 1]])
    assert np.isnan(found[2]).all() and np.isnan(found[:, 2]).all()


def test_every_layer_agrees_with_scipy():
    classifier = tiny_classifier()
    images = np.stack([noise(seed) for seed in range(3)])
    seen = []
    found = path_matrix(classifier, images, "all", lambda *progress: seen.append(progress))
    reader = open_reader(classifier, "all")
    outputs = reader.capture(as_images(images, 16))
    assert found.layers == tuple(layer.name for layer in reader.layers)
    for place, name in enumerate(found.layers):
        rows = outputs[name].flatten(1)
        profile = outputs[name].mean(dim=(2, 3)) if outputs[name].ndim == 4 else rows
        for values, expected in ((found.spearman, rows), (found.profile, profile)):
            rho = spearmanr(expected[0], expected[2]).statistic
            np.testing.assert_allclose(values[0, 2, place], rho, atol=1e-9)
    assert seen[-1] == (len(found.layers), len(found.layers))


def test_the_model_is_left_as_it_was_also_after_a_stop():
    classifier = tiny_classifier()
    before = fingerprint(classifier.module)

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        path_matrix(classifier, np.stack([noise(0), noise(1)]), progress=stop)
    assert_unchanged(classifier.module, before)


def matrix(rows):
    """(4, 4, L) symmetric from values by pair, layer by layer."""
    values = np.ones((4, 4, len(next(iter(rows.values())))))
    for (i, j), line in rows.items():
        values[i, j] = values[j, i] = line
    return values


KNOWN = {
    (0, 1): [0.9, 0.8, 0.7],  # a under two seeds
    (2, 3): [0.7, 0.8, 0.9],  # b under two seeds
    (0, 2): [1.0, 1.0, 1.0],  # same seed: does not count
    (1, 3): [1.0, 1.0, 1.0],
    (0, 3): [0.9, 0.5, 0.3],
    (1, 2): [0.8, 0.7, 0.1],
}


def test_groups_part_where_they_differ_more_than_seeds_do():
    found = divergence(matrix(KNOWN), ["x", "y", "z"], GROUPS, SEEDS, "a", "b")
    np.testing.assert_allclose(found.between, [0.85, 0.6, 0.2])
    np.testing.assert_allclose(found.within, [0.8, 0.8, 0.8])
    assert found.from_layer == "y"


def test_with_one_seed_there_is_nothing_to_hold_it_against():
    values = matrix({(0, 1): [0.4, 0.2]})[:2, :2]
    found = divergence(values, ["x", "y"], ["a", "b"], [0, 0], "a", "b")
    np.testing.assert_allclose(found.between, [0.4, 0.2])
    assert np.isnan(found.within).all() and found.from_layer == ""


def test_layers_without_a_value_are_left_out():
    rows = {pair: [np.nan, *line] for pair, line in KNOWN.items()}
    found = divergence(matrix(rows), ["w", "x", "y", "z"], GROUPS, SEEDS, "a", "b")
    assert np.isnan(found.between[0]) and found.from_layer == "y"


def test_stability_by_hand():
    a, b = stability(matrix(KNOWN), GROUPS, SEEDS)
    assert (a.group, a.seeds) == ("a", 2)
    assert a.mean == pytest.approx(0.8) and a.low == a.high == pytest.approx(0.8)
    others = np.mean([1.0, 1.0, (0.9 + 0.5 + 0.3) / 3, (0.8 + 0.7 + 0.1) / 3])
    assert a.others == pytest.approx(others) and b.others == pytest.approx(others)
    (alone,) = stability(np.ones((1, 1, 2)), ["a"], [0])
    assert np.isnan([alone.mean, alone.low, alone.high, alone.others]).all()
