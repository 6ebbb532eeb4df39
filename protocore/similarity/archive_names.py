"""Names in zip archives that were written without saying their encoding."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence

_IS_UTF8 = 0x800  # the flag of a member whose name is UTF-8
# Characters that do not stand alone in a word of Latin letters: two accented letters of "Größe"
# are one of Shift JIS.
_WORD = re.compile(r"[^\x00-\x7f]{2}|(?<![A-Za-z])[^\x00-\x7f](?![A-Za-z])")
_ENCODINGS = {"utf-8": "UTF-8", "shift_jis": "Shift JIS", "gb2312": "GBK"}


def readable_names(
    members: Sequence[zipfile.ZipInfo],
) -> tuple[Mapping[zipfile.ZipInfo, str], tuple[str, ...]]:
    """Names of the members, and notes for people on those that had to be guessed.

    Chinese and Japanese Windows write GBK and Shift JIS (CP932) without a word; `zipfile` takes
    such names for CP437. One encoding is chosen for the whole archive: UTF-8, Shift JIS or GBK,
    where every name is plain text in it.
    """
    names = {member: member.filename for member in members}
    foreign = [m for m in members if not m.flag_bits & _IS_UTF8 and not m.filename.isascii()]
    if not foreign:
        return names, ()
    raw = [member.filename.encode("cp437", errors="replace") for member in foreign]
    for encoding, title in _ENCODINGS.items():
        decoded = [_decoded(name, encoding) for name in raw]
        if all(name is not None for name in decoded) and _plausible(decoded, encoding):
            names.update(zip(foreign, decoded, strict=True))
            note = f"names in the archive do not say their encoding; they are read as {title}"
            return names, (f"{note}, for example {decoded[0]!r}",)
    return names, (
        f"names in the archive do not say their encoding, for example {foreign[0].filename!r}; if "
        "they are garbled, match the folders to classes by hand, or pack the archive with UTF-8 "
        "names",
    )


def _decoded(name: bytes, encoding: str) -> str | None:
    try:
        text = name.decode(encoding)
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _plausible(names: Sequence[str], encoding: str) -> bool:
    """Whether what is not ASCII is what such names consist of."""
    letters = [letter for name in names for letter in name if not letter.isascii()]
    if encoding == "utf-8":
        return True
    if not any(_WORD.search(name) for name in names):
        return False
    kana = sum("\u3040" <= letter <= "\u30ff" for letter in letters)
    han = sum("\u4e00" <= letter <= "\u9fff" for letter in letters)
    wide = sum(
        "\u3000" <= letter <= "\u303f" or "\uff01" <= letter <= "\uff5e" for letter in letters
    )
    if encoding == "shift_jis":
        # Without kana, two GBK characters are often valid Shift JIS as well: half-width katakana.
        return kana + han + wide == len(letters) and (kana > 0 or _common(names))
    return han + wide + kana == len(letters)


def _common(names: Sequence[str]) -> bool:
    """Whether most kanji are of JIS level 1, which holds those in daily use."""
    kanji = [letter for name in names for letter in name if "\u4e00" <= letter <= "\u9fff"]
    first = sum(letter.encode("shift_jis")[0] <= 0x98 for letter in kanji)
    return first >= 0.8 * len(kanji)
