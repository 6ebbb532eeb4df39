"""Groups of images that differ in one respect: a cohort to test a claim on.

From a folder, an archive, uploads, or the demo world with one attribute changed. Nothing but
pixels, names and hashes is kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from protocore.access import reachable
from protocore.demo.biases import KnownClaim
from protocore.demo.world import CLASS_NAMES, render_class
from protocore.errors import ImageError, NaturalReferenceError, ReviewError
from protocore.models.preprocessing import Preprocessing
from protocore.similarity.decoding import SUFFIXES, read_picture
from protocore.similarity.image_sets import (
    FolderContent,
    ImageFile,
    ImageSet,
    from_uploads,
    look_into,
    open_zip,
)
from protocore.similarity.reference import SkippedImage
from protocore.similarity.sources import resize_pictures

MIN_IMAGES = 2  # per cohort; below, nothing has a spread
FEW_IMAGES = 30  # below, the interval of a share of one half is wider than +-0.17
MAX_IMAGES = 2_000  # per cohort: 300 MB at 224 pixels
_NAMED = 3  # things listed before "and 4 more"


@dataclass(frozen=True, kw_only=True, eq=False)
class Cohort:
    """Images with one thing in common, at the classifier's input size.

    `hashes` are SHA-256 of the files' bytes, or of the pixels where there is no file. `pair_keys`
    say which image of the other cohort belongs to which. Raises ReviewError for fewer than
    MIN_IMAGES images.
    """

    label: str  # what they have in common, in words
    pixels: np.ndarray  # (N, S, S, 3) uint8
    names: tuple[str, ...]
    hashes: tuple[str, ...]  # 64 hexadecimal digits each
    pair_keys: tuple[str, ...] | None = None
    source: str = ""  # where the images come from, for people
    skipped: tuple[SkippedImage, ...] = ()
    notes: tuple[str, ...] = ()  # what people should know of how images were read

    def __post_init__(self) -> None:
        if len(self.pixels) < MIN_IMAGES:
            raise ReviewError(
                f"a cohort needs at least {MIN_IMAGES} images, {self.label!r} has "
                f"{len(self.pixels)}{_first_skipped(self.skipped)}; add images"
            )
        lengths = {len(self.pixels), len(self.names), len(self.hashes)}
        if self.pair_keys is not None:
            lengths.add(len(self.pair_keys))
        if len(lengths) > 1:
            raise ReviewError(
                f"a cohort needs one name, hash and pair key per image, got {len(self.pixels)} "
                f"images, {len(self.names)} names and {len(self.hashes)} hashes"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, places: Sequence[int]) -> Cohort:
        """The images at these places, in this order."""
        keys = self.pair_keys
        return replace(
            self,
            pixels=self.pixels[list(places)],
            names=tuple(self.names[i] for i in places),
            hashes=tuple(self.hashes[i] for i in places),
            pair_keys=None if keys is None else tuple(keys[i] for i in places),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairing:
    """Two cohorts in the same order, pair by pair, and the images that found no partner."""

    a: Cohort
    b: Cohort
    unpaired_a: tuple[str, ...]  # names
    unpaired_b: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line for people, such as "40 pairs; without a partner: 1 of A (x.png), 0 of B"."""
        pairs = f"{len(self.a)} pairs"
        if not (self.unpaired_a or self.unpaired_b):
            return pairs
        sides = (
            f"{len(names)} of {side}" + (f" ({_listed(names)})" if names else "")
            for side, names in (("A", self.unpaired_a), ("B", self.unpaired_b))
        )
        return f"{pairs}; without a partner: {', '.join(sides)}"


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """The same file in several places."""

    hash: str
    in_a: tuple[str, ...]  # names
    in_b: tuple[str, ...]

    @property
    def text(self) -> str:
        """Such as "the same image: x.png (A), y.png (B)"."""
        places = [f"{name} (A)" for name in self.in_a] + [f"{name} (B)" for name in self.in_b]
        return f"the same image: {_listed(places)}"


def cohort_from_images(
    images: ImageSet | Sequence[ImageFile],
    *,
    label: str,
    size: int | Preprocessing,
    limit: int = MAX_IMAGES,
    source: str = "",
) -> Cohort:
    """Decode files, at most `limit`; a file's name without ending is its pair key.

    `size` is the classifier's preprocessing, or pixels for the whole centre square.

    Where there are more, they are chosen by a hash of that key: evenly over the files, always the
    same, and the same pairs in both cohorts. Files that cannot be used are skipped and said.
    Raises ReviewError when fewer than MIN_IMAGES can be used.
    """
    if limit < MIN_IMAGES:
        raise ReviewError(f"the limit of a cohort must be >= {MIN_IMAGES} images, got {limit}")
    if isinstance(images, ImageSet):
        source = source or images.source
        left_out, notes = [*images.left_out], [*images.notes]
        images = [file for group in images.groups.values() for file in group]
    else:
        left_out, notes = [], []
    found, skipped, read_notes = _decode(sorted(images, key=_drawing_order), size, limit)
    found.sort(key=lambda one: one[0])
    names = tuple(name for name, _, _ in found)
    return Cohort(
        label=label,
        pixels=np.stack([pixels for _, _, pixels in found]) if found else _no_pixels(size),
        names=names,
        hashes=tuple(digest for _, digest, _ in found),
        pair_keys=tuple(_stem(name) for name in names),
        source=source,
        skipped=(*skipped, *left_out),
        notes=(*notes, *read_notes),
    )


