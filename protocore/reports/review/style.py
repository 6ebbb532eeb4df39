"""How a review report looks: on a screen in light and dark, on paper in black and white."""

from __future__ import annotations

# Nothing may be loaded or run, whatever a text in the report says; pictures lie in the page.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)

STYLE = """
:root {color-scheme: light dark; --ink: #1d1d24; --faint: #5d5d6b; --line: #c9c9d2;
  --paper: #ffffff; --shade: #f3f3f7; --warn: #b45309;}
@media (prefers-color-scheme: dark) {:root {--ink: #e8e8ee; --faint: #a3a3b2; --line: #44444f;
  --paper: #16161b; --shade: #212129; --warn: #f0a848;}}
* {box-sizing: border-box;}
body {font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 2rem auto; max-width: 60rem; padding: 0 1rem; overflow-wrap: break-word;}
.said, code, figcaption, .pairs td {overflow-wrap: anywhere;}
h1 {line-height: 1.2; margin: 0 0 .5rem;}
h2 {border-bottom: 2px solid var(--ink); margin: 2.5rem 0 1rem; padding-bottom: .2rem;}
h3 {margin: 2rem 0 .5rem;} h4 {margin: 1.4rem 0 .4rem;}
p, ul {margin: .5rem 0;} .faint {color: var(--faint);} code {font-size: .85em;}
.said {white-space: pre-wrap; unicode-bidi: isolate;}
td, th, figcaption, li, h1, h2, h3, b {unicode-bidi: isolate;}
.mark {display: inline-block; border: 1.5px solid currentColor; border-radius: .8rem;
  padding: 0 .6rem; font-size: .85rem; font-weight: 600; white-space: nowrap;}
.card {border: 1px solid var(--line); border-radius: .5rem; padding: .4rem 1rem; margin: .8rem 0;
  background: var(--shade);}
.warn {border-left: 4px solid var(--warn); padding-left: .8rem;}
.scroll {overflow-x: auto; margin: .5rem 0;}
table {border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums;}
th, td {border: 1px solid var(--line); padding: .25rem .55rem; text-align: left;
  vertical-align: top;}
th {background: var(--shade); font-weight: 600;} .number {text-align: right; white-space: nowrap;}
thead .number {white-space: normal;}
.pairs th {width: 12rem;} .seen .pairs th {width: 7.5rem;}
figure {margin: 0;} figcaption {font-size: .8rem; line-height: 1.35;}
img {display: block; width: 100%; height: auto;}
.grid {display: grid; gap: .7rem; grid-template-columns: repeat(auto-fill, minmax(7.2rem, 1fr));}
.wrong img {outline: 3px solid var(--ink); outline-offset: -3px;}
.picture {position: relative; overflow: hidden;}
.picture svg {position: absolute; inset: 0; width: 100%; height: 100%;}
.halo {fill: none; stroke: #fff; stroke-width: 5; vector-effect: non-scaling-stroke;}
.edge {fill: none; stroke: #000; stroke-width: 2; vector-effect: non-scaling-stroke;}
.brush {fill: none; stroke: #fff; stroke-opacity: .55; stroke-linecap: round;
  stroke-linejoin: round;}
.tag {font: 700 7px sans-serif; fill: #000; stroke: #fff; stroke-width: 1.6;
  paint-order: stroke;}
.seen {display: grid; gap: 1rem; grid-template-columns: minmax(8rem, 12rem) minmax(0, 1fr);
  padding: 1rem;}
.seen p:first-child {margin-top: 0;}
@media (max-width: 36rem) {.seen {grid-template-columns: minmax(0, 1fr);}
  .pairs th {width: 6rem;} .mark {white-space: normal;}}
.word {display: inline-block; max-width: 100%;}
.chart {margin: .8rem 0; max-width: 48rem; overflow-x: auto;}
.chart svg {display: block; width: 100%; min-width: 34rem; height: auto; fill: currentColor;
  font: 12px system-ui, sans-serif;}
.chart .grid {stroke: var(--line);} .chart .tick {text-anchor: middle; fill: var(--faint);}
.chart .name {text-anchor: end;} .chart .interval {stroke: currentColor; stroke-width: 1.6;}
.chart .b {fill: var(--paper); stroke: currentColor; stroke-width: 1.6;}
.chart .zone {fill: currentColor; fill-opacity: .13;}
.chart .zero {stroke: currentColor; stroke-dasharray: 4 3;}
footer {border-top: 1px solid var(--line); margin-top: 3rem; color: var(--faint);
  font-size: .85rem;}
@page {size: A4; margin: 16mm 14mm;}
@media print {
  :root {color-scheme: light; --ink: #000; --faint: #333; --line: #999; --paper: #fff;
    --shade: #fff; --warn: #000;}
  body {font-size: 10pt; margin: 0; max-width: none; padding: 0;}
  h2, h3, h4, figcaption {break-after: avoid;} h2 {margin-top: 1.5rem;}
  figure, tr, .card {break-inside: avoid;} thead {display: table-header-group;}
  .scroll {overflow: visible;} .newpage {break-before: page;} table {font-size: 8.5pt;}
  .grid {display: block;} .seen {grid-template-columns: 34mm minmax(0, 1fr);}
  .grid figure {display: inline-block; vertical-align: top; width: 15.6%; margin: 0 .9% .6em 0;}
}
"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style></head><body>
{body}
</body></html>
"""
