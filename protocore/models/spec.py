"""Names for classifiers: a `ModelSpec` says which one and under which conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from protocore.errors import ModelError, UnknownModelError
from protocore.models.catalog import find_architecture, find_entry
from protocore.models.devices import default_device
from protocore.models.external import PRETRAINED, find_timm
from protocore.models.files import FileContent, long_path, short_path
from protocore.models.outputs import HEADS
from protocore.models.preprocessing import INTERPOLATIONS, Triple

KINDS = ("demo", "torchvision", "checkpoint", "timm", "hf")
DEMO_VARIANT = "robust"


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything that decides which classifier one gets, so that it can be a cache key.

    Use `demo`, `torchvision` or `checkpoint` to make one. `mean`, `std` and `input_size`
    and the others replace what the source says; None leaves it.
    """

    kind: str  # one of KINDS
    architecture: str  # "demo", torchvision's or timm's name, or a folder's
    weights: str  # the demo's variant, a torchvision weights entry or a file name
    file: FileContent | None = None  # the checkpoint
    names_file: FileContent | None = None  # class names; None: those of the source
    mean: Triple | None = None  # per channel, for images in [0, 1]
    std: Triple | None = None
    input_size: int | None = None  # pixels
    resize: int | None = None  # pixels of a photo's shorter side before the crop
    interpolation: str | None = None  # one of preprocessing.INTERPOLATIONS
    head: str | None = None  # one of outputs.HEADS; None: found out
    part: str | None = None  # which network of a file that holds several, see networks_in
    bands: tuple[int, ...] | None = None  # channels shown as grey or as red, green, blue
    transform_input: bool | None = None  # googlenet and inception_v3 only; None: yes
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ModelError(f"model kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        for name in ("mean", "std"):
            _check_triple(name, getattr(self, name))
        size = self.input_size
        if size is not None and (isinstance(size, bool) or not 16 <= size <= 2048):
            raise ModelError(f"input size must be between 16 and 2048 pixels, got {size}")
        choices = (("interpolation", INTERPOLATIONS), ("head", HEADS))
        for name, known in choices:
            value = getattr(self, name)
            if value is not None and value not in known:
                raise ModelError(f"{name} must be one of {', '.join(known)}, got {value!r}")

    @classmethod
    def demo(cls, variant: str = DEMO_VARIANT, *, device: str | None = None) -> ModelSpec:
        """The model that is shipped with Protocore."""
        return cls(
            kind="demo", architecture="demo", weights=variant, device=device or default_device()
        )

    @classmethod
    def torchvision(
        cls, architecture: str, weights: str | None = None, *, device: str | None = None
    ) -> ModelSpec:
        """A torchvision model with one of its weights entries; raises UnknownModelError."""
        entry = find_entry(architecture, weights)
        return cls(
            kind="torchvision",
            architecture=entry.architecture,
            weights=entry.weights,
            device=device or default_device(),
        )

    @classmethod
    def checkpoint(
        cls,
        architecture: str,
        path: str | Path,
        *,
        class_names: str | Path | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        input_size: int | None = None,
        resize: int | None = None,
        interpolation: str | None = None,
        head: str | None = None,
        part: str | None = None,
        bands: Sequence[int] | None = None,
        transform_input: bool | None = None,
        device: str | None = None,
    ) -> ModelSpec:
        """A weights file of a torchvision architecture; raises ModelError.

        `class_names` is a text or JSON file. `transform_input` says of googlenet and
        inception_v3 whether the network was trained with torchvision's option of that name,
        as networks fine-tuned from torchvision's weights are (the default).
        """
        file = FileContent.of(path)
        return cls(
            kind="checkpoint",
            architecture=find_architecture(architecture),
            weights=file.path.name,
            file=file,
            names_file=None if class_names is None else FileContent.of(class_names),
            mean=None if mean is None else tuple(mean),
            std=None if std is None else tuple(std),
            input_size=input_size,
            resize=resize,
            interpolation=interpolation,
            head=head,
            part=part,
            bands=None if bands is None else tuple(bands),
            transform_input=transform_input,
            device=device or default_device(),
        )

    @classmethod
    def timm(
        cls, name: str, path: str | Path | None = None, *, device: str | None = None
    ) -> ModelSpec:
        """A timm model with a weights file, or with its own from the hub's cache.

        Raises ModelError, also where timm is not installed.
        """
        file = None if path is None else FileContent.of(path)
        return cls(
            kind="timm",
            architecture=find_timm(name),
            weights=PRETRAINED if file is None else file.path.name,
            file=file,
            device=device or default_device(),
        )

    @classmethod
    def hf(cls, folder: str | Path, *, device: str | None = None) -> ModelSpec:
        """An image classifier of transformers in a local folder; raises ModelError."""
        config = FileContent.of(Path(folder) / "config.json")
        folder = config.path.parent
        return cls(
            kind="hf",
            architecture=folder.name,
            weights="local folder",
            file=config,
            device=device or default_device(),
        )

    @property
    def title(self) -> str:
        """Short name for people, such as "resnet18 · IMAGENET1K_V1"."""
        return f"{self.architecture} · {self.weights}"

    def to_link(self) -> str:
        """A short text for links, such as "torchvision:resnet18:IMAGENET1K_V1".

        The device is left out, it belongs to the machine. Files in Protocore's own folder for
        checkpoints are named alone, others with their path.
        """
        parts = [self.kind]
        if self.kind == "demo":
            parts += [self.weights] if self.weights != DEMO_VARIANT else []
        elif self.kind == "hf":
            parts.append(quote(self.file.path.parent.as_posix()))
        elif self.kind == "timm" and self.file is None:
            parts.append(self.architecture)
        else:
            where = short_path(self.file.path) if self.file else self.weights
            parts += [self.architecture, quote(where)]
        options = {
            "names": short_path(self.names_file.path) if self.names_file else None,
            "mean": join_triple(self.mean),
            "std": join_triple(self.std),
            "size": self.input_size,
            "resize": self.resize,
            "interpolation": self.interpolation,
            "head": self.head,
            "part": self.part,
            "bands": None if self.bands is None else ",".join(map(str, self.bands)),
            "transform_input": None if self.transform_input is None else int(self.transform_input),
        }
        query = urlencode({key: value for key, value in options.items() if value is not None})
        return ":".join(parts) + (f"?{query}" if query else "")

    @classmethod
    def from_link(cls, link: str, *, device: str | None = None) -> ModelSpec:
        """The inverse of `to_link`; raises ModelError for what is not a link to a model."""
        name, _, query = link.partition("?")
        kind, _, rest = name.partition(":")
        architecture, _, weights = rest.partition(":")
        if kind == "demo":
            spec = cls.demo(rest or DEMO_VARIANT, device=device)
        elif kind == "torchvision" and architecture:
            spec = cls.torchvision(architecture, weights or None, device=device)
        elif kind == "checkpoint" and weights:
            spec = cls.checkpoint(architecture, long_path(unquote(weights)), device=device)
        elif kind == "timm" and architecture:
            path = long_path(unquote(weights)) if weights else None
            spec = cls.timm(architecture, path, device=device)
        elif kind == "hf" and rest:
            spec = cls.hf(unquote(rest), device=device)
        else:
            raise UnknownModelError(
                f"{link!r} is not a link to a model; it must look like demo, "
                "torchvision:resnet18:IMAGENET1K_V1, checkpoint:resnet18:/folder/weights.pth, "
                "timm:tf_efficientnet_lite0 or hf:/folder"
            )
        return replace(spec, **_overrides(link, dict(parse_qsl(query))))


def _overrides(link: str, options: dict[str, str]) -> dict[str, object]:
    """What stands behind the question mark of a link."""
    read = {
        "names": ("names_file", lambda text: FileContent.of(long_path(text))),
        "mean": ("mean", parse_triple),
        "std": ("std", parse_triple),
        "size": ("input_size", int),
        "resize": ("resize", int),
        "interpolation": ("interpolation", str),
        "head": ("head", str),
        "part": ("part", str),
        "bands": ("bands", parse_bands),
        "transform_input": ("transform_input", lambda text: bool(int(text))),
    }
    try:
        return {read[key][0]: read[key][1](text) for key, text in options.items()}
    except KeyError as error:
        raise ModelError(
            f"{link!r} has the unknown option {error.args[0]!r}; known are {', '.join(read)}"
        ) from error
    except ValueError as error:
        raise ModelError(f"{link!r} is not a link to a model: {error}") from error


def parse_bands(text: str) -> tuple[int, ...]:
    """Channels with commas between, such as "3,2,1"; raises ModelError."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ModelError(
            f"bands must be one to three channel numbers with commas between, got {text!r}"
        ) from error


def parse_triple(text: str) -> Triple:
    """Three numbers with commas between, such as "0.485, 0.456, 0.406", or one for all channels.

    Raises ModelError.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
        red, green, blue = numbers * 3 if len(numbers) == 1 else numbers
    except ValueError as error:
        raise ModelError(
            f"mean and std must be three numbers with commas between, such as 0.5,0.5,0.5, "
            f"got {text!r}"
        ) from error
    return red, green, blue


def join_triple(values: Triple | None) -> str | None:
    """The inverse of `parse_triple`."""
    return None if values is None else ",".join(repr(float(value)) for value in values)


def _check_triple(name: str, values: Triple | None) -> None:
    if values is None:
        return
    low = 0 if name == "std" else -math.inf
    if len(values) != 3 or not all(math.isfinite(v) and v > low for v in values):
        kind = "positive" if name == "std" else "finite"
        raise ModelError(f"{name} must be three {kind} numbers, got {list(values)}")
