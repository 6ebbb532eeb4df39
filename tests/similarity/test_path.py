import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from protocore.errors import ImageError, NaturalReferenceError
from protocore.models.classifier import Classifier
from protocore.similarity.activations import open_reader
from protocore.similarity.path import evaluate_images, layer_curves, mean_and_sd
from protocore.similarity.pixels import as_images
from protocore.similarity.statistics import measure_reference


def test_scores_logits_and_probabilities(small_classifier, small_reference):
    reference = measure_reference(small_classifier, small_reference)
    images = small_reference.different[:5]
    found = evaluate_images(small_classifier, images, reference)
    # the same images, measured as prototypes, score as they did as natural images
    np.testing.assert_allclose(found.scores, reference.different[:, :5], atol=1e-6)
    logits = small_classifier.logits(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(found.logits, logits[:, 1], rtol=1e-5)
    np.testing.assert_allclose(found.probabilities, logits.softmax(1)[:, 1], rtol=1e-5)
    as_floats = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    again = evaluate_images(small_classifier, as_floats, reference)
    np.testing.assert_array_equal(found.scores, again.scores)


def test_no_images(small_classifier, small_reference):
    reference = measure_reference(small_classifier, small_reference)
    empty = np.zeros((0, 8, 8, 3), np.uint8)
    found = evaluate_images(small_classifier, empty, reference)
    assert found.scores.shape == (3, 0, len(reference.layers))
    assert found.probabilities.shape == (0,)


def test_another_size_is_resampled(small_classifier, small_reference):
    reference = measure_reference(small_classifier, small_reference)
    small = small_reference.same[:1]
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    found = evaluate_images(small_classifier, large, reference)
    expected = evaluate_images(small_classifier, small, reference)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=0.05)


def test_statistics_of_another_network_are_refused(small_classifier, small_reference):
    reference = measure_reference(small_classifier, small_reference)
    other = Classifier.from_module(
        nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), input_size=8, name="other"
    )
    with pytest.raises(NaturalReferenceError) as error:
        evaluate_images(other, small_reference.same, reference)
    assert str(error.value) == (
        "the natural statistics have 9 layers that do not match the 3 of other · in memory; "
        "measure the reference with this model"
    )


def test_images_of_another_form_are_refused(small_classifier, small_reference):
    reference = measure_reference(small_classifier, small_reference)
    with pytest.raises(ImageError) as error:
        evaluate_images(small_classifier, np.zeros((2, 8, 8), np.uint8), reference)
    assert str(error.value) == "images must have the shape (N, H, W, 3), got (2, 8, 8)"
    with pytest.raises(ImageError) as error:
        evaluate_images(small_classifier, np.zeros((2, 8, 8, 3)), reference)
    assert str(error.value) == (
        "images must be a uint8 array (N, H, W, 3) or a float tensor (N, 3, H, W) in [0, 1], "
        "got ndarray of float64"
    )


def test_normalised_curve_by_hand(by_hand):
    same = [[0.7, 0.5], [0.9, 0.5], [0.8, 0.5]]
    different = [[0.3, 0.5], [0.5, 0.5], [0.4, 0.5]]
    curves = layer_curves(by_hand([[0.6, 0.9], [0.8, 0.1]], same, different))
    assert curves.same.tolist() == pytest.approx([0.8, 0.5])
    assert curves.same_sd.tolist() == pytest.approx([0.1, 0.0])
    assert curves.different.tolist() == pytest.approx([0.4, 0.5])
    assert curves.unstable.tolist() == [False, True]
    assert curves.normalised[:, 0].tolist() == pytest.approx([0.5, 1.0])
    assert np.isnan(curves.normalised[:, 1]).all()


def test_a_gap_within_the_noise_or_of_the_wrong_sign_is_unstable(by_hand):
    noisy = by_hand([[0.5]], [[0.1], [0.9], [0.6]], [[0.0], [0.8], [0.5]])
    assert layer_curves(noisy).unstable.tolist() == [True]
    reversed_ = by_hand([[0.5]], [[0.4], [0.41]], [[0.8], [0.81]])
    assert layer_curves(reversed_).unstable.tolist() == [True]
    # as a distance, smaller is closer: the same numbers are a clear gap
    assert layer_curves(reversed_, "l1").unstable.tolist() == [False]
    assert layer_curves(reversed_, "l1").normalised.item() == pytest.approx(0.305 / 0.4)


def test_missing_scores_do_not_spread(by_hand):
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    mean, sd = mean_and_sd(values)
    np.testing.assert_allclose(mean, [2.0, 5.0, np.nan])
    np.testing.assert_allclose(sd, [np.sqrt(2), np.nan, np.nan])
    curves = layer_curves(by_hand([[0.5, np.nan]], [[np.nan] * 2] * 2, [[0.1, 0.1]] * 2))
    assert curves.unstable.all()


def test_real_activations_agree_with_scipy(small_classifier, small_reference):
    """Ties after ReLU, float32 means: what a publication would compute, layer by layer."""
    reference = measure_reference(small_classifier, small_reference)
    found = evaluate_images(small_classifier, small_reference.same[:1], reference)
    outputs = open_reader(small_classifier).capture(as_images(small_reference.same[:1], 8))
    for layer in reference.layers:
        expected = stats.spearmanr(reference.mean_of(layer), outputs[layer.name].flatten())
        assert found.scores[0, 0, layer.index] == pytest.approx(expected.statistic, abs=1e-6)
