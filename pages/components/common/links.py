"""Models named in links and in the library, on the device that was chosen."""

from __future__ import annotations

import streamlit as st

from protocore.models.devices import available_devices
from protocore.models.spec import ModelSpec

DEVICE = "device"  # query parameter; only there when it is not the machine's default
_CHOSEN = "model_device"  # in the session, see pickers.model


def linked_spec(link: str) -> ModelSpec:
    """The model of `link` on the chosen device; raises ModelError.

    A link to a model leaves the device out, since it belongs to the machine: it is what the
    visitor has chosen, or what the address of the page says.
    """
    return ModelSpec.from_link(link, device=chosen_device())


def chosen_device() -> str:
    """What was chosen in this session or stands in the address; else the machine's default."""
    devices = available_devices()
    named = (st.session_state.get(_CHOSEN), st.query_params.get(DEVICE))
    return next((device for device in named if device in devices), devices[0])
