"""One prototype of the Library in full: facts, title, tags, downloads, ways on."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import errors_shown, escaped
from pages.components.library.grid import GENERATE, badges, delete, send_buttons
from protocore.library.entries import PrototypeInfo
from protocore.library.library import Library


def _close() -> None:
    st.session_state["library_item"] = None


def details(library: Library) -> None:
    """The dialog for the prototype in `library_item`, if there is one."""
    if prototype_id := st.session_state.get("library_item"):
        with errors_shown():
            _dialog(library, library.prototype(prototype_id))


@st.dialog("Prototype", width="large", on_dismiss=_close)
def _dialog(library: Library, info: PrototypeInfo) -> None:
    picture, text = st.columns([2, 3], gap="medium")
    with picture:
        if info.damaged:
            st.warning("Its files are gone from the library's folder.")
        else:
            st.image(str(info.picture), width="stretch", alt=f"Prototype {info.title}")
            st.markdown(badges(info))
    with text:
        _facts(info)
        _naming(library, info)
    with st.container(horizontal=True):
        if not info.damaged:
            _ways_on(info)
            _downloads(info)
        _delete_button(library, info)


def _delete_button(library: Library, info: PrototypeInfo) -> None:
    # A callback runs before the cards are drawn, when their checkboxes may still be changed.
    removed = st.button(
        "Delete",
        key="item_delete",
        icon=":material/delete:",
        on_click=_delete,
        args=(library, info.id),
    )
    if removed:
        st.rerun()


def _delete(library: Library, prototype_id: str) -> None:
    delete(library, [prototype_id])
    _close()


def _facts(info: PrototypeInfo) -> None:
    facts = {
        "Model": info.model_title,
        "Class": info.class_label,
        "Seed": str(info.seed),
        "Steps": str(info.steps),
        "Preset": info.preset or "own settings",
        "Logit": f"{info.logit:.2f}",
        "Made": info.created[:16].replace("T", " ") + " UTC",
    }
    st.markdown("  \n".join(f"{name}: **{escaped(value)}**" for name, value in facts.items()))


def _naming(library: Library, info: PrototypeInfo) -> None:
    title = st.text_input("Title", info.title, key=f"item_title_{info.id}", max_chars=200)
    tags = st.multiselect(
        "Tags",
        sorted({*library.facets().tags, *info.tags}),
        default=list(info.tags),
        accept_new_options=True,
        key=f"item_tags_{info.id}",
        placeholder="Choose or write",
    )

    if st.button("Save", key="item_save", type="primary"):
        with errors_shown():
            library.rename(info.id, title)
            library.set_tags(info.id, tags)
            _close()
            st.rerun()


def _ways_on(info: PrototypeInfo) -> None:
    if st.button("Open in Generate", key="item_open", icon=":material/open_in_full:"):
        _close()
        st.switch_page(GENERATE, query_params={"run": info.run_id})
    send_buttons([info.id])


def _downloads(info: PrototypeInfo) -> None:
    for path, label in ((info.picture, "PNG"), (info.record, "JSON record")):
        st.download_button(
            label,
            data=path.read_bytes,
            file_name=path.name,
            key=f"item_download_{path.suffix}",
            icon=":material/download:",
            on_click="ignore",
        )
