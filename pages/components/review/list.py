"""The list of review sessions: open, create, import, delete and restore."""

from __future__ import annotations

import streamlit as st

from pages.components.common.errors import errors_shown, escaped
from pages.components.common.links import linked_spec
from pages.components.common.resources import library, load_model, pool
from pages.components.pickers.model import choose_model, pick_model
from pages.components.review import state as review_state
from pages.components.review.guide import start_guide
from protocore.library.review_bundle import REVIEW_SUFFIX, import_review
from protocore.library.reviews import ReviewInfo
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec
from protocore.reports.html import moment
from protocore.review.events import Started
from protocore.text import plural

MAX_UPLOAD = 500  # MB


def show_sessions() -> None:
    """Sessions on the left, ways to start on the right."""
    _follow_link()
    with st.sidebar:
        spec = pick_model(pool())
    left, right = st.columns([3, 2], gap="large")
    with right:
        _case_study()
        with st.container(border=True):
            _begin(spec)
        _import()
    with left:
        _list()


def _follow_link() -> None:
    """Take model and classes of prototypes that were sent here; the round is offered later."""
    link = st.query_params.get("prototypes", "")
    if not link or st.session_state.get("review_linked") == link:
        return
    st.session_state["review_linked"] = link
    known = [one for one in link.split(",") if one and library().known([one])]
    infos = [library().prototype(one) for one in known]
    if not infos or not infos[0].model_link:
        return
    with errors_shown():
        choose_model(linked_spec(infos[0].model_link))
    classes = list(dict.fromkeys(info.class_index for info in infos))
    st.session_state["review_new_classes"] = classes
    st.session_state["review_new_title"] = ", ".join(
        dict.fromkeys(info.class_name for info in infos)
    )[:200]


def _list() -> None:
    infos = library().reviews.infos()
    trash = library().reviews.infos(deleted=True)
    st.markdown("## Sessions")
    if not infos:
        st.info(
            "No sessions yet. The **case study** on the right takes ten minutes, on the demo model "
            "and without images of your own; or create a session below it.",
            icon=":material/fact_check:",
        )
    for info in infos:
        _row(info)
    if trash:
        with st.expander(f"Trash ({len(trash)})", icon=":material/delete:"):
            for info in trash:
                _trashed(info)
            st.button(
                "Delete them for good",
                key="review_purge",
                icon=":material/delete_forever:",
                on_click=review_state.attempt,
                args=(library().reviews.purge,),
                kwargs={"done": f"{plural(len(trash), 'session')} deleted for good."},
            )


def _row(info: ReviewInfo) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            st.markdown(f"**{escaped(info.title)}**")
            entries = plural(info.events, "entry", "entries")
            st.caption(f"{escaped(info.model_title)} · {entries} · {moment(info.changed)}")
        st.button(
            "Open",
            key=f"review_open_{info.id}",
            icon=":material/folder_open:",
            on_click=review_state.open_session,
            args=(info.id,),
        )
        st.button(
            "",
            key=f"review_delete_{info.id}",
            icon=":material/delete:",
            help="Move to the trash",
            on_click=review_state.attempt,
            args=(library().reviews.delete, [info.id]),
            kwargs={"done": f"“{info.title}” is in the trash; you can restore it there."},
        )


def _trashed(info: ReviewInfo) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(escaped(info.title))
        st.button(
            "Restore",
            key=f"review_restore_{info.id}",
            icon=":material/undo:",
            on_click=review_state.attempt,
            args=(library().reviews.restore, [info.id]),
        )


def _case_study() -> None:
    with st.container(border=True):
        st.markdown("**:material/school: Case study**")
        st.caption(
            "Academic gowns and mortarboards of the demo world, as in the paper: look, claim, "
            "test, decide. The true biases are known, so you can check the method."
        )
        st.session_state.setdefault("guide_name", review_state.me())
        name = st.text_input("Your name", key="guide_name", max_chars=60)
        st.button(
            "Start the case study",
            key="review_guide_start",
            type=review_state.primary(),
            icon=":material/play_arrow:",
            disabled=not name.strip(),
            on_click=_begin_guide,
            args=(name,),
        )


def _begin_guide(name: str) -> None:
    review_state.introduce(name)
    with errors_shown():
        review_state.open_session(start_guide(review_state.me()))
        st.session_state.pop("review_step", None)


def _begin(spec: ModelSpec | None) -> None:
    st.markdown("**:material/add: New session**")
    if spec is None:
        st.caption("Choose a model on the left first.")
        return
    classifier = load_model(spec)
    st.caption(f"About {escaped(classifier.title)}, chosen on the left.")
    title = st.text_input("Title", key="review_new_title", max_chars=200)
    st.multiselect(
        "Classes",
        range(classifier.num_classes),
        format_func=classifier.label,
        key="review_new_classes",
        placeholder="Type a name or an index",
    )
    st.session_state.setdefault("review_new_name", review_state.me())
    name = st.text_input("Your name", key="review_new_name", max_chars=60)
    st.button(
        "Create",
        key="review_new",
        icon=":material/play_arrow:",
        disabled=not (title.strip() and name.strip()),
        on_click=_create,
        args=(spec, classifier),
    )


def _create(spec: ModelSpec, classifier: Classifier) -> None:
    state = st.session_state
    review_state.introduce(state["review_new_name"])
    classes = [i for i in state.get("review_new_classes") or [] if i < classifier.num_classes]
    started = Started(
        title=state["review_new_title"].strip(),
        model_link=spec.to_link(),
        model_title=classifier.title,
        weight_hash=classifier.weight_hash,
        classes=tuple(classes),
    )
    if review_state.attempt(
        lambda: review_state.open_session(library().reviews.create(review_state.me(), started))
    ):
        state.pop("review_step", None)


def _import() -> None:
    with st.popover("Import a session", icon=":material/upload:", width="stretch"):
        file = st.file_uploader(
            f"A file named …{REVIEW_SUFFIX}", key="review_import", max_upload_size=MAX_UPLOAD
        )
        if file is not None and st.button("Import", key="review_import_button", type="primary"):
            with errors_shown():
                report = import_review(library(), file)
                review_state.open_session(report.review_id)
                st.rerun()
