"""What the claim form says: one frozen value, from a claim or a draft, to an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from protocore.cohorts.cohort import attribute_text
from protocore.cohorts.plan import DEFAULT_SMALLEST, TestPlan
from protocore.demo.biases import KNOWN_CLAIMS, KnownClaim
from protocore.review.events import Claimed, ObservationLink
from protocore.review.session import Claim, ReviewSession

LARGEST = 1e6  # difference of logits that the form takes
Link = tuple[str, str, str]  # round, picture, observer


@dataclass(frozen=True, kw_only=True)
class ClaimForm:
    """The fields of the form; `version` is the claim's event that they change, 0 a new claim's."""

    version: int = 0
    statement: str = ""
    target: int = 0
    rivals: tuple[int, ...] = ()
    a: str = ""  # cohorts in words
    b: str = ""
    measure: str = TestPlan.measure
    direction: str = TestPlan.direction
    smallest: float = DEFAULT_SMALLEST[TestPlan.measure]
    paired: bool = False
    links: tuple[Link, ...] = ()
    why: str = ""
    known: str = ""  # key of a claim of the demo world

    @classmethod
    def from_claim(cls, session: ReviewSession, claim: Claim | None) -> ClaimForm:
        """What the claim says now; without one, an empty form about the session's first class."""
        if claim is None:
            return cls(target=next(iter(session.started.classes), 0))
        claimed = claim.current.said
        pictures = {(blind.id, item.id) for blind in session.rounds for item in blind.items}
        links = ((link.round, link.item, link.observer) for link in claimed.links)
        return cls(
            version=claim.current.seq,
            statement=claimed.statement,
            target=claimed.plan.target,
            rivals=claimed.plan.rivals,
            a=claimed.cohort_a,
            b=claimed.cohort_b,
            measure=claimed.plan.measure,
            direction=claimed.plan.direction,
            smallest=min(float(claimed.plan.smallest_effect), LARGEST),
            paired=claimed.plan.paired,
            links=tuple(link for link in links if link[:2] in pictures),
            why=claimed.why,
            known=claimed.known if claimed.known in {one.key for one in KNOWN_CLAIMS} else "",
        )

    @classmethod
    def from_draft(cls, draft: Mapping[str, Any], base: ClaimForm) -> ClaimForm:
        """`base` with what the draft says; values of a wrong kind, changed by hand, are left."""
        values = {}
        for field in fields(cls):
            value, default = draft.get(field.name), getattr(base, field.name)
            if isinstance(value, list) and isinstance(default, tuple):
                values[field.name] = tuple(tuple(x) if isinstance(x, list) else x for x in value)
            elif type(value) is type(default):
                values[field.name] = value
        return replace(base, **values)

    def to_draft(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def to_event(self, claim: str) -> Claimed:
        """The claim or its new version; raises ReviewError or SettingsError for what is none."""
        return Claimed(
            claim=claim,
            base=self.version,
            statement=self.statement.strip(),
            plan=TestPlan(
                target=self.target,
                rivals=self.rivals,
                measure=self.measure,
                direction=self.direction,
                paired=self.paired,
                smallest_effect=self.smallest,
            ),
            cohort_a=self.a.strip(),
            cohort_b=self.b.strip(),
            why=self.why,
            links=tuple(ObservationLink(round=r, item=i, observer=o) for r, i, o in self.links),
            known=self.known,
        )

    def with_measure(self, measure: str) -> ClaimForm:
        """Another measure, with the smallest difference that usually matters in it."""
        return replace(self, measure=measure, smallest=DEFAULT_SMALLEST[measure])

    def with_known(self, known: KnownClaim, class_names: Sequence[str]) -> ClaimForm:
        """About the pictures of the demo world that differ in one attribute."""
        a, b = attribute_texts(known)
        own_words = self.statement not in ("", *map(known_statement, KNOWN_CLAIMS))
        about = replace(
            self,
            known=known.key,
            statement=self.statement if own_words else known_statement(known),
            target=class_names.index(known.class_name),
            a=f"{known.class_name}, {a}",
            b=f"{known.class_name}, {b}",
            paired=True,
        )
        return about.with_measure("logit")


def attribute_texts(known: KnownClaim) -> tuple[str, str]:
    """What differs between the two groups of pictures, in words."""
    values = (known.favoured, known.other)
    first, second = (attribute_text(known.attribute, value) for value in values)
    return first, second


def known_statement(known: KnownClaim) -> str:
    """What a claim about it says, true or not."""
    a, b = attribute_texts(known)
    return f"The model scores “{known.class_name}” higher with {a} than with {b}."
