"""Named groups of classes in their file."""

import pytest

from protocore.compare.groups import FILE, delete_group, load_groups, save_group
from protocore.errors import LibraryError, SettingsError, UnknownClassError
from tests.compare.makers import quadrants
from tests.networks import tiny_classifier


def test_a_group_is_kept_replaced_and_forgotten(tmp_path):
    assert load_groups(tmp_path) == ()
    save_group(tmp_path, "  sports   things ", tiny_classifier(), [1, 2])
    (group,) = load_groups(tmp_path)
    assert group.name == "sports things"
    assert group.classes == ((1, "golf ball"), (2, "French horn"))
    assert group.indices == (1, 2)
    save_group(tmp_path, "sports things", tiny_classifier(), [0, 1])
    save_group(tmp_path, "birds", tiny_classifier(), [3, 4])
    assert [(g.name, g.indices) for g in load_groups(tmp_path)] == [
        ("birds", (3, 4)),
        ("sports things", (0, 1)),
    ]
    delete_group(tmp_path, "birds")
    delete_group(tmp_path, "no such group")
    assert [g.name for g in load_groups(tmp_path)] == ["sports things"]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_group_fits_models_with_these_classes(tmp_path):
    group = save_group(tmp_path, "pair", tiny_classifier(), [0, 1])
    assert group.fits(tiny_classifier(seed=5)) and not group.fits(quadrants())


def test_what_is_no_group_is_explained(tmp_path):
    with pytest.raises(SettingsError) as caught:
        save_group(tmp_path, " ", tiny_classifier(), [0, 1])
    assert str(caught.value) == "a group needs a name of 1 to 60 characters, got 0"
    with pytest.raises(SettingsError) as caught:
        save_group(tmp_path, "one", tiny_classifier(), [0])
    assert str(caught.value) == "a group needs at least 2 classes, got 1"
    with pytest.raises(UnknownClassError):
        save_group(tmp_path, "far", tiny_classifier(), [0, 99])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["{", "[1, 2]", '{"a": [1]}'])
def test_a_damaged_file_is_explained_and_kept(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(LibraryError, match=r"cannot be read .* repair or delete that file"):
        save_group(tmp_path, "new", tiny_classifier(), [0, 1])
    assert (tmp_path / FILE).read_text() == content


def test_a_folder_that_cannot_be_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match=r"the group could not be saved in .*file"):
        save_group(tmp_path / "file", "new", tiny_classifier(), [0, 1])
