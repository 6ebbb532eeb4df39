"""What a report needs beside the session: pictures, results and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocore.cohorts.result import TestResult
from protocore.generation.prototype import PrototypeRecord
from protocore.review.session import ReviewSession

Thumbnails = Mapping[tuple[str, int], bytes]  # by ("a" or "b", place of the prediction): JPEG files

THUMBNAIL_QUALITY = 82  # JPEG


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A prototype of a blind round."""

    png: bytes
    record: PrototypeRecord
    badge: str = ""  # path similarity in one line, with the class probability; "": not measured


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportMaterial:
    """Everything that lies in files. What is missing is said in the report."""

    pictures: Mapping[str, Picture] = field(default_factory=dict)  # by prototype id
    results: Mapping[str, TestResult] = field(default_factory=dict)  # by test id
    thumbnails: Mapping[str, Thumbnails] = field(default_factory=dict)  # by test id


def class_name(session: ReviewSession, material: ReportMaterial, index: int) -> str:
    """What a class is called in this session: "574 · golf ball", or "class 574"."""
    for result in material.results.values():
        classes = (result.plan.target, *result.plan.rivals)
        if index in classes:
            return f"{index} · {result.class_names[classes.index(index)]}"
    for of in session.rounds:
        for place, label in [
            (of.class_index, of.class_label),
            *((item.class_index, item.class_label) for item in of.items),
        ]:
            if place == index:
                return label if label.startswith(f"{index} ") else f"{index} · {label}"
    return f"class {index}"


def item_names(session: ReviewSession) -> dict[tuple[str, str], str]:
    """A short name for every picture, "picture 2 of round 1", by round and picture."""
    return {
        (of.id, item.id): f"picture {place} of round {number}"
        for number, of in enumerate(session.rounds, start=1)
        for place, item in enumerate(of.items, start=1)
    }


def picture_name(prototype_id: str) -> str:
    """Where a session keeps its copy of a picture; the record lies beside it."""
    return f"prototypes/{prototype_id}.png"
