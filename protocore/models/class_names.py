"""Class names from text, CSV, JSON and Python files and from what lies beside weights."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protocore.errors import ModelError

MAX_FILE_BYTES = 4 * 2**20  # 21 000 ImageNet names are 0.5 MB
NAME_KEYS = (  # where frameworks keep names, in files of names and in checkpoints
    "class_names",
    "classes",
    "class_to_idx",
    "idx_to_class",
    "id2label",
    "label2id",
    "categories",
    "label_names",
    "labels",
)
_FORMS = (
    "give one name per line (an index or WordNet id before it is removed), CSV with a header, or "
    "JSON or a Python literal: a list of names, {index: name}, {index: [id, name]}, {name: index} "
    "or a file with id2label"
)
_WORDNET_LINE = re.compile(r"n\d{8}[\s,:]+(\S.*)")
_NUMBERED_LINE = re.compile(r"(\d+)\s*(?:[:=;,\t]|\s)\s*(\S.*)")
_NUMBER_LAST_LINE = re.compile(r"(\S.*?)\s*(?:[:=;,\t]|\s)\s*(\d+)")
_NAME_HEADERS = ("name", "class_name", "classname", "label_name", "label", "class", "category")
_INDEX_HEADERS = ("index", "idx", "class_index", "class_idx", "class_id", "label_id", "id", "label")


@dataclass(frozen=True, kw_only=True)
class NamesReading:
    """What was read from a file of class names, to be confirmed before it is used."""

    names: tuple[str, ...]  # in the order of the model's outputs
    form: str  # for people, such as "CSV with a header"

    @property
    def text(self) -> str:
        """Such as '1,000 names, first "tench", last "toilet tissue" (Python dictionary)'."""
        first, last = self.names[0], self.names[-1]
        return f'{len(self.names):,} names, first "{first}", last "{last}" ({self.form})'


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Names in the order of the model's outputs from a file; see `interpret_class_names`."""
    return inspect_class_names(path).names


def inspect_class_names(path: str | Path) -> NamesReading:
    """Names of a file and how they were found there. Raises ModelError."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(
                f"{path.name} has {path.stat().st_size} bytes; a file of class names must have at "
                f"most {MAX_FILE_BYTES}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the class names cannot be read from {path}: {error.strerror}; {_FORMS}"
        ) from error
    return interpret_class_names(content, path.name)


def parse_class_names(content: bytes, name: str = "the file") -> tuple[str, ...]:
    """Names from a file's bytes; see `interpret_class_names`."""
    return interpret_class_names(content, name).names


def interpret_class_names(content: bytes, name: str = "the file") -> NamesReading:
    """Names from a file's bytes; `name` is what messages call it.

    JSON and Python literals may be a list, {index: name}, ImageNet's {index: [id, name]}, a data
    set's {name: index}, or hold one of these under a usual key (id2label). Text is UTF-8, UTF-16
    or Windows-1252. Raises ModelError.
    """
    text, encoding = _decode(content, name)
    if text.lstrip()[:1] in ("[", "{", "("):
        value, form = _literal(text, name)
        names = _names_inside(value)
        if names is None:
            raise ModelError(f"{name} holds no complete list of class names; {_FORMS}")
    else:
        names, form = _from_lines(text, name)
    _check_text(names, name)
    return NamesReading(names=names, form=f"{form}{encoding}")


def names_from(value: object) -> tuple[str, ...] | None:
    """Names in order from any of the usual forms; None where it is none of them."""
    if isinstance(value, np.ndarray):
        value = value.tolist() if value.ndim == 1 else None
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        found = [_name(item) for item in value]
    elif isinstance(value, Mapping) and value:
        if all(_is_whole(index) for index in value.values()):
            value = {index: name for name, index in value.items()}  # class_to_idx
        try:
            by_index = {int(index): _name(item) for index, item in value.items()}
        except (TypeError, ValueError):
            return None
        if sorted(by_index) != list(range(len(value))):
            return None
        found = [by_index[index] for index in range(len(by_index))]
    else:
        return None
    return tuple(found) if found and all(found) else None


def parse_json(text: str | bytes, what: str) -> Any:
    """JSON of any depth that is not too deep; raises ModelError that calls it `what`."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ModelError(f"{what} is nested too deeply to be read") from None
    except ValueError as error:
        raise ModelError(f"{what} is not valid JSON ({error})") from error


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _name(item: object) -> str | None:
    """`item` as a name; of ImageNet's pair of id and name, the name."""
    if isinstance(item, list | tuple) and len(item) == 2:
        item = item[1]
    if isinstance(item, bytes):
        item = item.decode("utf-8", errors="replace")
    return str(item).strip() if isinstance(item, str) else None


def _names_inside(value: object) -> tuple[str, ...] | None:
    """Names in the value itself, or under one of the usual keys, as in config.json."""
    if (names := names_from(value)) is not None:
        return names
    if isinstance(value, Mapping):
        for key in NAME_KEYS:
            if (names := names_from(value.get(key))) is not None:
                return names
    return None


