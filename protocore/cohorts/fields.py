"""Checks of single values of an event; each raises ReviewError with what is allowed."""

from __future__ import annotations

import re
import reprlib
from typing import Any

from protocore.errors import ReviewError

MAX_CLASSES = 1000  # that one session or claim is about
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # no database or UTF-8 file takes these
_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = 80


def shown(value: Any) -> str:
    """A value of unknown origin for a message: never long, however large or nested it is."""
    return _shortened.repr(value)


def check_text(name: str, value: Any, limit: int, *, empty: bool = False) -> None:
    """A text of up to `limit` characters, not blank unless it may be `empty`."""
    if not isinstance(value, str) or len(value) > limit or not (empty or value.strip()):
        least = 0 if empty else 1
        found = f"{len(value)} characters" if isinstance(value, str) else shown(value)
        raise ReviewError(f"the {name} must have {least} to {limit} characters, got {found}")
    if wrong := _UNWRITABLE.search(value):
        raise ReviewError(f"the {name} holds {wrong.group()!r}, which cannot be written: remove it")


def check_lines(name: str, values: tuple, most: int, limit: int) -> None:
    """Up to `most` texts."""
    check_list(name, values, most)
    for value in values:
        check_text(name, value, limit)


def check_list(name: str, values: Any, most: int) -> None:
    """A list of up to `most` values, as the tuple that events hold."""
    if not isinstance(values, tuple) or len(values) > most:
        found = len(values) if isinstance(values, tuple) else shown(values)
        raise ReviewError(f"at most {most} {name}s can be given, got {found}")


def check_match(name: str, value: Any, pattern: re.Pattern) -> None:
    """A text of a fixed form."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ReviewError(f"the {name} of an event is not valid: {shown(value)}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """One of some texts."""
    if value not in choices:
        raise ReviewError(f"the {name} must be one of {', '.join(choices)}, got {shown(value)}")


def check_whole(name: str, value: Any) -> None:
    """A whole number from 0 up to what a database holds."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ReviewError(f"the {name} must be a whole number >= 0, got {shown(value)}")


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """A finite number between `low` and `high`, both included."""
    if type(value) not in (int, float) or not low <= value <= high:  # False for NaN
        found = shown(value)
        raise ReviewError(f"the {name} must be a number from {low:g} to {high:g}, got {found}")


def check_classes(values: tuple) -> None:
    """Class indices."""
    if not isinstance(values, tuple):
        raise ReviewError(f"classes must be a list of indices, got {shown(values)}")
    if len(values) > MAX_CLASSES:
        raise ReviewError(f"at most {MAX_CLASSES} classes can be given, got {len(values)}")
    for value in values:
        check_whole("class index", value)
