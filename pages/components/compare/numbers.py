"""Sections of the Compare page that show a finished comparison: numbers, layers, seeds, files."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import streamlit as st

from pages.components.common.choices import linked_choice
from pages.components.common.errors import escaped
from protocore.compare.comparison import Comparison
from protocore.compare.paths import divergence
from protocore.reports.comparison import comparison_chart, comparison_html
from protocore.reports.figures.compare import matrix_figure
from protocore.reports.figures.layers import layer_figure
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

SATURATED = 0.02  # nearer to 0 or 1 than this
CONFIG = {"displaylogo": False}
MEASURES = {"spearman": "All activations (paper)", "profile": "Channel profile"}


def show_numbers(comparison: Comparison) -> None:
    """Heatmap of every class on every prototype, one-sided pairs, likeliest classes."""
    matrix = comparison.matrix
    kinds = ("probability", "logit")
    if saturated(matrix.probabilities):  # all 0 or 1: only logits tell more
        kinds = kinds[::-1]
    kind = linked_choice(
        st.segmented_control, "Value", kinds, key=f"compare_kind_{kinds[0]}", link="value",
        format_func=str.capitalize, required=True,
    )  # fmt: skip
    values = matrix.probabilities if kind == "probability" else matrix.logits
    st.plotly_chart(
        matrix_figure(values, matrix.titles, matrix.labels, kind=kind),
        key="compare_matrix",
        config=CONFIG,
    )
    for one in one_sided(comparison)[:3]:
        st.markdown(
            f":material/swap_horiz: One-sided: **{escaped(one.second)}** has "
            f"{one.second_in_first:.2f} on the prototypes of **{escaped(one.first)}**, the "
            f"reverse is {one.first_in_second:.2f}."
        )
    with st.expander("Likeliest classes of each prototype", icon=":material/leaderboard:"):
        st.dataframe(top_table(comparison).records(), hide_index=True)
    st.download_button(
        "CSV",
        data=lambda: matrix_csv(comparison, values),
        file_name=f"{kind}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def saturated(probabilities: np.ndarray) -> bool:
    """Whether every probability is near 0 or 1, so that a matrix of them says nothing more."""
    return bool(np.all(np.minimum(probabilities, 1 - probabilities) < SATURATED))


def show_transfer(titles: list[str], models: list[str], values: np.ndarray) -> None:
    """Probability of the class on every prototype, as every model sees it."""
    st.markdown("### What each model says of the others' prototypes")
    figure = matrix_figure(values, titles, models, kind="probability")
    st.plotly_chart(figure, key="compare_transfer", config=CONFIG)


def show_layers(comparison: Comparison) -> None:
    """Similarity between prototypes over the layers: where do the classes diverge?"""
    if len(comparison.groups) < 2:
        st.info("All prototypes shown are of one class: there is nothing to compare.")
        return
    measure = linked_choice(
        st.segmented_control,
        "Measure",
        list(MEASURES),
        format_func=MEASURES.get,
        key="compare_measure",
        link="measure",
        required=True,
        help="Rank correlation of two prototypes' activations, of all of them or averaged over "
        "space.",
    )
    chart = comparison_chart(comparison, measure)
    st.plotly_chart(layer_figure(chart), key="compare_layers", config=CONFIG)
    groups = [item.group for item in comparison.items]
    seeds = [item.seed for item in comparison.items]
    values = getattr(comparison.paths, measure)
    for first, second in list(combinations(comparison.groups, 2))[:3]:
        found = divergence(values, comparison.paths.layers, groups, seeds, first, second)
        if found.from_layer:
            st.markdown(
                f"**{escaped(first)}** and **{escaped(second)}** differ more than two seeds of one "
                f"class do from layer `{found.from_layer}` to the end."
            )
    if len(comparison.seeds) < 2:
        st.caption("With two or more seeds, dashed lines show how much chance alone changes.")
    st.download_button(
        "CSV",
        data=lambda: paths_csv(comparison),
        file_name="layers.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def show_stability(comparison: Comparison) -> None:
    """How alike a class's prototypes are under other seeds."""
    st.caption(
        "Mean similarity of the paths through the network (Spearman over the layers). If the seeds "
        "of a class are no more alike than different classes are, do not build a claim on one "
        "image of it."
    )
    st.dataframe(stability_table(comparison).records(), hide_index=True)
    if len(comparison.seeds) < 2:
        st.info("Give two or more seeds on the left to see how stable the prototypes are.")


def show_export(comparison: Comparison) -> None:
    """Everything as files."""
    matrix = comparison.matrix
    files = (
        ("Page (HTML)", "comparison.html", "text/html", lambda: comparison_html(comparison)),
        ("Grid (PNG)", "grid.png", "image/png", lambda: png_bytes(contact_sheet(comparison))),
        (
            "Probabilities (CSV)",
            "probabilities.csv",
            "text/csv",
            lambda: matrix_csv(comparison, matrix.probabilities),
        ),
        ("Logits (CSV)", "logits.csv", "text/csv", lambda: matrix_csv(comparison, matrix.logits)),
        ("Likeliest classes (CSV)", "top_classes.csv", "text/csv", lambda: top_csv(comparison)),
        ("Layers (CSV)", "layers.csv", "text/csv", lambda: paths_csv(comparison)),
        ("Stability (CSV)", "stability.csv", "text/csv", lambda: stability_csv(comparison)),
    )
    with st.container(horizontal=True):
        for label, name, mime, make in files:
            st.download_button(
                label,
                data=make,
                file_name=name,
                mime=mime,
                key=f"export_{name}",
                icon=":material/download:",
                on_click="ignore",
            )
