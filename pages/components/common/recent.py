"""The newest prototypes as a row of thumbnails, each with a link to its run."""

from __future__ import annotations

import streamlit as st

from pages.components.common.images import data_uri
from pages.components.common.resources import library

COUNT = 4


def show_recent() -> bool:
    """Draw the row; returns whether there was anything to show."""
    infos = [info for info in library().prototypes(limit=COUNT) if not info.damaged]
    if not infos:
        return False
    st.header("Recent prototypes", anchor=False)
    for info, column in zip(infos, st.columns(COUNT), strict=False):
        with column:
            thumbnail = library().thumbnail(info.id).read_bytes()
            st.image(data_uri(thumbnail), width="stretch", alt=f"Prototype of {info.title}")
            st.page_link(
                "pages/1_Generate.py",
                label=f"{info.title} · p {info.probability:.2f}",
                query_params={"run": info.run_id},
            )
    return True
