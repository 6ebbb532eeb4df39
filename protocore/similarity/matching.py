"""Which class a folder of images belongs to: by index, name or WordNet id; people confirm it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from protocore.errors import NaturalReferenceError
from protocore.models.classifier import Classifier

IMAGENET_CLASSES = 1000
OTHER_CLASS = -1  # images that show none of the model's classes, or whichever others
_WORDNET_ID = re.compile(r"n\d{8}")


@dataclass(frozen=True, kw_only=True)
class FolderMatch:
    """A folder and the class it was taken for."""

    folder: str
    class_index: int | None  # OTHER_CLASS: another class; None: not known, so not used
    how: str  # "given", "index", "name", "WordNet id" or "unknown"

    def text(self, classifier: Classifier) -> str:
        """Folder and class for people, such as "n01440764 (0 · tench)"."""
        if self.class_index is None:
            return f"{self.folder} (unknown)"
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
    `wordnet` maps WordNet ids to names, see `read_wordnet_names`; the ten of Imagenette are known
    anyway, and exactly 1000 ids are ImageNet's own classes, which are numbered in that order.
    """
    folders, given = list(folders), given or {}
    ids = sorted(name for name in folders if _WORDNET_ID.fullmatch(name))
    numbered = {name: i for i, name in enumerate(ids)} if len(ids) == IMAGENET_CLASSES else {}
    if classifier.num_classes != IMAGENET_CLASSES:
        numbered = {}
    wordnet = _known_wordnet_names() | dict(wordnet or {})
    names = _unique_names(classifier)
    return tuple(
        FolderMatch(folder=folder, class_index=given[folder], how="given")
        if folder in given
        else _match(folder, names, numbered, wordnet, classifier.num_classes)
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


def _match(
    folder: str,
    names: Mapping[str, int],
    numbered: Mapping[str, int],
    wordnet: Mapping[str, str],
    num_classes: int,
) -> FolderMatch:
    if folder in numbered:
        return FolderMatch(folder=folder, class_index=numbered[folder], how="WordNet id")
    if folder in wordnet:
        # "tench, Tinca tinca": any of the names may be the model's.
        for name in (wordnet[folder], *wordnet[folder].split(",")):
            if (index := names.get(_plain(name))) is not None:
                return FolderMatch(folder=folder, class_index=index, how="WordNet id")
    leading = re.match(r"(\d{1,6})(?!\d)", folder)  # "574" or "574_golf-ball"
    if leading and int(leading.group(1)) < num_classes:
        return FolderMatch(folder=folder, class_index=int(leading.group(1)), how="index")
    if (index := names.get(_plain(folder))) is not None:
        return FolderMatch(folder=folder, class_index=index, how="name")
    return FolderMatch(folder=folder, class_index=None, how="unknown")


def _unique_names(classifier: Classifier) -> dict[str, int]:
    """Indices by name; case, dashes and underscores do not matter, names of two classes are out."""
    names = [_plain(name) for name in classifier.class_names]
    count = Counter(names)
    return {name: i for i, name in enumerate(names) if name and count[name] == 1}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def _known_wordnet_names() -> dict[str, str]:
    from torchvision.datasets import Imagenette  # its only table of WordNet ids; slow to import

    return {wnid: ", ".join(names) for wnid, names in Imagenette._WNID_TO_CLASS.items()}
