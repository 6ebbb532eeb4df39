"""A comparison as one HTML page that needs nothing else: images and charts are inside."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from protocore.compare.comparison import Comparison, arrange, divergence_lines
from protocore.reports.charts.layers import LayerChart, chart_svg, divergence_chart
from protocore.reports.html import Markup, render
from protocore.reports.pictures import png_bytes
from protocore.reports.tables.compare import one_sided, stability_table

MOST_PAIRS = 10  # one-sided pairs on the page


def comparison_chart(comparison: Comparison, measure: str = "spearman") -> LayerChart:
    """Similarity between prototypes over the layers; `measure` is "spearman" or "profile"."""
    return divergence_chart(
        comparison.paths.layers,
        *divergence_lines(comparison, measure),
        title="Similarity between prototypes",
        y_title="Spearman correlation",
    )


def comparison_html(comparison: Comparison, charts: Sequence[LayerChart] | None = None) -> str:
    """The page as text; `charts` over the layers, by default that of `comparison_chart`."""
    charts = [comparison_chart(comparison)] if charts is None else charts
    places, columns = arrange([(item.group, item.seed) for item in comparison.items])
    return render(
        "comparison.html.j2",
        title="Comparison of " + ", ".join(comparison.groups),
        comparison=comparison,
        columns=columns,
        figures=[_figure(comparison, i, place) for i, place in enumerate(places)],
        one_sided=one_sided(comparison)[:MOST_PAIRS],
        charts=[Markup(chart_svg(chart)) for chart in charts],
        stability=stability_table(comparison),
    )


def _figure(comparison: Comparison, index: int, place: tuple[int, int]) -> dict[str, object]:
    top = comparison.matrix.top[index][:3]
    return {
        "row": place[0],
        "column": place[1],
        "title": comparison.items[index].title,
        "png": png_bytes(Image.fromarray(comparison.images[index])),
        "top": "; ".join(f"{name} {share:.2f}" for _, name, share in top),
    }
