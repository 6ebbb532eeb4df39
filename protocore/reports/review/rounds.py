"""The blind rounds of a review report: pictures, marked regions, who said what, what covering did.

Regions are drawn as SVG over the picture, in black with a white edge, so that they show on any
picture and on paper; the number beside one is that of the observation below.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocore.compare.edits import Box, Stroke
from protocore.reports.markup import (
    Html,
    image,
    joined,
    markup,
    moment,
    paragraph,
    said,
    table,
)
from protocore.review.events import Occluded
from protocore.review.evidence import as_effect
from protocore.review.material import ReportMaterial, class_name
from protocore.review.round_agreement import round_agreement
from protocore.review.session import Observation, ReviewSession, Round
from protocore.text import plural

MOST_POINTS = 200  # of one brush stroke in the drawing; more cannot be told apart
ROLES = {
    "target": "prototype of the class",
    "distractor": "of another class, as a check",
    "baseline": "feature visualisation of the class, for comparison",
}


def round_part(session: ReviewSession, number: int, of: Round, material: ReportMaterial) -> Html:
    """One round: how it went, every picture with its observations, agreement, coverings."""
    return joined(
        [
            markup("<h3>Round {}: {}</h3>", number, class_name(session, material, of.class_index)),
            paragraph(
                f"{plural(len(of.items), 'picture')}, opened by {of.opened_by} at "
                f"{moment(of.time)}. Every reviewer saw them without names, in an order of their "
                "own."
            ),
            _looked(of),
            _agreement(of),
            *(_picture_part(of, place, material) for place in range(len(of.items))),
            _coverings(session, of),
        ]
    )


def _looked(of: Round) -> Html:
    times = sorted(of.revealed.items(), key=lambda pair: pair[1])
    finished = [f"{name} finished at {moment(time)}" for name, time in times]
    waiting = [name for name in of.observers if name not in of.revealed]
    parts = [paragraph("; ".join(finished) + "." if finished else "Nobody has finished yet.")]
    if waiting:
        text = "not finished looking: what they wrote is left out, and this report tells the names"
        parts.append(paragraph(f"{', '.join(waiting)}: {text}.", "warn"))
    return joined(parts)


def _agreement(of: Round) -> Html:
    found = round_agreement(of)
    if len(found.observers) < 2:
        return paragraph("Agreement needs two reviewers who have finished looking.", "faint")
    kappa = found.kappa
    value = f"not defined: {kappa.reason}" if kappa.value is None else f"{kappa.value:.2f}"
    rows = [
        (f"{kappa.name} on tags", value),
        ("agreeing ratings", _share(kappa.observed)),
        ("share of tags that two or more used", _share(found.shared)),
        ("overlap of marked regions (intersection over union)", _share(found.overlap)),
    ]
    head = (f"blind agreement of {', '.join(found.observers)}", "value")
    return joined(
        [table(head, rows), paragraph(f"Over {plural(found.pictures, 'picture')}.", "faint")]
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _picture_part(of: Round, place: int, material: ReportMaterial) -> Html:
    item = of.items[place]
    found = [
        one
        for one in (*of.observations(), *of.observations(blind=False))
        if one.said.item == item.id and one.author in of.revealed
    ]
    return markup(
        '<div class="card seen"><div>{}</div><div><p><b>Picture {}</b>: {} ({}), seed {}</p>{}'
        "</div></div>",
        marked_picture(material, item.prototype_id, found),
        place + 1,
        item.class_label,
        ROLES[item.role],
        item.seed,
        _observations(found),
    )


def marked_picture(
    material: ReportMaterial, prototype_id: str, found: Sequence[Observation] = ()
) -> Html:
    """A prototype with the regions of these observations, numbered from 1."""
    picture = material.pictures.get(prototype_id)
    if picture is None:
        return paragraph("The picture is missing, or not the one that was recorded.", "warn")
    return markup(
        '<div class="picture">{}{}</div>',
        image(picture.png, f"prototype {prototype_id}"),
        marks_svg(found),
    )


def marks_svg(found: Sequence[Observation], style: str = "") -> Html:
    """The regions of these observations, numbered from 1, as SVG to lie over a picture.

    `style` is CSS, a constant, for a drawing that stands alone.
    """
    shapes = joined(
        _shape(region, number)
        for number, one in enumerate(found, start=1)
        for region in one.said.regions
    )
    return markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" preserveAspectRatio="none" '
        'role="img" aria-label="marked regions">{}{}</svg>',
        markup("<style>{}</style>", Html(style)) if style else "",
        shapes,
    )


def _shape(region: Box | Stroke, number: int) -> Html:
    if isinstance(region, Box):
        edges = [100 * edge for edge in (region.left, region.top, region.right, region.bottom)]
        left, top, right, bottom = edges
        box = '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>'
        numbers = [f"{value:.2f}" for value in (left, top, right - left, bottom - top)]
        shape = joined(markup(box, kind, *numbers) for kind in ("halo", "edge"))
        return joined([shape, _label(left, top, number)])
    points = _thinned(region.points)
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    width = f"{200 * region.radius:.2f}"
    brush = markup('<polyline class="brush" stroke-width="{}" points="{}"/>', width, path)
    lines = joined(
        markup('<polyline class="{}" points="{}"/>', kind, path) for kind in ("halo", "edge")
    )
    return joined([brush, lines, _label(*points[0], number)])


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS of a stroke, its ends among them, in hundredths; far ones at the edge."""
    every = -(-len(points) // MOST_POINTS)
    kept = [*points[::every], points[-1]]
    return [tuple(100 * min(1.5, max(-0.5, float(value))) for value in point) for point in kept]


def _label(x: float, y: float, number: int) -> Html:
    at = (f"{min(94.0, max(1.0, x + 1)):.1f}", f"{min(99.0, max(7.0, y + 6)):.1f}")
    return markup('<text class="tag" x="{}" y="{}">{}</text>', *at, number)


def _observations(found: Sequence[Observation]) -> Html:
    if not found:
        return paragraph("Nobody wrote anything about it.", "faint")
    rows = [
        (
            number,
            one.author,
            "blind" if one.blind else "after the names were known",
            f"{one.said.confidence:.0%}",
            ", ".join(one.said.tags) or "–",
            plural(len(one.said.regions), "region"),
            said(one.said.text),
        )
        for number, one in enumerate(found, start=1)
    ]
    return table(("", "reviewer", "written", "sure", "tags", "marked", "observation"), rows)


def _coverings(session: ReviewSession, of: Round) -> Html:
    if not of.occlusions:
        return Html("")
    places = {item.id: place for place, item in enumerate(of.items, start=1)}
    rows = [_occlusion(one, places[one.item]) for one in of.occlusions]
    head = ("picture", "regions of", "share", "logit of class", "falls by", "elsewhere", "matters")
    note = (
        "Elsewhere: the largest fall when the same shape covers other places, and the share of "
        "places that the region exceeds. A region matters when its own fall is positive and "
        "exceeds nine in ten."
    )
    return joined(
        [
            markup("<h4>Covering the marked regions</h4>"),
            table(head, rows),
            paragraph(note, "faint"),
        ]
    )


def _occlusion(one: Occluded, place: int) -> tuple:
    effect = as_effect(one)
    largest = f"up to {max(one.control_drops):.2f}; " if one.control_drops else ""
    return (
        place,
        one.observer,
        f"{one.share:.1%}",
        one.class_index,
        f"{one.drop:.2f}",
        f"{largest}exceeds {effect.exceeded:.0%} of {len(one.control_drops)}",
        "✓ yes" if effect.matters else "✗ no",
    )
