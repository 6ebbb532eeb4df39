"""A session's bundle brings everything along; what is not a whole and honest one is refused."""

import io
import json
import pickle
import stat
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from protocore.errors import BundleError, LibraryError
from protocore.library import review_bundle
from protocore.library.library import Library
from protocore.library.review_bundle import (
    ReviewImport,
    export_review,
    export_review_to_cache,
    import_review,
)
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from protocore.reports.review.build import session_report, write_bundle_report, write_report
from protocore.review.events import Noted
from tests.library.review_samples import (
    CLAIM,
    TEST,
    TITLE,
    contents,
    edited,
    make_review,
    rebuilt,
    recorded,
)
from tests.library.samples import encoded


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A library with a session, the session's identifier, and its bundle."""
    folder = tmp_path_factory.mktemp("made")
    library = Library(folder / "home")
    review = make_review(library, load_classifier(ModelSpec.demo(device="cpu")))
    bundle = export_review(library, review, folder / "gowns.protocore-review")
    yield library, review, bundle
    library.close()


@pytest.fixture
def bundle(made, tmp_path):
    """A bundle of one's own, to be spoiled."""
    path = tmp_path / "mine.protocore-review"
    path.write_bytes(made[2].read_bytes())
    return path


def refused(library, path):
    """The message with which an import is refused, after checking that nothing happened."""
    before = library.reviews.infos()
    with pytest.raises(BundleError) as caught:
        import_review(library, path)
    assert library.reviews.infos() == before
    folder = library.reviews.folder
    assert not folder.is_dir() or len(list(folder.iterdir())) == len(before)
    return str(caught.value)


# --- there and back ---


def test_a_session_arrives_elsewhere_with_everything(made, bundle, library):
    home, review, _ = made
    report = import_review(library, bundle)
    assert report == ReviewImport(review_id=review, title=TITLE)
    assert report.sentence == f"“{TITLE}” was imported."
    assert library.reviews.session(review) == home.reviews.session(review)
    mine, theirs = (one.reviews.file(review) for one in (home, library))
    names = sorted(path.relative_to(mine) for path in mine.rglob("*") if path.is_file())
    assert len(names) == 3 * 2 + 1 + 8 + 1  # pictures, result, small copies, journal
    for name in names:
        assert (theirs / name).read_bytes() == (mine / name).read_bytes()


def test_the_report_is_the_same_elsewhere_and_from_the_bundle(made, bundle, library, tmp_path):
    home, review, _ = made
    import_review(library, bundle)
    wanted = session_report(home, review)
    assert "0.61 (photos 0.70) · Eq. 1 on 40% of layers · class seen with 2%" in wanted
    assert session_report(library, review) == wanted
    assert write_report(library, review, tmp_path / "a" / "r.html").read_text() == wanted
    assert write_bundle_report(bundle, tmp_path / "b.html").read_text() == wanted
    assert "missing" not in wanted


def test_an_imported_session_can_be_exported_again(made, bundle, library, tmp_path):
    review = import_review(library, bundle).review_id
    again = export_review(library, review, tmp_path / "again.protocore-review")
    mine, theirs = (contents(path) for path in (bundle, again))
    assert {k: v for k, v in mine.items() if k != "bundle.json"} == {
        k: v for k, v in theirs.items() if k != "bundle.json"
    }


def test_a_bundle_may_come_as_an_open_file(bundle, library, made):
    assert import_review(library, io.BytesIO(bundle.read_bytes())).review_id == made[1]


def test_the_same_session_is_known(made, bundle):
    home, review, _ = made
    before = home.reviews.infos()
    report = import_review(home, bundle)
    assert report == ReviewImport(review_id=review, title=TITLE, known=True)
    assert report.sentence == f"“{TITLE}” is here already; nothing was changed."
    assert home.reviews.infos() == before


def test_an_earlier_state_of_a_session_is_known(bundle, library):
    review = import_review(library, bundle).review_id
    library.reviews.append(review, "Ada", Noted(text="more"))
    assert import_review(library, bundle).known
    library.reviews.delete([review])
    report = import_review(library, bundle)
    assert report.in_trash
    assert report.sentence == f"“{TITLE}” is in the trash: restore it there; nothing was changed."


def test_another_state_becomes_a_session_of_its_own(bundle, library):
    review = import_review(library, bundle).review_id
    rebuilt(bundle, edited(contents(bundle), "decided", note="something else"))
    report = import_review(library, bundle)
    assert report.copied and report.review_id != review
    assert "became a session of its own" in report.sentence
    assert len(library.reviews.infos()) == 2
    notes = [
        library.reviews.session(name).claim(CLAIM).decisions["Ada"].note
        for name in (review, report.review_id)
    ]
    assert notes == ["too few", "something else"]
    assert session_report(library, report.review_id)


def test_a_folder_that_is_left_over_does_not_stop_an_import(made, bundle, library):
    left = library.reviews.file(made[1])
    left.mkdir(parents=True)
    (left / "x").write_text("left over")
    report = import_review(library, bundle)
    assert report.review_id != made[1]
    assert not report.copied


# --- export ---


