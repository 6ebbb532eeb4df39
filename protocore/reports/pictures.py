"""Pictures that leave the app: PNG files, and a comparison as one contact sheet."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from protocore.compare.comparison import Comparison, arrange

_MARGIN, _CAPTION = 8, 34  # pixels
_FONT_SIZE = 14


def png_bytes(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def contact_sheet(comparison: Comparison, size: int | None = None) -> Image.Image:
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
        probability = comparison.matrix.probabilities[place, column_of[item.class_index]]
        lines = (item.group, f"seed {item.seed}   p {probability:.2f}")
        for row, text in enumerate(lines):
            fitted = _fit(text, font, size)
            draw.text((left, top + size + 1 + row * 16), fitted, fill="#1d1b2e", font=font)
    return sheet


def _fit(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while len(text) > 1 and font.getlength(text) > width:
        text = text[:-2] + "…"
    return text
