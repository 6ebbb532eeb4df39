import json

import pytest

from protocore.errors import ModelError
from protocore.models.class_names import names_from, parse_class_names, read_class_names


@pytest.mark.parametrize(
    "content",
    [
        "tench\nEnglish springer\nchurch\n",
        "\ufefftench\r\nEnglish springer\r\nchurch\r\n\r\n",
        json.dumps(["tench", "English springer", "church"]),
        json.dumps({"0": "tench", "1": "English springer", "2": "church"}),
        json.dumps({"2": "church", "0": "tench", "1": "English springer"}),
        json.dumps(
            {"0": ["n01", "tench"], "1": ["n02", "English springer"], "2": ["n3", "church"]}
        ),
        json.dumps({"church": 2, "tench": 0, "English springer": 1}),
    ],
)
def test_every_usual_form_gives_the_names_in_order(content):
    assert parse_class_names(content.encode()) == ("tench", "English springer", "church")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"cat\n\ndog\n", "line 2 is empty"),
        (b"\xff\xfe\x00", "UTF-8, UTF-16 or Windows-1252"),
        (b'{"0": "cat", "2": "dog"}', "no complete list"),
        (b"[1, 2]", "no complete list"),
        (b"[]", "no complete list"),
    ],
)
def test_what_is_no_list_of_names_is_explained(content, reason):
    with pytest.raises(ModelError) as error:
        parse_class_names(content, "names.txt")
    for fact in ("names.txt", reason, "one name per line"):
        assert fact in str(error.value)


def test_broken_json_is_explained():
    with pytest.raises(ModelError, match=r"names.json .* JSON \(Expecting"):
        parse_class_names(b'["cat", ', "names.json")


def test_missing_and_huge_files_are_explained(tmp_path):
    with pytest.raises(ModelError) as error:
        read_class_names(tmp_path / "none.txt")
    assert f"{tmp_path / 'none.txt'}: No such file or directory" in str(error.value)
    huge = tmp_path / "huge.txt"
    huge.write_bytes(b"x" * (4 * 2**20 + 1))
    with pytest.raises(ModelError) as error:
        read_class_names(huge)
    assert str(error.value) == (
        "huge.txt has 4194305 bytes; a file of class names must have at most 4194304"
    )


@pytest.mark.parametrize("value", [None, 3, "cat", {}, {"a": "b"}, {"cat": 0, "dog": 5}, [None]])
def test_other_values_are_not_names(value):
    assert names_from(value) is None
