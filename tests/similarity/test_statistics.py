import numpy as np
import pytest
import torch
from scipy import stats

from protocore.similarity import statistics
from protocore.similarity.activations import open_reader
from protocore.similarity.pixels import as_images
from protocore.similarity.statistics import measure_reference, statistics_key


def outputs_of(classifier, images):
    return open_reader(classifier).capture(as_images(images, classifier.input_size))


def test_scores_agree_with_scipy_on_all_layers(small_classifier, small_reference):
    measured = measure_reference(small_classifier, small_reference)
    same = outputs_of(small_classifier, small_reference.same)
    different = outputs_of(small_classifier, small_reference.different)
    assert [layer.name for layer in measured.layers] == list(same)
    for layer in measured.layers:
        inside = same[layer.name].flatten(1).double().numpy()
        outside = different[layer.name].flatten(1).numpy()
        mean = inside.mean(0).astype(np.float32)
        np.testing.assert_allclose(measured.mean_of(layer).numpy(), mean, rtol=1e-6)
        for i, image in enumerate(inside):
            others = np.delete(inside, i, axis=0).mean(0).astype(np.float32)
            expected = stats.spearmanr(others, image).statistic
            assert measured.same[0, i, layer.index] == pytest.approx(expected, abs=1e-6)
            assert measured.same[1, i, layer.index] == pytest.approx(
                abs(others - image).mean(), rel=1e-4
            )
        for i, image in enumerate(outside):
            expected = stats.spearmanr(mean, image).statistic
            assert measured.different[0, i, layer.index] == pytest.approx(expected, abs=1e-6)


def test_rounds_of_few_layers_give_the_same(small_classifier, small_reference, monkeypatch):
    whole = measure_reference(small_classifier, small_reference)
    monkeypatch.setattr(statistics, "ELEMENTS_AT_ONCE", 300)  # conv1 alone has 256
    seen = []
    parts = measure_reference(
        small_classifier, small_reference, progress=lambda done, total: seen.append((done, total))
    )
    assert torch.equal(whole.means, parts.means)
    np.testing.assert_array_equal(whole.same, parts.same)
    np.testing.assert_array_equal(whole.different, parts.different)
    assert len(list(statistics._rounds(whole.layers))) == 4
    assert seen[-1] == (4 * (7 * 41 + 6 * 20),) * 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_progress_may_stop_and_leaves_no_hooks(small_classifier, small_reference):
    class StopError(Exception):
        pass

    def stop(done, total):
        raise StopError

    with pytest.raises(StopError):
        measure_reference(small_classifier, small_reference, progress=stop)
    assert all(not m._forward_hooks for m in small_classifier.module.modules())


def test_key_changes_with_everything_that_changes_the_numbers(small_classifier, small_reference):
    key = statistics_key(small_classifier, small_reference, "all")
    assert key == measure_reference(small_classifier, small_reference).key
    assert key != statistics_key(small_classifier, small_reference, "leaf")
    altered = small_reference.same.copy()
    altered[0, 0, 0, 0] ^= 1
    other = type(small_reference)(class_index=1, same=altered, different=small_reference.different)
    assert key != statistics_key(small_classifier, other, "all")
