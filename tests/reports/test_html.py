"""Whatever is put into a template is text, unless this package made it."""

import base64

import pytest
from jinja2 import UndefinedError

from protocore.reports import html
from protocore.reports.html import Markup, code, image_uri, moment, said, visible
from protocore.text import plural
from tests.library.samples import encoded


def shown(template, **values):
    return html._environment().from_string(template).render(**values)


def test_values_are_escaped_once_and_markup_stays():
    inner = said("a < b & 'c' \"d\"")
    assert inner == ('<span class="said" dir="auto">a &lt; b &amp; &#39;c&#39; &#34;d&#34;</span>')
    assert shown("<p>{{ x }}</p>", x=inner) == f"<p>{inner}</p>"
    assert shown('<a title="{{ x }}">', x='"><script>') == '<a title="&#34;&gt;&lt;script&gt;">'


def test_a_string_made_of_markup_is_text_again():
    assert shown("{{ x }}", x=f"{Markup('<b>')}") == "&lt;b&gt;"
    assert shown("{{ x + '<i>' }}", x=Markup("<b>x</b>")) == "<b>x</b>&lt;i&gt;"


def test_templates_in_values_are_left_alone():
    assert shown("{{ x }}", x="{{ 7 * 7 }}{% raw %}") == "{{ 7 * 7 }}{% raw %}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\0\x1b[2J\x7f", "\ufffd\ufffd[2J\ufffd"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("\ud800", "?"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("שלום", "שלום"),
        (5, "5"),
    ],
)
def test_what_cannot_be_seen_or_written_is_replaced(text, expected):
    assert visible(text) == expected
    assert shown("{{ x }}", x=text) == expected
    assert shown("{{ x | code }}", x=text) == f"<code>{expected}</code>"


def test_a_name_that_is_missing_is_an_error_and_not_a_gap():
    with pytest.raises(UndefinedError):
        shown("{{ nothing }}")


def test_small_parts():
    assert said("<x>") == '<span class="said" dir="auto">&lt;x&gt;</span>'
    assert code("<x>") == "<code>&lt;x&gt;</code>"
    assert (plural(1, "picture"), plural(2, "picture")) == ("1 picture", "2 pictures")
    assert moment("2026-01-02T03:04:05.678901+00:00") == "2026-01-02 03:04:05 UTC"


def test_only_images_become_images():
    start, data = image_uri(encoded("PNG")).split(",")
    assert start == "data:image/png;base64"
    assert base64.b64decode(data) == encoded("PNG")
    assert image_uri(encoded("JPEG")).startswith("data:image/jpeg;")
    for content in (b"", b"<svg onload=x>", b"GIF89a"):
        assert image_uri(content) == ""


def test_templates_are_found_beside_the_package_and_all_compile():
    environment = html._environment()
    names = [name for name in environment.list_templates() if name.endswith(".j2")]
    assert "review/report.html.j2" in names
    for name in names:
        environment.get_template(name)
