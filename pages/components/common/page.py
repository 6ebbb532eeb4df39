"""What every page begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from protocore.access import restrict

ROOT = Path(__file__).parents[3]
_FOLDER = Path(__file__).parent
_ICON = str(ROOT / "assets" / "icon.png")


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """A key that presses a button while no field has the focus."""

    key: str  # as the browser's KeyboardEvent.key, such as "g"
    label: str  # what it does, for the list behind "?"
    button: str  # key of the Streamlit button


_KIT = st.components.v2.component(
    "page_kit",
    html=(_FOLDER / "page.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "kit.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "page.js").read_text(encoding="utf-8"),
)


def begin_page(title: str, lead: str, shortcuts: Sequence[Shortcut] = ()) -> None:
    """Set up the page: browser title, wide layout, style, keys, heading and one lead sentence."""
    restrict(st.get_option("server.address"))
    st.set_page_config(
        page_title=f"{title} · Protocore",
        page_icon=_ICON,
        layout="wide",
        initial_sidebar_state="auto",  # a phone begins with the page, not with the sidebar
    )
    st.html(_FOLDER / "page.css")
    st.logo(str(ROOT / "assets" / "logo.png"), icon_image=_ICON)
    with st.container(key="page_kit"):
        _KIT(key="kit", data={"shortcuts": [asdict(shortcut) for shortcut in shortcuts]})
    st.title(title, anchor=False)
    st.caption(lead)
