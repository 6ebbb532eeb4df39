"""Looking blind: pictures without names, in an order for each reviewer; then the names."""

from __future__ import annotations

import io
from dataclasses import dataclass

import streamlit as st
from PIL import Image

from pages.components.common.errors import errors_shown, escaped
from pages.components.common.resources import library
from pages.components.compare.canvas import draw_regions, drawn_regions
from pages.components.review import state as review_state
from pages.components.review.observing import finish, note, observation
from pages.components.review.rounds import show_preparation
from pages.components.review.seen import show_seen
from pages.components.review.text import kept_text
from protocore.compare.edits import shape_to_dict
from protocore.review.events import MAX_TAGS, MAX_TEXT, Observed, RoundItem
from protocore.review.material import picture_name
from protocore.review.session import ReviewSession, Round
from protocore.text import plural

MARKER = "review_marker"
MAX_TAG = 50  # characters


def show_rounds(session: ReviewSession) -> None:
    """All rounds, the newest first, and the way to another one."""
    open_rounds = [one for one in session.rounds if review_state.me() not in one.revealed]
    looked_at = st.session_state.get("look_round")
    if looked_at not in [one.id for one in open_rounds]:
        looked_at = open_rounds[-1].id if open_rounds else None
    show_preparation(session, expanded=not session.rounds)
    for number, blind_round in reversed(list(enumerate(session.rounds, start=1))):
        hidden = blind_round in open_rounds
        name = "names hidden" if hidden else escaped(blind_round.class_label)
        with st.container(border=True):
            st.markdown(
                f"**Round {number}** · {name} · {plural(len(blind_round.items), 'picture')} · "
                f"opened by {escaped(blind_round.opened_by)}"
            )
            if not hidden:
                show_seen(session, blind_round)
            elif blind_round.id == looked_at:
                _look(session, blind_round)
            else:
                st.button(
                    "Look at it",
                    key=f"look_at_{blind_round.id}",
                    on_click=_turn_to,
                    args=(session, blind_round),
                )


def _look(session: ReviewSession, blind_round: Round) -> None:
    """One picture at a time, what is seen on it, and the way to the next."""
    order = blind_round.order_for(review_state.me())
    written = [observation(session.id, blind_round, item) for item in order]
    place = min(st.session_state.get(_place_key(blind_round), 0), len(order) - 1)
    described = sum(not one.empty for one in written)
    st.progress(
        described / len(order),
        text=f"Picture {place + 1} of {len(order)} · {described} described",
    )
    picture = _Picture(session=session, round=blind_round, item=order[place])
    left, right = st.columns([3, 2], gap="large")
    with left, errors_shown():
        draw_regions(
            f"{blind_round.id}:{picture.item.id}:{review_state.me()}",
            _large(session, picture.item),
            None,
            key=MARKER,
            hint="Mark what you mean with a box or a brush",
            kept=written[place].regions,
            on_drawn=picture.keep_regions,
        )
    with right:
        _questions(picture, written, written[place])
        _ways_on(session, blind_round, place, len(order) - described)


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


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """A picture that is being looked at; each control keeps its own value alone."""

    session: ReviewSession
    round: Round
    item: RoundItem

    def key(self, name: str) -> str:
        return f"look_{name}_{self.round.id}_{self.item.id}_{review_state.me()}"

    def keep(self, **values) -> None:
        note(self.session.id, self.round, self.item, **values)

    def keep_text(self, text: str) -> None:
        self.keep(text=text[:MAX_TEXT])

    def keep_tags(self) -> None:
        if (tags := st.session_state.get(self.key("tags"))) is not None:
            words = (" ".join(tag.split())[:MAX_TAG] for tag in tags)
            self.keep(tags=[*dict.fromkeys(word for word in words if word)])

    def keep_confidence(self) -> None:
        if (percent := st.session_state.get(self.key("sure"))) is not None:
            self.keep(confidence=percent / 100)

    def keep_regions(self) -> None:
        identifier = f"{self.round.id}:{self.item.id}:{review_state.me()}"
        drawn = (st.session_state.get(MARKER) or {}).get("drawn") or {}
        if drawn.get("id") == identifier:
            with errors_shown():
                regions = drawn_regions(identifier, MARKER)
                self.keep(regions=[shape_to_dict(region) for region in regions])


def _questions(picture: _Picture, written: list[Observed], now: Observed) -> None:
    """Text, tags and confidence."""
    kept_text(
        "What do you see?",
        now.text,
        picture.keep_text,
        key=picture.key("text"),
        place=f"{picture.session.id} {picture.key('text')}",
        rows=5,
        most=MAX_TEXT,
        placeholder="Objects, parts, colours, places; what surprises you",
    )
    st.session_state.setdefault(picture.key("tags"), list(now.tags))
    st.session_state.setdefault(picture.key("sure"), round(100 * now.confidence))
    st.multiselect(
        "Tags",
        list(dict.fromkeys(tag for one in (*written, now) for tag in one.tags)),
        key=picture.key("tags"),
        accept_new_options=True,
        max_selections=MAX_TAGS,
        placeholder="One feature each, such as: pale face",
        help="Use the same word for the same thing on every picture: agreement and recurrence "
        "are counted by tags. Other reviewers' tags stay hidden for now.",
        on_change=picture.keep_tags,
    )
    st.slider(
        "Confidence (%)", 0, 100, step=5, key=picture.key("sure"), help="0: guessing, 100: certain",
        on_change=picture.keep_confidence,
    )  # fmt: skip


def _ways_on(session: ReviewSession, blind_round: Round, place: int, undescribed: int) -> None:
    last = len(blind_round.items) - 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back", key="look_back", icon=":material/chevron_left:",
            disabled=place == 0, on_click=_turn, args=(session, blind_round, place - 1),
        )  # fmt: skip
        st.button(
            "Next", key="look_next", icon=":material/chevron_right:",
            disabled=place == last, on_click=_turn, args=(session, blind_round, place + 1),
            type="secondary" if place == last else "primary",
        )  # fmt: skip
        text = f" ({undescribed} of the pictures have no description yet)" if undescribed else ""
        with st.popover(
            "Reveal names", icon=":material/visibility:", key=f"look_names_{blind_round.id}"
        ):
            st.markdown(
                f"What you have written stays as it is and counts as written blind{text}. "
                "Later additions are marked as unblinded."
            )
            st.button(
                "Finish and reveal names",
                key=f"look_reveal_{blind_round.id}",
                type="primary",
                on_click=finish,
                args=(session.id, blind_round),
            )


def _turn_to(session: ReviewSession, blind_round: Round) -> None:
    finish(session.id)
    st.session_state["look_round"] = blind_round.id


def _turn(session: ReviewSession, blind_round: Round, place: int) -> None:
    finish(session.id)
    st.session_state[_place_key(blind_round)] = place


def _place_key(blind_round: Round) -> str:
    return f"look_place_{blind_round.id}"
