"""The report's file: its name, what is read for it, and what a badge says."""

import hashlib

import pytest

from protocore.reports.review.build import badge_text, material_in, report_name
from protocore.reports.review.tests import MOST_IMAGES
from tests.library.samples import encoded
from tests.review.results_samples import TEST, a_test, claimed, result, session_of, side, started


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Gowns and skin", "gowns-and-skin_01234567.html"),
        ("../../etc/passwd", "etc-passwd_01234567.html"),
        ("<script>", "script_01234567.html"),
        ("???", "unnamed_01234567.html"),
        ("x" * 200, f"{'x' * 80}_01234567.html"),
    ],
)
def test_a_file_name_that_fits_everywhere(title, name):
    assert report_name(session_of(started(title=title))) == name


def test_a_badge_has_similarity_and_probability():
    figures = {
        "similarity": 0.61, "same": 0.7, "different": 0.5, "profile": None, "profile_same": None,
        "share": 0.4, "probability": 0.93,
    }  # fmt: skip
    assert badge_text(figures) == (
        "0.61 (photos 0.70) · Eq. 1 on 40% of layers · class seen with 93%"
    )
    assert badge_text({"similarity": 0.61, "of another": "version"}) == "0.61"
    assert badge_text({**figures, "same": []}) == "0.61"


def test_only_the_images_that_are_shown_are_read(tmp_path):
    made = result(a=side("a", 3.0, 40))
    folder = tmp_path / "tests" / TEST
    text = made.to_json().encode()
    for name, count in (("a", 40), ("b", 12)):
        (folder / name).mkdir(parents=True)
        for place in range(count):
            (folder / name / f"{place:04d}.jpg").write_bytes(encoded("JPEG"))
    (folder / "result.json").write_bytes(text)

    digest = hashlib.sha256(text).hexdigest()
    session = session_of(started(), claimed(), *a_test(digest=digest))
    material = material_in(tmp_path, session, {})
    shown = material.thumbnails[TEST]
    assert len(shown) == MOST_IMAGES + 12
    assert {place for side_, place in shown if side_ == "a"} == set(range(MOST_IMAGES))
    (folder / "result.json").write_bytes(text + b" ")
    assert material_in(tmp_path, session, {}).results == {}
