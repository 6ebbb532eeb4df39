import numpy as np
import torch

from protocore.similarity import store
from protocore.similarity.statistics import measure_reference
from protocore.similarity.store import cached_statistics, load_statistics, save_statistics


def test_saved_and_loaded_are_equal(small_classifier, small_reference, tmp_path):
    measured = measure_reference(small_classifier, small_reference, "leaf")
    assert save_statistics(measured, tmp_path / "deep/x.safetensors")
    loaded = load_statistics(tmp_path / "deep/x.safetensors")
    assert loaded.layers == measured.layers
    assert (loaded.key, loaded.class_index, loaded.layer_set) == (measured.key, 1, "leaf")
    assert torch.equal(loaded.means, measured.means)
    np.testing.assert_array_equal(loaded.same, measured.same)
    np.testing.assert_array_equal(loaded.different, measured.different)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["x.safetensors"]


def test_the_second_time_nothing_is_measured(
    small_classifier, small_reference, tmp_path, monkeypatch
):
    first = cached_statistics(small_classifier, small_reference, folder=tmp_path)
    monkeypatch.setattr(store, "measure_reference", None)
    again = cached_statistics(small_classifier, small_reference, folder=tmp_path)
    np.testing.assert_array_equal(first.same, again.same)


def test_a_damaged_file_is_measured_again(small_classifier, small_reference, tmp_path):
    cached_statistics(small_classifier, small_reference, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"garbage" * 9):
        path.write_bytes(content)
        assert load_statistics(path) is None
    found = cached_statistics(small_classifier, small_reference, folder=tmp_path)
    assert found.same.shape[1] == 7
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_nothing_else(
    small_classifier, small_reference, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    found = cached_statistics(small_classifier, small_reference, folder=tmp_path / "file")
    assert found.same.shape[1] == 7
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
