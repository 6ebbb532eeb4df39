"""Where natural images come from: a folder, an archive or uploads, the demo world.

torchvision's data sets are folders, see `protocore.similarity.datasets`.

Every source draws with a seed: the same seed and files give the same images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from protocore.demo.world import CLASS_NAMES as DEMO_NAMES
from protocore.demo.world import render_class
from protocore.errors import ImageError, NaturalReferenceError, SettingsError
from protocore.models.classifier import Classifier
from protocore.models.preprocessing import Preprocessing
from protocore.similarity.decoding import read_picture
from protocore.similarity.image_sets import ImageFile, ImageSet
from protocore.similarity.matching import FolderMatch, match_folders
from protocore.similarity.reference import (
    DEFAULT_IMAGES,
    NaturalReference,
    SkippedImage,
)
from protocore.text import composed


def reference_from_set(
    images: ImageSet,
    classifier: Classifier,
    class_index: int,
    *,
    matches: Sequence[FolderMatch] | None = None,
    count: int = DEFAULT_IMAGES,
    seed: int = 0,
) -> NaturalReference:
    """Draw up to `count` images of the class and as many of the other matched classes.

    `matches` says which group is which class; by default they are matched by name. Files that
    cannot be used are skipped, said with the reason, and replaced by others. Raises
    NaturalReferenceError when too few remain.
    """
    if count < 1:
        raise SettingsError(f"the number of images must be >= 1, got {count}")
    matches = match_folders(images.groups, classifier) if matches is None else matches
    same, different = _split(images, matches, class_index)
    if not same:
        raise NaturalReferenceError(
            f"{images.source} has no images of class {classifier.label(class_index)}; its folders "
            f"are {_list(matches, classifier)}; name one by index or name, match it by hand, or "
            "give the folder that directly holds the class folders"
        )
    generator = np.random.default_rng(seed)
    fitted = classifier.preprocessing
    same_names, same_pixels, skipped, notes = _draw(same, count, fitted, generator)
    names, pixels, more_skipped, more_notes = _draw(different, count, fitted, generator)
    return NaturalReference(
        class_index=class_index,
        same=same_pixels,
        different=pixels,
        same_names=same_names,
        different_names=names,
        source=images.source,
        seed=seed,
        skipped=skipped + more_skipped + images.left_out,
        notes=(*images.notes, *notes, *more_notes),
        preprocessing=fitted.text,
    )


def demo_reference(
    classifier: Classifier, class_index: int, *, count: int = DEFAULT_IMAGES, seed: int = 0
) -> NaturalReference:
    """Pictures of the demo world, for the demo model or any model with a class of that name.

    Raises NaturalReferenceError when the demo world does not have the class.
    """
    if count < 1:
        raise SettingsError(f"the number of images must be >= 1, got {count}")
    name = composed(classifier.class_names[class_index]).casefold()
    known = [demo.casefold() for demo in DEMO_NAMES]
    if name not in known:
        raise NaturalReferenceError(
            f"the demo world does not have the class {classifier.label(class_index)}; it has "
            f"{', '.join(DEMO_NAMES)}. Use a folder of images instead"
        )
    own = known.index(name)
    generator = np.random.default_rng(seed)
    others = [index for index in range(len(known)) if index != own]
    counts = generator.multinomial(count, np.full(len(others), 1 / len(others)))
    first = int(generator.integers(2**20))  # of a run of scenes that other seeds hardly share
    drawn = [(own, count), *((i, int(n)) for i, n in zip(others, counts, strict=True) if n)]
    pictures = [render_class(index, n, first, split="reference") for index, n in drawn]
    names = [tuple(f"{DEMO_NAMES[i]} {first + k}" for k in range(n)) for i, n in drawn]
    resized = [resize_pictures(batch, classifier.input_size) for batch in pictures]
    return NaturalReference(
        class_index=class_index,
        same=resized[0],
        different=np.concatenate(resized[1:]),
        same_names=names[0],
        different_names=tuple(name for part in names[1:] for name in part),
        source="demo world",
        seed=seed,
    )


def resize_pictures(pictures: np.ndarray, size: int) -> np.ndarray:
    """Square pictures `(N, H, H, 3)` uint8 at `size` pixels, bilinear."""
    if pictures.shape[1] == size:
        return pictures
    resized = (
        Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR)
        for picture in pictures
    )
    return np.stack([np.asarray(picture) for picture in resized])


def _split(
    images: ImageSet, matches: Iterable[FolderMatch], class_index: int
) -> tuple[list[ImageFile], list[ImageFile]]:
    same: list[ImageFile] = []
    different: list[ImageFile] = []
    for match in matches:
        if match.class_index is not None:
            chosen = same if match.class_index == class_index else different
            chosen.extend(images.groups[match.folder])
    return same, different


def _draw(
    files: list[ImageFile], count: int, fitted: Preprocessing, generator: np.random.Generator
) -> tuple[tuple[str, ...], np.ndarray, tuple[SkippedImage, ...], tuple[str, ...]]:
    """Names, pixels, what was skipped and notes of up to `count` files."""
    names, pixels, skipped, notes = [], [], [], []
    for place in generator.permutation(len(files)):
        if len(pixels) == count:
            break
        try:
            picture = read_picture(files[place].read(), fitted)
            pixels.append(picture.pixels)
            names.append(files[place].name)
            if picture.note:
                notes.append(f"{files[place].name}: {picture.note}")
        except ImageError as error:
            skipped.append(SkippedImage(name=files[place].name, reason=str(error)))
    size = fitted.input_size
    stacked = np.stack(pixels) if pixels else np.empty((0, size, size, 3), np.uint8)
    return tuple(names), stacked, tuple(skipped), tuple(notes)


def _list(matches: Iterable[FolderMatch], classifier: Classifier) -> str:
    texts = [match.text(classifier) for match in matches]
    return ", ".join(texts[:8]) + (f" and {len(texts) - 8} more" if len(texts) > 8 else "")
