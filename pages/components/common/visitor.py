"""A short name for whoever uses this browser, where nobody has logged in."""

from __future__ import annotations

import hashlib
import secrets

import streamlit as st

_COOKIE = "_streamlit_xsrf"  # set by Streamlit, the same for all tabs of a browser


def visitor() -> str:
    """The address of a user who has logged in, else such as "visitor 3f2a", one per browser."""
    if getattr(st.user, "is_logged_in", False):
        return str(st.user.email)
    cookie = st.context.cookies.get(_COOKIE)
    if not cookie:
        cookie = st.session_state.setdefault("visitor", secrets.token_hex(8))
    secret = cookie.split("|")
    # The middle parts change with every page load, what is masked by them does not.
    token = _unmasked(secret) if len(secret) == 4 else cookie
    return f"visitor {hashlib.sha256(token.encode()).hexdigest()[:4]}"


def _unmasked(parts: list[str]) -> str:
    mask, masked = bytes.fromhex(parts[1]), bytes.fromhex(parts[2])
    return bytes(m ^ mask[i % 4] for i, m in enumerate(masked)).hex()
