"""The form for a claim: what is predicted, of which class, on which images, and why."""

from __future__ import annotations

import secrets
from dataclasses import replace

import streamlit as st

from pages.components.common.errors import escaped
from pages.components.common.resources import library
from pages.components.review import state as review_state
from protocore.cohorts.cohort import attribute_text
from protocore.cohorts.plan import DEFAULT_SMALLEST, DIRECTIONS, MEASURES, TestPlan
from protocore.demo.biases import KNOWN_CLAIMS, KnownClaim, claim_by_key
from protocore.errors import ReviewError
from protocore.models.classifier import Classifier
from protocore.review.events import Claimed, ObservationLink
from protocore.review.session import Claim, ReviewSession

NEW = "new"
LARGEST = 1e6  # difference of logits that the form takes
FIELDS = (
    "statement", "target", "rivals", "a", "b", "measure", "direction", "smallest", "paired",
    "links", "why", "known",
)  # fmt: skip
MEASURE_TEXTS = {
    "accuracy": "accuracy: how often the class comes first",
    "probability": "mean probability of the class",
    "logit": "mean logit of the class (where probabilities are all near 0 or 1)",
    "rival probability": "mean probability of the first rival class",
    "rival logit": "mean logit of the first rival class",
}
DIRECTION_TEXTS = {"a > b": "A > B", "a < b": "A < B", "a != b": "A ≠ B"}


def claim_form(session: ReviewSession, classifier: Classifier, claim: Claim | None) -> None:
    """Everything that a claim says; a draft of it is kept at every change."""
    key = claim.id if claim else NEW
    _defaults(session, key, claim)
    _offer_older(session, key, claim)
    keep = {"on_change": _draft, "args": (session, key)}
    if classifier.source == "demo":
        _known_control(session, classifier, key)
    st.text_input(
        "Claim, in one sentence", key=f"claim_statement_{key}", max_chars=1000,
        placeholder="The model recognises academic gowns better on people with light skin.",
        **keep,
    )  # fmt: skip
    _cohorts(classifier, key, keep)
    _prediction(session, key, keep)
    _links_control(session, key)
    st.text_area("Why", key=f"claim_why_{key}", height=80, max_chars=20_000, **keep)
    st.button(
        "Keep this version" if claim else "Write down the claim",
        key=f"claim_save_{key}",
        type="primary",
        icon=":material/save:",
        on_click=_save,
        args=(session, key, claim),
    )


def _cohorts(classifier: Classifier, key: str, keep: dict) -> None:
    """Which class, which classes it may be taken for, and on which two groups of images."""
    options = range(classifier.num_classes)
    columns = st.columns(2)
    columns[0].selectbox(
        "Class", options, format_func=classifier.label, key=f"claim_target_{key}", **keep
    )
    columns[1].multiselect(
        "Rival classes", options, format_func=classifier.label, key=f"claim_rivals_{key}",
        help="Classes that the images may be taken for; the first is the one of the measures.",
        **keep,
    )  # fmt: skip
    columns = st.columns(2)
    columns[0].text_input("Cohort A", key=f"claim_a_{key}", max_chars=300, **keep)
    columns[1].text_input("Cohort B", key=f"claim_b_{key}", max_chars=300, **keep)


def _prediction(session: ReviewSession, key: str, keep: dict) -> None:
    """What is to differ, in which direction and by how much."""
    columns = st.columns([3, 1, 1, 1], vertical_alignment="bottom")
    measure = columns[0].selectbox(
        "What is predicted to differ", MEASURES, format_func=MEASURE_TEXTS.get,
        key=f"claim_measure_{key}", on_change=_new_measure, args=(session, key),
    )  # fmt: skip
    columns[1].selectbox(
        "Direction",
        DIRECTIONS,
        format_func=DIRECTION_TEXTS.get,
        key=f"claim_direction_{key}",
        **keep,
    )
    columns[2].number_input(
        "By at least", 0.0, LARGEST if measure.endswith("logit") else 1.0, step=0.01,
        format="%.3f", key=f"claim_smallest_{key}",
        help="The smallest difference that would matter. The interval must lie wholly beyond it.",
        **keep,
    )  # fmt: skip
    columns[3].toggle(
        "Pairs", key=f"claim_paired_{key}",
        help="The images of A and B belong together in pairs, which differ in one thing only.",
        **keep,
    )  # fmt: skip


