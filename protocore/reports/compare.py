"""A comparison as one HTML page that needs nothing else: images and charts are inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from string import Template

import numpy as np
from PIL import Image

from protocore.compare.comparison import Comparison, arrange, asymmetries
from protocore.compare.paths import Stability
from protocore.reports.compare_tables import png_bytes

_ONE_SIDED = 0.05  # difference of probabilities that is worth a line

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
  :root {color-scheme: light dark;}
  body {font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px;
        padding: 0 1rem;}
  .grid {display: grid; grid-template-columns: repeat($columns, minmax(0, 1fr)); gap: 1rem;
         max-width: calc($columns * 24rem);}
  figure {margin: 0;} img {width: 100%; border-radius: .4rem; image-rendering: auto;}
  figcaption {font-size: .85rem;}
  .scroll {overflow-x: auto;}
  table {border-collapse: collapse; font-variant-numeric: tabular-nums;}
  th, td {padding: .3rem .6rem; text-align: right; border: 1px solid #8884;}
  th:first-child, td:first-child {text-align: left;}
  .chart {background: white; border-radius: .4rem; max-width: 1000px;}
  .chart svg {width: 100%; height: auto;}
  .warn {border-left: 4px solid #d9a400; padding-left: .8rem;}
</style></head><body>
<h1>$title</h1>
<p>As $examiner sees them. $summary</p>
$fairness
<div class="grid">$figures</div>
<h2>Probability of every class on every prototype</h2>
<div class="scroll">$probabilities</div>
$onesided
<h2>Logits</h2><div class="scroll">$logits</div>
<h2>Where in the network do they part?</h2>
<p>Rank correlation of the activations of two prototypes in each layer ($layer_set layers).
Between classes and, where there are several seeds, within a class.</p>
$charts
<h2>Stability under other seeds</h2><div class="scroll">$stability</div>
</body></html>
""")


def comparison_html(comparison: Comparison, charts: Sequence[str] = ()) -> str:
    """The page as text; `charts` are SVG documents of the curves over the layers."""
    matrix = comparison.matrix
    groups, seeds = comparison.groups, comparison.seeds
    places, columns = arrange([(item.group, item.seed) for item in comparison.items])
    return _PAGE.substitute(
        title=_text("Comparison of " + ", ".join(groups)),
        examiner=_text(comparison.examiner),
        summary=f"{_count(len(groups), 'group')}, {_count(len(seeds), 'seed')}.",
        fairness=_fairness(comparison),
        columns=columns,
        figures="".join(_figure(comparison, i, place) for i, place in enumerate(places)),
        probabilities=_table(matrix.titles, matrix.labels, matrix.probabilities, "{:.3f}", True),
        onesided=_one_sided(comparison),
        logits=_table(matrix.titles, matrix.labels, matrix.logits, "{:.2f}", False),
        layer_set=comparison.paths.layer_set,
        charts="".join(f'<div class="chart">{chart}</div>' for chart in charts),
        stability=_stability(comparison.stability),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _text(value: object) -> str:
    return html.escape(str(value))


def _fairness(comparison: Comparison) -> str:
    if comparison.fairness.fair:
        return (
            "<p>Fair: same settings, and for each seed the same start image and the same random "
            "transforms.</p>"
        )
    reasons = "; ".join(comparison.fairness.unfair)
    return f'<p class="warn">Differences may have another cause: {_text(reasons)}.</p>'


def _figure(comparison: Comparison, index: int, place: tuple[int, int]) -> str:
    item, image = comparison.items[index], comparison.images[index]
    content = base64.b64encode(png_bytes(Image.fromarray(image))).decode()
    top = "; ".join(f"{name} {share:.2f}" for _, name, share in comparison.matrix.top[index][:3])
    return (
        f'<figure style="grid-row:{place[0] + 1};grid-column:{place[1] + 1}">'
        f'<img alt="Prototype of {_text(item.title)}" '
        f'src="data:image/png;base64,{content}">'
        f"<figcaption><b>{_text(item.title)}</b><br>{_text(top)}</figcaption></figure>"
    )


def _table(
    rows: Sequence[str], columns: Sequence[str], values: np.ndarray, form: str, tinted: bool
) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in columns)
    lines = []
    for name, line in zip(rows, values, strict=True):
        cells = "".join(
            f'<td style="background:rgba(91,75,219,{0.6 * value if tinted else 0:.3f})">'
            f"{form.format(value)}</td>"
            for value in line
        )
        lines.append(f"<tr><td>{_text(name)}</td>{cells}</tr>")
    return f"<table><tr><th>prototype</th>{head}</tr>{''.join(lines)}</table>"


def _one_sided(comparison: Comparison) -> str:
    lines = [
        f"<li>{_text(one.second)} has {one.second_in_first:.2f} on the prototypes of "
        f"{_text(one.first)}, the reverse {one.first_in_second:.2f}</li>"
        for one in asymmetries(comparison)
        if abs(one.second_in_first - one.first_in_second) >= _ONE_SIDED
    ]
    return f"<p>One-sided pairs:</p><ul>{''.join(lines[:10])}</ul>" if lines else ""


def _stability(rows: Sequence[Stability]) -> str:
    head = "".join(
        f"<th>{name}</th>" for name in ("group", "seeds", "mean", "lowest", "highest", "to others")
    )
    body = "".join(
        f"<tr><td>{_text(row.group)}</td><td>{row.seeds}</td>"
        + "".join(
            f"<td>{value:.3f}</td>" if np.isfinite(value) else "<td>–</td>"
            for value in (row.mean, row.low, row.high, row.others)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