def test_exports_to_fetch(made):
    home, review, bundle = made
    path = export_review_to_cache(home, review)
    assert path.is_relative_to(home.folder / "cache")
    assert set(contents(path)) == set(contents(bundle))


def test_an_export_of_missing_files_says_so_and_leaves_nothing(bundle, library, tmp_path):
    review = import_review(library, bundle).review_id
    picture = next(library.reviews.file(review, "prototypes").glob("*.png"))
    picture.unlink()
    target = tmp_path / "out" / "x.protocore-review"
    with pytest.raises(LibraryError, match=r"\.png is gone .*: it was deleted outside Protocore"):
        export_review(library, review, target)
    assert not target.parent.exists()


def test_an_export_of_a_changed_result_says_so(bundle, library, tmp_path):
    review = import_review(library, bundle).review_id
    library.reviews.write_file(review, f"tests/{TEST}/result.json", b"{}")
    with pytest.raises(LibraryError, match="is not what the session has recorded"):
        export_review(library, review, tmp_path / "x.protocore-review")


def test_an_export_that_nobody_could_import(made, tmp_path, monkeypatch):
    monkeypatch.setattr(review_bundle, "KIND", replace(review_bundle.KIND, max_files=9))
    with pytest.raises(BundleError, match=r"a bundle may hold 9 files .* would have 18"):
        export_review(made[0], made[1], tmp_path / "x.protocore-review")
    assert list(tmp_path.glob("*x.protocore*")) == []


def test_the_report_says_what_was_changed(bundle, library):
    review = import_review(library, bundle).review_id
    library.reviews.write_file(review, f"tests/{TEST}/result.json", b"{}")
    next(library.reviews.file(review, "prototypes").glob("*.png")).write_bytes(encoded("PNG"))
    page = session_report(library, review)
    assert "The result of the last test is missing, or not the one recorded." in page
    assert page.count("is missing, or not the one") >= 2


def test_a_report_that_cannot_be_written(made, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="cannot be used"):
        write_report(made[0], made[1], tmp_path / "file" / "r.html")


# --- bundles that were tampered with ---


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.png",
        "/etc/passwd",
        "prototypes/../../evil.png",
        "prototypes/0123456789abcdef/../../../evil.png",
        "prototypes/..\\evil.png",
        "tests/7e7e7e7e7e7e7e7e/run.pkl",
        "tests/7e7e7e7e7e7e7e7e/c/0000.jpg",
        "tests/7e7e7e7e7e7e7e7e/a/0000.svg",
        "tests/7e7e7e7e7e7e7e7e/result.json\n",
        "events.jsonl/",
        "weights.pth",
        "C:/evil.png",
    ],
)
def test_names_that_protocore_never_writes(bundle, library, name):
    message = refused(library, rebuilt(bundle, {**contents(bundle), name: b"x"}))
    assert message == (
        f"the bundle holds {name!r}, which Protocore never writes; nothing was imported, and it "
        "is wise to ask where the file comes from"
    )
    assert not list(library.folder.parent.rglob("*evil*"))


