"""One layer in detail: how single natural images score there, and the prototype among them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.images import data_uri
from protocore.jobs.similarity import MeasuredClass
from protocore.reports.figures.layers import scores_figure
from protocore.reports.tables.similarity import place_among
from protocore.similarity.measures import MEASURES, find_measure
from protocore.text import plural

SHOWN = 6  # most and least similar images


def show_layer(part: MeasuredClass, measure: str, clicked: int | None) -> None:
    """A box to choose a layer, which a click on the chart does as well, and what is in it."""
    layers = part.evaluation.similarity.layers
    if clicked is not None and clicked != st.session_state.get("similarity_clicked"):
        st.session_state["similarity_layer"] = clicked
    st.session_state["similarity_clicked"] = clicked
    if (st.session_state.get("similarity_layer") or 0) >= len(layers):
        st.session_state["similarity_layer"] = None  # the class shown before had more layers
    names = [layer.name for layer in layers]
    if "similarity_layer" not in st.session_state and st.query_params.get("layer") in names:
        st.session_state["similarity_layer"] = names.index(st.query_params["layer"])
    chosen = st.selectbox(
        "Layer in detail",
        range(len(layers)),
        index=None,
        format_func=lambda i: f"{i} · {layers[i].name} · {layers[i].kind}",
        key="similarity_layer",
        placeholder="Click on a point of the chart, or type a module's name",
    )
    if chosen is None:
        st.query_params.pop("layer", None)
    else:
        st.query_params["layer"] = names[chosen]
        _detail(part, measure, chosen)


def _detail(part: MeasuredClass, measure: str, layer: int) -> None:
    evaluation, place = part.evaluation, find_measure(measure)
    info = evaluation.similarity.layers[layer]
    same = evaluation.similarity.reference.same[place, :, layer]
    different = evaluation.similarity.reference.different[place, :, layer]
    prototypes = evaluation.similarity.scores[place, :, layer]
    shape = " × ".join(str(side) for side in info.shape)
    figure = scores_figure(
        same[np.isfinite(same)],
        different[np.isfinite(different)],
        prototypes,
        evaluation.labels,
        title=f"{info.name} · {info.kind} {shape}",
        x_title=MEASURES[place].title,
    )
    st.plotly_chart(figure, key="similarity_scores", config={"displaylogo": False})
    _missing(same, different, prototypes)
    for index, label in enumerate(evaluation.labels):
        share = place_among(evaluation, measure, layer, index)
        if math.isfinite(share):
            st.markdown(
                f"**{escaped(label)}** is closer to the class mean than {share:.0%} of "
                "held-out class images."
            )
    sign = 1 if MEASURES[place].larger_is_closer else -1
    order = [int(i) for i in np.argsort(-sign * same) if np.isfinite(same[i])]
    left, right = st.columns(2)
    with left:
        st.markdown("**Most similar images of the class**")
        _gallery(part, same, order[:SHOWN])
    with right:
        st.markdown("**Least similar images of the class**")
        _gallery(part, same, order[::-1][:SHOWN])


def _missing(*scores: np.ndarray) -> None:
    lost = sum(int((~np.isfinite(values)).sum()) for values in scores)
    if lost:
        st.caption(
            f":material/info: {plural(lost, 'image')} left out: this layer is constant for them, "
            "which has no rank correlation."
        )


def _gallery(part: MeasuredClass, scores: np.ndarray, places: Sequence[int]) -> None:
    names = part.evaluation.natural.same_names
    for column, place in zip(st.columns(SHOWN), places, strict=False):
        with column:
            st.image(data_uri(part.same[place]), width="stretch", alt=names[place])
            st.caption(f"{scores[place]:.2f}", help=escaped(names[place]))
