"""The kit of all drawings: ticks, scales, and texts that stay texts."""

import xml.etree.ElementTree as ElementTree

import pytest

from protocore.reports.charts.svg import Drawing, Scale, shortened, ticks

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.1, 0.11, 6, [-0.1, -0.05, 0, 0.05, 0.1]),
        (0, 223, 6, [0, 50, 100, 150, 200]),
        (-1, 3, 5, [-1, 0, 1, 2, 3]),
        (0, 1.1e-12, 5, [0, 5e-13, 1e-12]),
        (2, 2, 5, [2]),
    ],
)
def test_ticks_are_round(low, high, about, expected):
    assert ticks(low, high, about) == pytest.approx(expected, rel=1e-9)


def test_a_scale():
    scale = Scale(low=-1.0, high=3.0, start=180, end=570)
    assert (scale.at(-1), scale.at(1), scale.at(99), scale.at(-99)) == (180, 375, 570, 180)
    down = Scale(low=0, high=1, start=100, end=0)
    assert (down.at(0), down.at(0.25), down.at(1)) == (100, 75, 0)


def test_a_scale_around_values_leaves_room():
    assert Scale.around([2.0, 2.0], 0, 1) == Scale(low=1.8, high=2.2, start=0, end=1)
    assert Scale.around([0.0, 10.0], 0, 1) == Scale(low=-0.8, high=10.8, start=0, end=1)
    assert Scale.around([float("nan")], 0, 1) == Scale(low=-0.08, high=1.08, start=0, end=1)


def test_texts_and_attributes_are_escaped_and_can_be_written():
    drawing = Drawing(10, 20, aria_label='"><script>')
    drawing.text((1.25, 2), "a < b & \x00\ud800", tooltip="<i>", kind="name")
    drawing.path([(0, 0), (1 / 3, 1)], stroke="#ff0000")
    text = str(drawing.markup())
    root = ElementTree.fromstring(text)
    assert "<script" not in text and text.encode()
    assert root.get("aria-label") == '"><script>'
    (found,) = root.iter(f"{SVG}text")
    assert (found.text, found.get("x"), found.get("class")) == ("a < b & \ufffd?", "1.25", "name")
    assert found[0].text == "<i>"
    assert [line.get("points") for line in root.iter(f"{SVG}polyline")] == ["0,0 0.33,1"]


def test_long_texts_are_cut():
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "ab…"
