"""A comparison as CSV and as one picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from protocore.compare.comparison import Comparison, arrange

_MARGIN, _CAPTION = 8, 34  # pixels
_FONT_SIZE = 14


def matrix_csv(comparison: Comparison, values: np.ndarray) -> str:
    """`values` `(P, C)`, logits or probabilities: a row per prototype, a column per class."""
    rows = [("prototype", "group", "seed", *comparison.matrix.labels)]
    rows += [
        (item.title, item.group, item.seed, *(f"{value:.6g}" for value in line))
        for item, line in zip(comparison.items, values, strict=True)
    ]
    return _csv(rows)


def top_csv(comparison: Comparison) -> str:
    """The likeliest classes of each prototype."""
    rows = [("prototype", "rank", "class index", "class", "probability")]
    for item, top in zip(comparison.items, comparison.matrix.top, strict=True):
        rows += [
            (item.title, rank, index, name, f"{probability:.6g}")
            for rank, (index, name, probability) in enumerate(top, start=1)
        ]
    return _csv(rows)


def paths_csv(comparison: Comparison) -> str:
    """Similarity between every two prototypes in every layer; empty where it is not defined."""
    rows = [("layer", "first", "second", "spearman", "profile")]
    titles, paths = [item.title for item in comparison.items], comparison.paths
    for place, layer in enumerate(paths.layers):
        for i, first in enumerate(titles):
            for j in range(i + 1, len(titles)):
                values = paths.spearman[i, j, place], paths.profile[i, j, place]
                rows.append((layer, first, titles[j], *(_number(value) for value in values)))
    return _csv(rows)


def stability_csv(comparison: Comparison) -> str:
    """Similarity under different seeds, by group."""
    rows = [("group", "seeds", "mean", "least similar pair", "most similar pair", "other groups")]
    rows += [
        (row.group, row.seeds, *map(_number, (row.mean, row.low, row.high, row.others)))
        for row in comparison.stability
    ]
    return _csv(rows)


def grid_image(comparison: Comparison, size: int | None = None) -> Image.Image:
    """Every image with its title and probability below, groups beside one another.

    `size` in pixels is the side of each image; by default that of the largest.
    """
    size = size or max(image.shape[1] for image in comparison.images)
    places, columns = arrange([(item.group, item.seed) for item in comparison.items])
    width = _MARGIN + columns * (size + _MARGIN)
    height = _MARGIN + (max(row for row, _ in places) + 1) * (size + _CAPTION + _MARGIN)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)
    column_of = {index: place for place, index in enumerate(comparison.matrix.classes)}
    for place, (item, image) in enumerate(zip(comparison.items, comparison.images, strict=True)):
        left = _MARGIN + places[place][1] * (size + _MARGIN)
        top = _MARGIN + places[place][0] * (size + _CAPTION + _MARGIN)
        picture = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left, top))
        seen = comparison.matrix.probabilities[place, column_of[item.class_index]]
        lines = (item.group, f"seed {item.seed}   p {seen:.2f}")
        for row, text in enumerate(lines):
            fitted = _fit(text, font, size)
            draw.text((left, top + size + 1 + row * 16), fitted, fill="#1d1b2e", font=font)
    return sheet


def png_bytes(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _fit(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while len(text) > 1 and font.getlength(text) > width:
        text = text[:-2] + "…"
    return text


def _number(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""


def _csv(rows: Sequence[tuple]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
