"""The charts of an evaluation: one measure over the layers of a network."""

from __future__ import annotations

from protocore.generation.prototype import slug
from protocore.reports.charts.layers import LayerChart, chart_svg, normalised_chart, raw_chart
from protocore.reports.tables.similarity import layer_text
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


def evaluation_charts(evaluation: Evaluation) -> dict[str, LayerChart]:
    """All charts of an evaluation by the stem of a file name."""
    stem = slug(evaluation.class_label)
    return {
        f"{stem}_{measure.name}_{kind}": evaluation_chart(
            evaluation, measure.name, normalised=kind == "normalised"
        )
        for measure in MEASURES
        for kind in ("raw", "normalised")
    }


def chart_files(evaluation: Evaluation) -> dict[str, bytes]:
    """All charts of an evaluation as SVG files by name."""
    charts = evaluation_charts(evaluation).items()
    return {f"{stem}.svg": chart_svg(chart).encode() for stem, chart in charts}