def _decode(content: bytes, name: str) -> tuple[str, str]:
    """The text, and what to say of its encoding unless it is UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = [("utf-16", ", UTF-16")]
    elif b"\0" in content[:200] and not content[:400:2].strip(b"\0"):
        encodings = [("utf-16-be", ", UTF-16")]
    elif b"\0" in content[:200] and not content[1:400:2].strip(b"\0"):
        encodings = [("utf-16-le", ", UTF-16")]
    else:
        encodings = [("utf-8-sig", ""), ("cp1252", ", Windows-1252")]
    for encoding, said in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(letter.isprintable() or letter.isspace() for letter in text):
            return text, said
    raise ModelError(f"{name} is not a text file in UTF-8, UTF-16 or Windows-1252; {_FORMS}")


def _literal(text: str, name: str) -> tuple[Any, str]:
    """JSON, or else a Python literal; nothing is executed."""
    try:
        return json.loads(text), "JSON"
    except RecursionError:
        raise ModelError(f"{name} is nested too deeply to be read; {_FORMS}") from None
    except ValueError as json_error:
        try:
            return ast.literal_eval(text.strip()), "Python literal"
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise ModelError(
                f"{name} is neither valid JSON ({json_error}) nor a Python literal; {_FORMS}"
            ) from None


def _from_lines(text: str, name: str) -> tuple[tuple[str, ...], str]:
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines or not all(lines):
        where = f"line {lines.index('') + 1} is empty" if lines else "it is empty"
        raise ModelError(f"{name} does not hold class names, {where}; {_FORMS}")
    if (found := _from_table(text, name)) is not None:
        return found, "CSV with a header"
    for form, read in _LINE_FORMS.items():
        if (found := read(lines)) is not None:
            return found, form
        if re.search(r"[,;\t]", lines[0]) and (found := read(lines[1:])) is not None:
            return found, f"{form} after a header"
    return tuple(lines), "one name per line"


def _from_table(text: str, name: str) -> tuple[str, ...] | None:
    """Names of a CSV file whose first line says which column is which; None for another text."""
    head = text.lstrip().splitlines()[0]
    delimiter = max(",;\t", key=head.count)
    rows = [row for row in csv.reader(io.StringIO(text.strip()), delimiter=delimiter) if row]
    titles = [re.sub(r"[\s-]+", "_", cell.strip().casefold()) for cell in rows[0]]
    known = {*_NAME_HEADERS, *_INDEX_HEADERS}
    listed = name.casefold().endswith((".csv", ".tsv"))
    if len(rows) < 2 or not set(titles) <= known | set(titles[1:]) or titles[0] not in known:
        return None
    if len(titles) == 1 and not (listed and titles[0] in _NAME_HEADERS):
        return None
    if len(titles) > 1 and len(set(titles) & known) < 2:
        return None
    cells = [[cell.strip() for cell in row] for row in rows[1:]]
    if any(len(row) < len(titles) for row in cells):
        return None
    name_column = next((titles.index(t) for t in _NAME_HEADERS if t in titles), None)
    if name_column is None:
        return None
    names = [row[name_column] for row in cells]
    for title in _INDEX_HEADERS:
        if title in titles and titles.index(title) != name_column:
            numbers = [row[titles.index(title)] for row in cells]
            if (ordered := _in_order(numbers, names)) is not None:
                return ordered
    return tuple(names) if all(names) else None


def _in_order(numbers: Sequence[str], names: Sequence[str]) -> tuple[str, ...] | None:
    """Names sorted by numbers that count from 0, or from 1; None when they do neither."""
    if not all(number.isdecimal() for number in numbers):
        return None
    order = [int(number) for number in numbers]
    first = min(order)
    if first > 1 or sorted(order) != list(range(first, first + len(order))):
        return None
    found = [name for _, name in sorted(zip(order, names, strict=True))]
    return tuple(name.strip("\"'") for name in found)


def _wordnet_lines(lines: Sequence[str]) -> tuple[str, ...] | None:
    matches = [_WORDNET_LINE.fullmatch(line) for line in lines]
    if not lines:
        return None
    return tuple(match.group(1) for match in matches) if all(matches) else None


def _numbered_lines(lines: Sequence[str]) -> tuple[str, ...] | None:
    matches = [_NUMBERED_LINE.fullmatch(line.rstrip(",")) for line in lines]
    if len(lines) < 2 or not all(matches):
        return None
    found = _in_order([m.group(1) for m in matches], [m.group(2) for m in matches])
    return found and (_wordnet_lines(found) or found)


def _number_last_lines(lines: Sequence[str]) -> tuple[str, ...] | None:
    matches = [_NUMBER_LAST_LINE.fullmatch(line) for line in lines]
    if len(lines) < 2 or not all(matches):
        return None
    return _in_order([m.group(2) for m in matches], [m.group(1) for m in matches])


def _check_text(names: Sequence[str], what: str) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ModelError(
                f"{what} holds a name with half a character (a lone surrogate), {name!a}; names "
                "must be valid Unicode"
            ) from None


_LINE_FORMS: dict[str, Callable[[Sequence[str]], tuple[str, ...] | None]] = {
    "lines with WordNet ids": _wordnet_lines,
    "numbered lines": _numbered_lines,
    "lines with the number last": _number_last_lines,
}
