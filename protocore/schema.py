"""Values from outside: dataclasses whose fields are checked, with errors in plain words.

    @checked(LibraryError)
    class Entry:
        title: Annotated[str, text(200)]
        position: Whole
        tags: Annotated[tuple[Annotated[str, text(50)], ...], items(30)] = ()

    entry = Entry(title="a", position=0)           # checked
    load(Entry, json.loads(content), LibraryError, "an entry of the manifest")   # checked as well
    dump(entry)                                    # plain values for JSON

Checking is strict: no text becomes a number, no number a flag, NaN and unknown names are refused.
A message names the value, the constraint and what was received:
"tags[1] of an entry of the manifest must have 1 to 50 characters, got ''".
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass as plain_dataclass
from functools import cache, wraps
from typing import Annotated, Any, TypeVar, dataclass_transform

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from protocore.errors import ProtocoreError

__all__ = [
    "Number", "Whole", "checked", "dump", "items", "load", "load_json", "matching", "number",
    "one_of", "shown", "text",
]  # fmt: skip

T = TypeVar("T")

Whole = Annotated[int, Field(ge=0, lt=2**63)]  # what a database holds
Number = Annotated[float, Field(allow_inf_nan=False)]

_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # no database or UTF-8 file takes these
_SUBJECT = re.compile(r"^(Input|String|Tuple|List|Dictionary|Value|Set) should ")
_WORDS = {
    "missing": "is missing",
    "missing_keyword_only_argument": "is missing",
    "unexpected_keyword_argument": "is unknown",
    "extra_forbidden": "is unknown",
}
_RULES = {
    "union_tag_not_found": "must say its kind",
    "union_tag_invalid": "must be of a known kind",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}
_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = 80


def shown(value: Any) -> str:
    """A value of unknown origin for a message: never long, however large or nested it is."""
    return _shortened.repr(value)


# --- what a field may hold ---


def text(limit: int, *, empty: bool = False) -> AfterValidator:
    """A text of up to `limit` characters that can be stored, not blank unless `empty`."""

    def check(value: str) -> str:
        if len(value) > limit or not (empty or value.strip()):
            least = 0 if empty else 1
            rule = f"must have {least} to {limit} characters ({len(value)} given)"
            raise PydanticCustomError("text", "{rule}", {"rule": rule})
        if wrong := _UNWRITABLE.search(value):
            rule = f"must not hold {wrong.group()!r}, which cannot be written"
            raise PydanticCustomError("text", "{rule}", {"rule": rule})
        return value

    return AfterValidator(check)


def matching(pattern: str) -> AfterValidator:
    """A text that the whole regular expression describes."""
    expression = re.compile(pattern)

    def check(value: str) -> str:
        if not expression.fullmatch(value):
            raise PydanticCustomError("form", "{rule}", {"rule": f"must have the form {pattern}"})
        return value

    return AfterValidator(check)


def one_of(choices: tuple[str, ...]) -> AfterValidator:
    """One of some texts."""

    def check(value: str) -> str:
        if value not in choices:
            rule = f"must be one of {', '.join(choices)}"
            raise PydanticCustomError("choice", "{rule}", {"rule": rule})
        return value

    return AfterValidator(check)


@plain_dataclass(frozen=True)
class items(GroupedMetadata):  # noqa: N801 - read as the functions beside it
    """A tuple of `least` to `most` values; lists become tuples."""

    most: int
    least: int = 0

    def __iter__(self) -> Iterator[Any]:
        yield FailFast()  # a million wrong values are not worth a million errors
        yield Field(strict=False, min_length=self.least or None, max_length=self.most)


def number(low: float, high: float) -> Any:
    """A finite number from `low` to `high`, both included."""
    return Field(ge=low, le=high)


# --- checked dataclasses, and from and to plain values ---


@dataclass_transform(frozen_default=True, kw_only_default=True)
def checked(error: type[ProtocoreError]) -> Callable[[type[T]], type[T]]:
    """Make a frozen, keyword-only dataclass that raises `error` for a wrong value."""

    def decorate(cls: type[T]) -> type[T]:
        made = dataclass(cls, frozen=True, kw_only=True, config=_CONFIG)
        initialise = made.__init__

        @wraps(initialise)
        def init(self: Any, *args: Any, **values: Any) -> None:
            with _explained(error, ""):
                initialise(self, *args, **values)

        made.__init__ = init
        return made

    return decorate


def load(kind: Any, content: Any, error: type[ProtocoreError], what: str) -> Any:
    """A value of the type `kind` from plain values; `what` names it in messages.

    Raises `error` where something is missing, unknown or not allowed.
    """
    try:
        written = json.dumps(content, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as wrong:
        raise error(f"{what} is not JSON ({wrong}): {shown(content)}") from wrong
    return load_json(kind, written, error, what)


def load_json(
    kind: Any, content: str | bytes, error: type[ProtocoreError], what: str, most: int | None = None
) -> Any:
    """The same from a JSON text of at most `most` bytes."""
    if most is not None and len(content) > most:
        raise error(f"{what} must have at most {most} bytes, got {len(content)}")
    with _explained(error, what):
        return _adapter(kind).validate_json(content)


def dump(value: Any) -> Any:
    """Plain values for JSON: the inverse of `load`."""
    return _adapter(type(value)).dump_python(value, mode="json")


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


@contextmanager
def _explained(error: type[ProtocoreError], what: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as wrong:
        raise error(_sentence(wrong, what)) from wrong


def _sentence(wrong: ValidationError, what: str) -> str:
    """The first of the errors in words."""
    first = wrong.errors(include_url=False)[0]
    place = ""
    for step in first["loc"]:
        place += f"[{step}]" if isinstance(step, int) else f".{shown(step)[1:-1]}"
    place = place.lstrip(".")
    subject = f"{place} of {what}" if place and what else what or f"the {place.replace('_', ' ')}"
    if first["type"] == "json_invalid":
        return f"{what} cannot be read: {first['msg']}"
    if first["type"] in _WORDS:
        return f"{subject} {_WORDS[first['type']]}"
    rule = _RULES.get(first["type"]) or _SUBJECT.sub("must ", first["msg"]).split(" after ")[0]
    return f"{subject} {rule}, got {shown(first['input'])}"
