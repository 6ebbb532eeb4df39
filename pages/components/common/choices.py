"""Choices that stand in the page's address, so that a link shows the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

Value = TypeVar("Value")


def linked_choice(
    control: Callable, label: str, options: Sequence[Value], *, key: str, link: str, **more
) -> Value:
    """Draw `control` with the option that the address names as `link`, the first by default.

    The address follows the choice; the first option is left out of it.
    """
    texts = [str(option) for option in options]
    state = st.session_state
    if state.get(key) not in options:
        wanted = st.query_params.get(link)
        state[key] = options[texts.index(wanted) if wanted in texts else 0]
    chosen = control(label, options, key=key, **more)
    chosen = options[0] if chosen is None else chosen  # none while the browser changes pages
    if chosen != options[0]:
        st.query_params[link] = str(chosen)
    elif link in st.query_params:
        del st.query_params[link]
    return chosen
