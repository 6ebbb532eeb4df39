"""The folder of an atlas: whose it is, what is made, what is still to make.

atlas.json                  model, settings, classes, seeds; a folder of another model is refused
head.npy                    how alike the classes' rows of the last layer are (where it is known)
prototypes/00574_0.webp     the picture of class 574 under seed 0, and then its record:
prototypes/00574_0.json     what the model makes of it; with this file a prototype is made
claims/0003                 pass 3 is being made, by the process named in it

Every file appears whole or not at all. What is made depends on manifest and machine alone, not on
how many processes share the work: passes are cut once, when the atlas is started.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from protocore.compare.head import class_weights
from protocore.errors import LibraryError, ModelError
from protocore.files import atomic_file, write_atomic
from protocore.generation.prototype import Prototype, library_versions
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier
from protocore.schema import Whole, checked, dump, load_json

FORMAT, VERSION = "protocore atlas", 1
MANIFEST = "atlas.json"
QUALITY = 82  # WebP; about 10 kB for a picture of 224 px


@checked(LibraryError)
class AtlasManifest:
    """What an atlas is of; two atlases with equal manifests hold equal pictures."""

    format: str
    version: Whole
    model_title: str
    model_link: str  # opens the model in the app; "" for one that has no link
    identity: str  # of the classifier, see Classifier.identity
    weight_hash: str
    class_names: tuple[str, ...]  # of the whole model
    classes: tuple[Whole, ...]  # the chosen ones, in order
    seeds: tuple[Whole, ...]
    settings: dict[str, Any]  # of GenerationSettings
    preset: str  # "" for settings of one's own
    width: Whole  # prototypes a pass
    versions: dict[str, str]  # of what was used to start it


@dataclass(frozen=True, eq=False)
class Made:
    """A finished prototype and its logits `(K,)` float16, from -inf to inf."""

    prototype: Prototype
    logits: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A prototype of an atlas as its record says."""

    class_index: int
    class_name: str
    seed: int
    logit: float
    probability: float  # of its class, 0..1
    top: tuple[tuple[int, str, float], ...]  # likeliest classes: index, name, probability
    finding: str  # that the class was not found in it, or ""
    where: str  # see generation.where
    pixels: str  # SHA-256 of the exact 8-bit image
    picture: str  # SHA-256 of the WebP file
    key: str  # see prototype_key
    logits: np.ndarray  # (K,) float32


@dataclass(frozen=True)
class Atlas:
    """An open atlas folder."""

    folder: Path
    manifest: AtlasManifest

    @cached_property
    def settings(self) -> GenerationSettings:
        """How every prototype is made."""
        return GenerationSettings.from_dict(self.manifest.settings)

    @property
    def targets(self) -> list[Target]:
        """All prototypes, class by class."""
        seeds = self.manifest.seeds
        return [Target.of(index, seed) for index in self.manifest.classes for seed in seeds]

    @property
    def passes(self) -> list[tuple[Target, ...]]:
        """The prototypes that are made together; never another cut of the same atlas."""
        targets, width = self.targets, self.manifest.width
        return [tuple(targets[i : i + width]) for i in range(0, len(targets), width)]

    def path(self, target: Target, suffix: str) -> Path:
        """A file of a prototype."""
        return self.folder / "prototypes" / f"{stem(target.class_index, target.seed)}{suffix}"

    def is_made(self, target: Target) -> bool:
        """Whether the prototype is there; the record is written last."""
        return self.path(target, ".json").is_file()

    def count_made(self) -> int:
        """How many prototypes are there."""
        return sum(self.is_made(target) for target in self.targets)

    def pending(self) -> list[int]:
        """Numbers of the passes of which something is missing."""
        return [n for n, pass_ in enumerate(self.passes) if not all(map(self.is_made, pass_))]

    def keep(self, made: Iterable[Made]) -> None:
        """Write prototypes that are not there yet; raises LibraryError on a full disk."""
        for one in made:
            target = one.prototype.record.target
            if self.is_made(target):
                continue
            picture = _webp(one.prototype.image)
            try:
                write_atomic(self.path(target, ".webp"), picture)
                write_atomic(self.path(target, ".json"), _record_text(one, picture))
            except OSError as error:
                raise _cannot_write(self.folder, error) from error

    def entry(self, target: Target) -> Entry | None:
        """What is known of a prototype; None when it is not made. Raises LibraryError."""
        path = self.path(target, ".json")
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            logits = np.frombuffer(base64.b64decode(content.pop("logits")), dtype="<f2")
            content["top"] = tuple((int(i), str(n), float(p)) for i, n, p in content["top"])
            return Entry(**content, logits=logits.astype(np.float32))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LibraryError(
                f"{path} is damaged ({error}); delete it and run the same command again, which "
                "makes it anew"
            ) from error

    def head_cosines(self) -> np.ndarray | None:
        """Cosines `(C, C)` of the chosen classes' rows of the last layer; None: not known."""
        path = self.folder / "head.npy"
        return np.load(path).astype(np.float32) if path.is_file() else None


def stem(class_index: int, seed: int) -> str:
    """The name of a prototype's files."""
    return f"{class_index:05d}_{seed}"


