"""`review`, `report` and `verify` on the command line."""

import pytest

from protocore.cli.main import main
from protocore.cli.review import find_session
from protocore.errors import ReviewError
from protocore.library.library import Library
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from tests.library.review_samples import TITLE, contents, edited, make_review, rebuilt
from tests.review.results_samples import started


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home folder with one session, and the session's identifier."""
    home = tmp_path_factory.mktemp("made") / "home"
    library = Library(home)
    review = make_review(library, load_classifier(ModelSpec.demo(device="cpu")))
    library.close()
    return home, review


def run(capsys, *arguments):
    """Exit status, standard output and standard error."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def bundle(made, tmp_path, capsys):
    path = tmp_path / "g.protocore-review"
    assert run(capsys, "review", "--home", made[0], "export", TITLE, "--out", path)[0] == 0
    return path


def test_list(made, tmp_path, capsys):
    home, review = made
    status, out, _ = run(capsys, "review", "--home", home, "list")
    assert status == 0
    columns = out.rstrip("\n").split("\t")
    assert columns[0] == review and columns[3:] == ["8 events", TITLE]
    (tmp_path / "empty").mkdir()
    assert run(capsys, "review", "--home", tmp_path / "empty", "list")[1] == (
        f"no review sessions in the library {tmp_path / 'empty'}\n"
    )


def test_there_and_back(made, bundle, own_home, capsys):
    status, out, _ = run(capsys, "review", "import", bundle)
    assert (status, out) == (0, f"{made[1]}  “{TITLE}” was imported.\n")
    assert "is here already" in run(capsys, "review", "import", bundle)[1]
    assert TITLE in run(capsys, "review", "list")[1]


def test_the_report_of_a_session_and_of_its_bundle(made, bundle, tmp_path, capsys):
    home, review = made
    one, other = tmp_path / "one.html", tmp_path / "other.html"
    assert run(capsys, "report", "--home", home, review[:6], "--out", one) == (0, f"{one}\n", "")
    assert run(capsys, "report", bundle, "--out", other)[0] == 0
    assert one.read_text() == other.read_text()
    assert f"<h1>{TITLE}</h1>" in one.read_text()


def test_verify(bundle, capsys):
    status, out, err = run(capsys, "verify", bundle)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "18 ok, 0 differs, 0 not possible"


def test_verify_finds_what_differs(bundle, capsys):
    rebuilt(bundle, edited(contents(bundle), "decided", decision="supported"), honest=False)
    status, out, _ = run(capsys, "verify", bundle)
    assert status == 3
    assert out.startswith("differs       file events.jsonl ")


def test_verify_with_other_weights(bundle, capsys):
    status, out, _ = run(capsys, "verify", bundle, "--model", "demo:plain")
    assert status == 3
    assert "differs       model " in out


def test_errors_are_explained(made, tmp_path, capsys):
    home = made[0]
    for arguments, message in (
        (("report", "--home", home, "none", "--out", "x"), "has no review session 'none', and th"),
        (("report", "x", "--out", "x"), "there is no library folder"),
        (("verify", tmp_path / "x"), "there is no file"),
        (("review", "import", tmp_path / "x"), "there is no file"),
    ):
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, "")
        assert message in err


def test_finding_a_session(library):
    store = library.reviews
    first = store.create("Ada", started(title="one"))
    second = store.create("Ada", started(title="two"))
    third = store.create("Ada", started(title="two"))
    store.delete([first])
    assert find_session(library, "one").id == first
    assert find_session(library, second).id == second
    assert find_session(library, third[2:]).id == third
    with pytest.raises(ReviewError, match=r"'two' fits 2 sessions \(.*\); give the identifier"):
        find_session(library, "two")
    for query in ("", "tw", "zzzz"):
        with pytest.raises(ReviewError, match="has no review session"):
            find_session(library, query)
