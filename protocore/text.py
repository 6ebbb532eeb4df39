"""Words and numbers for people: plurals, durations, aligned tables, printable names."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

__all__ = ["aligned", "composed", "duration", "finite", "plural", "printable", "time_left"]


def plural(number: int, noun: str, many: str | None = None) -> str:
    """ "1 picture", "2 pictures"; `many` where an s is not enough."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def duration(seconds: float) -> str:
    """ "42 s", "3 min 5 s", "1 h 12 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def time_left(seconds: float) -> str:
    """ "less than 1 min left", "about 3 min left", "about 2 h 10 min left"."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return "less than 1 min left"
    if minutes < 60:
        return f"about {minutes} min left"
    minutes = round(minutes, -1)  # nobody can tell the minute hours ahead
    return f"about {minutes // 60} h {minutes % 60} min left".replace(" 0 min", "")


def printable(text: str) -> str:
    """A foreign name on one line, without control characters that could drive a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def composed(text: str) -> str:
    """The one form in which names are compared: Unicode NFC, as macOS does not write them."""
    return unicodedata.normalize("NFC", text)


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Rows as a text table: the first `left` columns to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def finite(value: Any) -> Any:
    """The same value with None for NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
