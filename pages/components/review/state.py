"""What the Bias Review page shows: which session, who looks at it, and what they do.

The session is named in the link, `?session=<id>`, so that it can be sent to a colleague. Whatever
is entered goes into the library at once; nothing of it lives in the browser's session alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

import streamlit as st

from pages.components.common.errors import escaped, show_error
from pages.components.common.links import linked_spec
from pages.components.common.resources import library, load_model, test_result
from pages.components.review.text import forget_texts, take_typed
from protocore.cohorts.result import TestResult
from protocore.errors import LibraryError, ProtocoreError, ReviewError
from protocore.models.classifier import Classifier
from protocore.review.events import Action
from protocore.review.results import check_result
from protocore.review.session import ReviewSession

_OPEN, _NOTICE, _NAME = "review_open", "review_notice", "review_me"
_PRIMARY = "review_primary"
_COOKIE = "protocore_reviewer"
_REMEMBER = st.components.v2.component(
    "remember_reviewer",
    html="<span hidden></span>",
    js=f"""export default ({{ data }}) => {{
      const name = encodeURIComponent(data.name)
      const year = 365 * 24 * 60 * 60
      document.cookie = `{_COOKIE}=${{name}}; path=/; max-age=${{year}}; SameSite=Lax`
    }}""",
)


def begin_run() -> None:
    """Begin a run of the page: what the browser has sent is saved before anything is drawn."""
    take_typed()
    forget_texts()
    st.session_state.pop(_PRIMARY, None)
    if me():
        _REMEMBER(key="review_remember", data={"name": me()})


def primary() -> str:
    """The kind of the button that leads on: one on the screen, the first to ask is it."""
    taken = st.session_state.get(_PRIMARY, False)
    st.session_state[_PRIMARY] = True
    return "secondary" if taken else "primary"


def current() -> ReviewSession | None:
    """The session of the link or of the last visit; raises LibraryError, ReviewError."""
    review_id = st.query_params.get("session") or st.session_state.get(_OPEN)
    if not review_id:
        return None
    try:
        session = library().reviews.session(review_id)
    except ReviewError:
        close_session()
        raise
    st.session_state[_OPEN] = st.query_params["session"] = review_id
    return session


def open_session(review_id: str) -> None:
    """Show this session from now on."""
    st.session_state[_OPEN] = st.query_params["session"] = review_id


def close_session() -> None:
    """Back to the list of sessions."""
    st.session_state.pop(_OPEN, None)
    st.query_params.pop("session", None)
    st.query_params.pop("step", None)


def me() -> str:
    """The reviewer's name, also from an earlier visit with this browser; "" as long as unknown."""
    name = st.session_state.get(_NAME)
    if name is None:
        name = unquote(st.context.cookies.get(_COOKIE, ""))
    return " ".join(str(name).split())[:60]


def introduce(name: str) -> None:
    """Be this reviewer from now on."""
    st.session_state[_NAME] = name


def act(review_id: str, *actions: Action) -> bool:
    """Do something in the session, from a callback; a refusal is shown at the next run."""
    take_typed()
    return attempt(library().reviews.append, review_id, me(), *actions)


def attempt(work, *arguments, done: str = "") -> bool:
    """Do something from a callback; what there is to say is shown at the top of the next run."""
    try:
        work(*arguments)
    except ProtocoreError as error:
        st.session_state[_NOTICE] = ("error", str(error))
        return False
    if done:
        st.session_state[_NOTICE] = ("success", done)
    return True


def say(text: str) -> None:
    """Refuse something from a callback: why, and what to do."""
    st.session_state[_NOTICE] = ("error", text)


def show_notice() -> None:
    """What the last action had to say."""
    kind, text = st.session_state.pop(_NOTICE, ("", ""))
    if kind == "error":
        show_error(text)
    elif kind:
        st.success(escaped(text), icon=":material/check:")


def classifier_of(session: ReviewSession) -> Classifier:
    """The model under review; raises ReviewError when its weights are not those any more."""
    started = session.started
    classifier = load_model(linked_spec(started.model_link))
    if classifier.weight_hash != started.weight_hash:
        raise ReviewError(
            f"the weights of {started.model_title} have changed since this session started: put "
            "the old file back, or start a new session"
        )
    plans = (claim.current.said.plan for claim in session.claims)
    classes = (*started.classes, *(i for plan in plans for i in (plan.target, *plan.rivals)))
    if (last := max(classes, default=0)) >= classifier.num_classes:  # of an import, by hand
        raise ReviewError(
            f"this session is about class {last}, but {classifier.title} has only "
            f"{classifier.num_classes} classes (0–{classifier.num_classes - 1})"
        )
    return classifier


def finished_looking(session: ReviewSession, rounds: Iterable[str]) -> bool:
    """Whether the reviewer may know what others have seen in these rounds."""
    return all(me() in session.round(identifier).revealed for identifier in rounds)


def results_of(session: ReviewSession) -> dict[str, TestResult]:
    """The results of the finished tests; what is lost is said and left out."""
    found = {}
    for test in session.tests:
        if test.status != "finished":
            continue
        try:
            found[test.id] = result = test_result(session.id, test.id, test.digest)
            check_result(session, test, result)
        except (LibraryError, ReviewError) as error:
            show_error(str(error))
    return found