def open_atlas(folder: str | Path) -> Atlas:
    """An atlas that was started; raises LibraryError for any other folder."""
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise LibraryError(
            f"{folder} is no atlas: it has no {MANIFEST}; start one with `protocore atlas --out`"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"{path} cannot be read: {error}") from error
    manifest = load_json(AtlasManifest, text, LibraryError, f"the manifest {path}")
    if (manifest.format, manifest.version) != (FORMAT, VERSION):
        raise LibraryError(
            f"{path} is of format {manifest.format!r} version {manifest.version}; this version of "
            f"Protocore reads {FORMAT!r} version {VERSION}"
        )
    return Atlas(folder, manifest)


def start_atlas(
    folder: str | Path,
    classifier: Classifier,
    classes: Sequence[int],
    settings: GenerationSettings,
    *,
    seeds: Sequence[int] = (0,),
    width: int | None = None,
    model_link: str = "",
    preset: str = "",
) -> Atlas:
    """Start an atlas in an empty or new folder, or go on with the one that lies there.

    `width` is how many prototypes are made at once; None: as suits the device; of an atlas that
    was started before, the width of then holds. Raises LibraryError when the folder holds
    something else, or an atlas of another model, other classes, seeds or settings.
    """
    folder = Path(folder)
    wanted = AtlasManifest(
        format=FORMAT,
        version=VERSION,
        model_title=classifier.title,
        model_link=model_link,
        identity=classifier.identity,
        weight_hash=classifier.weight_hash,
        class_names=classifier.class_names,
        classes=tuple(dict.fromkeys(classes)),
        seeds=tuple(dict.fromkeys(seeds)),
        settings=settings.to_dict(),
        preset=preset,
        width=width or (4 if classifier.device.type == "cpu" else 128),
        versions=library_versions(),
    )
    if (folder / MANIFEST).is_file():
        atlas = open_atlas(folder)
        _check_same(folder, atlas.manifest, wanted)
        return atlas
    _check_empty(folder)
    try:
        for name in ("prototypes", "claims"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        _write_head(folder, classifier, wanted.classes)
        write_atomic(folder / MANIFEST, json.dumps(dump(wanted), indent=1, ensure_ascii=False))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return Atlas(folder, wanted)


def _check_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise LibraryError(f"{folder} is a file; choose a folder for the atlas")
    known = {"prototypes", "claims", "head.npy"}  # of a start that was cut off
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in found if name not in known]
    if foreign:
        raise LibraryError(
            f"{folder} holds other files ({', '.join(foreign[:3])}) and no {MANIFEST}; choose an "
            "empty or new folder for the atlas"
        )


def _check_same(folder: Path, there: AtlasManifest, wanted: AtlasManifest) -> None:
    if there.identity != wanted.identity:
        raise LibraryError(
            f"{folder} is an atlas of {there.model_title} (weights {there.weight_hash[:12]}), got "
            f"{wanted.model_title} (weights {wanted.weight_hash[:12]}); choose another folder"
        )
    if there.class_names != wanted.class_names:
        changed = [a for a in there.class_names if a not in wanted.class_names]
        raise LibraryError(
            f"{folder} was started with {len(there.class_names)} class names, and the model has "
            f"{len(wanted.class_names)} others now (missing: {', '.join(changed[:3]) or 'none'}); "
            "use the names of then, or choose another folder"
        )
    for name in ("classes", "seeds", "settings"):
        before, now = getattr(there, name), getattr(wanted, name)
        if before != now:
            raise LibraryError(
                f"{folder} was started with {name} {_difference(before, now)}; repeat the command "
                "of then, or choose another folder"
            )


def _difference(before: Any, now: Any) -> str:
    if isinstance(before, dict):
        names = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        before, now = ({key: one.get(key) for key in names} for one in (before, now))
    elif len(before) > 8 or len(now) > 8:
        return f"({len(before)} of them), got {len(now)} others"
    return f"{before}, got {now}"


def _write_head(folder: Path, classifier: Classifier, classes: Sequence[int]) -> None:
    """Cosines of the chosen rows of the last layer; nothing where that layer is not found."""
    try:
        rows = class_weights(classifier)[list(classes)].double().numpy()
    except ModelError:
        return
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    with atomic_file(folder / "head.npy") as file:
        np.save(file, (rows @ rows.T).astype(np.float16))


def _webp(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def _record_text(made: Made, picture: bytes) -> str:
    """Without times and device, so that the same prototype is the same file."""
    record = made.prototype.record
    content = {
        "class_index": record.class_index,
        "class_name": record.class_name,
        "seed": record.seed,
        "logit": record.logit,
        "probability": record.probability,
        "top": record.top,
        "finding": record.finding,
        "where": record.where,
        "pixels": hashlib.sha256(np.ascontiguousarray(made.prototype.image).tobytes()).hexdigest(),
        "picture": hashlib.sha256(picture).hexdigest(),
        "key": record.key,
        "logits": base64.b64encode(made.logits.astype("<f2").tobytes()).decode(),
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def _cannot_write(folder: Path, error: OSError) -> LibraryError:
    return LibraryError(
        f"the atlas could not be written to {folder}: {error.strerror or error}; what is made "
        "stays; make room or choose another folder, and run the same command again"
    )
