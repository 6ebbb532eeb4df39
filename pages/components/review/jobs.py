"""The background jobs of a review session."""

from __future__ import annotations

from pages.components.common.resources import engine
from protocore.jobs.engine import JobView


def find_job(kind: str, **meta: str) -> JobView | None:
    """The newest job of that kind with these entries in its meta."""
    for view in engine().views():
        if view.kind == kind and all(view.meta.get(name) == meta[name] for name in meta):
            return view
    return None
