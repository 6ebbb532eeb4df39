"""HTML in which nothing that people or files say can become markup: jinja2, autoescaped.

    render("review/report.html.j2", session=session)

Everything put into a template is escaped unless it is `Markup`, which only this package makes.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from protocore.text import plural

__all__ = ["Markup", "code", "image_uri", "moment", "render", "said", "visible"]

# Control characters, and those that turn the direction of what stands beside them.
_INVISIBLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_REPLACED = "\ufffd"
_KINDS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"RIFF": "webp"}


def render(template: str, /, **values: Any) -> str:
    """A file of `templates` with these values in it."""
    return _environment().get_template(template).render(**values)


def visible(value: Any) -> Any:
    """What a template shows for a value: invisible characters and lone surrogates are replaced."""
    if hasattr(value, "__html__"):
        return value
    text = str(value).encode("utf-8", "replace").decode()
    return _INVISIBLE.sub(_REPLACED, text)


def image_uri(content: bytes) -> str:
    """A picture as a data URI; "" for a file that is none of the kinds Protocore keeps."""
    for signature, kind in _KINDS.items():
        if content.startswith(signature):
            return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return ""


def said(text: str) -> Markup:
    """What somebody wrote, with its line breaks and in its own direction."""
    return Markup('<span class="said" dir="auto">{}</span>').format(visible(text))


def code(text: str) -> Markup:
    """A hash, an identifier or a command."""
    return Markup("<code>{}</code>").format(visible(text))


def moment(time: str) -> str:
    """A time of a log for people: "2026-01-02 03:04:05 UTC"."""
    return f"{time[:19].replace('T', ' ')} UTC"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("protocore.reports", "templates"),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": moment, "said": said, "code": code}
    environment.globals |= {"plural": plural, "image_uri": image_uri}
    return environment
