"""HTML to PDF: with a browser that is there, and the way out where none is."""

import re

import pytest

from protocore.errors import ReportError
from protocore.reports import pdf
from protocore.reports.pdf import find_browser, html_to_pdf


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "a b.html"
    path.write_text("<p>one<p style='break-before: page'>two")
    return path


@pytest.mark.browser
@pytest.mark.skipif(find_browser() is None, reason="no Chromium, Chrome or Edge")
def test_every_page_is_printed_beside_the_file(page):
    target = html_to_pdf(page)
    assert target == page.with_suffix(".pdf")
    assert target.read_bytes().startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", target.read_bytes())) == 2
    assert sorted(path.name for path in page.parent.iterdir()) == ["a b.html", "a b.pdf"]


def test_no_browser_is_explained(page, monkeypatch):
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    monkeypatch.delenv("PROTOCORE_BROWSER", raising=False)
    with pytest.raises(ReportError, match="PROTOCORE_BROWSER") as caught:
        html_to_pdf(page)
    assert str(page) in str(caught.value)


def test_a_browser_that_prints_nothing(page, monkeypatch):
    monkeypatch.setenv("PROTOCORE_BROWSER", "false")
    target = page.with_suffix(".pdf")
    target.write_text("before")
    with pytest.raises(ReportError, match="did not print"):
        html_to_pdf(page)
    assert target.read_text() == "before"


def test_a_page_that_is_not_there(tmp_path):
    with pytest.raises(ReportError, match="there is no file"):
        html_to_pdf(tmp_path / "no.html")
