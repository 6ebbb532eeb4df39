import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from protocore.reports.charts.similarity import chart_files, evaluation_chart
from protocore.reports.tables.similarity import (
    COLUMNS,
    class_means,
    layer_text,
    layers_csv,
    place_among,
    similarity_table,
    similarity_text,
    summary_content,
)
from protocore.similarity.reference import SkippedImage
from protocore.similarity.summary import Evaluation

SAME = [[0.7, 0.5, np.nan], [0.9, 0.5, np.nan], [0.8, 0.5, np.nan]]
DIFFERENT = [[0.3, 0.5, 0.1], [0.5, 0.5, 0.1], [0.4, 0.5, 0.1]]


@pytest.fixture
def evaluation(by_hand, small_reference) -> Evaluation:
    natural = type(small_reference)(
        class_index=0,
        same=small_reference.same,
        different=small_reference.different,
        source="noise",
        skipped=(SkippedImage(name="a.jpg", reason="truncated"),),
    )
    return Evaluation(
        labels=("first", "second, with comma"),
        class_label="0 · cat",
        model="small · in memory",
        natural=natural.info,
        similarity=by_hand([[0.6, 0.5, 0.3], [0.85, 0.4, 0.3]], SAME, DIFFERENT, [0.9, 0.1]),
    )


def test_csv_has_every_layer_of_every_measure(evaluation):
    rows = list(csv.DictReader(io.StringIO(layers_csv([evaluation]))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2 * 3 * 3
    first = rows[0]
    assert (first["prototype"], first["measure"], first["name"]) == ("first", "spearman", "layer 0")
    assert (first["prototype_score"], first["same_mean"], first["normalised"]) == (
        "0.6", "0.8", "0.5",
    )  # fmt: skip
    assert (rows[1]["normalised"], rows[1]["unstable"]) == ("", "1")
    assert (rows[2]["same_mean"], rows[2]["prototype_score"]) == ("", "0.3")
    assert rows[3]["prototype"] == "second, with comma"


def test_summary_is_strict_json(evaluation):
    content = json.loads(json.dumps(summary_content([evaluation]), allow_nan=False))
    (found,) = content["classes"]
    assert found["reference"]["skipped"] == [{"name": "a.jpg", "reason": "truncated"}]
    assert found["reference"]["same"] == 7
    assert (found["layer_set"], found["layers"]) == ("all", 3)
    first = found["prototypes"][0]
    assert first["naturalness"]["probability"] == 0.9
    assert first["measures"]["spearman"]["prototype"]["low"] is None
    assert content["table4"]["spearman"][0] == {
        "quantity": "Prototype", "mean": pytest.approx((1.4 + 1.55) / 6), "sd": None, "classes": 1,
    }  # fmt: skip


def test_one_table_for_terminal_and_page(evaluation):
    table = similarity_table([evaluation])
    first = table.records()[0]
    assert first["Prototype"] == "first"
    assert first["Similarity"].startswith("0.467 ± ")
    assert first["Same class"].startswith("0.650")
    assert first["Equation 1"].startswith("50.0%")
    assert (first["Masked layers"], first["Class probability"]) == ("2 of 3", "0.900")
    text = similarity_text([evaluation])
    for row in (*table.rows, *similarity_table([evaluation], "profile").rows):
        assert all(cell in text for cell in row)
    means = class_means([evaluation])
    assert "1 class" in means.title
    assert means.rows[0] == ("Prototype", "0.492")  # of .467 and .517, one class: no spread


def test_formulas_in_names_are_quoted_and_numbers_are_not(evaluation):
    evil = replace(evaluation, labels=("=1+1", "@x"), class_label="+c")
    rows = list(csv.DictReader(io.StringIO(layers_csv([evil]))))
    assert {row["prototype"] for row in rows} == {"'=1+1", "'@x"}
    assert {row["class"] for row in rows} == {"'+c"}
    assert rows[0]["prototype_score"] == "0.6"


def test_place_among_the_images_of_the_class(evaluation):
    assert place_among(evaluation, "spearman", 0, 1) == pytest.approx(2 / 3)  # .85 of .7 .9 .8
    assert place_among(evaluation, "l1", 0, 1) == pytest.approx(1 / 3)  # smaller is closer
    assert np.isnan(place_among(evaluation, "spearman", 2, 1))


def test_layer_text(evaluation):
    layer = evaluation.similarity.layers[0]
    assert layer_text(layer) == "0 · layer 0<br>X 2"
    repeated = type(layer)(index=3, name="relu", kind="ReLU", shape=(8, 7, 7), calls=2)
    assert layer_text(repeated) == "3 · relu<br>ReLU 8 × 7 × 7, last of 2 calls"


def test_charts_and_files(evaluation):
    chart = evaluation_chart(evaluation, "spearman", normalised=True)
    assert "0 · cat" in chart.title and "2 of 3 layers" in chart.title
    np.testing.assert_allclose(chart.lines[2].values, [0.5, np.nan, np.nan])
    files = chart_files(evaluation)
    assert len(files) == 6
    assert "0-cat_l1_normalised.svg" in files
    for content in files.values():
        ElementTree.fromstring(content)
