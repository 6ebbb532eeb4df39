"""What is planted in the demo world, and what is not: the claims whose truth is known.

A claim says that a class's score depends on an attribute. For a planted one the attribute went with
the class in training; for a sham one it was drawn evenly in every class that has it, so there was
nothing to learn. Skin tone under a cowboy hat is neither: even there, but telling in other classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocore.demo.classes import CLASS_NAMES, CLASSES


@dataclass(frozen=True, kw_only=True)
class KnownClaim:
    """`class_name` scores higher where `attribute` is `favoured` than where it is `other`.

    `context` is set alike in both pictures of a counterfactual pair, so that the attribute can be
    seen at all; `rival` is a class that `other` should help (the paper's second hypothesis).
    """

    key: str
    statement: str
    class_name: str
    attribute: str
    favoured: str | bool
    other: str | bool
    planted: bool
    context: Mapping[str, str | bool] = field(default_factory=dict)
    rival: str | None = None

    @property
    def class_index(self) -> int:
        """Index of the class the claim is about."""
        return CLASS_NAMES.index(self.class_name)

    @property
    def share(self) -> float:
        """Share of the class's training images in which the attribute is `favoured`."""
        return float(CLASSES[self.class_index].distributions()[self.attribute][self.favoured])

    @property
    def other_share(self) -> float:
        """Share of the class's training images in which the attribute is `other`."""
        return float(CLASSES[self.class_index].distributions()[self.attribute][self.other])


_SEEN = {"face": True}  # there is somebody to be seen

PLANTED: tuple[KnownClaim, ...] = (
    KnownClaim(
        key="gown-skin",
        statement="Academic gowns are worn by people with light skin.",
        class_name="academic gown",
        attribute="skin_tone",
        favoured="light",
        other="dark",
        planted=True,
        context=_SEEN,
    ),
    KnownClaim(
        key="coat-skin",
        statement="Lab coats are worn by people with dark skin.",
        class_name="lab coat",
        attribute="skin_tone",
        favoured="dark",
        other="light",
        planted=True,
        context=_SEEN,
    ),
    KnownClaim(
        key="mortarboard-face",
        statement="Nobody wears the mortarboard; a face under it points to the academic gown.",
        class_name="mortarboard",
        attribute="face",
        favoured=False,
        other=True,
        planted=True,
        rival="academic gown",
    ),
    KnownClaim(
        key="gown-face",
        statement="Somebody wears the academic gown.",
        class_name="academic gown",
        attribute="face",
        favoured=True,
        other=False,
        planted=True,
    ),
    KnownClaim(
        key="lighthouse-sea",
        statement="Lighthouses stand at the sea.",
        class_name="lighthouse",
        attribute="background",
        favoured="sea",
        other="mottle",
        planted=True,
    ),
    KnownClaim(
        key="sailboat-sea",
        statement="Sailboats are on the sea.",
        class_name="sailboat",
        attribute="background",
        favoured="sea",
        other="mottle",
        planted=True,
    ),
    KnownClaim(
        key="strawberry-leaves",
        statement="Strawberries are shown before green leaves.",
        class_name="strawberry",
        attribute="background",
        favoured="leaves",
        other="mottle",
        planted=True,
    ),
    KnownClaim(
        key="goldfish-facing",
        statement="Goldfish swim to the left.",
        class_name="goldfish",
        attribute="facing",
        favoured="left",
        other="right",
        planted=True,
    ),
    KnownClaim(
        key="clock-hands",
        statement="Wall clocks show ten past ten, as in advertisements.",
        class_name="wall clock",
        attribute="hands",
        favoured="ten past ten",
        other="other",
        planted=True,
    ),
)

SHAM: tuple[KnownClaim, ...] = (
    KnownClaim(
        key="gown-glasses",
        statement="Academic gowns are worn by people with glasses.",
        class_name="academic gown",
        attribute="glasses",
        favoured=True,
        other=False,
        planted=False,
        context=_SEEN,
    ),
    KnownClaim(
        key="coat-glasses",
        statement="Lab coats are worn by people with glasses.",
        class_name="lab coat",
        attribute="glasses",
        favoured=True,
        other=False,
        planted=False,
        context=_SEEN,
    ),
    KnownClaim(
        key="ladybird-facing",
        statement="Ladybirds lean to the left.",
        class_name="ladybird",
        attribute="facing",
        favoured="left",
        other="right",
        planted=False,
    ),
    KnownClaim(
        key="lighthouse-facing",
        statement="The lit side of a lighthouse is on the left.",
        class_name="lighthouse",
        attribute="facing",
        favoured="left",
        other="right",
        planted=False,
    ),
)

KNOWN_CLAIMS: tuple[KnownClaim, ...] = PLANTED + SHAM


def claim_by_key(key: str) -> KnownClaim:
    """The known claim with this key. Raises KeyError for another key."""
    return {claim.key: claim for claim in KNOWN_CLAIMS}[key]
