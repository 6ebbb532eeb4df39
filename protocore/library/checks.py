"""What a check of a bundle found."""

from __future__ import annotations

from dataclasses import dataclass

STATUSES = ("ok", "differs", "not possible")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was checked."""

    name: str
    status: str  # one of STATUSES; "not possible": it could not be told here, see `detail`
    detail: str


def ok(name: str, detail: str) -> Check:
    """It is as the bundle says."""
    return Check(name=name, status="ok", detail=detail)


def differs(name: str, detail: str) -> Check:
    """It is not as the bundle says."""
    return Check(name=name, status="differs", detail=detail)


def not_possible(name: str, detail: str) -> Check:
    """It cannot be told here."""
    return Check(name=name, status="not possible", detail=detail)
