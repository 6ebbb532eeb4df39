"""Fields of one text whose draft outlives the page: a remark, a note."""

from __future__ import annotations

from pages.components.common.resources import library
from pages.components.review import state as review_state
from pages.components.review.text import kept_text
from protocore.review.events import MAX_TEXT, Action
from protocore.review.session import ReviewSession


def drafted_text(
    session: ReviewSession, form: str, label: str, *, stored: str = "", handed_in: int = 0, **field
) -> str:
    """Draw the field and return its text: the draft, else what is `stored` in the session.

    `handed_in` counts how often it was handed in: then the field begins anew.
    """
    me = review_state.me()
    text = library().drafts.load(session.id, me, form).get("text")
    text = text if isinstance(text, str) else stored

    def save(typed: str) -> None:
        values = {"text": typed[:MAX_TEXT]}
        review_state.attempt(library().drafts.save, session.id, me, form, values)

    place = f"{session.id} {me} {form}"
    kept_text(label, text, save, place=place, version=handed_in, most=MAX_TEXT, **field)
    return text


def drafted(session: ReviewSession, form: str, stored: str = "") -> str:
    """The text as it is now, from a callback."""
    review_state.take_typed()
    draft = library().drafts.load(session.id, review_state.me(), form)
    return str(draft.get("text", stored)).strip()


def hand_in(session: ReviewSession, form: str, *actions: Action) -> None:
    """Do something with a text, from a callback; its draft is not needed any more."""
    if review_state.act(session.id, *actions):
        library().drafts.clear(session.id, review_state.me(), form)
