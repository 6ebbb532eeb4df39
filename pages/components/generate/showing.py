"""What the Generate page shows: a job, a kept run or kept prototypes. Lives in the link."""

from __future__ import annotations

import streamlit as st

KINDS = ("job", "run", "prototypes")  # query parameters, of which at most one is set
_MEMORY = "showing"  # in the session: query parameters are lost when the page is left


def current() -> tuple[str, str] | None:
    """Kind and identifier(s) of what to show, from the link or from the last visit."""
    for kind in KINDS:
        if value := st.query_params.get(kind):
            st.session_state[_MEMORY] = (kind, value)
            return kind, value
    remembered = st.session_state.get(_MEMORY)
    if remembered:
        st.query_params[remembered[0]] = remembered[1]
    return remembered


def show(kind: str, value: str) -> None:
    """Show that from now on."""
    show_nothing()
    st.session_state[_MEMORY] = (kind, value)
    st.query_params[kind] = value


def show_nothing() -> None:
    """Back to the empty state; a job goes on in the background."""
    st.session_state.pop(_MEMORY, None)
    for kind in KINDS:
        st.query_params.pop(kind, None)


def read_link() -> dict[str, str]:
    """The settings in the link, once per session: "classes", "seeds", "preset" where given."""
    if st.session_state.get("link_read"):
        return {}
    st.session_state["link_read"] = True
    return {k: st.query_params[k] for k in ("classes", "seeds", "preset") if k in st.query_params}


def write_link(classes: list[int], seeds: str, preset: str) -> None:
    """Keep the settings in the link, so that it can be sent to a colleague."""
    wanted = {
        "classes": ",".join(str(index) for index in classes),
        "seeds": ",".join(seeds.replace(",", " ").split()),
        "preset": preset,
    }
    for name, value in wanted.items():
        if not value:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value
