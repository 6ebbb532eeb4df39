import csv
import io
from dataclasses import replace

import pytest

from protocore.cohorts.analysis import analyse
from protocore.cohorts.plan import TestPlan
from protocore.reports.tables.cohorts import (
    analysis_csv,
    analysis_text,
    cohort_table,
    comparison_table,
    predictions_csv,
    score_table,
)
from tests.cohorts.predictions import RIVAL, TARGET, prediction, with_hits, with_logits

PLAN = TestPlan(target=TARGET, rivals=(RIVAL,))
NAMES = ("academic gown", "lab coat")


def made(plan=PLAN):
    return analyse(
        plan,
        with_hits("a", 29, 40),
        with_hits("b", 24, 40),
        labels=("light", "dark"),
        class_names=NAMES,
    )


def test_one_table_for_terminal_page_and_report():
    analysis = made()
    light, dark = cohort_table(analysis).records()
    assert (light["Cohort"], light["Images"], light["Correct"]) == ("light", "40", "29")
    assert light["Accuracy (95 % interval)"] == "72.5 % (57.2 to 83.9 %)"
    assert dark["Accuracy (95 % interval)"] == "60.0 % (44.6 to 73.7 %)"
    primary = comparison_table(analysis).rows[0]
    assert primary[:4] == (
        "▸ accuracy (academic gown)", "+12.5 %", "-8.0 to +31.7 %", "Fisher, greater",
    )  # fmt: skip
    assert primary[-1] == "240"
    shown = analysis_text(analysis)
    tables = (cohort_table(analysis), score_table(analysis), comparison_table(analysis))
    for table in tables:
        assert all(cell in shown for row in table.rows for cell in row)
    assert "undecided: accuracy, A - B: +12.5 %" in shown


@pytest.mark.parametrize(("alpha", "level"), [(0.05, "95 %"), (0.1, "90 %"), (0.005, "99.5 %")])
def test_the_level_of_an_interval_is_that_of_the_plan(alpha, level):
    analysis = made(replace(PLAN, alpha=alpha))
    heads = [*cohort_table(analysis).head, *score_table(analysis).head]
    heads += comparison_table(analysis).head
    assert [head for head in heads if "interval" in head] == [
        f"accuracy ({level} interval)", f"mean ({level} interval)", f"{level} interval",
    ]  # fmt: skip
    row = next(csv.DictReader(io.StringIO(analysis_csv(analysis))))
    assert float(row["level"]) == pytest.approx(1 - alpha)


def test_an_adjusted_p_has_a_column_where_there_is_one():
    analysis = made()
    assert "Holm p" not in comparison_table(analysis).head
    adjusted = comparison_table(analysis, 0.75)
    assert [row[5] for row in adjusted.rows] == ["0.75", *["–"] * 4]


def test_control_characters_do_not_reach_the_terminal():
    hostile = analyse(
        PLAN,
        with_hits("a", 1, 2),
        with_hits("b", 1, 2),
        labels=("\x1b[2J", "b"),
        class_names=("\x1b]0;x\x07", "y"),
    )
    assert "\x1b" not in analysis_text(hostile)
    assert "\x07" not in analysis_text(hostile)


def test_comparisons_as_csv_with_full_precision():
    analysis = made()
    rows = list(csv.DictReader(io.StringIO(analysis_csv(analysis))))
    assert [row["measure"] for row in rows] == [one.measure for one in analysis.comparisons]
    assert [row["primary"] for row in rows] == ["True"] + 4 * ["False"]
    assert float(rows[0]["low"]) == analysis.primary.interval[0]
    assert float(rows[0]["p"]) == analysis.primary.p
    assert rows[0]["class"] == "academic gown"
    assert rows[3]["class"] == "lab coat"
    assert rows[0]["size_needed"] == "240"
    flat = analyse(PLAN, with_logits("a", [2.0] * 3), with_logits("b", [2.0] * 3))
    assert list(csv.DictReader(io.StringIO(analysis_csv(flat))))[2]["size_needed"] == ""


def test_predictions_as_csv():
    a, b = with_hits("a", 1, 2), with_logits("b", [-1.5, 2.0])
    rows = list(csv.DictReader(io.StringIO(predictions_csv(PLAN, a, b, labels=("light", "dark")))))
    assert [row["cohort"] for row in rows] == ["light", "light", "dark", "dark"]
    assert [row["correct"] for row in rows] == ["True", "False", "True", "True"]
    assert rows[0]["sha256"] == a[0].hash
    assert float(rows[2]["logit_3"]) == -1.5
    assert float(rows[2]["probability_1"]) == b[0].probabilities[1]
    assert rows[1]["predicted_name"] == "tench"


def test_a_name_that_a_spreadsheet_would_run_gets_a_quote_and_numbers_do_not():
    names = ['=HYPERLINK("http://x")', "+1", "-2", "@SUM(A1)", "\t=1", "plain, with comma\n"]
    a = tuple(replace(prediction(f"a/{i}"), name=name) for i, name in enumerate(names))
    text = predictions_csv(PLAN, a, with_logits("b", [-1.0, -2.0]), labels=("=A", "B"))
    rows = list(csv.reader(io.StringIO(text)))[1:]
    assert [row[1] for row in rows[:6]] == [*(f"'{name}" for name in names[:5]), names[5]]
    assert rows[0][0] == "'=A"
    assert rows[6][7] == "-1.0"
