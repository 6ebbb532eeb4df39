"""Which class a folder of images belongs to: by index, name or WordNet id; people confirm it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from protocore.errors import NaturalReferenceError
from protocore.models.classifier import Classifier
from protocore.text import composed

IMAGENET_CLASSES = 1000
OTHER_CLASS = -1  # images that show none of the model's classes, or whichever others
_WORDNET_ID = re.compile(r"n\d{8}")
_NUMBERED = re.compile(r"(\d{1,6})(?:[\s._-]+(.*))?")  # "574" or "574_golf-ball"


@dataclass(frozen=True, kw_only=True)
class FolderMatch:
    """A folder and the class it was taken for."""

    folder: str
    class_index: int | None  # OTHER_CLASS: another class; None: not known, so not used
    how: str  # "given", "name", "index", "number from 1", "WordNet id" or "unknown"
    reason: str = ""  # why it is unknown, where there is more to say than that no class fits

    def text(self, classifier: Classifier) -> str:
        """Folder and class for people, such as "n01440764 (0 · tench)"."""
        if self.class_index is None:
            return f"{self.folder} (unknown{': ' if self.reason else ''}{self.reason})"
        if self.class_index == OTHER_CLASS:
            return f"{self.folder} (other classes)"
        return f"{self.folder} ({classifier.label(self.class_index)})"


def match_folders(
    folders: Iterable[str],
    classifier: Classifier,
    *,
    given: Mapping[str, int | None] | None = None,
    wordnet: Mapping[str, str] | None = None,
) -> tuple[FolderMatch, ...]:
    """Match folder names to the classifier's classes.

    `given` holds what people said, by folder; None there means that it is not to be used.
    Otherwise a class's name comes first, whatever its case, dashes and Unicode form, with or
    without a number before it; then WordNet ids; then numbers as indices. Folders numbered from 1
    to the number of classes are counted from 1. `wordnet` maps WordNet ids to names, see
    `read_wordnet_names`; the ten of Imagenette are known anyway, and exactly 1000 ids are
    ImageNet's own classes, which are numbered in that order.
    """
    folders = list(folders)
    given = {composed(folder): index for folder, index in (given or {}).items()}
    matcher = _Matcher(folders, classifier, wordnet or {})
    return tuple(
        FolderMatch(folder=folder, class_index=given[composed(folder)], how="given")
        if composed(folder) in given
        else matcher.match(folder)
        for folder in folders
    )


def read_wordnet_names(path: str | Path) -> dict[str, str]:
    """Names by WordNet id from lines such as "n01440764 tench, Tinca tinca".

    ImageNet's synset lists come in this form. Raises NaturalReferenceError when there are none.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NaturalReferenceError(f"{path} cannot be read as a list of names: {error}") from error
    parts = (re.split(r"[\s,]+", line.strip(), maxsplit=1) for line in text.splitlines())
    found = {p[0]: p[1] for p in parts if len(p) == 2 and _WORDNET_ID.fullmatch(p[0])}
    if not found:
        raise NaturalReferenceError(
            f"{path} has no lines such as 'n01440764 tench, Tinca tinca'; give a list of WordNet "
            "ids with names"
        )
    return found


class _Matcher:
    """Everything that one folder's match depends on."""

    def __init__(
        self, folders: Sequence[str], classifier: Classifier, wordnet: Mapping[str, str]
    ) -> None:
        self._classifier = classifier
        self._wordnet = _known_wordnet_names() | dict(wordnet)
        self._names: dict[str, list[int]] = {}
        for index, name in enumerate(classifier.class_names):
            self._names.setdefault(_plain(name), []).append(index)
        ids = sorted(name for name in folders if _WORDNET_ID.fullmatch(name))
        is_imagenet = len(ids) == classifier.num_classes == IMAGENET_CLASSES
        self._numbered = {name: i for i, name in enumerate(ids)} if is_imagenet else {}
        numbers = {int(m.group(1)) for m in map(_NUMBERED.fullmatch, folders) if m}
        self._from_one = 0 not in numbers and classifier.num_classes in numbers
        self._names_are_numbers = all(name.strip().isdecimal() for name in classifier.class_names)

    def match(self, folder: str) -> FolderMatch:
        """By name, WordNet id or number, in this order."""
        numbered = _NUMBERED.fullmatch(folder)
        for name in (folder, numbered.group(2) if numbered else ""):
            found = self._names.get(_plain(name), ()) if name else ()
            if len(found) == 1:
                return FolderMatch(folder=folder, class_index=found[0], how="name")
            if len(found) > 1 and not numbered:
                reason = f"the classes {', '.join(map(str, found))} have this name"
                return _unknown(folder, reason)
        if (index := self._by_wordnet(folder)) is not None:
            return FolderMatch(folder=folder, class_index=index, how="WordNet id")
        return self._by_number(folder, int(numbered.group(1))) if numbered else _unknown(folder)

    def _by_wordnet(self, folder: str) -> int | None:
        if folder in self._numbered:
            return self._numbered[folder]
        names = self._wordnet.get(folder, "")
        # "tench, Tinca tinca": any of the names may be the model's.
        for name in (names, *names.split(",")):
            found = self._names.get(_plain(name), ())
            if name and len(found) == 1:
                return found[0]
        return None

    def _by_number(self, folder: str, number: int) -> FolderMatch:
        if self._names_are_numbers:
            return _unknown(folder, "the classes' names are numbers, and none has this one")
        index = number - 1 if self._from_one else number
        if not 0 <= index < self._classifier.num_classes:
            return _unknown(folder)
        how = "number from 1" if self._from_one else "index"
        return FolderMatch(folder=folder, class_index=index, how=how)


def _unknown(folder: str, reason: str = "") -> FolderMatch:
    return FolderMatch(folder=folder, class_index=None, how="unknown", reason=reason)


def _plain(name: str) -> str:
    """The form in which names are compared; case, dashes and underscores do not matter."""
    return re.sub(r"[\W_]+", " ", composed(name)).strip().casefold() or composed(name).strip()


def _known_wordnet_names() -> dict[str, str]:
    from torchvision.datasets import Imagenette  # its only table of WordNet ids; slow to import

    return {wnid: ", ".join(names) for wnid, names in Imagenette._WNID_TO_CLASS.items()}
