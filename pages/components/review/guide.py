"""The case study: one review from looking to the two tables, a step at a time.

Which step comes next follows from the session itself, so that it survives a restart and works for
several reviewers.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st

from pages.components.common.resources import engine, library, load_model
from pages.components.review import state as review_state
from pages.components.review.claim_value import ClaimForm, Link
from pages.components.review.jobs import find_job
from pages.components.review.observing import finish
from pages.components.review.rounds import being_made, start_round
from pages.components.review.session import go_to
from pages.components.review.tests import start_test
from protocore.cohorts.recipes import DemoRecipe
from protocore.demo.biases import claim_by_key
from protocore.jobs.cohort_tests import KIND, CohortImages, end_orphan
from protocore.models.spec import ModelSpec
from protocore.review.events import Started
from protocore.review.session import Claim, ReviewSession, Test

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
    where: str  # one of STEPS
    button: str = ""
    action: Callable[[ReviewSession], None] | None = None
    skip: bool = False  # whether the button passes over the step


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
            here = st.session_state.get("review_step") == step.where
            if not here and (step.action is None or step.skip):
                st.button(
                    f"Go to {step.where}", key="guide_go", type=review_state.primary(),
                    icon=":material/arrow_forward:", on_click=go_to, args=(step.where,),
                )  # fmt: skip
            if step.action is not None and not being_made(session.id):
                st.button(
                    step.button, key="guide_do", on_click=_perform, args=(session, step),
                    type="secondary" if step.skip else review_state.primary(),
                    icon=":material/skip_next:" if step.skip else ":material/play_arrow:",
                )  # fmt: skip


def _perform(session: ReviewSession, step: _Step) -> None:
    finish(session.id)
    step.action(session)
    go_to("Claims" if step.skip else step.where)


def _ending() -> None:
    st.markdown(
        "Finished. Two claims were planted in the demo world and one was not: did you decide so? "
        "The answers are in `assets/demo/CARD.md`. **Report** puts everything into one file, and "
        "**Verify** makes every prototype again."
    )
    if st.session_state.get("review_step") != "Report":
        st.button(
            "Go to Report", key="guide_go", type=review_state.primary(),
            icon=":material/arrow_forward:", on_click=go_to, args=("Report",),
        )  # fmt: skip


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
            text=f"Describe each picture before you know what it is. {look} Then reveal the names.",
            done=lambda s: bool(s.rounds) and review_state.me() in s.rounds[0].revealed,
            where="Look",
        ),
        _Step(
            title="3 · Occlude what you marked",
            text="Does the model look there too? Occlude a marked region of the class and see how "
            "far its logit falls, against the same shape at other places.",
            done=lambda s: _occluded(s) or bool(_written(s)),
            where="Look",
            button="Skip: write down the claims",
            action=_write_claims,
            skip=True,
        ),
        _Step(
            title="4 · Write down the claims",
            text="Before any test: the paper's two hypotheses, and one whose truth you have not "
            "been told. They rest on what you have seen; change them as you like.",
            done=lambda s: len(_written(s)) == len(CLAIMS),
            where="Claims",
            button="Write down the claims",
            action=_write_claims,
        ),
        _Step(
            title="5 · Test them",
            text=f"{PAIRS} pairs of held-out scenes for each claim, which differ in one thing "
            "only, in haze, where recognition gets difficult. The test locks the claims.",
            done=lambda s: all(_under_test(s, claim) for claim in _written(s)),
            where="Tests",
            button="Test the claims",
            action=_test_claims,
        ),
        _Step(
            title="6 · Decide",
            text="Read the tables and the evidence of each claim, then save your decision.",
            done=lambda s: all(review_state.me() in claim.decisions for claim in _written(s)),
            where="Tests",
        ),
    )


def _occluded(session: ReviewSession) -> bool:
    """Whether a marked region was occluded, or none is there to be."""
    marked = any(
        one.said.regions and blind_round.item(one.said.item).role == "target"
        for blind_round in session.rounds
        for one in blind_round.observations()
        if one.author in blind_round.revealed
    )
    return not marked or any(blind_round.occlusions for blind_round in session.rounds)


def _written(session: ReviewSession) -> list[Claim]:
    """The claims of the case study, whoever wrote them; a reviewer's own are beside it."""
    claims = {claim.current.said.known: claim for claim in session.claims}
    return [claims[key] for key in CLAIMS if key in claims]


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
        known = claim_by_key(key)
        rivals = (classifier.class_names.index(known.rival),) if known.rival else ()
        form = ClaimForm(rivals=rivals).with_known(known, classifier.class_names)
        if key == CLAIMS[0]:  # what one sees in the pictures
            form = replace(form, links=links)
        made.append(form.to_event(secrets.token_hex(8)))
    review_state.act(session.id, *made)


def _own_links(session: ReviewSession) -> tuple[Link, ...]:
    blind_round = session.rounds[0]
    return tuple(
        (blind_round.id, one.said.item, one.author)
        for one in blind_round.observations()
        if one.author == review_state.me() and blind_round.item(one.said.item).role == "target"
    )


def _under_test(session: ReviewSession, claim: Claim) -> bool:
    """Whether there is a result, or will be: a test that failed or was interrupted is none."""
    if session.final_test(claim.id) is not None:
        return True
    return any(_performed(test) for test in session.tests_of(claim.id))


def _performed(test: Test) -> bool:
    job = find_job(KIND, test=test.id)
    return test.status == "running" and job is not None and job.active


def _test_claims(session: ReviewSession) -> None:
    source = f"demo world, {PAIRS} scenes from 0 on, haze {HAZE:g}"
    waiting = [claim for claim in _written(session) if not _under_test(session, claim)]
    if any(test.status == "running" for claim in waiting for test in session.tests_of(claim.id)):
        review_state.attempt(end_orphan, engine(), library(), session.id, review_state.me())
    for claim in waiting:
        recipe = DemoRecipe(claim=claim.current.said.known, count=PAIRS, haze=HAZE)
        images = CohortImages(recipe=recipe, source_a=source, source_b=source)
        start_test(session.id, claim.id, images)
