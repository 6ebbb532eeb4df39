"""Looking blind: pictures without names, in an order for each reviewer; then the names."""

from __future__ import annotations

import io
from pathlib import Path

import streamlit as st
from PIL import Image

from pages.components.common.errors import errors_shown, escaped
from pages.components.common.resources import library
from pages.components.compare.canvas import draw_regions, drawn_regions
from pages.components.review import state as review_state
from pages.components.review.rounds import show_preparation
from pages.components.review.seen import show_seen
from protocore.review.events import MAX_TAGS, Observed, Revealed, RoundItem
from protocore.review.material import picture_name
from protocore.review.session import ReviewSession, Round

MARKER = "review_marker"
_AUTOSAVE = st.components.v2.component(
    "review_autosave",
    html="<span hidden></span>",
    js=(Path(__file__).parent / "autosave.js").read_text(encoding="utf-8"),
)


def show_rounds(session: ReviewSession) -> None:
    """All rounds, the newest first, and the way to another one."""
    open_rounds = [one for one in session.rounds if review_state.me() not in one.revealed]
    looked_at = st.session_state.get("look_round")
    if looked_at not in [one.id for one in open_rounds]:
        looked_at = open_rounds[-1].id if open_rounds else None
    show_preparation(session, expanded=not session.rounds)
    for number, of in reversed(list(enumerate(session.rounds, start=1))):
        name = "names hidden" if of in open_rounds else escaped(of.class_label)
        with st.container(border=True):
            st.markdown(
                f"**Round {number}** · {name} · {len(of.items)} pictures · opened by "
                f"{escaped(of.opened_by)}"
            )
            if of not in open_rounds:
                show_seen(session, of)
            elif of.id == looked_at:
                _look(session, of)
            else:
                st.button("Look at it", key=f"look_at_{of.id}", on_click=_turn_to, args=(of,))


def _look(session: ReviewSession, of: Round) -> None:
    """One picture at a time, what is seen on it, and the way to the next."""
    order = of.order_for(review_state.me())
    place = min(st.session_state.get(f"look_place_{of.id}", 0), len(order) - 1)
    item = order[place]
    seen = sum(_stored(of, one) is not None and not _stored(of, one).empty for one in order)
    st.progress(seen / len(order), text=f"Picture {place + 1} of {len(order)} · {seen} described")
    left, right = st.columns([3, 2], gap="large")
    with left, errors_shown():
        draw_regions(
            _identifier(of, item),
            _large(session, item),
            None,
            key=MARKER,
            hint="Mark what you mean with a box or a brush; it is kept at once",
            kept=(_stored(of, item) or Observed(round=of.id, item=item.id)).regions,
            on_drawn=lambda: _save(session, of, item),
        )
    with right:
        _questions(session, of, item)
    _ways_on(session, of, order, place)


def _identifier(of: Round, item: RoundItem) -> str:
    return f"{of.id}:{item.id}:{review_state.me()}"


def _large(session: ReviewSession, item: RoundItem) -> bytes:
    """The picture at a size at which one can mark parts of it; its name says nothing."""
    name = picture_name(item.prototype_id)
    content = library().reviews.read_file(session.id, name, item.digest)
    with Image.open(io.BytesIO(content)) as image:
        factor = max(1, round(672 / image.width))
        large = image.resize(
            (factor * image.width, factor * image.height), Image.Resampling.BICUBIC
        )
        buffer = io.BytesIO()
        large.save(buffer, "PNG")
    return buffer.getvalue()


def _stored(of: Round, item: RoundItem) -> Observed | None:
    found = of.blind.get((item.id, review_state.me()))
    return found.said if found else None


def _key(of: Round, item: RoundItem, name: str) -> str:
    return f"look_{name}_{of.id}_{item.id}_{review_state.me()}"


