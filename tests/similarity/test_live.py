import numpy as np
import pytest
import torch
from torch import nn

from protocore.errors import NaturalReferenceError
from protocore.models.classifier import Classifier
from protocore.similarity.live import live_similarity, open_meter
from protocore.similarity.path import evaluate_images
from protocore.similarity.statistics import measure_reference


def test_with_all_activations_it_is_the_exact_mean(small_classifier, small_reference):
    reference = measure_reference(small_classifier, small_reference)
    meter = open_meter(small_classifier, reference)  # no layer has more than the sample
    exact = evaluate_images(small_classifier, small_reference.same, reference).scores[0]
    np.testing.assert_allclose(
        live_similarity(meter, small_reference.same), np.nanmean(exact, axis=1), atol=1e-9
    )
    assert meter.same == pytest.approx(np.nanmean(np.nanmean(reference.same[0], axis=0)))


def test_a_sample_is_close(small_reference):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3 if i == 0 else 16, 16, 3, padding=1) for i in range(6)]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
    classifier = Classifier.from_module(module.eval(), input_size=32)
    reference = measure_reference(classifier, _resized(small_reference, 4))
    images = _resized(small_reference, 4).different
    exact = evaluate_images(classifier, images, reference).scores[0].mean(axis=1)
    estimate = live_similarity(open_meter(classifier, reference, sample=1024), images)
    assert np.abs(estimate - exact).max() < 0.02
    assert np.abs(estimate - exact).max() > 0


def test_another_network_is_refused(small_classifier, small_reference):
    reference = measure_reference(small_classifier, small_reference, "leaf")
    other = Classifier.from_module(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), input_size=8)
    with pytest.raises(NaturalReferenceError, match="have 8 layers that do not match the 2"):
        open_meter(other, reference)


def _resized(reference, factor):
    return type(reference)(
        class_index=reference.class_index,
        same=reference.same.repeat(factor, 1).repeat(factor, 2),
        different=reference.different.repeat(factor, 1).repeat(factor, 2),
    )
