"""The charts of an evaluation, for the page and for files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import chain, repeat

from protocore.generation.prototype import slug
from protocore.reports.figures.similarity import (
    LayerChart,
    layer_figure,
    normalised_chart,
    raw_chart,
)
from protocore.reports.figures.static import chart_png, chart_svg
from protocore.reports.similarity import layer_text
from protocore.similarity.measures import MEASURES, find_measure
from protocore.similarity.path import layer_curves
from protocore.similarity.summary import Evaluation


def evaluation_chart(evaluation: Evaluation, measure: str, *, normalised: bool) -> LayerChart:
    """One measure over the layers, as measured (Figure 8) or normalised (Figure 4)."""
    curves = layer_curves(evaluation.similarity, measure)
    title = MEASURES[find_measure(measure)].title
    layers = [layer_text(layer) for layer in evaluation.similarity.layers]
    head = f"{title} · {evaluation.class_label} · {evaluation.model}"
    if normalised:
        masked = int(curves.unstable.sum())
        return normalised_chart(
            layers,
            evaluation.labels,
            curves.normalised,
            title=f"{head} · normalised, {masked} of {len(layers)} layers masked",
        )
    return raw_chart(
        layers,
        evaluation.labels,
        curves.prototypes,
        (curves.same, curves.same_sd),
        (curves.different, curves.different_sd),
        title=head,
        y_title=title,
    )


def chart_page(charts: Sequence[LayerChart]) -> bytes:
    """Charts that can be zoomed and hovered as one HTML file that needs no network."""
    parts = [
        layer_figure(chart, height=560).to_html(include_plotlyjs=first, full_html=False)
        for chart, first in zip(charts, chain([True], repeat(False)), strict=False)
    ]
    title = escape(charts[0].title)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    return "\n".join([head, *parts, "</html>\n"]).encode()


def plot_files(evaluation: Evaluation) -> dict[str, bytes]:
    """All charts of an evaluation by file name: SVG, PNG, and one HTML file of all."""
    stem = slug(evaluation.class_label)
    files: dict[str, bytes] = {}
    charts = []
    for measure in MEASURES:
        for kind, normalised in (("raw", False), ("normalised", True)):
            chart = evaluation_chart(evaluation, measure.name, normalised=normalised)
            files[f"{stem}_{measure.name}_{kind}.svg"] = chart_svg(chart).encode()
            files[f"{stem}_{measure.name}_{kind}.png"] = chart_png(chart)
            charts.append(chart)
    files[f"{stem}.html"] = chart_page(charts)
    return files