def cohort_from_folder(
    folder: str | Path, *, label: str = "", size: int | Preprocessing, limit: int = MAX_IMAGES
) -> Cohort:
    """Every image in a folder and its subfolders; the label defaults to the folder's name.

    Raises ReviewError when the folder is missing, unreadable or without images.
    """
    content = _folder_content(folder)
    folder = reachable(folder)
    name = folder.resolve().name or str(folder)
    images = ImageSet(
        source=f"folder {name}", groups={name: content.files}, left_out=content.left_out
    )
    return cohort_from_images(images, label=label or name, size=size, limit=limit)


def folder_files(folder: str | Path) -> tuple[ImageFile, ...]:
    """Every image in a folder and its subfolders, not read yet; ReviewError when there is none."""
    return _folder_content(folder).files


def _folder_content(folder: str | Path) -> FolderContent:
    folder = reachable(folder)
    if not folder.is_dir():
        raise ReviewError(f"there is no folder {folder}; give one with the images of a cohort")
    try:
        content = look_into(folder)
    except OSError as error:
        raise ReviewError(
            f"the folder {folder} cannot be read: {error.strerror or error}"
        ) from error
    if not content.files:
        raise ReviewError(
            f"{folder} holds no images; choose another folder ({', '.join(SUFFIXES)} are read)"
        )
    return content


def upload_files(files: Iterable[tuple[str, bytes]]) -> tuple[ImageFile, ...]:
    """Uploaded images and those in archives; ReviewError for a bad or too large archive."""
    members: list[ImageFile] = []
    try:
        for name, content in files:
            archive = PurePosixPath(name).suffix.lower() == ".zip"
            held = open_zip(content, name) if archive else from_uploads([(name, content)], "")
            members.extend(file for group in held.groups.values() for file in group)
    except NaturalReferenceError as error:
        raise ReviewError(str(error)) from error
    return tuple(members)


def demo_cohorts(
    class_index: int,
    attribute: str,
    a: str | bool,
    b: str | bool,
    *,
    size: int,
    count: int = 100,
    seed: int = 0,
    haze: float = 0.0,
    context: Mapping[str, str | bool] | None = None,
) -> tuple[Cohort, Cohort]:
    """Counterfactual pairs of the demo world: held-out scenes that differ in `attribute` alone.

    `class_index` is of the demo world; `context` holds attributes that both pictures share, `haze`
    in [0, 1] makes them harder. Scenes have the seeds `seed`, `seed + 1`, ..., which are the pair
    keys. Raises ReviewError for the count, SettingsError for what the class does not have.
    """
    if not MIN_IMAGES <= count <= MAX_IMAGES:
        raise ReviewError(
            f"the number of pairs must be between {MIN_IMAGES} and {MAX_IMAGES}, got {count}"
        )
    shared = {**(context or {}), "haze": haze}
    return tuple(
        _rendered(
            render_class(class_index, count, seed, "heldout", **{**shared, attribute: value}),
            CLASS_NAMES[class_index],
            label=f"{CLASS_NAMES[class_index]}, {attribute_text(attribute, value)}",
            size=size,
            seed=seed,
        )
        for value in (a, b)
    )


def claim_cohorts(
    claim: KnownClaim, *, size: int, count: int = 100, seed: int = 0, haze: float = 0.0
) -> tuple[Cohort, Cohort]:
    """`demo_cohorts` of a claim whose truth is known: A is what it favours, B the other value."""
    return demo_cohorts(
        claim.class_index,
        claim.attribute,
        claim.favoured,
        claim.other,
        size=size,
        count=count,
        seed=seed,
        haze=haze,
        context=claim.context,
    )


def attribute_text(attribute: str, value: str | bool) -> str:
    """An attribute of the demo world in words: "skin tone light", "no face"."""
    words = attribute.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {value}"


