"""HTML in which nothing that people or files say can become markup.

    markup("<td class='{}'>{}</td>", kind, note)

Everything put into a template is escaped unless it is `Html`, which only these functions make.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

# Control characters, and those that turn the direction of what stands beside them.
_INVISIBLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_REPLACED = "\ufffd"


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(value: Any) -> Html:
    """Any value as text for content and for quoted attributes; `Html` stays as it is."""
    if isinstance(value, Html):
        return value
    text = str(value).encode("utf-8", "replace").decode()  # a lone surrogate cannot be written
    return Html(html.escape(_INVISIBLE.sub(_REPLACED, text)))


def markup(template: str, *values: Any, **named: Any) -> Html:
    """The template, a constant, with escaped values in its {}; attributes must be quoted."""
    safe = {name: escaped(value) for name, value in named.items()}
    return Html(template.format(*map(escaped, values), **safe))


def joined(parts: Iterable[Any], between: str = "") -> Html:
    """Values one after the other, each escaped."""
    return Html(between.join(map(escaped, parts)))


def said(value: str) -> Html:
    """What somebody wrote, with its line breaks and in its own direction."""
    return markup('<span class="said" dir="auto">{}</span>', value)


def paragraph(value: Any, kind: str = "") -> Html:
    """One paragraph."""
    return markup('<p class="{}">{}</p>' if kind else "<p>{1}</p>", kind, value)


def table(
    head: Sequence[Any], rows: Iterable[Sequence[Any]], *, numbers: Collection[int] = ()
) -> Html:
    """A table with a head; the columns `numbers` are set to the right and never broken."""

    def line(cells: Sequence[Any], tag: str) -> Html:
        return markup(
            "<tr>{}</tr>",
            joined(
                markup("<{0}{1}>{2}</{0}>", tag, _NUMBER if place in numbers else _PLAIN, cell)
                for place, cell in enumerate(cells)
            ),
        )

    return markup(
        '<div class="scroll"><table><thead>{}</thead><tbody>{}</tbody></table></div>',
        line(head, "th"),
        joined(line(row, "td") for row in rows),
    )


def pairs(rows: Iterable[tuple[Any, Any]]) -> Html:
    """Names and values, one pair below the other."""
    lines = joined(markup("<tr><th>{}</th><td>{}</td></tr>", *row) for row in rows)
    return markup('<table class="pairs"><tbody>{}</tbody></table>', lines)


def image(content: bytes, alt: str) -> Html:
    """A picture within the page; "" for a file that is none of the kinds Protocore keeps."""
    for signature, kind in _KINDS.items():
        if content.startswith(signature):
            data = base64.b64encode(content).decode()
            return markup('<img src="data:image/{};base64,{}" alt="{}">', kind, data, alt)
    return Html("")


def moment(time: str) -> str:
    """A time of a log for people: "2026-01-02 03:04:05 UTC"."""
    return f"{time[:19].replace('T', ' ')} UTC"


_NUMBER, _PLAIN = Html(' class="number"'), Html("")
_KINDS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"RIFF": "webp"}
