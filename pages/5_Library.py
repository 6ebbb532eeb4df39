"""Everything made so far: browse, reopen, name, delete, exchange."""

import streamlit as st

from pages.components.common import resources
from pages.components.common.errors import explained
from pages.components.common.page import begin_page
from pages.components.common.progress import show_jobs
from pages.components.library import grid as parts
from pages.components.library.details import details
from protocore.library.entries import Filter

begin_page("Library", "Everything you have generated: reopen, name, compare, share.")


def empty(library, *, trash: bool, filtered: bool) -> None:
    """Says why there is nothing to see, and what to do next."""
    if filtered:
        st.info("No prototype fits these filters.", icon=":material/filter_alt_off:")
        st.button("Show everything", key="library_clear", on_click=parts.clear_filter)
    elif trash:
        st.info("The trash is empty.", icon=":material/delete:")
    else:
        st.info(
            "No prototypes yet. Choose a model and a class on the Generate page: every finished "
            "run appears here. Or import a bundle that a colleague exported.",
            icon=":material/photo_library:",
        )
        if st.button("Generate a prototype", key="library_generate", type="primary"):
            st.switch_page(parts.GENERATE)


def show(library) -> None:
    """The page, once the library is open."""
    parts.notice(library)
    if show_jobs():
        st.divider()
    in_trash = library.count(Filter(deleted=True))
    with st.container(horizontal=True, vertical_alignment="center"):
        names = {"Kept": "Kept", "Trash": f"Trash ({in_trash})"}
        view = st.segmented_control(
            "Show",
            names,
            default="Kept",
            format_func=names.get,
            key="library_view",
            **parts.IN_LINK,
            label_visibility="collapsed",
            required=True,
        )
        parts.import_tools(library)
    trash = view == "Trash"
    wanted, sort = parts.choose_filter(library, trash=trash)
    total = library.count(wanted)
    if not total:
        empty(library, trash=trash, filtered=wanted != Filter(deleted=trash))
        return
    tools, cards = st.container(), st.container()
    offset = parts.paging(total)
    infos = library.prototypes(wanted, sort=sort, limit=parts.PER_PAGE, offset=offset)
    with tools:
        if trash:
            parts.trash_tools(library, in_trash)
        else:
            parts.selection_tools(library, infos)
    with cards:
        parts.grid(library, infos, trash=trash)
    details(library)


with explained():
    show(resources.library())
