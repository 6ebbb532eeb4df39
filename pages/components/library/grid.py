"""The parts of the Library page: notices, running jobs, filters, cards, selection, transfer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import streamlit as st

from pages.components.common.errors import escaped, show_error
from pages.components.common.images import data_uri
from pages.components.generate.kept_run import NEXT_PAGES, ROOT
from protocore.errors import ProtocoreError
from protocore.library.bundle import export_to_cache, import_bundle
from protocore.library.entries import SORTS, Filter, PrototypeInfo
from protocore.library.library import Library

GENERATE = "pages/1_Generate.py"
PER_PAGE = 24
CARD_WIDTH = 170  # pixels at least; six cards in a row on a laptop
MAX_UPLOAD = 1024  # MB
IN_LINK = {"bind": "query-params", "persist_state": "session"}
EVERYTHING = ""  # choice of a filter that does not restrict
LIKELY, DOUBTFUL = 0.5, 0.1  # class probabilities from which a badge is green, orange


# --- session state: what is chosen, what there is to say ---


def picked() -> set[str]:
    """Identifiers of the chosen prototypes, on whichever page of the grid they are."""
    return st.session_state.setdefault("library_picked", set())


def _toggle(prototype_id: str) -> None:
    chosen = st.session_state[f"pick_{prototype_id}"]
    (picked().add if chosen else picked().discard)(prototype_id)


def unpick(prototype_ids: Sequence[str]) -> None:
    """Choose these no more."""
    for prototype_id in prototype_ids:
        picked().discard(prototype_id)
        if f"pick_{prototype_id}" in st.session_state:
            st.session_state[f"pick_{prototype_id}"] = False


def pick(prototype_ids: Sequence[str]) -> None:
    """Choose these too."""
    for prototype_id in prototype_ids:
        picked().add(prototype_id)
        st.session_state[f"pick_{prototype_id}"] = True


def attempt(action: Callable, *args, done: str = "", undo: Sequence[str] = ()) -> bool:
    """Do something from a callback; what there is to say is shown at the top of the next run."""
    try:
        action(*args)
    except ProtocoreError as error:
        st.session_state["library_notice"] = ("error", str(error), ())
        return False
    st.session_state["library_notice"] = ("success", done, tuple(undo)) if done else None
    return True


def notice(library: Library) -> None:
    """What the last action did, with a way back from a deletion."""
    kind, text, undo = st.session_state.get("library_notice") or ("", "", ())
    if not kind:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="library_notice_box"):
        if kind == "error":
            show_error(text)
        else:
            st.success(escaped(text), width="stretch")
        if undo:
            arguments = (library.restore, undo)
            st.button(
                "Undo",
                key="library_undo",
                icon=":material/undo:",
                on_click=lambda: attempt(*arguments, done="Restored."),
            )
    if not undo:
        st.session_state["library_notice"] = None


def delete(library: Library, prototype_ids: Sequence[str]) -> None:
    """Put prototypes into the trash, with a way back."""
    ids = tuple(prototype_ids)
    if attempt(library.delete, ids, done=f"{plural(len(ids))} deleted.", undo=ids):
        unpick(ids)


# --- what to show ---


def choose_filter(library: Library, *, trash: bool) -> tuple[Filter, str]:
    """The widgets to filter and sort by; what they say."""
    facets = library.facets(deleted=trash)
    text, model, klass, tag, sort = st.columns([3, 3, 3, 2, 2], vertical_alignment="bottom")
    with text:
        words = st.text_input(
            "Search",
            key="library_text",
            **IN_LINK,
            placeholder="golf ball, natural, …",
            on_change=_first_page,
        )
    with model:
        model_title = _facet("Model", "library_model", facets.models)
    with klass:
        class_label = _facet("Class", "library_class", facets.classes)
    with tag:
        tag_text = _facet("Tag", "library_tag", facets.tags)
    with sort:
        order = st.selectbox(
            "Sort by",
            SORTS,
            key="library_sort",
            **IN_LINK,
            format_func=str.capitalize,
            on_change=_first_page,
        )
    wanted = Filter(
        model=model_title, class_label=class_label, tag=tag_text, text=words or "", deleted=trash
    )
    return wanted, order


def _facet(label: str, key: str, values: dict[str, int]) -> str:
    if st.session_state.get(key, EVERYTHING) not in values:
        st.session_state[key] = EVERYTHING  # the last one that had it is gone
    return st.selectbox(
        label,
        [EVERYTHING, *values],
        key=key,
        format_func=lambda value: f"{value} ({values[value]})" if value else "All",
        **IN_LINK,
        on_change=_first_page,
    )


def _first_page() -> None:
    st.session_state["library_page"] = 1


def clear_filter() -> None:
    """Back to everything."""
    for key in ("library_text", "library_model", "library_class", "library_tag"):
        st.session_state[key] = ""
    _first_page()


def paging(total: int) -> int:
    """The widget to turn pages, if there are several; the offset of the first item to show."""
    pages = max(1, ceil(total / PER_PAGE))
    if st.session_state.get("library_page", 1) > pages:
        st.session_state["library_page"] = pages
    if pages == 1:
        return 0
    with st.container(horizontal_alignment="center"):
        return (st.pagination(pages, key="library_page") - 1) * PER_PAGE


# --- the grid ---


def grid(library: Library, infos: Sequence[PrototypeInfo], *, trash: bool) -> None:
    """A card for each prototype."""
    with st.grid(min_column_width=CARD_WIDTH, gap="small"):
        for info in infos:
            with st.container(border=True, key=f"card_{info.id}", height="stretch", gap="xsmall"):
                _card(library, info, trash=trash)


def _card(library: Library, info: PrototypeInfo, *, trash: bool) -> None:
    if info.damaged:
        st.warning("Its files are gone.", icon=":material/broken_image:")
    else:
        image = data_uri(library.thumbnail(info.id).read_bytes())
        st.image(image, width="stretch", alt=f"Prototype {info.title}")
    if f"pick_{info.id}" not in st.session_state:
        st.session_state[f"pick_{info.id}"] = info.id in picked()
    st.checkbox(escaped(info.title), key=f"pick_{info.id}", on_change=_toggle, args=(info.id,))
    st.markdown(badges(info))
    st.caption(escaped(" · ".join([info.model_title, *(f"#{tag}" for tag in info.tags)])))
    with st.container(horizontal=True, gap="xsmall"):
        if trash:
            st.button(
                "Restore",
                key=f"restore_{info.id}",
                on_click=lambda: attempt(library.restore, (info.id,), done="Restored."),
            )
            return
        if st.button("Open", key=f"open_{info.id}", disabled=info.damaged):
            st.switch_page(GENERATE, query_params={"run": info.run_id})
        if st.button("Details", key=f"details_{info.id}"):
            st.session_state["library_item"] = info.id


def badges(info: PrototypeInfo) -> str:
    """Class probability, and similarity only beside it: either alone can be gamed."""
    p = info.probability
    colour = "green" if p >= LIKELY else "orange" if p >= DOUBTFUL else "red"
    text = f":{colour}-badge[p {p:.2f}]"
    if info.similarity is not None:
        text += f" :blue-badge[similarity {info.similarity:.2f}]"
    return text


# --- the selection ---


def selection_tools(library: Library, infos: Sequence[PrototypeInfo]) -> None:
    """What can be done with all chosen prototypes."""
    ids = sorted(picked())
    with st.container(horizontal=True, vertical_alignment="center", key="library_tools"):
        st.markdown(f"**{len(ids)} chosen**" if ids else "Select prototypes for batch actions.")
        _button("All on this page", "pick_all", pick, [info.id for info in infos])
        if not ids:
            return
        _button("None", "pick_none", unpick, ids)
        send_buttons(ids)
        _button("Export", "library_export", _export, library, ids, icon=":material/archive:")
        _button("Delete", "library_delete", delete, library, ids, icon=":material/delete:")
    _download_export(ids)


def send_buttons(prototype_ids: Sequence[str]) -> None:
    """Links to the pages that take prototypes by ?prototypes=id,id."""
    for label, page, icon in NEXT_PAGES:
        if (ROOT / page).is_file():
            ids = ",".join(prototype_ids)
            st.page_link(page, label=f"To {label}", icon=icon, query_params={"prototypes": ids})


def _button(label: str, key: str, action: Callable, *args, icon: str | None = None) -> None:
    st.button(label, key=key, icon=icon, on_click=action, args=args)


def _export(library: Library, ids: Sequence[str]) -> None:
    def export() -> None:
        path = export_to_cache(library, ids)
        st.session_state["library_exported"] = (tuple(ids), path)

    attempt(export)


def _download_export(ids: Sequence[str]) -> None:
    exported, path = st.session_state.get("library_exported", ((), None))
    if exported != tuple(ids) or not path.is_file():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        size = path.stat().st_size / 2**20
        st.success(f"The bundle of {plural(len(ids))} is ready.", width="stretch")
        st.download_button(
            f"Download ({size:.1f} MB)",
            data=lambda: path.open("rb"),
            file_name=f"{plural(len(ids)).replace(' ', '-')}.protocore.zip",
            mime="application/zip",
            on_click="ignore",
            key="library_download",
            type="primary",
        )


def trash_tools(library: Library, total: int) -> None:
    """What can be done with the trash."""
    ids = sorted(picked())
    with st.container(horizontal=True, vertical_alignment="center", key="trash_tools"):
        if ids:
            _button(f"Restore {len(ids)} chosen", "trash_restore", _restore, library, ids)
        with st.popover("Empty the trash…", icon=":material/delete_forever:"):
            st.markdown(f"{plural(total)} will be deleted for good, with all files.")
            _button("Delete for good", "trash_purge", _purge, library)


def _restore(library: Library, ids: Sequence[str]) -> None:
    if attempt(library.restore, ids, done=f"{plural(len(ids))} restored."):
        unpick(ids)


def _purge(library: Library) -> None:
    if attempt(library.purge, done="The trash is empty."):
        unpick(list(picked()))


def import_tools(library: Library) -> None:
    """A bundle from a colleague."""
    with st.popover("Import…", icon=":material/unarchive:"):
        number = st.session_state.setdefault("library_upload_number", 0)
        file = st.file_uploader(
            "A bundle (.protocore.zip) that somebody exported from a Library",
            type=["zip"],
            key=f"library_upload_{number}",
            max_upload_size=MAX_UPLOAD,
        )
        if file is not None:
            _button("Import it", "library_import", _import, library, file)


def _import(library: Library, file) -> None:
    def take() -> None:
        st.session_state["library_imported"] = import_bundle(library, file)

    if attempt(take):
        sentence = st.session_state["library_imported"].sentence
        st.session_state["library_notice"] = ("success", sentence, ())
        st.session_state["library_upload_number"] += 1  # an empty uploader


def plural(number: int) -> str:
    """Such as "3 prototypes"."""
    return f"{number} prototype{'' if number == 1 else 's'}"
