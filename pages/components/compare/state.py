"""What the Compare page shows: prototypes by their identifiers, and runs that will add more.

Lives in the link, `?prototypes=<id>,<id>&jobs=<id>,<id>`, and in the session for when the page
is left and visited again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.components.common.resources import engine, library, pool
from protocore.compare.fairness import MAX_PROTOTYPES
from protocore.errors import JobError, SettingsError
from protocore.generation.settings import GenerationSettings, Target, prototype_key
from protocore.jobs.engine import JobView
from protocore.jobs.generation import GenerationRequest, find_made, submit_generation
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec

_MEMORY = "compare_showing"  # (prototype ids, job ids)
ADOPTED = "compare_adopted"  # prototypes that the controls know of
_ORDER = "compare_order"  # prototype keys and ids in the order in which they were asked for


@dataclass(frozen=True, kw_only=True)
class Part:
    """Prototypes to be made together: one model, one set of settings."""

    spec: ModelSpec
    classifier: Classifier
    targets: tuple[Target, ...]
    settings: GenerationSettings
    preset: str = ""

    def key(self, target: Target) -> str:
        """The key under which the library finds the target's prototype."""
        return prototype_key(self.classifier.identity, target, self.settings)


def current() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Identifiers of prototypes and of jobs, from the link or from the last visit."""
    linked = tuple(_split(st.query_params.get(name)) for name in ("prototypes", "jobs"))
    if any(linked):
        st.session_state[_MEMORY] = linked
        return linked
    remembered = st.session_state.get(_MEMORY, ((), ()))
    _write(*remembered)
    return remembered


def show(prototypes: Sequence[str], jobs: Sequence[str] = ()) -> None:
    """Show these from now on."""
    st.session_state[_MEMORY] = (tuple(prototypes), tuple(jobs))
    st.session_state[ADOPTED] = tuple(prototypes)
    _write(prototypes, jobs)


def _write(prototypes: Sequence[str], jobs: Sequence[str]) -> None:
    for name, values in (("prototypes", prototypes), ("jobs", jobs)):
        if values:
            st.query_params[name] = ",".join(values)
        elif name in st.query_params:
            del st.query_params[name]


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(",") if part)


def start(parts: Sequence[Part], title: str, *, beside: Sequence[str] = ()) -> None:
    """Make what the library does not hold yet, one batch per part, and show all of it.

    `beside` are prototypes that are shown already and stay. Raises SettingsError.
    """
    wanted = sum(len(part.targets) for part in parts) + len(beside)
    if wanted > 2 * MAX_PROTOTYPES:
        raise SettingsError(
            f"at most {2 * MAX_PROTOTYPES} prototypes fit side by side, got {wanted}; choose fewer"
        )
    kept, jobs, order = list(beside), [], list(beside)
    for part in parts:
        made = find_made(library(), part.classifier, part.targets, part.settings)
        kept += [found for found in made.values() if found not in kept]
        order += [made.get(target, part.key(target)) for target in part.targets]
        missing = tuple(target for target in part.targets if target not in made)
        if missing:
            request = GenerationRequest(
                spec=part.spec,
                targets=missing,
                settings=part.settings,
                preset=part.preset,
                title=title,
            )
            jobs.append(submit_generation(engine(), library(), pool(), request))
    st.session_state[_ORDER] = tuple(dict.fromkeys(order))
    show(_in_order(kept), jobs)


def active_jobs(job_ids: Sequence[str]) -> list[JobView]:
    """Those of the jobs that still go on; the finished ones are taken over into the comparison.

    Raises JobError with the reasons when some failed, after which they are forgotten.
    """
    views = [view for view in map(_view, job_ids) if view is not None]
    active = [view for view in views if view.active]
    if active or not job_ids:
        return active
    prototypes, _ = current()
    found = list(prototypes)
    for view in views:
        if view.result:
            found += library().run(view.result).prototypes
    show(_in_order(list(dict.fromkeys(found))))
    if errors := [view.error for view in views if view.error]:
        raise JobError("; ".join(dict.fromkeys(errors)))
    if len(views) < len(job_ids):
        raise JobError(
            "a run is no longer in memory, the app was started again meanwhile; what was finished "
            "is in the Library, the button on the left makes what is missing"
        )
    return []


def _view(job_id: str) -> JobView | None:
    try:
        return engine().view(job_id)
    except JobError:
        return None


def _in_order(ids: Sequence[str]) -> list[str]:
    """As they were asked for; what was not comes last."""
    order = {name: place for place, name in enumerate(st.session_state.get(_ORDER, ()))}
    last = len(order)
    places = {i: order.get(i, order.get(library().prototype(i).key, last)) for i in ids}
    return sorted(ids, key=places.get)
