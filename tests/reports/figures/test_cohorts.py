"""The plot of a cohort test: where every mark and interval is, and texts that are only texts."""

import pytest

from protocore.reports.figures.cohorts import APART, Bar, cohorts_figure

SHARES = [
    [Bar(name="accuracy", value=0.75, low=0.5, high=0.9)],
    [Bar(name="accuracy", value=0.25, low=0.1, high=0.5)],
]
LOGITS = [
    [Bar(name="ball", value=3.0, low=2.5, high=3.25), Bar(name="horn", value=-1, low=-2, high=0)],
    [Bar(name="ball", value=1.0, low=0.5, high=1.25), Bar(name="horn", value=0, low=-1, high=1)],
]


def test_each_cohort_has_a_mark_with_its_interval_for_each_measure():
    figure = cohorts_figure(["grass", "sand"], SHARES, LOGITS)
    a, b, logits_a, logits_b = figure.data
    assert [trace.name for trace in figure.data] == ["grass", "sand", "grass", "sand"]
    assert (list(a.x), list(b.x)) == ([0.75], [0.25])
    assert list(a.y) == [-APART] and list(b.y) == [APART]
    assert list(a.error_x.array) == pytest.approx([0.15])
    assert list(a.error_x.arrayminus) == pytest.approx([0.25])
    assert list(logits_a.x) == [3.0, -1] and list(logits_a.error_x.array) == [0.25, 1]
    assert list(logits_b.y) == pytest.approx([APART, 1 + APART])
    assert (a.xaxis, logits_a.xaxis) == ("x", "x2")


def test_one_entry_in_the_legend_for_each_cohort_and_rows_from_the_top():
    figure = cohorts_figure(["grass", "sand"], SHARES, LOGITS)
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]
    assert figure.data[0].line.color == figure.data[2].line.color != figure.data[1].line.color
    assert list(figure.layout.yaxis2.ticktext) == ["ball", "horn"]
    assert list(figure.layout.yaxis2.range) == [1.5, -0.5]
    low, high = figure.layout.xaxis.range
    assert low < 0 and high > 1, "marks at 0 and 1 are not cut"


def test_tags_in_names_are_text():
    name = "<a href='https://evil.example'>x</a> & <b>"
    bars = [[Bar(name=name, value=0.5, low=0, high=1)]]
    figure = cohorts_figure([name], bars, bars)
    plain = "&lt;a href='https://evil.example'&gt;x&lt;/a&gt; &amp; &lt;b&gt;"
    assert figure.data[0].name == plain
    assert figure.layout.yaxis.ticktext == (plain,)
    assert figure.data[0].customdata == (plain,)
