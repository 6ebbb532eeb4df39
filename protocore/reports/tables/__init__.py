"""Tables of what was found: values in rows, formatted once for page, terminal and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocore.text import aligned, printable

__all__ = ["NOTHING", "Table"]

NOTHING = "–"  # for a figure that is not defined


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as people read them; the same on every surface."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()  # columns set to the right
    title: str = ""

    def text(self) -> str:
        """For a terminal: one line a row, without control characters."""
        lines = [[printable(cell) for cell in row] for row in (self.head, *self.rows)]
        return aligned(lines)

    def records(self) -> list[dict[str, str]]:
        """For a data frame on a page: one mapping a row, with names as a page writes them."""
        names = [name if len(name) == 1 else name[:1].upper() + name[1:] for name in self.head]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    numbers: Sequence[int] = (),
    title: str = "",
) -> Table:
    """A Table of any cells, shown as `str` shows them."""
    shown = tuple(tuple(str(cell) for cell in row) for row in rows)
    return Table(head=tuple(head), rows=shown, numbers=frozenset(numbers), title=title)
