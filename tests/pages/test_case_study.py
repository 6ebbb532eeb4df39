"""The case study of the Bias Review page: every way through it ends in a report."""

import threading
from dataclasses import replace

import pytest

from pages.components.common import resources
from pages.components.review import guide
from protocore.compare.edits import Box
from protocore.review import events as ev
from protocore.review.results import claim_outcome
from tests.pages.review_site import (
    checked,
    enter,
    keys,
    open_page,
    press,
    restart,
    settled,
    step,
    texts,
)
from tests.presets import shorten

pytestmark = pytest.mark.usefixtures("clean_app")
BOX = Box(left=0.2, top=0.1, right=0.7, bottom=0.5)


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch):
    monkeypatch.setattr(guide, "PAIRS", 40)


@pytest.fixture
def study(site):
    """A case study of Ada's whose pictures are made."""
    library = resources.library()
    started = replace(site.session.started, guide=guide.GUIDE)
    review = library.reviews.create("Ada", started)
    blind = site.round
    library.reviews.append(
        review, "Ada",
        ev.RoundOpened(
            round=blind.id, class_index=blind.class_index, class_label=blind.class_label,
            items=blind.items, seed=1,
        ),
    )  # fmt: skip
    for item in blind.items:
        for ending in ("png", "json"):
            name = f"prototypes/{item.prototype_id}.{ending}"
            content = library.reviews.read_file(site.review, name)
            library.reviews.write_file(review, name, content)
    return Study(review)


class Study:
    """The session in the library."""

    def __init__(self, review):
        self.review = review

    @property
    def session(self):
        return resources.library().reviews.session(self.review)

    def act(self, *actions, author="Ada"):
        resources.library().reviews.append(self.review, author, *actions)

    def reveal(self, *marked):
        """Finish looking, with a box on the pictures of these roles."""
        blind = self.session.rounds[0]
        for role in marked:
            item = next(one for one in blind.items if one.role == role)
            self.act(ev.Observed(round=blind.id, item=item.id, text="x", regions=(BOX,)))
        self.act(ev.Revealed(round=blind.id))

    def end(self, app):
        """From the claims to the end: by the guide's buttons and a decision on each claim."""
        for _ in range(8):
            if buttons := [*keys(app, "guide_do"), *keys(app, "guide_go")]:
                press(app, buttons[0])
                settled(app)
            elif app.session_state["review_step"] == "Tests":
                for claim in guide._written(self.session):
                    enter(app, "test_claim", claim.id)
                    enter(app, f"decision_{claim.id}_Ada", "supported")
                    press(app, f"decision_save_{claim.id}_Ada")
        assert "Finished." in texts(app)
        assert app.session_state["review_step"] == "Report"
        assert len(app.dataframe[0].value) == len(self.session.claims)


def test_from_the_first_name_to_the_truth(monkeypatch):
    shorten(monkeypatch)
    app = open_page()
    assert app.button(key="review_guide_start").disabled
    enter(app, "guide_name", "Ada")
    press(app, "review_guide_start")
    study = Study(app.session_state["review_open"])
    go_on = threading.Event()
    engine = resources.engine()
    engine.submit(kind="block", title="x", device="cpu", work=lambda control: go_on.wait(30))
    press(app, "guide_do")
    assert not keys(app, "guide_do"), "the pictures are not made twice"
    press(app, "round_stop")
    assert keys(app, "guide_do"), "stopped before it began: offered again"
    go_on.set()
    settled(app)
    press(app, "guide_do")
    settled(app)
    roles = sorted(item.role for item in study.session.rounds[0].items)
    assert roles == ["baseline"] + ["distractor"] * 2 + ["target"] * 3
    study.reveal("target")
    checked(app.run())
    press(app, keys(app, "cover_")[0])
    press(app, "guide_do")
    claims = study.session.claims
    assert [claim.current.said.known for claim in claims] == list(guide.CLAIMS)
    assert len(claims[0].current.said.links) == 1
    press(app, "guide_do")
    settled(app)
    results = {
        test.id: resources.test_result(study.review, test.id, test.digest)
        for test in study.session.tests
    }
    outcomes = [claim_outcome(study.session, claim, results).outcome for claim in claims]
    assert outcomes == ["supported", "supported", "not supported"], "two were planted, one not"
    study.end(app)


def test_nothing_marked_leads_on(study):
    study.reveal("distractor")
    app = open_page("Ada", session=study.review)
    assert "**4 · Write down the claims**" in texts(app)
    study.end(app)


def test_what_was_marked_may_stay_unoccluded(study):
    study.reveal("target")
    app = open_page("Ada", session=study.review)
    assert "**3 · Occlude what you marked**" in texts(app) and keys(app, "cover_")
    press(app, "guide_do")
    assert len(study.session.claims) == 3
    study.end(app)


def test_own_claims_and_tests_that_failed_or_were_cut_off_stand_in_nobodys_way(study, site):
    study.reveal()
    app = open_page("Ada", session=study.review)
    press(app, "guide_do")
    own = replace(study.session.claims[0].current.said, claim="c9c9c9c9", base=0, known="")
    study.act(own)
    for number, claim in enumerate(study.session.claims[:2]):
        test = f"e{number}" * 4
        plan = claim.current.said.plan
        study.act(ev.TestStarted(test=test, claim=claim.id, plan=plan, source_a="a", source_b="b"))
        if number:
            study.act(ev.TestFailed(test=test, error="the disk is full"))
    restart()  # the first is interrupted
    app = open_page("Ada", session=study.review)
    assert "**5 · Test them**" in texts(app)
    study.end(app)


def test_a_second_reviewer_finds_a_way_as_well(study):
    study.reveal()
    study.act(ev.Joined(), author="Ben")
    app = open_page("Ben", session=study.review, step="Claims")
    assert "**2 · Look at them blind**" in texts(app)
    press(app, "guide_go")
    press(app, f"look_reveal_{study.session.rounds[0].id}")
    step(app, "Report")
    assert keys(app, "guide_do")
