"""What every page begins with."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ROOT = Path(__file__).parents[3]
_STYLE = """
<style>
  [data-testid="stMainBlockContainer"] {padding-top: 3.2rem; padding-bottom: 3rem;}
  [data-testid="stImage"] img {border-radius: .5rem;}
  /* Streamlit names the entry point after its file. */
  [data-testid="stSidebarNav"] li:first-child a p {font-size: 0;}
  [data-testid="stSidebarNav"] li:first-child a p::after {content: "Home"; font-size: .875rem;}
  [data-testid="stSidebar"][data-collapsed="false"] {min-width: 350px;}
  .pc-bars {display: grid; grid-template-columns: minmax(0, 1fr) 3.2em; gap: .15rem .5rem;
            font-size: .82rem; line-height: 1.35; margin-bottom: .4rem;}
  .pc-bar {position: relative; overflow: hidden; white-space: nowrap; text-overflow: ellipsis;
           padding: 0 .4rem; border-radius: .25rem; background: rgba(128,128,150,.12);}
  .pc-bar i {position: absolute; inset: 0 auto 0 0; background: rgba(110,95,235,.30);
             border-radius: .25rem;}
  .pc-bar.target i {background: rgba(26,147,111,.42);}
  .pc-bar span {position: relative;}
  .picture {position: relative; overflow: hidden; border-radius: .5rem;}
  .picture img {display: block; width: 100%;}
  .picture .over {position: absolute; inset: 0; height: 100%;}
  .pc-num {text-align: right; font-variant-numeric: tabular-nums; opacity: .85;}
</style>
"""


def begin_page(title: str, icon: str, lead: str) -> None:
    """Set up the page: browser title, wide layout, common style, heading and one lead sentence."""
    st.set_page_config(
        page_title=f"{title} · Protocore",
        page_icon=str(ROOT / "assets" / "icon.png"),
        layout="wide",
        initial_sidebar_state="expanded",
    )
    st.html(_STYLE)
    st.logo(str(ROOT / "assets" / "logo.png"), icon_image=str(ROOT / "assets" / "icon.png"))
    st.markdown(f"### {icon} {title}")
    st.caption(lead)
