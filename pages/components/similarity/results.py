"""What was measured: badges, curves over the layers, tables, files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import repeat

import streamlit as st

from pages.components.common.choices import linked_choice
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
from protocore.reports.tables import Table
from protocore.reports.tables.similarity import (
    class_means,
    layers_csv,
    similarity_table,
    summary_content,
)
from protocore.similarity.measures import MEASURES
from protocore.similarity.reference import DEFAULT_IMAGES
from protocore.similarity.summary import Evaluation, Naturalness, naturalness
from protocore.similarity.witness import WitnessSummary
from protocore.text import plural

MEASURE_TITLES = {measure.name: measure.title for measure in MEASURES}
EXPLANATIONS = {measure.name: measure.explanation for measure in MEASURES}
LEGEND = (
    "**Similarity**: how alike the network treats the prototype and the mean image of its class, "
    "averaged over the layers (Spearman); **same class**, **other classes**: what "
    "natural images reach. **Equation 1**: share of layers in which the prototype comes at least "
    "as close as images of its class do on average. **Probability** of the class: a nearly blank "
    "image can be similar while the model no longer recognises it. **Witnesses**: how often other "
    "networks put the class first. **Channel profile**: a stricter similarity, of the "
    "activations averaged over space."
)
# Table 4 of the paper: mean Spearman over layers, ± over classes, 100 photos a class.
PAPER_TABLE4 = {
    "Prototype": ("0.54 ± 0.06", "0.56 ± 0.07"),
    "Same-class images": ("0.50 ± 0.05", "0.50 ± 0.05"),
    "Different-class images": ("0.41 ± 0.06", "0.40 ± 0.06"),
}
PAPER_NETWORKS = ("Paper, ResNet-18", "Paper, InceptionV1")
VIEWS = ("As measured", "Normalised")


def show_results(measured: Sequence[MeasuredClass]) -> None:
    """Everything about a finished (or stopped) measurement."""
    for part in measured:
        _about_reference(part.evaluation)
    _prototypes(measured)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = measured[_pick_class(measured)]
        measure = linked_choice(
            st.segmented_control, "Measure", list(MEASURE_TITLES), key="similarity_measure",
            link="measure", format_func=MEASURE_TITLES.get, required=True,
        )  # fmt: skip
        view = linked_choice(
            st.segmented_control, "Curves", list(VIEWS), key="similarity_view", link="view",
            required=True, help="Normalised: 1 is the same class, 0 is a different class. Layers "
            "in which the two can hardly be told apart are left out and counted.",
        )  # fmt: skip
    st.caption(f"{MEASURE_TITLES[measure]}: {EXPLANATIONS[measure]}.")
    chart = evaluation_chart(part.evaluation, measure, normalised=view == VIEWS[1])
    clicked = _draw(chart)
    if view == VIEWS[0]:
        st.caption(
            "Shaded: mean ± one standard deviation over images of the same class and of other "
            "classes. Click a point to see its layer."
        )
    show_layer(part, measure, clicked)
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
        with st.expander(
            f"{plural(len(natural.skipped), 'file')} skipped", icon=":material/warning:"
        ):
            st.dataframe(
                [{"File": one.name, "Reason": one.reason} for one in natural.skipped],
                hide_index=True,
            )


def _prototypes(measured: Sequence[MeasuredClass]) -> None:
    """All prototypes with what was measured, every figure in sight."""
    rows = [
        _row(identifier, label, badge, seen)
        for part in measured
        for identifier, label, badge, seen in zip(
            part.prototype_ids,
            part.evaluation.labels,
            naturalness(part.evaluation.similarity),
            part.evaluation.witnesses or repeat(None),
            strict=False,
        )
    ]
    if not any(row["Witnesses"] for row in rows):
        for row in rows:
            del row["Witnesses"]
    number = st.column_config.NumberColumn(format="%.2f", width="small")
    share = st.column_config.NumberColumn(format="percent", width="small")
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        row_height=56,
        key="similarity_prototypes_table",
        column_config={
            "Picture": st.column_config.ImageColumn(width="small"),
            "Prototype": st.column_config.TextColumn(width="medium"),
            **dict.fromkeys(FIGURES, number),
            "Equation 1": share,
        },
    )
    st.caption(LEGEND)
    for row in rows:
        if row["Probability"] < 0.5:
            st.markdown(
                f":orange[:material/warning:] The model hardly recognises the class in "
                f"**{escaped(row['Prototype'])}** (probability {row['Probability']:.2f})."
            )


FIGURES = ("Similarity", "Same class", "Other classes", "Probability", "Channel profile",
           "Profile, same class")  # fmt: skip


def _row(
    identifier: str, label: str, badge: Naturalness, seen: WitnessSummary | None
) -> dict[str, object]:
    try:
        picture = data_uri(library().thumbnail(identifier).read_bytes())
    except LibraryError:
        picture = None  # it was deleted since
    witnesses = seen and f"{seen.top1:.0%} of {len(seen.witnesses)}"
    return {
        "Picture": picture,
        "Prototype": label,
        "Similarity": badge.similarity,
        "Same class": badge.same,
        "Other classes": badge.different,
        "Equation 1": badge.share,
        "Probability": badge.probability,
        "Witnesses": witnesses,
        "Channel profile": badge.profile,
        "Profile, same class": badge.profile_same,
    }


def _pick_class(measured: Sequence[MeasuredClass]) -> int:
    if len(measured) == 1:
        return 0
    labels = [part.evaluation.class_label for part in measured]
    label = linked_choice(
        st.selectbox, "Class", labels, key="similarity_class", link="class", width=240
    )
    return labels.index(label)


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
    st.markdown(f"## {MEASURE_TITLES[measure]} with intervals")
    rows = similarity_table(evaluations, measure).records()
    st.dataframe(rows, hide_index=True, key="similarity_table", width="stretch")
    st.caption(
        "± over layers; in brackets 95% bootstrap intervals over the natural images. The mean "
        "activations themselves are taken as given."
    )
    means = class_means(evaluations, measure)
    st.markdown("## Over classes, beside the paper's Table 4")
    st.dataframe(_beside_paper(means, measure), hide_index=True, key="similarity_table4")
    st.caption(
        f"{means.title}. The paper's figures are for photos of ImageNet classes, its prototypes "
        "and all layers: another network or other images give other figures."
    )


def _beside_paper(means: Table, measure: str) -> list[dict]:
    """Ours, and for the paper's measure what it reports for its two networks."""
    records = means.records()
    if measure != "spearman":
        return records
    missing = ("",) * len(PAPER_NETWORKS)
    return [
        record
        | dict(zip(PAPER_NETWORKS, PAPER_TABLE4.get(record["Quantity"], missing), strict=True))
        for record in records
    ]


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
