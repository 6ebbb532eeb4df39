"""How good the evidence for a claim is, by rules that are stated and the same for every claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from protocore.review.events import ObservationLink, Occluded
from protocore.review.occlusion import OcclusionEffect
from protocore.review.session import Claim, Observation, ReviewSession, Round

RECURS = 2 / 3  # share of the class's prototypes that must show the feature
MIN_SEEDS = 3  # prototypes of the class, below which recurrence says little

RULES = {
    "recurs": f"the feature is marked in at least two thirds of {MIN_SEEDS} or more prototypes of "
    "the class, and in a smaller share of the other pictures of the round",
    "blind": "every observation that the claim rests on was written before the names were shown",
    "occlusion": "covering the marked region lowers the class's logit, and by more than covering "
    "the same shape does at nine in ten other places, for more than half of the covered regions",
    "witness": "another network, which had no part in making the pictures, puts the class first in "
    "more than half of the class's pictures; what only the maker sees is a reason to look closer",
    "test": "the test's interval lies wholly beyond the smallest effect of interest, in the "
    "predicted direction, and its p value, adjusted for the number of claims, is below the level",
}
GRADES = {
    "strong": "the test supports the claim, and all three observations about the pictures do",
    "moderate": "the test supports the claim, and two of the three do",
    "weak": "the test supports the claim, and at most one of the three does; or the feature "
    "recurs, was seen blind, and the test has not decided",
    "none": "neither pictures nor test speak for the claim yet",
    "against": "the test's interval lies wholly on the other side of the smallest effect",
}


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One of RULES, applied."""

    key: str
    holds: bool | None  # None: there is nothing yet to decide it by
    found: str  # in words

    @property
    def rule(self) -> str:
        """What it takes."""
        return RULES[self.key]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A grade and what it comes from."""

    grade: str  # one of GRADES
    criteria: tuple[Criterion, ...]

    @property
    def meaning(self) -> str:
        """What the grade says."""
        return GRADES[self.grade]


def weigh(
    session: ReviewSession,
    claim: Claim,
    outcome: str | None,
    reason: str = "",
    ranks: Mapping[str, Sequence[int]] | None = None,
) -> Evidence:
    """Grade a claim; `outcome` is that of its last test (None: not tested), `reason` its words.

    `ranks` says by prototype which place other networks give its class (0: first); it adds a
    criterion and leaves the grade as it is, since a bias of the maker alone does not transfer.
    """
    links = claim.current.said.links
    test = Criterion(
        key="test",
        holds=None if outcome in (None, "undecided") else outcome == "supported",
        found=reason or "not tested yet",
    )
    criteria = (_recurs(session, links), _blind(session, links), _occlusion(session, links), test)
    grade = _grade(criteria, outcome)
    if ranks is not None:
        criteria = (*criteria[:-1], _witness(session, links, ranks), test)
    return Evidence(grade=grade, criteria=criteria)


def _grade(criteria: tuple[Criterion, ...], outcome: str | None) -> str:
    recurs, blind, occlusion, _ = (criterion.holds is True for criterion in criteria)
    if outcome == "not supported":
        return "against"
    if outcome == "supported":
        return ("weak", "weak", "moderate", "strong")[recurs + blind + occlusion]
    return "weak" if recurs and blind else "none"


def linked_observations(
    session: ReviewSession, links: Iterable[ObservationLink]
) -> tuple[Observation, ...]:
    """The observations that a claim rests on: as written blind where there are such."""
    found = []
    for link in links:
        of = session.round(link.round)
        key = (link.item, link.observer)
        said = [held[key] for held in (of.blind, of.later) if key in held]
        found += [one for one in said if not one.said.empty][:1]
    return tuple(found)


def _recurs(session: ReviewSession, links: tuple[ObservationLink, ...]) -> Criterion:
    tags = {tag for one in linked_observations(session, links) for tag in clean_tags(one.said.tags)}
    if not tags:
        return Criterion(
            key="recurs", holds=None, found="the claim rests on no observation with a tag"
        )
    rounds = [session.round(name) for name in dict.fromkeys(link.round for link in links)]
    shown, seeds = _count(rounds, tags, target=True)
    elsewhere, others = _count(rounds, tags, target=False)
    marked = ", ".join(sorted(tags))
    found = f"{marked}: in {shown} of {seeds} prototypes of the class"
    if others:
        found += f" and {elsewhere} of {others} other pictures"
    enough = seeds >= MIN_SEEDS and shown >= RECURS * seeds - 1e-9
    special = not others or elsewhere / others < shown / seeds if seeds else False
    return Criterion(key="recurs", holds=enough and special, found=found)


def _count(rounds: Iterable[Round], tags: set[str], *, target: bool) -> tuple[int, int]:
    """In how many prototypes that somebody has looked at one of the tags is, and of how many.

    One that was shown in several rounds counts once: seeing it again is no new evidence.
    """
    shown, seen = set(), set()
    for of in rounds:
        for item in of.items:
            if (item.role == "target") != target:
                continue
            said = [one.said for one in of.observations() if one.said.item == item.id]
            if said:
                seen.add(item.prototype_id)
            if any(tags & clean_tags(one.tags) for one in said):
                shown.add(item.prototype_id)
    return len(shown), len(seen)


def clean_tags(tags: Iterable[str]) -> set[str]:
    """Tags as they are compared: "Pale face" and "pale  face" are the same."""
    return {" ".join(tag.casefold().split()) for tag in tags}


def _blind(session: ReviewSession, links: tuple[ObservationLink, ...]) -> Criterion:
    observations = linked_observations(session, links)
    if not observations:
        return Criterion(key="blind", holds=None, found="the claim rests on no observation")
    blind = sum(one.blind for one in observations)
    found = f"{blind} of {len(observations)} observations were written blind"
    return Criterion(key="blind", holds=blind == len(observations), found=found)


def _occlusion(session: ReviewSession, links: tuple[ObservationLink, ...]) -> Criterion:
    done = last_occlusions(session, links)
    if not done:
        return Criterion(key="occlusion", holds=None, found="no marked region was covered yet")
    matter = sum(as_effect(one).matters for one in done)
    largest = max(one.drop for one in done)
    found = (
        f"{matter} of {len(done)} covered regions matter; the logit falls by up to {largest:.2f}"
    )
    return Criterion(key="occlusion", holds=2 * matter > len(done), found=found)


def _witness(
    session: ReviewSession,
    links: tuple[ObservationLink, ...],
    ranks: Mapping[str, Sequence[int]],
) -> Criterion:
    rounds = [session.round(name) for name in dict.fromkeys(link.round for link in links)]
    pictures = {
        item.prototype_id for of in rounds for item in of.items if item.role == "target"
    }  # one that was shown in several rounds counts once
    readings = [rank for name in sorted(pictures) for rank in ranks.get(name, ())]
    if not readings:
        return Criterion(key="witness", holds=None, found="no other network was shown the pictures")
    first = sum(rank == 0 for rank in readings)
    found = f"the class is first in {first} of {len(readings)} readings by other networks"
    return Criterion(key="witness", holds=2 * first > len(readings), found=found)


def last_occlusions(
    session: ReviewSession, links: Iterable[ObservationLink]
) -> tuple[Occluded, ...]:
    """The last occlusion of each linked observation's regions, for the round's class."""
    found = {}
    for link in links:
        of = session.round(link.round)
        for one in of.occlusions:
            same = (one.item, one.observer) == (link.item, link.observer)
            if same and one.class_index == of.class_index:
                found[(link.round, link.item, link.observer)] = one
    return tuple(found.values())


def as_effect(occluded: Occluded) -> OcclusionEffect:
    """What a kept occlusion says."""
    return OcclusionEffect(
        drop=occluded.drop, control_drops=occluded.control_drops, share=occluded.share
    )