def _defaults(session: ReviewSession, key: str, claim: Claim | None) -> None:
    """Fill the form with the claim, or with what was begun and not handed in.

    Once, and again when somebody else has changed the claim.
    """
    state = st.session_state
    version = claim.current.seq if claim else 0
    drawn_before = f"claim_statement_{key}" in state  # else Streamlit has dropped the fields
    if state.get(f"claim_version_{key}") == version and drawn_before:
        return
    state[f"claim_version_{key}"] = version
    said = claim.current.said if claim else None
    plan = said.plan if said else TestPlan(target=next(iter(session.started.classes), 0))
    held = {(of.id, item.id) for of in session.rounds for item in of.items}
    links = [(one.round, one.item, one.observer) for one in (said.links if said else ())]
    values = {
        "statement": said.statement if said else "",
        "target": plan.target,
        "rivals": list(plan.rivals),
        "a": said.cohort_a if said else "",
        "b": said.cohort_b if said else "",
        "measure": plan.measure,
        "direction": plan.direction,
        "smallest": min(float(plan.smallest_effect), LARGEST),
        "paired": plan.paired,
        "links": [link for link in links if link[:2] in held],
        "why": said.why if said else "",
        "known": said.known if said and said.known in {one.key for one in KNOWN_CLAIMS} else None,
    }
    draft = library().drafts.load(session.id, review_state.me(), f"claim {key}")
    if draft.get("version") == version:
        values |= _values(draft)
    state[f"claim_older_{key}"] = draft if draft.get("version") not in (None, version) else None
    for name, value in values.items():
        state[f"claim_{name}_{key}"] = value


def _values(draft: dict) -> dict:
    """The fields of a draft; JSON knows no tuples."""
    values = {name: draft[name] for name in FIELDS if name in draft}
    return values | {"links": [tuple(link) for link in draft.get("links") or ()]}


def _offer_older(session: ReviewSession, key: str, claim: Claim | None) -> None:
    """What was begun on a version that somebody has replaced meanwhile is not lost."""
    draft = st.session_state.get(f"claim_older_{key}")
    if not draft or not claim:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":orange[:material/warning:] {escaped(claim.current.author)} has changed this claim "
            "while you were changing it. Below is that version; yours is kept.",
            width="stretch",
        )
        st.button(
            "Show mine", key=f"claim_older_button_{key}", on_click=_take_older,
            args=(session, key, draft),
        )  # fmt: skip


def _take_older(session: ReviewSession, key: str, draft: dict) -> None:
    for name, value in _values(draft).items():
        st.session_state[f"claim_{name}_{key}"] = value
    st.session_state[f"claim_older_{key}"] = None
    _draft(session, key)


def _draft(session: ReviewSession, key: str) -> None:
    """Keep what the form says, at every change: a restart must not lose it."""
    state = st.session_state
    values = {name: state.get(f"claim_{name}_{key}") for name in ("version", *FIELDS)}
    review_state.attempt(
        library().drafts.save, session.id, review_state.me(), f"claim {key}", values
    )


def _new_measure(session: ReviewSession, key: str) -> None:
    state = st.session_state
    state[f"claim_smallest_{key}"] = DEFAULT_SMALLEST[state[f"claim_measure_{key}"]]
    _draft(session, key)


