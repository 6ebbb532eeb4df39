"""`protocore library ...`, through the program's own entry."""

import json

import pytest

from protocore.cli.main import main
from protocore.library.library import Filter, Library
from tests.library.samples import tiny_prototype, tiny_run


@pytest.fixture
def library(own_home):
    library = Library(own_home)
    yield library
    library.close()


@pytest.fixture
def infos(library):
    library.save_run(tiny_run(tiny_prototype(0), tiny_prototype(1, seed=3, probability=0.25)))
    infos = library.prototypes(sort="class")
    library.set_tags(infos[1].id, ["ball", "white"])
    library.set_naturalness(infos[1].id, {"similarity": 0.5})
    return library.prototypes(sort="class")


def call(capsys, *arguments, code=0):
    """What the command printed, without the last line end."""
    assert main(["library", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    return (captured.err if code else captured.out).rstrip("\n")


def test_list(infos, capsys):
    lines = call(capsys, "list", "--sort", "class").split("\n")
    assert lines[1].split("\t") == [
        infos[1].id,
        infos[1].created[:16],
        "tiny · TEST_V1",
        "1 · golf ball",
        "seed 3",
        "p=0.250",
        "similarity=0.500",
        "golf ball · seed 3",
        "#ball #white",
    ]
    assert lines[0].split("\t")[6] == "similarity=-"
    assert len(lines) == 2


def test_list_with_filter_as_json(infos, capsys):
    lines = call(capsys, "list", "--text", "golf", "--json").split("\n")
    content = json.loads(lines[0])
    assert (len(lines), content["id"], content["tags"]) == (1, infos[1].id, ["ball", "white"])
    assert content["picture"] == str(infos[1].picture)


def test_a_title_cannot_steer_the_terminal(infos, library, capsys):
    library.rename(infos[0].id, "red \x1b[31m fish")
    line = call(capsys, "list", "--text", "fish")
    assert line.split("\t")[7] == "red  [31m fish"


def test_list_of_nothing(infos, library, capsys):
    said = call(capsys, "list", "--tag", "none")
    assert said == f"nothing fits in the library {library.folder}"


def test_delete_restore_and_purge(infos, library, capsys):
    assert call(capsys, "delete", infos[0].id).startswith("1 in the trash")
    assert library.count() == 1
    assert call(capsys, "list", "--trash").startswith(infos[0].id)
    assert call(capsys, "restore", infos[0].id) == "1 brought back"
    assert library.count() == 2
    call(capsys, "delete", infos[0].id, infos[1].id)
    assert call(capsys, "purge", code=2) == (
        "error: the trash holds 2 prototypes, which purge deletes for good with all files; say "
        "--yes if that is meant"
    )
    assert library.count(Filter(deleted=True)) == 2
    assert call(capsys, "purge", "--yes") == "2 deleted for good"
    assert call(capsys, "purge") == "0 deleted for good"


def test_export_and_import(infos, tmp_path, capsys):
    bundle, home = tmp_path / "x.protocore.zip", tmp_path / "another"
    said = call(capsys, "export", infos[1].id, "--out", bundle)
    assert said.startswith(f"{bundle}  1 prototypes, ")
    assert call(capsys, "--home", home, "import", bundle) == "1 prototype imported."
    assert call(capsys, "--home", home, "list").startswith(infos[1].id)
    call(capsys, "export", "--out", bundle)
    said = call(capsys, "--home", home, "import", bundle)
    assert said == "1 prototype imported, 1 prototype was here already."


def test_export_of_nothing(infos, tmp_path, capsys):
    said = call(capsys, "export", "--tag", "none", "--out", tmp_path / "x.zip", code=2)
    assert said == "error: a bundle needs at least one prototype, got none; select some"


def test_rebuild(infos, library, capsys):
    assert call(capsys, "rebuild") == "0 runs entered"
    library.close()
    for path in library.folder.glob("library.sqlite*"):
        path.unlink()
    assert len(call(capsys, "list").split("\n")) == 2


def test_a_library_that_is_not_there_is_not_made(tmp_path, capsys):
    home = tmp_path / "nowhere"
    assert call(capsys, "--home", home, "list", code=2) == (
        f"error: there is no library folder {home}; set PROTOCORE_HOME or --home to the folder "
        "of yours, or make a prototype in the app first"
    )
    assert not home.exists()
