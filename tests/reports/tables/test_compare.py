"""Files of a comparison: CSV that a spreadsheet reads, one picture, one page."""

import csv
import io
import re

import numpy as np
from PIL import Image

from protocore.compare.comparison import compare
from protocore.reports.comparison import comparison_html
from protocore.reports.pictures import contact_sheet, png_bytes
from protocore.reports.tables.compare import (
    matrix_csv,
    one_sided,
    paths_csv,
    stability_csv,
    stability_table,
    top_csv,
    top_table,
)
from tests.compare.makers import quadrants
from tests.compare.test_comparison import four


def table(text):
    return list(csv.reader(io.StringIO(text)))


def test_the_matrix_has_a_row_per_prototype():
    comparison = compare(quadrants(), four())
    head, first, *_ = table(matrix_csv(comparison, comparison.matrix.logits))
    assert head == ["prototype", "group", "seed", "0 · top left", "3 · bottom right"]
    assert first[:3] == ["0 · top left · seed 0", "0 · top left", "0"]
    np.testing.assert_allclose([float(value) for value in first[3:]], [10, 4], atol=1e-5)


def test_the_other_tables():
    comparison = compare(quadrants(), four())
    assert len(table(top_csv(comparison))) == 1 + 4 * 4
    paths = table(paths_csv(comparison))
    assert paths[0] == ["layer", "first", "second", "spearman", "profile"]
    assert len(paths) == 1 + 6 * len(comparison.paths.layers)
    assert table(stability_csv(comparison))[1][:3] == ["0 · top left", "2", "1.0"]


def test_tables_for_people():
    comparison = compare(quadrants(), four())
    stability = stability_table(comparison).records()[0]
    assert (stability["Group"], stability["Seeds"], stability["Mean"]) == (
        "0 · top left", "2", "1.000",
    )  # fmt: skip
    assert top_table(comparison).records()[0]["1."].startswith("0 · top left ") or (
        top_table(comparison).records()[0]["1."].startswith("top left ")
    )
    assert one_sided(comparison) == []


def test_the_grid_holds_every_image_at_its_place():
    comparison = compare(quadrants(), four())
    sheet = np.asarray(contact_sheet(comparison, size=16))
    assert sheet.shape == (8 + 2 * (16 + 34 + 8), 8 + 2 * (16 + 8), 3)
    np.testing.assert_array_equal(sheet[8:24, 8:24], comparison.images[0])
    np.testing.assert_array_equal(sheet[8:24, 32:48], comparison.images[2])  # beside, same seed
    np.testing.assert_array_equal(sheet[66:82, 32:48], comparison.images[3])
    assert Image.open(io.BytesIO(png_bytes(contact_sheet(comparison)))).size == (56, 124)


def test_the_page_needs_nothing_else_and_escapes_names():
    classifier = quadrants()
    object.__setattr__(classifier, "class_names", ("<b>evil</b>", "x", "y", "z"))
    text = comparison_html(compare(classifier, four(classifier)))
    assert "<b>evil" not in text and "&lt;b&gt;evil" in text
    assert text.count("data:image/png;base64,") == 4
    assert text.count("<svg ") == 1 and "Fair: same settings" in text
    assert not re.search(r"(src|href)=.?https?:", text)
