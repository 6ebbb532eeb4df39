"""Command line: the options with which classes are chosen."""

from __future__ import annotations

import argparse
from typing import Any

from protocore.errors import SettingsError, UnknownClassError
from protocore.models.classifier import Classifier

CLASSES_HELP = "indices or exact names, with commas; index:10 and name:10 where a name is a number"
CLASS_HELP = "one class by index or exact name, commas and all; may be repeated"


def add_class_options(parser: Any) -> None:
    """`--classes A,B` and `--class NAME`; read them with `classes_from_args`."""
    parser.add_argument("--classes", metavar="A,B", help=CLASSES_HELP)
    parser.add_argument(
        "--class", dest="single_classes", action="append", metavar="NAME", help=CLASS_HELP
    )


def check_class_options(args: argparse.Namespace) -> None:
    """Say that classes are missing before a model is loaded; raises SettingsError."""
    if not args.single_classes and not (args.classes or "").strip(" ,"):
        given = "" if args.classes is None else f", got {args.classes!r}"
        raise SettingsError(f"give at least one class with --classes A,B or --class NAME{given}")


def classes_from_args(classifier: Classifier, args: argparse.Namespace) -> list[int]:
    """Indices of all classes that the options name, in order."""
    check_class_options(args)
    found = find_classes(classifier, args.classes) if args.classes else []
    found += [classifier.find_class(text) for text in args.single_classes or []]
    return found


def find_classes(classifier: Classifier, text: str) -> list[int]:
    """Classes in a text with commas between; names that hold commas are found too.

    From every place on, the longest run of parts that is a class counts. Raises SettingsError
    where its parts would be classes as well, UnknownClassError for what is none.
    """
    parts = [part.strip() for part in text.split(",")]
    parts = [part for part in parts if part]
    found: list[int] = []
    while parts:
        length = _longest_name(classifier, parts)
        name = ", ".join(parts[:length])
        index = classifier.find_class(name)
        if any(_class(classifier, part) not in (None, index) for part in parts[:length]):
            raise SettingsError(
                f"{name!r} can be one class or {length}; say which with --class, once per class"
            )
        found.append(index)
        parts = parts[length:]
    return found


def _longest_name(classifier: Classifier, parts: list[str]) -> int:
    """How many parts, joined, are the longest name of a class; 1 when there is none."""
    most = 1 + max((name.count(",") for name in classifier.class_names), default=0)
    for length in range(min(most, len(parts)), 1, -1):
        if _class(classifier, ", ".join(parts[:length])) is not None:
            return length
    return 1


def _class(classifier: Classifier, text: str) -> int | None:
    try:
        return classifier.find_class(text)
    except UnknownClassError:
        return None
