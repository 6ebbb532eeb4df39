import csv
import io
from dataclasses import replace

from protocore.cohorts.analysis import analyse
from protocore.cohorts.plan import TestPlan
from protocore.reports.cohort_tables import analysis_csv, predictions_csv, table_text
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


def test_the_terminal_shows_both_tables_and_the_outcome():
    shown = table_text(made())
    lines = [line.split("  ") for line in shown.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[0][:5] == ["cohort", "images", "accuracy", "interval", "P(academic gown)"]
    assert cells[1][:4] == ["light", "40", "72.5 %", "57.2 to 83.9 %"]
    assert cells[2][:4] == ["dark", "40", "60.0 %", "44.6 to 73.7 %"]
    primary = next(line for line in cells if line and line[0] == "*")
    assert primary[1:5] == [
        "accuracy (academic gown)",
        "+12.5 %",
        "-8.0 to +31.7 %",
        "Fisher, greater",
    ]
    assert primary[-1] == "240"
    assert "\n\nundecided: accuracy, A - B: +12.5 %" in shown


def test_control_characters_do_not_reach_the_terminal():
    hostile = analyse(
        PLAN,
        with_hits("a", 1, 2),
        with_hits("b", 1, 2),
        labels=("\x1b[2J", "b"),
        class_names=("\x1b]0;x\x07", "y"),
    )
    assert "\x1b" not in table_text(hostile)
    assert "\x07" not in table_text(hostile)


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
