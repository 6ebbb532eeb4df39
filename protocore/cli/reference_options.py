"""Command line options that choose natural images, and what they choose."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from protocore.cli.progress import ProgressLine
from protocore.errors import NaturalReferenceError
from protocore.files import home_folder
from protocore.models.classifier import Classifier
from protocore.similarity.activations import LAYER_SETS
from protocore.similarity.image_sets import ImageSet, open_folder, open_zip
from protocore.similarity.matching import (
    OTHER_CLASS,
    FolderMatch,
    match_folders,
    read_wordnet_names,
)
from protocore.similarity.reference import DEFAULT_IMAGES, NaturalReference
from protocore.similarity.sources import demo_reference, reference_from_set
from protocore.similarity.statistics import ReferenceStatistics
from protocore.similarity.store import cached_statistics
from protocore.text import printable


def add_reference_options(parser: argparse.ArgumentParser) -> None:
    """Options that choose natural images and layers; read them with `ReferenceChooser`."""
    group = parser.add_argument_group("natural images")
    group.add_argument(
        "--images",
        default="demo",
        metavar="FOLDER",
        help="folder or zip archive with a subfolder per class, named by class index, class name "
        "or WordNet id; or `demo`, the demo world's own (the default)",
    )
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FOLDER=CLASS",
        help="say which class a subfolder holds; `FOLDER=other` for images of any other class, "
        "`FOLDER=` to leave it out; may be repeated",
    )
    group.add_argument(
        "--wordnet", type=Path, metavar="FILE", help='lines such as "n01440764 tench, Tinca tinca"'
    )
    group.add_argument(
        "--count",
        type=int,
        default=DEFAULT_IMAGES,
        help=f"images of the class, and of others (default: {DEFAULT_IMAGES}, the paper's)",
    )
    group.add_argument("--image-seed", type=int, default=0, metavar="N", help="of the draw")
    group.add_argument(
        "--layers", choices=LAYER_SETS, default="all", help="default: all, the paper's"
    )
    group.add_argument(
        "--cache", type=Path, metavar="DIR", help="where natural statistics are kept"
    )


class ReferenceChooser:
    """Natural images and statistics for any class, as the options say."""

    def __init__(self, args: argparse.Namespace, classifier: Classifier) -> None:
        self.layer_set: str = args.layers
        self._classifier = classifier
        self._count, self._seed = args.count, args.image_seed
        self._cache = args.cache or default_cache()
        self._images: ImageSet | None = None
        self._matches: tuple[FolderMatch, ...] = ()
        if args.images != "demo":
            self._images = _open_images(args.images)
            self._matches = match_folders(
                self._images.groups,
                classifier,
                given=_given_matches(args.map, classifier),
                wordnet=read_wordnet_names(args.wordnet) if args.wordnet else None,
            )
            for match in self._matches:
                print(_match_text(match, classifier), file=sys.stderr)

    def images(self, class_index: int) -> NaturalReference:
        """The images for one class; says on stderr what was drawn and what was skipped."""
        options = {"count": self._count, "seed": self._seed}
        if self._images is None:
            found = demo_reference(self._classifier, class_index, **options)
        else:
            found = reference_from_set(
                self._images, self._classifier, class_index, matches=self._matches, **options
            )
        print(f"{self._classifier.label(class_index)}: {found.info.description}", file=sys.stderr)
        for skipped in found.skipped:
            print(f"  skipped {printable(skipped.name)}: {skipped.reason}", file=sys.stderr)
        for note in found.notes:
            print(f"  note: {printable(note)}", file=sys.stderr)
        return found

    def statistics(self, natural: NaturalReference) -> ReferenceStatistics:
        """Measured with a progress line, or read from the cache."""
        with ProgressLine() as line:
            return cached_statistics(
                self._classifier,
                natural,
                self.layer_set,
                folder=self._cache,
                progress=lambda done, total: line.show(done, total, "natural images"),
            )


def default_cache() -> Path:
    """Where natural statistics are kept: in PROTOCORE_HOME, by default ~/.protocore."""
    return home_folder() / "cache" / "similarity"


def _open_images(where: str) -> ImageSet:
    path = Path(where).expanduser()
    if path.suffix.lower() != ".zip":
        return open_folder(path)
    try:
        return open_zip(path.read_bytes(), path.name)
    except OSError as error:
        raise NaturalReferenceError(f"{path} cannot be read: {error.strerror or error}") from error


def _given_matches(texts: Sequence[str], classifier: Classifier) -> dict[str, int | None]:
    given = {}
    for text in texts:
        folder, sign, query = text.partition("=")
        if not sign:
            raise NaturalReferenceError(f"--map needs FOLDER=CLASS, got {text!r}")
        if query == "other":
            given[folder] = OTHER_CLASS
        else:
            given[folder] = classifier.find_class(query) if query else None
    return given


def _match_text(match: FolderMatch, classifier: Classifier) -> str:
    how = "left out" if match.class_index is None else f"by {match.how}"
    return f"folder {match.text(classifier)}: {how}"
