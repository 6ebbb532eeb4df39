"""The folder of an atlas: what is refused, what is kept, what a record says."""

import json
from dataclasses import replace

import numpy as np
import pytest

from protocore.errors import LibraryError
from protocore.generation.settings import Target
from protocore.jobs.atlas import make_atlas, open_atlas
from protocore.models.loading import load_classifier
from tests.jobs.atlas.makers import SETTINGS, SPEC, contents, started


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(SPEC)


def test_passes_are_cut_once_and_cover_everything(tmp_path, classifier):
    atlas = started(tmp_path / "a", classifier, width=4)
    assert [len(one) for one in atlas.passes] == [4, 2]
    assert [target for one in atlas.passes for target in one] == atlas.targets
    again = started(tmp_path / "a", classifier, width=1)
    assert again.manifest.width == 4, "the width of then holds"


def test_records_hold_what_the_model_makes_of_the_picture(tmp_path, classifier):
    atlas = started(tmp_path, classifier, classes=(3,), seeds=(1,))
    assert make_atlas(atlas, SPEC, classifier=classifier) == 0
    entry = atlas.entry(Target.of(3, 1))
    assert (entry.class_name, entry.seed) == (classifier.class_names[3], 1)
    assert entry.logits.shape == (12,)
    assert entry.logits[3] == pytest.approx(entry.logit, abs=0.01)
    likeliest, _, probability = entry.top[0]
    assert likeliest == int(entry.logits.argmax())
    shares = np.exp(entry.logits - entry.logits.max())
    assert probability == pytest.approx(float(shares.max() / shares.sum()), abs=0.01)
    assert open_atlas(tmp_path).entry(Target.of(0, 0)) is None
    cosines = atlas.head_cosines()
    np.testing.assert_allclose(cosines, [[1]], atol=1e-3)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"identity": "0" * 64, "model_title": "other · net"}, "atlas of other · net"),
        ({"class_names": ("gone",)}, "missing: gone"),
        ({"classes": (0, 3)}, "classes (0, 3), got (0, 3, 5)"),
        ({"seeds": (7,)}, "seeds (7,)"),
        ({"settings": {**SETTINGS.to_dict(), "steps": 99}}, "'steps': 99"),
    ],
)
def test_the_folder_of_another_atlas_is_refused_and_left_alone(tmp_path, classifier, change, fact):
    atlas = started(tmp_path, classifier)
    path = tmp_path / "atlas.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | json.loads(json.dumps(change))))
    before = path.read_bytes()
    with pytest.raises(LibraryError) as caught:
        started(tmp_path, classifier)
    assert fact in str(caught.value) and "another folder" in str(caught.value)
    assert path.read_bytes() == before
    assert atlas.count_made() == 0


def test_a_class_removed_from_the_model_is_named(tmp_path, classifier):
    started(tmp_path, classifier)
    fewer = replace(classifier, class_names=("x", *classifier.class_names[1:]))
    with pytest.raises(LibraryError, match=classifier.class_names[0]):
        started(tmp_path, fewer)


@pytest.mark.parametrize(
    ("name", "text", "fact"),
    [
        ("photo.jpg", "x", "photo.jpg"),
        ("atlas.json", "{", "atlas.json"),
        ("atlas.json", '{"format": "protocore atlas"}', "missing"),
    ],
)
def test_a_folder_that_is_not_ours_is_refused(tmp_path, classifier, name, text, fact):
    (tmp_path / name).write_text(text)
    with pytest.raises(LibraryError, match=fact):
        started(tmp_path, classifier)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_atlas_of_a_later_version_is_refused(tmp_path, classifier):
    started(tmp_path, classifier)
    path = tmp_path / "atlas.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(LibraryError, match="version 2"):
        open_atlas(tmp_path)


def test_a_file_or_no_folder(tmp_path, classifier):
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="is a file"):
        started(tmp_path / "file", classifier)
    with pytest.raises(LibraryError, match="no atlas"):
        open_atlas(tmp_path / "nowhere")


def test_a_damaged_record_is_named_and_the_way_out(tmp_path, classifier):
    atlas = started(tmp_path, classifier, classes=(0,), seeds=(0,))
    make_atlas(atlas, SPEC, classifier=classifier)
    path = atlas.path(Target.of(0), ".json")
    path.write_text("{}")
    with pytest.raises(LibraryError, match="delete it"):
        atlas.entry(Target.of(0))
    path.unlink()
    before = contents(atlas)
    assert make_atlas(atlas, SPEC, classifier=classifier) == 0
    assert {**before, path.name: path.read_bytes()} == contents(atlas)


def test_a_copy_without_its_claims_can_be_gone_on_with(tmp_path, classifier):
    atlas = started(tmp_path, classifier, classes=(0,), seeds=(0,))
    (tmp_path / "claims").rmdir()
    assert make_atlas(atlas, SPEC, classifier=classifier) == 0


def test_a_full_disk_leaves_no_half_file(tmp_path, classifier, monkeypatch):
    from protocore.jobs.atlas import folder as module

    atlas = started(tmp_path, classifier, classes=(0,), seeds=(0,))

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_atomic", full)
    with pytest.raises(LibraryError, match="No space left"):
        make_atlas(atlas, SPEC, classifier=classifier)
    assert contents(atlas) == {}
    assert list((tmp_path / "claims").iterdir()) == []
