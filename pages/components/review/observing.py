"""What a reviewer is writing of the pictures of a blind round, and when it becomes an event.

Every change goes into a draft of that picture; whoever goes on, shows the names or turns to another
step has finished, and what has changed since the last event becomes one.
"""

from __future__ import annotations

import logging

import streamlit as st

from pages.components.common.resources import library
from pages.components.review import state as review_state
from pages.components.review.text import take_typed
from protocore.compare.edits import shape_to_dict
from protocore.errors import ReviewError
from protocore.review.events import Observed, Revealed, RoundItem, action_from_dict
from protocore.review.session import ReviewSession, Round

log = logging.getLogger(__name__)
_OPENED = "review_opened"  # sessions whose drafts of an earlier visit have been looked at


def observation(review_id: str, of: Round, item: RoundItem) -> Observed:
    """What the reviewer has written of that picture so far, the draft included."""
    stored = _stored(of, item)
    draft = library().drafts.load(review_id, review_state.me(), _form(of, item))
    try:
        return action_from_dict("observed", _values(stored) | draft) if draft else stored
    except ReviewError as error:  # changed by hand
        log.warning("a draft of session %s cannot be used: %s", review_id, error)
        return stored


def note(review_id: str, of: Round, item: RoundItem, **values) -> None:
    """Keep what was changed, plain JSON values, from a callback."""
    me, form = review_state.me(), _form(of, item)
    draft = library().drafts.load(review_id, me, form) | values
    review_state.attempt(library().drafts.save, review_id, me, form, draft)


def finish(review_id: str, reveal: Round | None = None) -> None:
    """Make events of all drafts of the reviewer, and show the names of a round after them."""
    take_typed()
    store, me = library().reviews, review_state.me()
    session = store.session(review_id)
    if me not in session.reviewers:
        return
    pairs = [(of, item) for of in session.rounds for item in of.items]
    drafts = [pair for pair in pairs if library().drafts.load(review_id, me, _form(*pair))]
    written = [(observation(review_id, *pair), _stored(*pair)) for pair in drafts]
    actions = [now for now, before in written if now != before]
    if reveal is not None and me not in session.round(reveal.id).revealed:
        actions.append(Revealed(round=reveal.id))
    if not actions or review_state.act(review_id, *actions):
        for pair in drafts:
            library().drafts.clear(review_id, me, _form(*pair))


def finish_earlier(session: ReviewSession, *, looking: bool) -> ReviewSession:
    """The session with what was begun at an earlier visit, or before the step was left."""
    opened = st.session_state.setdefault(_OPENED, set())
    if looking:
        opened.discard(session.id)
    elif session.id not in opened:
        opened.add(session.id)
        finish(session.id)
        return library().reviews.session(session.id)
    return session


def _stored(of: Round, item: RoundItem) -> Observed:
    place = (item.id, review_state.me())
    found = of.later.get(place) or of.blind.get(place)
    return found.said if found else Observed(round=of.id, item=item.id)


def _values(said: Observed) -> dict:
    """Plain values for JSON."""
    return {
        "round": said.round,
        "item": said.item,
        "text": said.text,
        "tags": list(said.tags),
        "confidence": said.confidence,
        "regions": [shape_to_dict(region) for region in said.regions],
    }


def _form(of: Round, item: RoundItem) -> str:
    return f"look {of.id} {item.id}"
