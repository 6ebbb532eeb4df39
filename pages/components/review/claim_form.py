"""The form for a claim: what is predicted, of which class, on which images, and why."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.resources import library
from pages.components.review import state as review_state
from pages.components.review.claim_value import LARGEST, ClaimForm, attribute_texts
from pages.components.review.text import kept_text
from protocore.cohorts.plan import DIRECTIONS, MEASURES
from protocore.demo.biases import KNOWN_CLAIMS, KnownClaim, claim_by_key
from protocore.errors import ReviewError
from protocore.models.classifier import Classifier
from protocore.review.events import MAX_LINE, MAX_TEXT
from protocore.review.session import Claim, ReviewSession

NEW = "new"
MEASURE_TEXTS = {
    "accuracy": "accuracy: how often the class comes first",
    "probability": "mean probability of the class",
    "logit": "mean logit of the class (where probabilities are all near 0 or 1)",
    "rival probability": "mean probability of the first rival class",
    "rival logit": "mean logit of the first rival class",
}
DIRECTION_TEXTS = {"a > b": "A > B", "a < b": "A < B", "a != b": "A ≠ B"}


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """Where the form of one claim is kept: at every change, so that nothing is lost."""

    session: ReviewSession
    claim: Claim | None

    @property
    def key(self) -> str:
        return self.claim.id if self.claim else NEW

    def widget(self, name: str) -> str:
        return f"claim_{name}_{self.key}"

    def load(self) -> tuple[ClaimForm, ClaimForm | None]:
        """The form as it is, and one of this reviewer's on a version that somebody replaced."""
        base = ClaimForm.from_claim(self.session, self.claim)
        draft = library().drafts.load(self.session.id, review_state.me(), f"claim {self.key}")
        if not draft:
            return base, None
        if draft.get("version") != base.version:
            return base, ClaimForm.from_draft(draft, base)
        older = draft.get("older")
        form = ClaimForm.from_draft(draft, base)
        return form, ClaimForm.from_draft(older, base) if isinstance(older, dict) else None

    def save(self, form: ClaimForm, older: ClaimForm | None) -> None:
        values = form.to_draft() | ({"older": older.to_draft()} if older else {})
        name = f"claim {self.key}"
        review_state.attempt(
            library().drafts.save, self.session.id, review_state.me(), name, values
        )

    def change(self, **values) -> None:
        """Keep what one field says now; the others stay as they are."""
        form, older = self.load()
        self.save(replace(form, **values), older)

    def changed(self, name: str, kind: Callable = lambda value: value) -> None:
        """Keep the value of a control, from its callback."""
        if (value := st.session_state.get(self.widget(name))) is not None:
            self.change(**{name: kind(value)})

    def fill(self, form: ClaimForm) -> None:
        """Let the controls show this form."""
        for name in ("target", "rivals", "measure", "direction", "smallest", "paired", "links"):
            value = getattr(form, name)
            st.session_state[self.widget(name)] = list(value) if type(value) is tuple else value
        st.session_state[self.widget("known")] = form.known or None


def claim_form(session: ReviewSession, classifier: Classifier, claim: Claim | None) -> None:
    """Everything that a claim says; a draft of it is kept at every change."""
    draft = _Draft(session=session, claim=claim)
    form, older = draft.load()
    state, drawn = st.session_state, draft.widget("target") in st.session_state
    if state.get(draft.widget("version")) != form.version or not drawn:
        state[draft.widget("version")] = form.version
        draft.fill(form)
    if older and claim:
        _offer_older(draft, claim, older)
    if classifier.source == "demo":
        _known_control(draft, classifier)
    _text(
        draft, form, "statement", "Claim, in one sentence", most=1000,
        placeholder="The model recognises academic gowns better on people with light skin.",
    )  # fmt: skip
    _cohorts(draft, form, classifier)
    _prediction(draft, form)
    _links_control(draft)
    _text(draft, form, "why", "Why", rows=2, most=MAX_TEXT)
    st.button(
        "Save this version" if claim else "Write down the claim",
        key=draft.widget("save"),
        type="secondary" if claim or session.claims else "primary",
        icon=":material/save:",
        on_click=_save,
        args=(draft,),
    )


def _text(draft: _Draft, form: ClaimForm, name: str, label: str, **field) -> None:
    me = review_state.me()
    written = [one for one in draft.session.claims if one.versions[0].author == me]
    most = field["most"]
    kept_text(
        label,
        getattr(form, name),
        lambda text: draft.change(**{name: text[:most]}),
        key=draft.widget(name),
        place=f"{draft.session.id} {me} {draft.widget(name)}",
        version=form.version or len(written),  # a form that was handed in begins anew
        **field,
    )


def _cohorts(draft: _Draft, form: ClaimForm, classifier: Classifier) -> None:
    """Which class, which classes it may be taken for, and on which two groups of images."""
    options = range(classifier.num_classes)
    columns = st.columns(2)
    columns[0].selectbox(
        "Class", options, format_func=classifier.label, key=draft.widget("target"),
        on_change=draft.changed, args=("target",),
    )  # fmt: skip
    columns[1].multiselect(
        "Rival classes", options, format_func=classifier.label, key=draft.widget("rivals"),
        help="Classes that the images may be taken for; the first is the one of the measures.",
        on_change=draft.changed, args=("rivals", tuple),
    )  # fmt: skip
    for side, column in zip("ab", st.columns(2), strict=True):
        with column:
            _text(draft, form, side, f"Cohort {side.upper()}", most=MAX_LINE)


