"""A finished prototype: its image and the record of how it came about."""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import importlib.metadata
import io
import json
import platform
import re
import secrets
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from protocore.errors import ImageError, LibraryError, SettingsError
from protocore.generation.execution import ON_CPU, Execution
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.where import decode_map

RECORD_VERSION = 1
FOUND_FROM = 0.5  # probability from which on a class counts as found in its prototype
_LONGEST_PART = 60  # characters of a part of a file name; file systems allow 255 bytes in all


@dataclass(frozen=True, kw_only=True)
class SettingsChange:
    """From which step on which settings held."""

    step: int
    settings: GenerationSettings
    by: str = ""  # who changed them while it ran; "" for those it began with


@dataclass(frozen=True, kw_only=True)
class WitnessReading:
    """What another network makes of a prototype; see protocore/similarity/witness.py."""

    model: str
    weights: str
    weight_hash: str  # SHA-256
    rank: int  # of the class, 0: likeliest
    probability: float  # of the class, 0..1
    log_probability: float


@dataclass(frozen=True, kw_only=True)
class PrototypeRecord:
    """Everything needed to name, repeat and judge a prototype. Serialises to plain JSON."""

    key: str  # prototype_key of the request; two equal keys ask for the same image
    model: str
    weights: str
    source: str  # where the classifier came from: "demo", "torchvision", "checkpoint", "module"
    weight_hash: str  # SHA-256 of the weights
    class_index: int
    class_name: str
    target: Target
    history: tuple[SettingsChange, ...]  # first entry at step 0; more when tuned while running
    steps: int  # taken
    completed: bool  # False: stopped before the last step
    logit: float  # of the class for the saved 8-bit image, without transform
    probability: float  # Classifier.probabilities of the same, 0..1
    top: tuple[tuple[int, str, float], ...]  # likeliest classes: index, name, probability
    seconds: float  # wall time of the run that made it
    device: str
    precision: str  # of the network while generating: "float32" or "bfloat16"
    created: str  # ISO 8601, UTC
    versions: dict[str, str]  # of Python and the packages that decide the result
    where: str = ""  # where in the image the network looked, see protocore/generation/where.py
    witnesses: tuple[WitnessReading, ...] = ()  # other networks that were shown the image
    preprocessing: str = ""  # of photos for the same network, in words
    network_repeatable: bool = True  # False: the network answers one image in several ways
    network_notes: tuple[str, ...] = ()  # what was found about the network when it was loaded
    execution: Execution = ON_CPU  # what decides the bytes on a graphics card

    @property
    def finding(self) -> str:
        """In words that the class was not found in the image, else ""."""
        if self.target.weights[0][1] < 0 or self.probability >= FOUND_FROM:
            return ""
        likeliest = (
            f"; the likeliest is {self.top[0][1]} ({self.top[0][2]:.0%})" if self.top else ""
        )
        return (
            f"the class was not found: {self.model} gives {self.class_name} a probability of "
            f"{self.probability:.2g} in this image{likeliest}"
        )

    @property
    def seed(self) -> int:
        """Seed of start image and transforms."""
        return self.target.seed

    @property
    def settings(self) -> GenerationSettings:
        """Settings of the last step."""
        return self.history[-1].settings

    @property
    def title(self) -> str:
        """Short name for people, such as "golf ball · seed 0", "antitype of tench · seed 0"."""
        return self.target.title({self.class_index: self.class_name})

    @property
    def repeatable(self) -> bool:
        """Whether the request alone makes it again: never tuned or cut short, no chance inside."""
        return self.completed and len(self.history) == 1 and self.network_repeatable

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        content = json.loads(json.dumps(asdict(self)))
        # `seed` and `settings` stand at the top level too: people look for them there.
        return {
            "record_version": RECORD_VERSION,
            **content,
            "seed": self.seed,
            "settings": self.settings.to_dict(),
            "finding": self.finding,
        }

    @classmethod
    def from_dict(cls, content: dict) -> PrototypeRecord:
        """The inverse of `to_dict`; raises LibraryError when something is missing or wrong."""
        try:
            names = [f.name for f in fields(cls) if f.default is MISSING or f.name in content]
            values = {name: content[name] for name in names}
            values["network_notes"] = tuple(map(str, content.get("network_notes", ())))
            target = content["target"]
            values["target"] = Target(
                weights=tuple((int(index), float(weight)) for index, weight in target["weights"]),
                seed=target["seed"],
            )
            values["history"] = tuple(
                SettingsChange(
                    step=int(change["step"]),
                    settings=GenerationSettings.from_dict(change["settings"]),
                    by=str(change.get("by", "")),
                )
                for change in content["history"]
            )
            values["witnesses"] = tuple(
                WitnessReading(**reading) for reading in content.get("witnesses", ())
            )
            values["execution"] = Execution(**content.get("execution", {}))
            values["top"] = tuple((int(i), str(n), float(p)) for i, n, p in content["top"])
        except (KeyError, TypeError, ValueError) as error:
            raise LibraryError(f"this is not a prototype record: {error!r}") from error
        except SettingsError as error:
            raise LibraryError(f"this prototype record is not valid: {error}") from error
        return cls(**values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prototype:
    """An 8-bit RGB image `(H, W, 3)` and its record."""

    image: np.ndarray
    record: PrototypeRecord

    @property
    def stem(self) -> str:
        """File name without ending, such as "mobilenet_v2_574_golf-ball_seed0".

        A target other than a plain class adds its weights: "..._574x1_0x-0.5_seed0".
        """
        record = self.record
        parts = [record.model, str(record.class_index), record.class_name]
        if record.target != Target.of(record.class_index, record.seed):
            parts += [f"{index}x{weight:g}" for index, weight in record.target.weights[:8]]
        parts.append(f"seed{record.seed}")
        return "_".join(slug(part)[:_LONGEST_PART] for part in parts)

    @property
    def where(self) -> np.ndarray | None:
        """Where the network looked, float32 `(H, W)` in 0..1; None where a run did not keep it."""
        return decode_map(self.record.where, self.image.shape[:2])

    def _repr_png_(self) -> bytes:
        """How notebooks show it."""
        buffer = io.BytesIO()
        Image.fromarray(self.image).save(buffer, "PNG")
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        """The picture with what a reader must know beside it, for notebooks."""
        picture = base64.b64encode(self._repr_png_()).decode()
        record = self.record
        facts = (
            f"{record.model} · {record.weights}",
            f"class probability {record.probability:.2f}",
            f"{record.steps} steps",
            record.finding,
        )
        text = "<br>".join(html.escape(fact) for fact in facts if fact)
        title = html.escape(record.title)
        return (
            f'<figure style="margin:0;display:flex;gap:1em"><img alt="Prototype of {title}" '
            f'width="224" src="data:image/png;base64,{picture}"><figcaption><b>{title}</b><br>'
            f"{text}</figcaption></figure>"
        )

    def save(self, folder: str | Path, stem: str | None = None) -> Path:
        """Write `<stem>.png` and then `<stem>.json` into `folder`; returns the path of the PNG.

        A failed write leaves the folder as it was and raises LibraryError.
        """
        folder = Path(folder)
        picture = folder / f"{stem or self.stem}.png"
        drafts = {
            folder / f".{secrets.token_hex(8)}.png": picture,
            folder / f".{secrets.token_hex(8)}.json": picture.with_suffix(".json"),
        }
        image_draft, record_draft = drafts
        try:
            make_folder(folder)
            Image.fromarray(self.image).save(image_draft, optimize=True)
            record_draft.write_text(json.dumps(self.record.to_dict(), indent=2), encoding="utf-8")
            for draft, path in drafts.items():
                draft.replace(path)
        except OSError as error:
            raise _cannot_save(folder, error) from error
        finally:
            for draft in drafts:
                with contextlib.suppress(OSError):
                    draft.unlink(missing_ok=True)
        return picture

    @classmethod
    def load(cls, path: str | Path) -> Prototype:
        """Read what `save` wrote; `path` is the PNG or the JSON file."""
        picture = Path(path).with_suffix(".png")
        record = picture.with_suffix(".json")
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            with Image.open(picture) as image:
                pixels = np.asarray(image.convert("RGB"))
        except UnidentifiedImageError as error:
            raise ImageError(f"{picture.name} is not an image") from error
        except (OSError, ValueError) as error:
            raise LibraryError(f"{record.name} cannot be read as a prototype: {error}") from error
        return cls(image=pixels, record=PrototypeRecord.from_dict(content))


def make_folder(folder: Path) -> None:
    """Create a folder for prototypes if need be; raises LibraryError when that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_save(folder, error) from error


def _cannot_save(folder: Path, error: OSError) -> LibraryError:
    return LibraryError(
        f"the prototype could not be saved in {folder}: {error.strerror or error}; "
        "choose a folder that can be written and has room"
    )


def library_versions() -> dict[str, str]:
    """Versions of Protocore, Python and the packages that decide how a prototype looks."""
    return dict(_versions())


@functools.lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    from protocore import __version__  # here, because the package imports this module

    packages = ("torch", "torchvision", "numpy", "pillow")
    return {
        "protocore": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "machine": platform.machine(),
        # Which vector instructions are there decides how sums round, and so the last bits.
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def slug(text: str) -> str:
    """Letters, digits, dots, underscores and dashes only: fit for a file name everywhere."""
    return re.sub(r"[^a-z0-9._]+", "-", text.casefold()).strip("-.") or "unnamed"
