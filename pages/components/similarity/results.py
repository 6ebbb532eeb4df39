"""What was measured: badges, curves over the layers, tables, files."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.images import data_uri
from pages.components.common.resources import library
from pages.components.similarity.layer import show_layer
from protocore.errors import LibraryError
from protocore.generation.prototype import slug
from protocore.jobs.similarity import MeasuredClass
from protocore.reports.charts.layers import LayerChart, chart_svg
from protocore.reports.charts.similarity import evaluation_chart
from protocore.reports.figures.layers import chart_page, layer_figure
from protocore.reports.tables.similarity import (
    class_means,
    layers_csv,
    similarity_table,
    summary_content,
)
from protocore.similarity.measures import MEASURES
from protocore.similarity.reference import DEFAULT_IMAGES
from protocore.similarity.summary import Evaluation, Naturalness, naturalness

PER_ROW = 4  # badges
GOOD_SHARE = 0.656  # of layers with Equation 1: the paper's figure for InceptionV1
MEASURE_TITLES = {measure.name: measure.title for measure in MEASURES}
EXPLANATIONS = {measure.name: measure.explanation for measure in MEASURES}


def show_results(measured: Sequence[MeasuredClass]) -> None:
    """Everything about a finished (or stopped) measurement."""
    for part in measured:
        _about_reference(part.evaluation)
    _badges(measured)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = measured[_pick_class(measured)]
        measure = st.segmented_control(
            "Measure",
            list(MEASURE_TITLES),
            default="spearman",
            format_func=MEASURE_TITLES.get,
            key="similarity_measure",
            required=True,
        )
        view = st.segmented_control(
            "Curves", ["As measured", "Normalised"], default="As measured", key="similarity_view",
            required=True, help="Normalised: 1 is the same class, 0 is a different class. Layers "
            "in which the two can hardly be told apart are left out and counted.",
        )  # fmt: skip
    st.caption(f"{MEASURE_TITLES[measure]}: {EXPLANATIONS[measure]}.")
    chart = evaluation_chart(part.evaluation, measure, normalised=view == "Normalised")
    show_layer(part, measure, _draw(chart))
    _tables(measured, measure)
    _downloads(measured, part, chart)


def _about_reference(evaluation: Evaluation) -> None:
    natural = evaluation.natural
    fewest = min(len(natural.same_names), len(natural.different_names))
    fewer = f" (the paper used {DEFAULT_IMAGES} of each)" if fewest < DEFAULT_IMAGES else ""
    st.caption(
        f"**{escaped(evaluation.class_label)}** against {escaped(natural.description)}{fewer}, "
        f"{len(evaluation.similarity.layers)} layers of {escaped(evaluation.model)}"
    )
    if natural.skipped:
        with st.expander(f"{len(natural.skipped)} files were skipped", icon=":material/warning:"):
            st.dataframe(
                [{"File": one.name, "Reason": one.reason} for one in natural.skipped],
                hide_index=True,
            )


def _badges(measured: Sequence[MeasuredClass]) -> None:
    found = [
        (identifier, label, badge)
        for part in measured
        for identifier, label, badge in zip(
            part.prototype_ids,
            part.evaluation.labels,
            naturalness(part.evaluation.similarity),
            strict=True,
        )
    ]
    for start in range(0, len(found), PER_ROW):
        row = found[start : start + PER_ROW]
        for column, (identifier, label, badge) in zip(st.columns(PER_ROW), row, strict=False):
            with column.container(border=True):
                _badge(identifier, label, badge)


def _badge(identifier: str, label: str, badge: Naturalness) -> None:
    try:
        thumbnail = library().thumbnail(identifier).read_bytes()
        st.image(data_uri(thumbnail), width="stretch", alt=f"Prototype {label}")
    except LibraryError:
        st.caption("Its picture is no longer in the library.")
    natural = badge.similarity >= badge.same
    seen = badge.probability >= 0.5
    st.markdown(
        f"**{escaped(label)}**  \n"
        f":{'green' if natural else 'orange'}-badge[similarity {badge.similarity:.2f}] "
        f":{'green' if seen else 'red'}-badge[p {badge.probability:.2f}] "
        f":{'green' if badge.share >= GOOD_SHARE else 'orange'}-badge[Eq. 1 on {badge.share:.0%}]"
    )
    st.caption(
        f"{badge.assessment[:1].upper()}{badge.assessment[1:]}. Photos {badge.same:.2f}, of other "
        f"classes {badge.different:.2f}; channel profile {badge.profile:.2f} of "
        f"{badge.profile_same:.2f}."
    )


def _pick_class(measured: Sequence[MeasuredClass]) -> int:
    if len(measured) == 1:
        return 0
    return st.selectbox(
        "Class",
        range(len(measured)),
        format_func=lambda i: measured[i].evaluation.class_label,
        key="similarity_class",
        width=240,
    )


def _draw(chart: LayerChart) -> int | None:
    """The chart; returns the layer that was clicked, if any."""
    event = st.plotly_chart(
        layer_figure(chart),
        key="similarity_chart",
        on_select="rerun",
        selection_mode="points",
        config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}},
    )
    points = event["selection"]["points"] if event else []
    return points[0].get("point_index") if points else None


def _tables(measured: Sequence[MeasuredClass], measure: str) -> None:
    evaluations = [part.evaluation for part in measured]
    left, right = st.columns([3, 2])
    with left:
        st.markdown("#### Every prototype")
        rows = similarity_table(evaluations, measure).records()
        st.dataframe(rows, hide_index=True, key="similarity_table")
        st.caption(
            "± over layers; in brackets 95% bootstrap intervals over the natural images. The mean "
            "activations themselves are taken as given."
        )
    with right:
        means = class_means(evaluations, measure)
        st.markdown("#### Over classes (Table 4)")
        st.dataframe(means.records(), hide_index=True, key="similarity_table4")
        st.caption(means.title)


def _downloads(measured: Sequence[MeasuredClass], part: MeasuredClass, chart: LayerChart) -> None:
    evaluations = [one.evaluation for one in measured]
    stem = slug(f"{part.evaluation.model} {part.evaluation.class_label}")
    files = {
        "CSV": ("layers.csv", "text/csv", lambda: layers_csv(evaluations)),
        "JSON": ("summary.json", "application/json", lambda: _summary(evaluations)),
        "SVG": (f"{stem}.svg", "image/svg+xml", lambda: chart_svg(chart)),
        "HTML": (f"{stem}.html", "text/html", lambda: chart_page([chart])),
    }
    helps = {
        "CSV": "Every layer, measure and prototype",
        "JSON": "Everything but the layers",
        "HTML": "The chart above as a page of its own, with hover and zoom",
    }
    with st.container(horizontal=True):
        for kind, (name, mime, make) in files.items():
            st.download_button(
                kind,
                data=make,
                file_name=name,
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
                key=f"similarity_download_{kind}",
                help=helps.get(kind, "The chart above"),
            )


def _summary(evaluations: Sequence[Evaluation]) -> str:
    return json.dumps(summary_content(evaluations), indent=2, allow_nan=False)
