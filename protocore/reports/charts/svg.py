"""The kit of all SVG drawings: scales with round ticks, and shapes written by the XML library."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from protocore.reports.html import Markup, visible

Point = tuple[float, float]


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round values between the limits: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    wanted = (high - low) / about
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= wanted * 0.999)
    digits = 1 - math.floor(math.log10(step))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, digits) + 0.0 for place in range(first, last + 1)]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Where values from `low` to `high` lie on a drawing, from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Iterable[float], start: float, end: float) -> Scale:
        """A scale with all of the finite values and some room beside them; 0 to 1 for none."""
        known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(known), max(known)
        room = 0.08 * (high - low) or max(1.0, abs(high)) * 0.1
        return cls(low=low - room, high=high + room, start=start, end=end)

    def at(self, value: float) -> float:
        """The place of a value; of one beyond the ends: the end."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, about: int = 6) -> list[float]:
        """Round values within."""
        return ticks(self.low, self.high, about)


class Drawing:
    """An SVG of `width` by `height` units; every text and attribute is escaped by the writer."""

    def __init__(self, width: float, height: float, /, **attributes: object) -> None:
        self._root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg"})
        self._root.set("viewBox", f"0 0 {_number(width)} {_number(height)}")
        self._set(self._root, attributes)

    def add(self, tag: str, text: str = "", *, tooltip: str = "", **attributes: object) -> None:
        """A shape; numbers are rounded, `_` in names is `-`, and `kind` is the class."""
        element = ElementTree.SubElement(self._root, tag)
        self._set(element, attributes)
        if text:
            element.text = visible(text)
        if tooltip:
            ElementTree.SubElement(element, "title").text = visible(tooltip)

    def line(self, start: Point, end: Point, **attributes: object) -> None:
        """A straight line."""
        self.add("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], **attributes)

    def path(self, points: Sequence[Point], *, closed: bool = False, **attributes: object) -> None:
        """A line through points, or the area within."""
        text = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        self.add("polygon" if closed else "polyline", points=text, **attributes)

    def text(self, at: Point, text: str, *, tooltip: str = "", **attributes: object) -> None:
        """Words that start at a point; `text_anchor` changes that."""
        self.add("text", text, tooltip=tooltip, x=at[0], y=at[1], **attributes)

    def markup(self) -> Markup:
        """The drawing, for a page or a file."""
        return Markup(ElementTree.tostring(self._root, encoding="unicode"))

    def _set(self, element: ElementTree.Element, attributes: dict[str, object]) -> None:
        for name, value in attributes.items():
            plain = {"kind": "class"}.get(name, name.replace("_", "-"))
            element.set(plain, _number(value) if isinstance(value, float) else visible(value))


def shortened(text: str, longest: int) -> str:
    """A text of at most so many characters; a cut one ends in an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _number(value: float) -> str:
    """At most two places, without trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
