"""Whatever is put into a template is text, unless these functions made it."""

import pytest

from protocore.reports.markup import (
    Html,
    escaped,
    image,
    joined,
    markup,
    moment,
    pairs,
    paragraph,
    said,
    table,
)
from protocore.text import plural
from tests.library.samples import encoded


def test_values_are_escaped_once():
    inner = markup("<b>{}</b>", "a < b & 'c' \"d\"")
    assert inner == "<b>a &lt; b &amp; &#x27;c&#x27; &quot;d&quot;</b>"
    assert markup("<p>{}</p>", inner) == f"<p>{inner}</p>"
    assert joined(["<", inner, 5], ", ") == f"&lt;, {inner}, 5"


def test_a_string_made_of_markup_is_text_again():
    """Only what comes whole from these functions counts as markup."""
    assert escaped(markup("<b>{}</b>", "x") + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"
    assert escaped(f"{Html('<b>')}") == "&lt;b&gt;"


def test_braces_in_values_are_left_alone():
    assert markup("<p>{}</p>", "{0} {name}") == "<p>{0} {name}</p>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\0\x1b[2J\x7f", "\ufffd\ufffd[2J\ufffd"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("\ud800", "?"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("שלום", "שלום"),
    ],
)
def test_what_cannot_be_seen_or_written_is_replaced(text, shown):
    assert escaped(text) == shown


def test_small_parts():
    assert said("<x>") == '<span class="said" dir="auto">&lt;x&gt;</span>'
    assert paragraph("a") == "<p>a</p>"
    assert paragraph("a", "warn") == '<p class="warn">a</p>'
    assert pairs([("a", "<")]) == (
        '<table class="pairs"><tbody><tr><th>a</th><td>&lt;</td></tr></tbody></table>'
    )
    assert table(["a", "n"], [["<", 1]], numbers=(1,)) == (
        '<div class="scroll"><table><thead><tr><th>a</th><th class="number">n</th></tr></thead>'
        '<tbody><tr><td>&lt;</td><td class="number">1</td></tr></tbody></table></div>'
    )
    assert (plural(1, "picture"), plural(2, "picture")) == ("1 picture", "2 pictures")
    assert moment("2026-01-02T03:04:05.678901+00:00") == "2026-01-02 03:04:05 UTC"


def test_only_images_become_images():
    assert image(encoded("PNG"), '"').startswith('<img src="data:image/png;base64,iVBOR')
    assert image(encoded("PNG"), '"').endswith('" alt="&quot;">')
    assert image(encoded("JPEG"), "").startswith('<img src="data:image/jpeg;')
    for content in (b"", b"<svg onload=x>", b"GIF89a"):
        assert image(content, "") == ""
