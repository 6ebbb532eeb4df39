"""The first page of a review report: what was asked, what was found, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocore.reports.review.claims import ClaimView
from protocore.reports.review.rounds import PictureView, picture_views
from protocore.review.material import ReportMaterial, class_name
from protocore.review.round_agreement import round_agreement
from protocore.review.session import ReviewSession
from protocore.text import plural

PICTURES = 3  # on the first page
MOST_NAMES = 8  # of classes in a sentence


@dataclass(frozen=True, kw_only=True)
class FrontView:
    """Texts and pictures of the first page."""

    classes: str
    asked: str
    found: str  # one sentence over all claims
    sure: tuple[str, ...]  # sentences
    warnings: tuple[str, ...]
    pictures: tuple[PictureView, ...]


def front_view(
    session: ReviewSession, claims: Sequence[ClaimView], material: ReportMaterial
) -> FrontView:
    """The first page; nothing on it needs the rest of the report to be understood."""
    return FrontView(
        classes=_listed([class_name(session, material, i) for i in session.started.classes]),
        asked=_asked(session),
        found=_found(claims),
        sure=_sure(session, claims),
        warnings=_warnings(session, claims),
        pictures=_pictures(session, material),
    )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - MOST_NAMES
    more = f" and {rest} more" if rest > 0 else ""
    return (", ".join(names[:MOST_NAMES]) or "–") + more


def _asked(session: ReviewSession) -> str:
    shown = {item.prototype_id for found in session.rounds for item in found.items}
    looked = (
        f"{plural(len(session.reviewers), 'reviewer')} looked at {plural(len(shown), 'picture')} "
        "of what the model has learned, without knowing which class each shows, and recorded "
        "what they saw"
    )
    if not session.claims:
        return f"{looked}. No claim has been written yet."
    claims = plural(len(session.claims), "claim")
    return (
        f"{looked}. They then wrote {claims} about how the model behaves and put them to the test "
        "on two groups of images each. A claim is locked when its first test starts, so that it "
        "cannot be fitted to the result."
    )


def _found(claims: Sequence[ClaimView]) -> str:
    if not claims:
        return "Nothing has been tested yet."
    counts = [
        (word, sum(claim.outcome == word for claim in claims))
        for word in ("supported", "not supported", "undecided", "not tested")
    ]
    listed = ", ".join(f"{count} {word}" for word, count in counts if count)
    return f"Of {plural(len(claims), 'claim')}: {listed}."


def _sure(session: ReviewSession, claims: Sequence[ClaimView]) -> tuple[str, ...]:
    tested = sum(claim.result is not None for claim in claims)
    texts = []
    if tested:
        texts.append(
            "An outcome follows from a rule that was fixed before the test: the whole interval of "
            "the difference must lie beyond the smallest effect of interest, and p must be below "
            "the level."
        )
    if tested > 1:
        texts.append(f"p values are corrected for {tested} tested claims (Holm).")
    for number, found in enumerate(session.rounds, start=1):
        agreement = round_agreement(found)
        if len(agreement.observers) > 1 and agreement.kappa.value is not None:
            texts.append(
                f"Round {number}: {plural(len(agreement.observers), 'reviewer')} agree with "
                f"{agreement.kappa.name} {agreement.kappa.value:.2f} on what they saw "
                "(1 is full agreement, 0 is chance)."
            )
    return tuple(texts) or ("Nothing can be said of this yet.",)


def _warnings(session: ReviewSession, claims: Sequence[ClaimView]) -> tuple[str, ...]:
    texts = [
        f"Claim {claim.number} was changed after its first test had started."
        for claim in claims
        if claim.changed_after_lock
    ]
    waiting = {
        name for found in session.rounds for name in found.observers if name not in found.revealed
    }
    if waiting:
        texts.append(
            f"Not finished looking: {', '.join(sorted(waiting))}. What they wrote is left out."
        )
    return tuple(texts)


def _pictures(session: ReviewSession, material: ReportMaterial) -> tuple[PictureView, ...]:
    """Those that claims rest on first, then prototypes of the class, then the others."""
    linked = {
        (link.round, link.item) for claim in session.claims for link in claim.current.said.links
    }
    views = [
        (((found.id, view.item.id) not in linked, view.item.role != "target"), view)
        for number, found in enumerate(session.rounds, start=1)
        for view in picture_views(found, material, number)
        if view.png
    ]
    chosen: dict[str, PictureView] = {}
    for _, view in sorted(views, key=lambda pair: pair[0]):
        chosen.setdefault(view.item.prototype_id, view)
    return tuple(chosen.values())[:PICTURES]
