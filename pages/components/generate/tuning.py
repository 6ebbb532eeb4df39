"""The sliders of a running job: each change is a patch, and every tab follows the job."""

from __future__ import annotations

import time
from contextlib import suppress

import streamlit as st

from pages.components.common.resources import engine
from pages.components.common.visitor import visitor
from pages.components.pickers.settings import (
    Patch,
    apply_settings,
    chosen_settings,
    settings_controls,
)
from protocore.errors import JobError, SettingsError
from protocore.generation.settings import GenerationSettings
from protocore.jobs.engine import JobView
from protocore.jobs.generation import GenerationRequest, SettingsPatch

WAIT = 0.6  # seconds; changes that follow each other faster are sent as one
PATIENCE = 5.0  # seconds until a change that the job does not show is no longer expected
_SENT = "patches_sent"  # in the session: job, what it was told, when
_PENDING = "patch_pending"  # in the session: job, what it is to be told


def tuning_controls(job: JobView) -> None:
    """The controls of an active job; what is moved holds from its next step on."""
    request: GenerationRequest = job.meta["request"]
    send_pending(job.id)
    apply_settings(_shown_settings(job))
    st.session_state["settings_source"] = request.spec.kind
    st.markdown(f"**{job.title}**")
    if job.status == "queued":
        st.caption("Changes take effect when the run starts.")
    else:
        st.caption("Changes take effect at the next step.")
    settings_controls(
        request.spec.kind, running=True, on_patch=lambda patch: _remember(job.id, patch)
    )


def moved(job: JobView) -> bool:
    """Whether the controls are behind the job: somebody else has moved a slider, say.

    Also sends what waits to be sent; the page asks twice a second.
    """
    send_pending(job.id)
    shown = chosen_settings()
    return shown is not None and shown != _shown_settings(job)


def send_pending(job_id: str) -> None:
    """Tell the job what was moved in this tab, once nothing has been moved for a moment."""
    about, patch, since = st.session_state.get(_PENDING, ("", {}, 0.0))
    if about != job_id or not patch or time.monotonic() - since < WAIT:
        return
    st.session_state.pop(_PENDING)
    _send(job_id, patch)


def _remember(job_id: str, patch: Patch) -> None:
    """A first change is sent at once; those that follow at its heels wait for each other."""
    now = time.monotonic()
    about, waiting, _ = st.session_state.get(_PENDING, ("", {}, 0.0))
    last = st.session_state.get(_SENT, ("", {}, 0.0))
    if about != job_id and (last[0] != job_id or now - last[2] > WAIT):
        _send(job_id, patch)
        return
    merged = {**waiting, **patch} if about == job_id else patch
    st.session_state[_PENDING] = (job_id, merged, now)


def _send(job_id: str, patch: Patch) -> None:
    about, sent, since = st.session_state.get(_SENT, ("", {}, 0.0))
    fresh = about == job_id and time.monotonic() - since < PATIENCE
    st.session_state[_SENT] = (job_id, {**(sent if fresh else {}), **patch}, time.monotonic())
    with suppress(JobError):  # it may have ended in the meantime
        engine().send(job_id, SettingsPatch(changes=patch, by=visitor()))


def _shown_settings(job: JobView) -> GenerationSettings:
    """The job's settings, with what this tab has changed and the job does not show yet."""
    settings = getattr(job.snapshot, "settings", job.meta["request"].settings)
    about, sent, since = st.session_state.get(_SENT, ("", {}, 0.0))
    waits = job.status in ("queued", "paused") or time.monotonic() - since < PATIENCE
    expected = dict(sent) if about == job.id and waits else {}
    about, pending, _ = st.session_state.get(_PENDING, ("", {}, 0.0))
    if about == job.id:
        expected |= pending
    try:
        return settings.patch(expected)
    except SettingsError:  # somebody else's change does not go together with it
        return settings