def test_a_symbolic_link(bundle, library):
    files = contents(bundle)
    link = zipfile.ZipInfo("prototypes/0123456789abcdef.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(link, "/etc/passwd")
    assert "0123456789abcdef.png', which Protocore never writes" in refused(library, bundle)


def test_sizes_are_limited(bundle, library, monkeypatch):
    for limits, message in (
        ({"max_files": 5}, "a bundle may hold 5 files, this one has 18"),
        ({"max_bytes": 1000}, "a bundle may hold 1000 bytes, this one unpacks to"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(review_bundle, "KIND", replace(review_bundle.KIND, **limits))
            assert refused(library, bundle).startswith(message)
    with monkeypatch.context() as patch:
        patch.setattr(review_bundle, "MAX_PIXELS", 99)
        assert "at most 99 are allowed" in refused(library, bundle)
    with monkeypatch.context() as patch:
        patch.setattr(review_bundle, "MAX_JOURNAL", 99)
        assert "events.jsonl must have at most 99 bytes" in refused(library, bundle)


def test_a_zip_bomb(bundle, library):
    """A thousand times larger unpacked, and a size in the archive that hides it."""
    files = contents(bundle) | {f"tests/{TEST}/a/0000.jpg": b"\0" * 20_000_000}
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    data = bundle.read_bytes().replace((20_000_000).to_bytes(4, "little"), b"\x10\0\0\0")
    bundle.write_bytes(data)
    refused(library, bundle)


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps({"a": 1})])
def test_a_file_that_is_no_zip(library, tmp_path, content):
    path = tmp_path / "x.protocore-review"
    path.write_bytes(content)
    assert "a bundle is a file that Protocore exported, named ….protocore-review" in refused(
        library, path
    )


def test_a_library_bundle_is_no_session(library, tmp_path):
    index = {"format": "protocore bundle", "version": 1, "files": {}}
    path = rebuilt(tmp_path / "x.zip", {"bundle.json": json.dumps(index).encode()}, honest=False)
    assert refused(library, path) == (
        "bundle.json says 'protocore bundle', not 'protocore review session'"
    )


@pytest.mark.parametrize("session", [None, "../../x", "A" * 16, 7, "a" * 40])
def test_an_index_that_names_no_session(bundle, library, session):
    files = contents(bundle)
    index = json.loads(files["bundle.json"]) | {"session": session}
    path = rebuilt(bundle, files | {"bundle.json": json.dumps(index).encode()})
    assert refused(library, path).startswith("bundle.json names no review session, got ")


def test_content_that_differs_from_the_index(bundle, library):
    files = edited(contents(bundle), "decided", decision="supported")
    assert refused(library, rebuilt(bundle, files, honest=False)) == (
        "events.jsonl is not what the bundle's index says; the file was damaged or changed after "
        "its export: get it again"
    )


def a_picture(files):
    return next(name for name in files if name.endswith(".png"))


def png_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def spoiled(files, case):
    """The files of a bundle with one of them, or its events, changed."""
    name = a_picture(files)
    result, record = f"tests/{TEST}/result.json", name.replace(".png", ".json")
    events = files["events.jsonl"]
    other = png_of(np.zeros((8, 8, 3), np.uint8))
    cases = {
        "another picture": lambda: {**files, name: other},
        "a damaged picture": lambda: recorded(files, name, files[name][:300]),
        "another format": lambda: recorded(files, name, encoded("TIFF")),
        "no record": lambda: {k: v for k, v in files.items() if k != record},
        "a record that is none": lambda: {**files, record: b"{}"},
        "no events": lambda: {k: v for k, v in files.items() if k != "events.jsonl"},
        "an event too few": lambda: {**files, "events.jsonl": b"".join(_without(events, 3))},
        "events cut off": lambda: {**files, "events.jsonl": events[:-9]},
        "events that are none": lambda: {**files, "events.jsonl": b"{}\n"},
        "a test of nobody": lambda: edited(files, "test started", claim="ff" * 8),
        "another plan": lambda: edited(files, "claimed", known="x" * 99),
        "another result": lambda: {**files, result: files[result] + b" "},
        "a result that is none": lambda: recorded(files, result, b"[]"),
        "other weights": lambda: edited(files, "started", weight_hash="0" * 64),
        "an image too many": lambda: {**files, f"tests/{TEST}/a/0004.jpg": encoded("JPEG")},
        "an image that is none": lambda: {**files, f"tests/{TEST}/a/0000.jpg": b"x"},
        "a stray picture": lambda: {**files, f"prototypes/{'0' * 16}.png": other},
        "naturalness of another": lambda: {
            **files,
            "naturalness.json": b'{"x": {"similarity": 0}}',
        },
        "naturalness too high": lambda: {**files, "naturalness.json": b'{"x": {"similarity": 7}}'},
        "naturalness that is none": lambda: {**files, "naturalness.json": b"[[]]"},
    }
    return cases[case]()


def _without(events, place):
    lines = events.splitlines(keepends=True)
    return [*lines[:place], *lines[place + 1 :]]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("another picture", ".png is not the picture that the session has recorded"),
        ("a damaged picture", ".png is not a valid image"),
        ("another format", ".png is not a valid image"),
        ("no record", "cannot be read"),
        ("a record that is none", "this is not a prototype record: KeyError"),
        ("no events", "events.jsonl is missing"),
        ("an event too few", "event 4 of this session is missing"),
        ("events cut off", "events.jsonl breaks off in the middle of an event"),
        ("events that are none", "this is not an event of a review session"),
        ("a test of nobody", "this session has no claim"),
        ("another plan", "must have 0 to 60 characters"),
        ("another result", f"the result of test {TEST} is not what the session has recorded"),
        ("a result that is none", "this is not the result of a cohort test"),
        ("other weights", "is of other weights"),
        ("an image too many", "0004.jpg belongs to nothing in the session"),
        ("an image that is none", "0000.jpg is not a valid image"),
        ("a stray picture", "0000000000000000.png belongs to nothing in the session"),
        ("naturalness of another", "naturalness.json is of 'x', which is no picture here"),
        ("naturalness too high", "similarity must be between -1 and 1, got 7"),
        ("naturalness that is none", "naturalness.json cannot be read"),
    ],
)
def test_sessions_that_are_not_valid(bundle, library, case, message):
    found = refused(library, rebuilt(bundle, spoiled(contents(bundle), case)))
    assert found.startswith("the review session of the bundle is not valid: ")
    assert message in found
    assert str(library.folder) not in found


def test_nothing_is_unpickled(bundle, library, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "evil"), "w"))

    files = contents(bundle)
    pickled = pickle.dumps(Evil())
    for name in (f"tests/{TEST}/result.json", a_picture(files)):
        refused(library, rebuilt(bundle, recorded(files, name, pickled)))
    refused(library, rebuilt(bundle, {**files, "events.jsonl": pickled + b"\n"}))
    assert not (tmp_path / "evil").exists()


def test_hostile_texts_arrive_as_texts(bundle, library):
    text = "<script>alert(1)</script> javascript:alert(1)"
    rebuilt(bundle, edited(contents(bundle), "decided", note=text))
    review = import_review(library, bundle).review_id
    page = session_report(library, review)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; javascript:alert(1)" in page
