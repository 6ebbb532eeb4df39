"""The case study: one review from looking to the two tables, a step at a time.

Which step comes next follows from the session itself, so that it survives a restart and works for
several reviewers.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from pages.components.common.resources import library, load_model
from pages.components.review import state as review_state
from pages.components.review.claim_form import known_statement
from pages.components.review.rounds import being_made, start_round
from pages.components.review.session import go_to
from pages.components.review.tests import start_test
from protocore.cohorts.cohort import attribute_text
from protocore.cohorts.plan import TestPlan
from protocore.cohorts.recipes import claim_recipe
from protocore.demo.biases import claim_by_key
from protocore.jobs.cohort_tests import CohortImages
from protocore.models.spec import ModelSpec
from protocore.review.events import Claimed, ObservationLink, Started
from protocore.review.session import Claim, ReviewSession

GUIDE = "gowns and mortarboards"
GOWN, MORTARBOARD = "academic gown", "mortarboard"
# The paper's two hypotheses, and one about something that was not planted.
CLAIMS = ("gown-skin", "mortarboard-face", "gown-glasses")
PAIRS = 100
HAZE = 0.6  # in clear pictures the demo model is nearly always right: accuracies could not differ


@dataclass(frozen=True, kw_only=True)
class _Step:
    title: str
    text: str
    done: Callable[[ReviewSession], bool]
    where: str  # one of review_session.STEPS
    button: str = ""
    action: Callable[[ReviewSession], None] | None = None


def start_guide(author: str) -> str:
    """A new session of the case study on the demo model; returns its identifier."""
    spec = ModelSpec.demo()
    classifier = load_model(spec)
    classes = (classifier.class_names.index(GOWN), classifier.class_names.index(MORTARBOARD))
    started = Started(
        title="Case study: gowns and mortarboards",
        model_link=spec.to_link(),
        model_title=classifier.title,
        weight_hash=classifier.weight_hash,
        classes=classes,
        guide=GUIDE,
    )
    return library().reviews.create(author, started)


def show_guide(session: ReviewSession) -> None:
    """Where the case study stands, and the button for its next step."""
    if session.started.guide != GUIDE or review_state.me() not in session.reviewers:
        return
    steps = _steps()
    place = next((i for i, step in enumerate(steps) if not step.done(session)), None)
    with st.container(border=True, key="review_guide"):
        done = len(steps) if place is None else place
        st.progress(done / len(steps), text=f"Case study: {done} of {len(steps)} steps done")
        if place is None:
            _ending()
            return
        step = steps[place]
        st.markdown(f"**{step.title}**  \n{step.text}")
        with st.container(horizontal=True):
            if step.action is not None and not being_made(session.id):
                st.button(
                    step.button, key="guide_do", type="primary", icon=":material/play_arrow:",
                    on_click=_perform, args=(session, step),
                )  # fmt: skip
            elif st.session_state.get("review_step") != step.where:
                st.button(
                    f"Go to {step.where}", key="guide_go", type="primary",
                    icon=":material/arrow_forward:", on_click=go_to, args=(step.where,),
                )  # fmt: skip


def _perform(session: ReviewSession, step: _Step) -> None:
    step.action(session)
    go_to(step.where)


def _ending() -> None:
    st.markdown(
        "Finished. Two claims were planted in the demo world and one was not; did you decide so? "
        "The whole truth is in the card of the demo world, `assets/demo/CARD.md`. The step "
        "**Report** has all of it in one file, and **verify** makes every prototype again."
    )


def _steps() -> tuple[_Step, ...]:
    look = "Mark what strikes you, give it a tag, and use the same word for the same thing."
    return (
        _Step(
            title="1 · Make the pictures",
            text="Three prototypes of one class, two of another, and one by another method, mixed "
            "in random order. It takes about a minute.",
            done=lambda s: bool(s.rounds),
            where="Look",
            button="Make the pictures",
            action=_make_pictures,
        ),
        _Step(
            title="2 · Look at them blind",
            text=f"Describe each picture before you know what it is. {look} Then show the names.",
            done=lambda s: bool(s.rounds) and review_state.me() in s.rounds[0].revealed,
            where="Look",
        ),
        _Step(
            title="3 · Cover what you marked",
            text="Does the model look there too? Cover a marked region of the class and see how "
            "far its logit falls, against the same shape at other places.",
            done=lambda s: any(of.occlusions for of in s.rounds) or bool(s.claims),
            where="Look",
        ),
        _Step(
            title="4 · Write down the claims",
            text="Before any test: the paper's two hypotheses, and one of which nobody has told "
            "you whether it is so. They rest on what you have marked; change them as you like.",
            done=lambda s: len(s.claims) >= len(CLAIMS),
            where="Claims",
            button="Write down the three claims",
            action=_write_claims,
        ),
        _Step(
            title="5 · Test them",
            text=f"{PAIRS} pairs of held-out scenes for each claim, which differ in one thing "
            "only, in haze, where recognition gets difficult. The claims are locked from now on.",
            done=lambda s: all(_under_test(s, claim) for claim in s.claims),
            where="Tests",
            button="Test all three",
            action=_test_claims,
        ),
        _Step(
            title="6 · Decide",
            text="Read the tables and the evidence of each claim, then give your decision.",
            done=lambda s: all(review_state.me() in claim.decisions for claim in s.claims),
            where="Tests",
        ),
    )


def _make_pictures(session: ReviewSession) -> None:
    gown, mortarboard = session.started.classes
    start_round(
        session.id,
        class_index=gown,
        seeds=(0, 1, 2),
        distractor=mortarboard,
        distractor_seeds=(0, 1),
        baseline=True,
    )


def _write_claims(session: ReviewSession) -> None:
    """The claims that are not there yet, resting on the author's observations of the class."""
    classifier = review_state.classifier_of(session)
    there = {claim.current.said.known for claim in session.claims}
    links = _own_links(session)
    made = []
    for key in CLAIMS:
        if key in there:
            continue
        one = claim_by_key(key)
        a, b = (attribute_text(one.attribute, value) for value in (one.favoured, one.other))
        target = classifier.class_names.index(one.class_name)
        rivals = (classifier.class_names.index(one.rival),) if one.rival else ()
        made.append(
            Claimed(
                claim=secrets.token_hex(8),
                base=0,
                statement=known_statement(one),
                plan=TestPlan(target=target, rivals=rivals, measure="logit", paired=True),
                cohort_a=f"{one.class_name}, {a}",
                cohort_b=f"{one.class_name}, {b}",
                links=tuple(links) if key == CLAIMS[0] else (),  # what one sees in the pictures
                known=key,
            )
        )
    review_state.act(session.id, *made)


def _own_links(session: ReviewSession) -> list[ObservationLink]:
    of = session.rounds[0]
    targets = {item.id for item in of.items if item.role == "target"}
    return [
        ObservationLink(round=of.id, item=one.said.item, observer=one.author)
        for one in of.observations()
        if one.author == review_state.me() and one.said.item in targets
    ]


def _under_test(session: ReviewSession, claim: Claim) -> bool:
    """Whether there is a result, or will be: a test that failed counts for nothing."""
    return any(test.status != "failed" for test in session.tests_of(claim.id))


def _test_claims(session: ReviewSession) -> None:
    source = f"demo world, {PAIRS} scenes from 0 on, haze {HAZE:g}"
    for claim in session.claims:
        known = claim.current.said.known
        if _under_test(session, claim) or not known:
            continue
        recipe = claim_recipe(known, count=PAIRS, haze=HAZE)
        images = CohortImages(recipe=recipe, source_a=source, source_b=source)
        start_test(session.id, claim.id, images)