def _links_control(session: ReviewSession, key: str) -> None:
    """The observations that the claim rests on, by all who have finished looking."""
    texts = {}
    for number, of in enumerate(session.rounds, start=1):
        if review_state.me() not in of.revealed:
            continue
        for one in (*of.observations(), *of.observations(blind=False)):
            if one.author in of.revealed:
                item = of.item(one.said.item)
                tags = ", ".join(one.said.tags) or one.said.text[:40]
                texts[(of.id, item.id, one.author)] = (
                    f"round {number}, {item.class_label}, seed {item.seed}, {one.author}: {tags}"
                )
    name = f"claim_links_{key}"
    kept = [link for link in st.session_state.get(name) or [] if link in texts]
    st.session_state[name] = kept
    st.multiselect(
        "Rests on the observations", list(texts), format_func=texts.get, key=name,
        placeholder="None yet: finish looking at a round first" if not texts else "Choose some",
        on_change=_draft, args=(session, key),
    )  # fmt: skip


def _known_control(session: ReviewSession, classifier: Classifier, key: str) -> None:
    """The demo world can make images that differ in one attribute: those that it knows."""
    fitting = [one for one in KNOWN_CLAIMS if one.class_name in classifier.class_names]
    texts = {one.key: _neutral(one) for one in sorted(fitting, key=lambda one: _neutral(one))}
    st.selectbox(
        "Pictures of the demo world that differ in",
        list(texts),
        index=None,
        format_func=texts.get,
        key=f"claim_known_{key}",
        placeholder="Optional: the demo world then makes the images of the test",
        on_change=_take_known,
        args=(session, classifier, key),
    )


def known_statement(one: KnownClaim) -> str:
    """What a claim about it says, true or not."""
    a, b = (attribute_text(one.attribute, value) for value in (one.favoured, one.other))
    return f"The model finds “{one.class_name}” more with {a} than with {b}."


def _neutral(one: KnownClaim) -> str:
    """What differs, without saying what is true."""
    first, second = sorted(
        attribute_text(one.attribute, value) for value in (one.favoured, one.other)
    )
    return f"{one.class_name}: {first} or {second}"


def _take_known(session: ReviewSession, classifier: Classifier, key: str) -> None:
    """Put cohorts and plan of what was chosen into the form."""
    state = st.session_state
    chosen = state.get(f"claim_known_{key}")
    if not chosen:
        _draft(session, key)
        return
    one = claim_by_key(chosen)
    a, b = (attribute_text(one.attribute, value) for value in (one.favoured, one.other))
    state[f"claim_target_{key}"] = classifier.class_names.index(one.class_name)
    state[f"claim_a_{key}"] = f"{one.class_name}, {a}"
    state[f"claim_b_{key}"] = f"{one.class_name}, {b}"
    state[f"claim_paired_{key}"] = True
    state[f"claim_measure_{key}"] = "logit"
    if state.get(f"claim_statement_{key}") in ("", *map(known_statement, KNOWN_CLAIMS)):
        state[f"claim_statement_{key}"] = known_statement(one)
    _new_measure(session, key)


def _save(session: ReviewSession, key: str, claim: Claim | None) -> None:
    state = st.session_state

    def work() -> None:
        plan = TestPlan(
            target=state[f"claim_target_{key}"],
            rivals=tuple(state[f"claim_rivals_{key}"]),
            measure=state[f"claim_measure_{key}"],
            direction=state[f"claim_direction_{key}"],
            paired=state[f"claim_paired_{key}"],
            smallest_effect=float(state[f"claim_smallest_{key}"]),
        )
        links = state.get(f"claim_links_{key}") or ()
        said = Claimed(
            claim=claim.id if claim else secrets.token_hex(8),
            base=state[f"claim_version_{key}"],
            statement=state[f"claim_statement_{key}"].strip(),
            plan=plan,
            cohort_a=state[f"claim_a_{key}"].strip(),
            cohort_b=state[f"claim_b_{key}"].strip(),
            why=state[f"claim_why_{key}"],
            links=tuple(ObservationLink(round=r, item=i, observer=o) for r, i, o in links),
            known=state.get(f"claim_known_{key}") or "",
        )
        if claim and said == replace(claim.current.said, base=said.base):
            raise ReviewError("nothing was changed: the claim stays as it is")
        if not review_state.act(session.id, said):
            return
        library().drafts.clear(session.id, review_state.me(), f"claim {key}")
        state.pop(f"claim_version_{key}", None)  # the form begins anew

    review_state.attempt(work)
