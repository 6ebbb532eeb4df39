"""Class names from text files, JSON files and what people keep beside their weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from protocore.errors import ModelError

MAX_FILE_BYTES = 4 * 2**20  # 21 000 ImageNet names are 0.5 MB
_FORMS = (
    "give one name per line, or JSON: a list of names, {index: name}, {index: [id, name]} or "
    "{name: index}"
)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Names in the order of the model's outputs from a text or JSON file.

    A text file holds one name per line; blank lines at its end do not count. JSON may be a
    list, {index: name}, ImageNet's {index: [id, name]} or a data set's {name: index}.
    Raises ModelError.
    """
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
    return parse_class_names(content, path.name)


def parse_class_names(content: bytes, name: str = "the file") -> tuple[str, ...]:
    """Names from a file's bytes; `name` is what messages call it. Raises ModelError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{name} is not a text file in UTF-8; {_FORMS}") from error
    if text.lstrip()[:1] in ("[", "{"):
        try:
            found = names_from(json.loads(text))
        except ValueError as error:
            raise ModelError(f"{name} is not valid JSON ({error}); {_FORMS}") from error
        if found is None:
            raise ModelError(f"{name} holds no complete list of class names; {_FORMS}")
        return found
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines or not all(lines):
        where = f"line {lines.index('') + 1} is empty" if lines else "it is empty"
        raise ModelError(f"{name} does not hold class names, {where}; {_FORMS}")
    return tuple(lines)


def names_from(value: object) -> tuple[str, ...] | None:
    """Names in order from any of the usual forms; None where it is none of them."""
    if isinstance(value, list | tuple):
        found = [_name(item) for item in value]
    elif isinstance(value, Mapping) and value:
        if all(isinstance(index, int) for index in value.values()):
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


def _name(item: object) -> str | None:
    """`item` as a name; of ImageNet's pair of id and name, the name."""
    if isinstance(item, list | tuple) and len(item) == 2:
        item = item[1]
    return item.strip() if isinstance(item, str) else None