def _questions(session: ReviewSession, of: Round, item: RoundItem) -> None:
    """Text, tags and confidence; each change is kept at once."""
    said = _stored(of, item) or Observed(round=of.id, item=item.id)
    values = {"text": said.text, "tags": list(said.tags), "sure": round(100 * said.confidence)}
    for name, value in values.items():
        st.session_state.setdefault(_key(of, item, name), value)
    keep = {"on_change": _save, "args": (session, of, item)}
    with st.container(key="review_autosave_box"):
        st.text_area(
            "What is there to be seen?",
            key=_key(of, item, "text"),
            height=150,
            max_chars=20_000,
            placeholder="Objects, parts, colours, places; what surprises you",
            help="Kept while you type. What you take it for is one thing, what is there another: "
            "say both.",
            **keep,
        )
        _AUTOSAVE(key="review_autosave")
    st.multiselect(
        "Tags",
        _own_tags(of, item),
        key=_key(of, item, "tags"),
        accept_new_options=True,
        max_selections=MAX_TAGS,
        placeholder="One feature each, such as: pale face",
        help="The same word for the same thing on every picture: agreement and recurrence are "
        "counted by tags. Those of others are not shown to you yet.",
        **keep,
    )
    st.slider(
        "How sure are you? (%)", 0, 100, step=5, key=_key(of, item, "sure"),
        help="0: guessing, 100: certain", **keep,
    )  # fmt: skip


def _own_tags(of: Round, item: RoundItem) -> list[str]:
    """Those that this reviewer has used in this round, for the same word for the same thing."""
    mine = [one.said for one in of.observations() if one.author == review_state.me()]
    held = st.session_state.get(_key(of, item, "tags")) or []
    return list(dict.fromkeys([*(tag for said in mine for tag in said.tags), *held]))


def _save(session: ReviewSession, of: Round, item: RoundItem) -> None:
    """Keep what the controls say, if it has changed."""
    state = st.session_state
    before = _stored(of, item) or Observed(round=of.id, item=item.id)
    drawn = state.get(MARKER) or {}
    marked = (drawn.get("drawn") or {}).get("id") == _identifier(of, item)
    sure = state.get(_key(of, item, "sure"), round(100 * before.confidence)) / 100
    with errors_shown():
        tags = state.get(_key(of, item, "tags"), before.tags)
        now = Observed(
            round=of.id,
            item=item.id,
            text=state.get(_key(of, item, "text"), before.text),
            tags=tuple(dict.fromkeys(" ".join(tag.split())[:50] for tag in tags if tag.strip())),
            confidence=sure,
            regions=drawn_regions(_identifier(of, item), MARKER) if marked else before.regions,
        )
        if now != before:
            review_state.act(session.id, now)


def _ways_on(session: ReviewSession, of: Round, order, place: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back", key=f"look_back_{of.id}", icon=":material/chevron_left:", disabled=place == 0,
            on_click=_turn, args=(of, place - 1), shortcut="Alt+Left",
        )  # fmt: skip
        st.button(
            "Next", key=f"look_next_{of.id}", icon=":material/chevron_right:",
            disabled=place == len(order) - 1, on_click=_turn, args=(of, place + 1),
            shortcut="Alt+Right", type="primary",
        )  # fmt: skip
        left = [one for one in order if (said := _stored(of, one)) is None or said.empty]
        text = f" ({len(left)} of the pictures have no description yet)" if left else ""
        with st.popover("Show the names", icon=":material/visibility:", key=f"look_names_{of.id}"):
            st.markdown(
                f"What you have written stays as it is and counts as written blind{text}. "
                "What you add later is marked as later."
            )
            st.button(
                "I have finished looking",
                key=f"look_reveal_{of.id}",
                type="primary",
                on_click=review_state.act,
                args=(session.id, Revealed(round=of.id)),
            )


def _turn_to(of: Round) -> None:
    st.session_state["look_round"] = of.id


def _turn(of: Round, place: int) -> None:
    st.session_state[f"look_place_{of.id}"] = place
