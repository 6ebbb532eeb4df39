"""The result of a cohort test: the paper's tables, the comparisons, the images."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.images import data_uri
from pages.components.common.resources import library
from protocore.cohorts.analysis import CohortAnalysis, Estimate
from protocore.cohorts.plan import Prediction
from protocore.cohorts.result import TestResult
from protocore.reports.figures.cohorts import Bar, cohorts_figure
from protocore.reports.tables.cohorts import (
    analysis_csv,
    cohort_table,
    comparison_table,
    predictions_csv,
    score_table,
)
from protocore.review.session import ReviewSession, Test
from protocore.text import plural

PER_PAGE = 24
PER_ROW = 8
ORDERS = {
    "wrong": "misclassified first",
    "low": "least likely first",
    "high": "most likely first",
    "name": "by name",
}


def show_result(session: ReviewSession, test: Test, result: TestResult) -> None:
    """Tables, warnings, downloads and images of a finished test."""
    analysis = result.analysis
    st.markdown("### What the model predicts")
    left, right = st.columns(2)
    left.dataframe(cohort_table(analysis).records(), hide_index=True, width="stretch")
    right.dataframe(score_table(analysis).records(), hide_index=True, width="stretch")
    st.plotly_chart(_figure(analysis), key=f"cohorts_{test.id}", config={"displaylogo": False})
    st.dataframe(comparison_table(analysis).records(), hide_index=True, width="stretch")
    for text in (*analysis.warnings, *result.notes):
        st.markdown(f":orange[:material/warning: {escaped(text)}]")
    _skipped(result)
    with st.container(horizontal=True):
        stem = f"test_{test.id}"
        st.download_button(
            "Comparisons (CSV)", analysis_csv(analysis), f"{stem}_comparisons.csv", "text/csv",
            key="result_csv", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Images (CSV)", predictions_csv(result.plan, result.a, result.b),
            f"{stem}_images.csv", "text/csv",
            key="result_images_csv", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "All of it (JSON)", result.to_json(), f"{stem}.json", "application/json",
            key="result_json", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
    _gallery(session, test, result)


def _figure(analysis: CohortAnalysis) -> go.Figure:
    shares, logits = [], []
    for row in analysis.rows:
        chances = zip(analysis.class_names, row.probabilities, strict=True)
        named = [(f"P({name})", value) for name, value in chances]
        shares.append([_bar("accuracy", row.accuracy), *(_bar(*one) for one in named)])
        logits.append([_bar(*one) for one in zip(analysis.class_names, row.logits, strict=True)])
    return cohorts_figure([row.label for row in analysis.rows], shares, logits)


def _bar(name: str, estimate: Estimate) -> Bar:
    low, high = estimate.interval
    return Bar(name=name, value=estimate.value, low=low, high=high)


def _skipped(result: TestResult) -> None:
    skipped = [("A", one) for one in result.skipped_a] + [("B", one) for one in result.skipped_b]
    if skipped:
        with st.expander(f"{plural(len(skipped), 'file')} not used", icon=":material/block:"):
            for side, one in skipped[:200]:
                st.markdown(f"{side}: {escaped(one.name)}: {escaped(one.reason)}")


def _gallery(session: ReviewSession, test: Test, result: TestResult) -> None:
    """The images of each cohort with what the model says of them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        side = st.segmented_control(
            "Images of cohort", ["a", "b"], format_func=str.upper, key=f"gallery_side_{test.id}",
            default="a", required=True,
        )  # fmt: skip
        order = st.selectbox(
            "Order", list(ORDERS), format_func=ORDERS.get, key=f"gallery_order_{test.id}",
            width=240,
        )  # fmt: skip
        predictions = result.side(side)
        pages = -(-len(predictions) // PER_PAGE)
        page = st.number_input("Page", 1, pages, 1, key=f"gallery_page_{test.id}", width=120)
    places = sorted(range(len(predictions)), key=lambda i: _rank(predictions[i], order))
    shown = places[(page - 1) * PER_PAGE : page * PER_PAGE]
    for first in range(0, len(shown), PER_ROW):
        row = shown[first : first + PER_ROW]
        for place, column in zip(row, st.columns(PER_ROW), strict=False):
            with column:
                _picture(session, test, side, place, predictions[place])


def _rank(prediction: Prediction, order: str) -> tuple:
    likely = prediction.logits[0]
    return {
        "wrong": (prediction.correct, likely),
        "low": (likely,),
        "high": (-likely,),
        "name": (prediction.name,),
    }[order]


def _picture(
    session: ReviewSession, test: Test, side: str, place: int, prediction: Prediction
) -> None:
    path = library().reviews.file(session.id, "tests", test.id, side, f"{place:04d}.jpg")
    if path.is_file():
        st.image(data_uri(path.read_bytes()), width="stretch", alt=prediction.name)
    colour = "green" if prediction.correct else "red"
    st.caption(
        f":{colour}[{escaped(prediction.predicted_name)}]  \np {prediction.probabilities[0]:.2f} · "
        f"logit {prediction.logits[0]:.2f}",
        help=escaped(prediction.name),
    )
