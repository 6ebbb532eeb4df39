"""The blind rounds of a review report: pictures, regions, who saw what, what occlusion did."""

from __future__ import annotations

from dataclasses import dataclass

from protocore.reports.charts.marks import marks_svg
from protocore.reports.html import Markup, moment, said
from protocore.reports.tables import NOTHING
from protocore.review.events import Occluded, RoundItem
from protocore.review.evidence import as_effect
from protocore.review.material import ReportMaterial, class_name
from protocore.review.round_agreement import round_agreement
from protocore.review.session import Observation, ReviewSession, Round
from protocore.text import plural

ROLES = {
    "target": "prototype of the class",
    "distractor": "of another class, as a check",
    "baseline": "feature visualisation of the class, for comparison",
}
Rows = list[tuple[object, ...]]


@dataclass(frozen=True, kw_only=True)
class PictureView:
    """One picture with what was seen on it."""

    place: int  # within its round, from 1
    round: int  # from 1
    item: RoundItem
    role: str
    png: bytes  # b"": missing, or not the one recorded
    marks: Markup
    badge: str
    observations: Rows

    @property
    def title(self) -> str:
        """What it shows."""
        return f"{self.item.class_label} ({self.role}), seed {self.item.seed}"


@dataclass(frozen=True, kw_only=True)
class RoundView:
    """One round: how it went, its pictures, agreement, occlusion."""

    number: int
    title: str
    opened: str
    finished: str
    waiting: str
    agreement_head: str
    agreement: Rows
    pictures: tuple[PictureView, ...]
    occlusions: Rows


def round_view(
    session: ReviewSession, number: int, found: Round, material: ReportMaterial
) -> RoundView:
    """Everything about one round."""
    times = sorted(found.revealed.items(), key=lambda pair: pair[1])
    finished = "; ".join(f"{name} finished at {moment(time)}" for name, time in times)
    head, rows = _agreement(found)
    return RoundView(
        number=number,
        title=class_name(session, material, found.class_index),
        opened=f"{plural(len(found.items), 'picture')}, opened by {found.opened_by} at "
        f"{moment(found.time)}. Every reviewer saw them without names, in an order of their own.",
        finished=f"{finished}." if finished else "Nobody has finished looking yet.",
        waiting=", ".join(name for name in found.observers if name not in found.revealed),
        agreement_head=head,
        agreement=rows,
        pictures=tuple(picture_views(found, material, number)),
        occlusions=_occlusions(found),
    )


def picture_views(found: Round, material: ReportMaterial, number: int) -> list[PictureView]:
    """The pictures of a round; observations of those who have not finished are left out."""
    written = [
        one
        for one in (*found.observations(), *found.observations(blind=False))
        if one.author in found.revealed
    ]
    views = []
    for place, item in enumerate(found.items, start=1):
        own = [one for one in written if one.said.item == item.id]
        picture = material.pictures.get(item.prototype_id)
        views.append(
            PictureView(
                place=place,
                round=number,
                item=item,
                role=ROLES[item.role],
                png=picture.png if picture else b"",
                marks=marks_svg(own),
                badge=picture.badge if picture else "",
                observations=[_observation(index, one) for index, one in enumerate(own, start=1)],
            )
        )
    return views


def _observation(number: int, one: Observation) -> tuple[object, ...]:
    return (
        number,
        one.author,
        "blind" if one.blind else "after the names were revealed",
        f"{one.said.confidence:.0%}",
        ", ".join(one.said.tags) or NOTHING,
        plural(len(one.said.regions), "region"),
        said(one.said.text),
    )


def _agreement(found: Round) -> tuple[str, Rows]:
    agreement = round_agreement(found)
    if len(agreement.observers) < 2:
        return "", []
    kappa = agreement.kappa
    value = f"not defined: {kappa.reason}" if kappa.value is None else f"{kappa.value:.2f}"
    rows: Rows = [
        (f"{kappa.name} on tags", value),
        ("agreeing ratings", _share(kappa.observed)),
        ("share of tags that two or more used", _share(agreement.shared)),
        ("overlap of marked regions (intersection over union)", _share(agreement.overlap)),
    ]
    names = ", ".join(agreement.observers)
    return f"blind agreement of {names} over {plural(agreement.pictures, 'picture')}", rows


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0%}"


def _occlusions(found: Round) -> Rows:
    places = {item.id: place for place, item in enumerate(found.items, start=1)}
    return [_occlusion(one, places[one.item]) for one in found.occlusions]


def _occlusion(one: Occluded, place: int) -> tuple[object, ...]:
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
