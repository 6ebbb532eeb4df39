"""The web site of an atlas: static pages that open from a disk, with no script from elsewhere.

index.html  map.html  compare.html?a=574&b=417    class/00574.html and the same as 00574.json
site/atlas.css  site/atlas.js  site/data.js       what the pages share
"""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from protocore.errors import ReportError
from protocore.files import write_atomic
from protocore.jobs.atlas import Atlas
from protocore.reports.atlas.content import ClassContent, Measures, atlas_content
from protocore.reports.html import render
from protocore.text import finite

# Files have no origin, so they are named as such; a static host is 'self'.
POLICY = (
    "default-src 'none'; img-src 'self' file: data:; style-src 'self' file: 'unsafe-inline'; "
    "script-src 'self' file:; base-uri 'none'; form-action 'none'"
)
_SHARED = ("atlas.css", "atlas.js")


def write_site(atlas: Atlas, measures: Measures | None = None) -> Path:
    """Write the pages of everything made so far; returns the path of index.html.

    `measures` are figures by prototype key, such as path similarity. Raises ReportError when the
    folder cannot be written, LibraryError when a record is damaged.
    """
    classes = atlas_content(atlas, measures)
    files = {
        "site/data.js": f"const ATLAS = {_script(_shared_data(atlas, classes))};\n",
        "map.html": _page("map", atlas, classes),
        "compare.html": _page("compare", atlas, classes),
    }
    for place, one in enumerate(classes):
        around = {
            "previous": classes[place - 1] if place else None,
            "next": classes[place + 1] if place + 1 < len(classes) else None,
        }
        files[one.page] = _page("class", atlas, classes, root="../", shown=one, **around)
        content = json.dumps(class_json(atlas, one), indent=1, ensure_ascii=False)
        files[one.page.replace(".html", ".json")] = content
    files["index.html"] = _page("index", atlas, classes)  # last: it links to the others
    return write_files(atlas.folder, files)


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Write pages and what they share; returns the path of index.html. Raises ReportError."""
    shared = importlib.resources.files("protocore.reports") / "templates" / "atlas"
    texts = {f"site/{name}": (shared / name).read_text(encoding="utf-8") for name in _SHARED}
    try:
        for name, text in (texts | files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text)
    except OSError as error:
        raise ReportError(
            f"the site could not be written to {folder}: {error.strerror or error}; make room or "
            "choose another folder, and run the same command again"
        ) from error
    return folder / "index.html"


def class_json(atlas: Atlas, one: ClassContent) -> dict[str, Any]:
    """A class page as plain values."""
    manifest = atlas.manifest
    prototypes = []
    for shown in one.prototypes:
        values: dict[str, Any] = {"seed": shown.seed, "picture": f"../{shown.picture}"}
        if shown.entry:
            values |= asdict(shown.entry) | {"measures": dict(shown.measures)}
            del values["logits"]
        prototypes.append(values)
    return finite(
        {
            "class_index": one.index,
            "class_name": one.name,
            "model": manifest.model_title,
            "weights_sha256": manifest.weight_hash,
            "preset": manifest.preset,
            "settings": manifest.settings,
            "versions": manifest.versions,
            "prototypes": prototypes,
            "nearest": [asdict(neighbour) for neighbour in one.neighbours],
        }
    )


def _page(name: str, atlas: Atlas, classes: list[ClassContent], **values: Any) -> str:
    made = {one.index: one for one in classes}
    return render(
        f"atlas/{name}.html.j2",
        policy=POLICY,
        manifest=atlas.manifest,
        size=atlas.settings.image_size or 224,
        classes=classes,
        by_index=made,
        **({"root": ""} | values),
    )


def _shared_data(atlas: Atlas, classes: list[ClassContent]) -> dict[str, Any]:
    return {
        "seeds": list(atlas.manifest.seeds),
        "classes": [
            {
                "index": one.index,
                "name": one.name,
                "page": one.page,
                "prototypes": [
                    {
                        "seed": shown.seed,
                        "picture": shown.picture,
                        "probability": shown.entry.probability,
                        "logit": shown.entry.logit,
                        "top": shown.entry.top,
                    }
                    for shown in one.prototypes
                    if shown.entry
                ],
            }
            for one in classes
        ],
    }


def _script(value: Any) -> str:
    """JSON that is also safe inside a script, whatever a name holds."""
    text = json.dumps(finite(value), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