def _prediction(draft: _Draft, form: ClaimForm) -> None:
    """What is to differ, in which direction and by how much."""
    columns = st.columns([3, 1, 1, 1], vertical_alignment="bottom")
    columns[0].selectbox(
        "What is predicted to differ", MEASURES, format_func=MEASURE_TEXTS.get,
        key=draft.widget("measure"), on_change=_new_measure, args=(draft,),
    )  # fmt: skip
    columns[1].selectbox(
        "Direction", DIRECTIONS, format_func=DIRECTION_TEXTS.get, key=draft.widget("direction"),
        on_change=draft.changed, args=("direction",),
    )  # fmt: skip
    columns[2].number_input(
        "By at least", 0.0, LARGEST if form.measure.endswith("logit") else 1.0, step=0.01,
        format="%.3f", key=draft.widget("smallest"),
        help="The smallest difference that would matter. The interval must lie wholly beyond it.",
        on_change=draft.changed, args=("smallest", float),
    )  # fmt: skip
    columns[3].toggle(
        "Pairs", key=draft.widget("paired"),
        help="The images of A and B belong together in pairs, which differ in one thing only.",
        on_change=draft.changed, args=("paired",),
    )  # fmt: skip


def _new_measure(draft: _Draft) -> None:
    form, older = draft.load()
    form = form.with_measure(st.session_state[draft.widget("measure")])
    st.session_state[draft.widget("smallest")] = form.smallest
    draft.save(form, older)


def _offer_older(draft: _Draft, claim: Claim, older: ClaimForm) -> None:
    """What was begun on a version that somebody has replaced meanwhile is not lost."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":orange[:material/warning:] {escaped(claim.current.author)} has changed this claim "
            "while you were changing it. Below is that version; yours is saved.",
            width="stretch",
        )
        st.button(
            "Show mine", key=draft.widget("older_button"), on_click=_take_older,
            args=(draft, older),
        )  # fmt: skip


def _take_older(draft: _Draft, older: ClaimForm) -> None:
    form, _ = draft.load()
    mine = replace(older, version=form.version)
    draft.save(mine, None)
    draft.fill(mine)


def _links_control(draft: _Draft) -> None:
    """The observations that the claim rests on, by all who have finished looking."""
    texts = _observations(draft.session)
    name = draft.widget("links")
    st.session_state[name] = [link for link in st.session_state.get(name) or [] if link in texts]
    st.multiselect(
        "Rests on the observations", list(texts), format_func=texts.get, key=name,
        placeholder="Choose some" if texts else "None yet: finish looking at a round first",
        on_change=draft.changed, args=("links", tuple),
    )  # fmt: skip


def _observations(session: ReviewSession) -> dict[tuple[str, str, str], str]:
    """All that the reviewer may see, with a text for each."""
    texts = {}
    for number, blind_round in enumerate(session.rounds, start=1):
        if review_state.me() not in blind_round.revealed:
            continue
        for one in (*blind_round.observations(), *blind_round.observations(blind=False)):
            if one.author in blind_round.revealed:
                item = blind_round.item(one.said.item)
                tags = ", ".join(one.said.tags) or one.said.text[:40]
                texts[(blind_round.id, item.id, one.author)] = (
                    f"round {number}, {item.class_label}, seed {item.seed}, {one.author}: {tags}"
                )
    return texts


def _known_control(draft: _Draft, classifier: Classifier) -> None:
    """The demo world can make images that differ in one attribute: those that it knows.

    The list holds what was planted: it is shown to those who have looked, not before.
    """
    looked = any(review_state.me() in one.revealed for one in draft.session.rounds)
    if not looked and not st.session_state.get(draft.widget("known")):
        st.caption(
            ":material/visibility_off: Finish a blind round first; then the demo world offers "
            "images that differ in one attribute."
        )
        return
    fitting = [one for one in KNOWN_CLAIMS if one.class_name in classifier.class_names]
    texts = {one.key: _neutral(one) for one in sorted(fitting, key=_neutral)}
    st.selectbox(
        "Images of the demo world that differ in",
        list(texts),
        index=None,
        format_func=texts.get,
        key=draft.widget("known"),
        placeholder="Optional: the demo world then makes the images of the test",
        on_change=_take_known,
        args=(draft, classifier),
    )


def _neutral(known: KnownClaim) -> str:
    """What differs, without saying what is true."""
    first, second = sorted(attribute_texts(known))
    return f"{known.class_name}: {first} or {second}"


def _take_known(draft: _Draft, classifier: Classifier) -> None:
    """Put cohorts and plan of what was chosen into the form."""
    review_state.take_typed()
    chosen = st.session_state.get(draft.widget("known"))
    form, older = draft.load()
    if chosen:
        form = form.with_known(claim_by_key(chosen), classifier.class_names)
    else:
        form = replace(form, known="")
    draft.save(form, older)
    draft.fill(form)


def _save(draft: _Draft) -> None:
    review_state.take_typed()
    claim = draft.claim

    def work() -> None:
        form, _ = draft.load()
        claimed = form.to_event(claim.id if claim else secrets.token_hex(8))
        if claim and claimed == replace(claim.current.said, base=claimed.base):
            raise ReviewError("nothing was changed: the claim stays as it is")
        if review_state.act(draft.session.id, claimed):
            library().drafts.clear(draft.session.id, review_state.me(), f"claim {draft.key}")
            st.session_state.pop(draft.widget("version"), None)  # the form begins anew

    review_state.attempt(work)
