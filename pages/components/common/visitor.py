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
    if not isinstance(cookie, str) or not cookie:
        cookie = st.session_state.setdefault("visitor", secrets.token_hex(8))
    return f"visitor {hashlib.sha256(_token(cookie).encode()).hexdigest()[:4]}"


def _token(cookie: str) -> str:
    """What stays the same in the cookie: its parts are masked anew with every page load."""
    try:
        _, mask, masked, _ = cookie.split("|")
        key = bytes.fromhex(mask)
        return bytes(m ^ key[i % len(key)] for i, m in enumerate(bytes.fromhex(masked))).hex()
    except (ValueError, ZeroDivisionError):
        return cookie
