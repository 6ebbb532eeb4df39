"""How errors and foreign text are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from protocore.errors import ProtocoreError


@contextmanager
def explained() -> Iterator[None]:
    """Show errors that Protocore explains and stop the page there; bugs surface."""
    try:
        yield
    except ProtocoreError as error:
        show_error(str(error))
        st.stop()


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show an explained error in place of what raised it; bugs surface."""
    try:
        yield
    except ProtocoreError as error:
        show_error(str(error))


def show_error(message: str) -> None:
    """An error in the product's voice: a capital first, and the way out included."""
    text = message or "something went wrong"
    st.error(escaped(text[:1].upper() + text[1:]), icon=":material/error:")


# Streamlit makes icons of these even where the colon is escaped.
_ICON = re.compile(r":(?=material/|streamlit:)")
_JOINER = "\u2060"  # takes no room


def escaped(text: str) -> str:
    """Text of users or files, so that Markdown shows it as it is."""
    apart = _ICON.sub(f":{_JOINER}", text)
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&])", r"\\\1", apart)
