"""torchvision's Imagenette and ImageNet as folders with a subfolder per class."""

from __future__ import annotations

import http.client
import tarfile
import urllib.error
import zlib
from collections.abc import Callable
from pathlib import Path

import torchvision

from protocore.access import reachable
from protocore.errors import DownloadError, NaturalReferenceError
from protocore.models.download import download

IMAGENETTE_SIZES = ("160px", "320px", "full")
_FAILURES = (OSError, RuntimeError, http.client.HTTPException, tarfile.TarError, zlib.error)


def imagenette_folder(root: str | Path, *, split: str = "val", size: str = "320px") -> Path:
    """The folder of Imagenette (ten ImageNet classes) below `root`.

    Raises NaturalReferenceError when it is not there.
    """
    root = reachable(root)
    try:
        dataset = torchvision.datasets.Imagenette(str(root), split=split, size=size)
    except (RuntimeError, ValueError, OSError) as error:
        raise _missing_imagenette(root, size, "it is not there") from error
    return Path(dataset._image_root)


def download_imagenette(
    root: str | Path,
    *,
    size: str = "320px",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Fetch and unpack Imagenette below `root`, unless it is there.

    `progress(done, total)` is called with bytes; what it raises stops the download. torchvision
    checks the archive's hash. Raises NaturalReferenceError that says how to do it by hand.
    """
    root = reachable(root)
    url, _ = torchvision.datasets.Imagenette._ARCHIVES[size]
    archive = Path(root) / url.rsplit("/", 1)[-1]
    try:
        if not (Path(root) / archive.stem).exists() and not archive.exists():
            download(url, archive, progress=progress)
        torchvision.datasets.Imagenette(str(root), size=size, download=True)
    except (DownloadError, *_FAILURES) as error:
        raise _missing_imagenette(root, size, _reason(error)) from error


def imagenet_folder(root: str | Path, *, split: str = "val") -> Path:
    """The folder of ImageNet (1000 classes) below `root`; unpacks the archives placed there.

    Raises NaturalReferenceError naming the files that are missing.
    """
    root = reachable(root)
    try:
        return Path(torchvision.datasets.ImageNet(str(root), split=split).split_folder)
    except (RuntimeError, OSError) as error:
        raise NaturalReferenceError(
            f"ImageNet is not in {root}. It cannot be downloaded without an account: place "
            f"ILSVRC2012_devkit_t12.tar.gz and ILSVRC2012_img_{split}.tar there"
        ) from error


def _missing_imagenette(root: str | Path, size: str, reason: str) -> NaturalReferenceError:
    url, _ = torchvision.datasets.Imagenette._ARCHIVES.get(size, ("", ""))
    return NaturalReferenceError(
        f"Imagenette ({size}) cannot be used from {root}: {reason}. Sizes are "
        f"{', '.join(IMAGENETTE_SIZES)}; by hand: get {url} on a machine with a network and "
        f"unpack it into {root}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"the server cannot be reached ({error.reason})"
    return str(getattr(error, "strerror", None) or error)
