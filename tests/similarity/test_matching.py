import pytest
from torch import nn

from protocore.errors import NaturalReferenceError
from protocore.models.classifier import Classifier
from protocore.similarity.matching import match_folders, read_wordnet_names

NAMES = ("tench", "crane", "golf ball", "French horn", "crane")


def classifier_with(names) -> Classifier:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3, len(names)))
    return Classifier.from_module(module, class_names=names, input_size=1)


def found(folders, **options):
    matches = match_folders(folders, classifier_with(NAMES), **options)
    return [(match.class_index, match.how) for match in matches]


def test_names_indices_and_wordnet_ids():
    folders = ["Golf_Ball", "french-horn", "0", "2 golf", "n01440764", "n03445777"]
    assert found(folders) == [
        (2, "name"), (3, "name"), (0, "index"), (2, "index"), (0, "WordNet id"), (2, "WordNet id"),
    ]  # fmt: skip


def test_what_is_not_certain_stays_unknown():
    # a name twice, an index too high, an id nobody knows, a number glued to a word
    assert found(["crane", "7", "n99999999", "something", "2000000"]) == [(None, "unknown")] * 5


def test_people_have_the_last_word():
    assert found(["crane", "tench"], given={"crane": 4, "tench": None}) == [
        (4, "given"), (None, "given"),
    ]  # fmt: skip


def test_a_list_of_names_helps(tmp_path):
    path = tmp_path / "synsets.txt"
    path.write_text("n99999999 Cornu, French horn\nnonsense\nn00000001,tench\n")
    names = read_wordnet_names(path)
    assert names == {"n99999999": "Cornu, French horn", "n00000001": "tench"}
    assert found(["n99999999", "n00000001"], wordnet=names) == [
        (3, "WordNet id"), (0, "WordNet id"),
    ]  # fmt: skip
    path.write_text("nothing here")
    with pytest.raises(NaturalReferenceError) as error:
        read_wordnet_names(path)
    assert str(error.value) == (
        f"{path} has no lines such as 'n01440764 tench, Tinca tinca'; give a list of WordNet ids "
        "with names"
    )


def test_a_thousand_ids_are_imagenet_in_order():
    ids = [f"n{10 * i:08d}" for i in range(1000)]
    imagenet = classifier_with([f"class {i}" for i in range(1000)])
    matches = match_folders(ids[::-1], imagenet)
    assert [match.class_index for match in matches] == list(range(999, -1, -1))
    assert {match.class_index for match in match_folders(ids[:999], imagenet)} == {None}