def pair_up(a: Cohort, b: Cohort) -> Pairing:
    """Match images by their pair keys (the same file name without ending in both cohorts).

    Raises ReviewError when nothing pairs, or when a key that both cohorts have is not unique.
    """
    places_a, places_b = (_places(cohort) for cohort in (a, b))
    shared = [key for key in places_a if key in places_b]
    if len(shared) < MIN_IMAGES:
        raise ReviewError(
            f"{len(shared)} images of {a.label!r} have a partner in {b.label!r}, at least "
            f"{MIN_IMAGES} are needed; give both files of a pair the same name, or test unpaired"
        )
    for cohort, places in ((a, places_a), (b, places_b)):
        double = [key for key in shared if len(places[key]) > 1]
        if double:
            raise ReviewError(
                f"{cohort.label!r} has {len(places[double[0]])} images named {double[0]!r}, so "
                "their partner is not clear; give every pair a name of its own, or test unpaired"
            )
    kept = set(shared)
    return Pairing(
        a=a.take([places_a[key][0] for key in shared]),
        b=b.take([places_b[key][0] for key in shared]),
        unpaired_a=_without(a, kept),
        unpaired_b=_without(b, kept),
    )


def duplicates(a: Cohort, b: Cohort) -> tuple[Duplicate, ...]:
    """Files that are in both cohorts, or several times in one; another encoding is not seen."""
    counts = Counter((*a.hashes, *b.hashes))
    return tuple(
        Duplicate(hash=digest, in_a=_named(a, digest), in_b=_named(b, digest))
        for digest, count in counts.items()
        if count > 1
    )


def size_warning(*counts: int) -> str:
    """What to say of cohorts of these sizes; empty when all have FEW_IMAGES or more."""
    least = min(counts)
    if least >= FEW_IMAGES:
        return ""
    return (
        f"small cohort: {least} images; below {FEW_IMAGES}, only very large differences can be "
        "told from chance"
    )


def _decode(
    files: Sequence[ImageFile], size: int | Preprocessing, limit: int
) -> tuple[list[tuple[str, str, np.ndarray]], list[SkippedImage], list[str]]:
    """Name, hash and pixels of up to `limit` files, what was left out, and notes."""
    found: list[tuple[str, str, np.ndarray]] = []
    skipped: list[SkippedImage] = []
    notes: list[str] = []
    for place, file in enumerate(files):
        if len(found) == limit:
            reason = f"beyond the limit of {limit} images"
            skipped.append(SkippedImage(name=f"{len(files) - place} more", reason=reason))
            break
        name = _readable(file.name)
        try:
            content = file.read()
            picture = read_picture(content, size)
            found.append((name, hashlib.sha256(content).hexdigest(), picture.pixels))
            if picture.note:
                notes.append(f"{name}: {picture.note}")
        except ImageError as error:
            skipped.append(SkippedImage(name=name, reason=str(error)))
    return found, skipped, notes


def printable(text: str) -> str:
    """A name for a terminal, which control characters in it could drive."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _rendered(pictures: np.ndarray, name: str, *, label: str, size: int, seed: int) -> Cohort:
    keys = tuple(str(seed + i) for i in range(len(pictures)))
    resized = resize_pictures(pictures, size)
    return Cohort(
        label=label,
        pixels=resized,
        names=tuple(f"{name} {key}" for key in keys),
        hashes=tuple(hashlib.sha256(np.ascontiguousarray(p)).hexdigest() for p in resized),
        pair_keys=keys,
        source="demo world",
    )


def _drawing_order(file: ImageFile) -> tuple[str, str]:
    return hashlib.sha256(_stem(file.name).encode(errors="replace")).hexdigest(), file.name


def _readable(name: str) -> str:
    """A file name of bytes that are not UTF-8 could be shown and written nowhere."""
    return name.encode(errors="replace").decode()


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem


def _places(cohort: Cohort) -> dict[str, list[int]]:
    if cohort.pair_keys is None:
        raise ReviewError(f"the images of {cohort.label!r} have no pair keys; test unpaired")
    found: dict[str, list[int]] = {}
    for place, key in enumerate(cohort.pair_keys):
        found.setdefault(key, []).append(place)
    return found


def _without(cohort: Cohort, kept: set[str]) -> tuple[str, ...]:
    both = zip(cohort.names, cohort.pair_keys or (), strict=True)
    return tuple(name for name, key in both if key not in kept)


def _named(cohort: Cohort, digest: str) -> tuple[str, ...]:
    both = zip(cohort.names, cohort.hashes, strict=True)
    return tuple(name for name, own in both if own == digest)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _first_skipped(skipped: Sequence[SkippedImage]) -> str:
    if not skipped:
        return ""
    return f" ({len(skipped)} were skipped, first {skipped[0].name}: {skipped[0].reason})"


def _no_pixels(size: int | Preprocessing) -> np.ndarray:
    size = size if isinstance(size, int) else size.input_size
    return np.empty((0, size, size, 3), np.uint8)
