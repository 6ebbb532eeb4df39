"""The Bias Review page without a browser: sessions, who is here, looking blind, the case study."""

import json
import threading
from dataclasses import replace

import pytest

from pages.components.common import resources
from pages.components.review import guide as review_guide
from pages.components.review.look import _large
from protocore.cohorts.plan import TestPlan
from protocore.compare.edits import Box, shape_to_dict
from protocore.demo.biases import claim_by_key
from protocore.demo.network import CLASS_NAMES
from protocore.library.library import Library
from protocore.models.spec import ModelSpec
from protocore.review import events as ev
from protocore.review.results import claim_outcome
from tests.pages.review_site import (
    GOWN,
    HAT,
    checked,
    enter,
    everything,
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


def infos(**options):
    """The sessions that another process sees."""
    library = Library(resources.library().folder)
    try:
        return library.reviews.infos(**options)
    finally:
        library.close()


# --- sessions ---


def test_the_empty_page_says_what_to_do():
    app = open_page()
    assert "No review has been begun yet. The **case study** on the right" in texts(app)
    assert app.button(key="review_guide_start").disabled
    assert app.button(key="review_new").disabled
    assert infos() == ()


def test_a_session_needs_a_title_and_a_name():
    app = open_page()
    enter(app, "review_new_title", "  ")
    enter(app, "review_new_name", "Ada")
    assert app.button(key="review_new").disabled
    enter(app, "review_new_title", "Hats and gowns")
    enter(app, "review_new_name", " ")
    assert app.button(key="review_new").disabled
    enter(app, "review_new_name", "  Ada   Lovelace ")
    enter(app, "review_new_classes", [HAT])
    press(app, "review_new")
    (info,) = infos()
    session = resources.library().reviews.session(info.id)
    assert (session.title, session.reviewers) == ("Hats and gowns", ("Ada Lovelace",))
    assert session.started.classes == (HAT,)
    assert session.started.weight_hash == resources.pool().get(ModelSpec.demo()).weight_hash
    assert app.query_params["session"] in (info.id, [info.id])
    assert "You are **Ada Lovelace**." in texts(app)


def test_sessions_are_listed_opened_and_left(site):
    app = open_page()
    assert "**What is worn**" in texts(app)
    press(app, f"review_open_{site.review}")
    assert "#### What is worn" in texts(app)
    press(app, "review_close")
    assert "session" not in app.query_params and "#### Sessions" in texts(app)


def test_the_trash_has_a_way_back(site):
    app = open_page()
    press(app, f"review_delete_{site.review}")
    assert "“What is worn” is in the trash" in texts(app)
    assert infos() == () and len(infos(deleted=True)) == 1
    assert "No review has been begun yet" in texts(app)
    press(app, f"review_restore_{site.review}")
    assert [info.title for info in infos()] == ["What is worn"]
    press(app, f"review_delete_{site.review}")
    press(app, "review_purge")
    assert "1 sessions deleted for good" in texts(app) and infos(deleted=True) == ()


def test_a_link_to_a_session_that_is_not_here_is_explained_and_left(site):
    app = open_page(session="../../etc/passwd")
    assert "The library has no review session '../../etc/passwd'" in texts(app)
    assert "#### Sessions" in texts(checked(app.run()))


def test_renaming_is_for_all_and_not_to_nothing(site):
    app = site.open("Ada")
    key = f"review_title_{site.review}"
    assert app.button(key="review_rename").disabled
    enter(app, key, " ")
    assert app.button(key="review_rename").disabled
    enter(app, key, "Gowns & <b>hats</b>")
    press(app, "review_rename")
    assert site.session.title == "Gowns & <b>hats</b>"
    assert "#### Gowns & <b>hats</b>" in texts(app)


def test_prototypes_that_are_sent_here_choose_model_and_classes(site):
    ids = [item.prototype_id for item in site.round.items]
    app = open_page(prototypes=f"{ids[0]},{ids[3]},gone")
    assert app.multiselect(key="review_new_classes").value == [GOWN, HAT]
    assert app.text_input(key="review_new_title").value == "academic gown, mortarboard"
    enter(app, "review_new_name", "Eve")
    press(app, "review_new")
    assert "2 prototypes were sent here to be looked at." in texts(app)
    press(app, "round_linked")
    settled(app)
    opened = infos()[0]
    of = resources.library().reviews.session(opened.id).rounds[0]
    assert [(item.role, item.prototype_id) for item in of.items] == [
        ("target", ids[0]), ("distractor", ids[3])
    ]  # fmt: skip
    assert "prototypes" not in app.query_params


# --- who is here ---


def test_nothing_is_shown_before_one_says_who_one_is(site):
    app = open_page(session=site.review)
    assert "Say who you are, above" in texts(app)
    assert app.button(key="review_join").disabled
    assert not keys(app, "look_") and not keys(app, "round_")


def test_joining_under_a_name_of_ones_own_and_coming_back(site):
    app = open_page(session=site.review)
    enter(app, "review_who", "somebody else …")
    enter(app, "review_name", " Ben ")
    press(app, "review_join")
    assert site.session.reviewers == ("Ada", "Ben")
    assert "You are **Ben**, with Ada." in texts(app)
    press(app, "review_leave")
    enter(app, "review_who", "Ada")
    version = site.session.version
    press(app, "review_join")
    assert "You are **Ada**, with Ben." in texts(app)
    assert site.session.version == version, "who has joined does not join again"


def test_a_name_from_another_session_is_proposed_but_has_to_join(site):
    app = open_page("Eve", session=site.review)
    assert not keys(app, "look_")
    assert app.text_input(key="review_name").value == "Eve"
    press(app, "review_join")
    assert site.session.reviewers == ("Ada", "Eve")
    assert keys(app, "look_text_")


# --- looking blind ---


def look_key(site, name, place, author="Ada"):
    item = site.round.order_for(author)[place]
    return f"look_{name}_{site.round.id}_{item.id}_{author}"


def test_every_field_is_in_the_library_as_soon_as_it_is_entered(site):
    app = site.open("Ada")
    item = site.round.order_for("Ada")[0]
    enter(app, look_key(site, "text", 0), "a pale patch above\nthe cloth")
    assert said(site, item).text == "a pale patch above\nthe cloth"
    tags = app.multiselect(key=look_key(site, "tags", 0))
    assert tags.options == []
    app.session_state[look_key(site, "tags", 0)] = ["pale  face", "cloth"]
    checked(app.run())
    enter(app, look_key(site, "sure", 0), 85)
    now = said(site, item)
    assert (now.text, now.confidence) == ("a pale patch above\nthe cloth", 0.85)
    assert now.tags == ("pale face", "cloth")


def said(site, item, author="Ada"):
    return site.round.blind[(item.id, author)].said


def test_going_on_and_back_loses_nothing(site):
    app = site.open("Ada")
    go_on, back = (f"look_{way}_{site.round.id}" for way in ("next", "back"))
    assert app.button(key=back).disabled
    enter(app, look_key(site, "text", 0), "first")
    enter(app, look_key(site, "sure", 0), 20)
    press(app, go_on)
    enter(app, look_key(site, "text", 1), "second")
    step(app, "Log")
    step(app, "Look")
    assert app.text_area(key=look_key(site, "text", 1)).value == "second"
    press(app, back)
    assert app.text_area(key=look_key(site, "text", 0)).value == "first"
    assert app.slider(key=look_key(site, "sure", 0)).value == 20
    for _ in range(5):
        press(app, go_on)
    assert app.button(key=go_on).disabled
    assert "4 of the pictures have no description yet" in texts(app)


def test_after_a_restart_everything_is_there(site):
    app = site.open("Ada")
    enter(app, look_key(site, "text", 0), "a pale patch")
    item = site.round.order_for("Ada")[0]
    site.observe("Ada", item, "a pale patch", tags=("face",), regions=(BOX,))
    restart()
    app = site.open("Ada")
    assert app.text_area(key=look_key(site, "text", 0)).value == "a pale patch"
    assert app.multiselect(key=look_key(site, "tags", 0)).value == ["face"]
    assert canvas(app)["shapes"] == [shape_to_dict(BOX)]


def canvas(app):
    """What the canvas is given."""
    (proto,) = (
        node.proto
        for node in app.get("bidi_component")
        if node.proto.component_name == "compare_editor"
    )
    return json.loads(proto.json)


def test_marks_that_were_kept_are_given_to_the_canvas_and_stay(site):
    item = site.round.order_for("Ada")[0]
    site.observe("Ada", item, "", regions=(BOX,))
    app = site.open("Ada")
    assert canvas(app)["shapes"] == [shape_to_dict(BOX)]
    enter(app, look_key(site, "text", 0), "now with words")
    now = said(site, item)
    assert (now.text, now.regions) == ("now with words", (BOX,))


def test_own_tags_are_offered_again_those_of_others_are_not(site):
    first, second = site.round.order_for("Ada")[:2]
    site.observe("Ada", second, tags=("own word",))
    site.observe("Ben", first, tags=("his word",))
    app = site.open("Ada")
    assert app.multiselect(key=look_key(site, "tags", 0)).options == ["own word"]


PREPARATION = ("New blind round",)  # its controls list all classes of the model


@pytest.mark.parametrize("place", range(6))
def test_while_one_looks_nothing_tells_what_a_picture_is(site, place):
    """No class, role, seed, prototype or file name, and nothing of what others have written."""
    items = site.round.items
    site.observe("Ben", items[0], "Bens Satz", tags=("Bens Wort",), regions=(BOX,))
    site.reveal("Ben")
    app = site.open("Ada")
    for _ in range(place):
        press(app, f"look_next_{site.round.id}")
    shown = everything(app, but=PREPARATION)
    assert f"Picture {place + 1} of 6" in shown
    words = [*CLASS_NAMES, "target", "distractor", "baseline", "fourier", "seed", "Bens"]
    for word in words:
        at = shown.lower().find(word.lower())
        assert at < 0, shown[max(0, at - 200) : at + 100]
    for item in items:
        info = resources.library().prototype(item.prototype_id)
        for secret in (item.prototype_id, item.digest, item.class_label, info.run_id):
            assert secret not in shown


def test_the_picture_itself_carries_no_words(site):
    for item in site.round.items:
        content = _large(site.session, item)
        kinds, place = set(), 8
        while place < len(content):
            size = int.from_bytes(content[place : place + 4])
            kinds.add(content[place + 4 : place + 8])
            place += 12 + size
        assert kinds == {b"IHDR", b"IDAT", b"IEND"}


def test_each_reviewer_has_an_order_of_ones_own(site):
    orders = {}
    for name in ("Ada", "Ben"):
        app = site.open(name)
        seen = []
        for _ in site.round.items:
            (key,) = keys(app, "look_text_")
            seen.append(key.split("_")[3])
            if len(seen) < len(site.round.items):
                press(app, f"look_next_{site.round.id}")
        orders[name] = seen
        assert seen == [item.id for item in site.round.order_for(name)]
    assert sorted(orders["Ada"]) == sorted(orders["Ben"]) and orders["Ada"] != orders["Ben"]


def test_names_and_marks_appear_when_one_has_finished(site):
    items = site.round.items
    site.observe("Ada", items[0], "Adas Satz", tags=("face",), regions=(BOX,))
    site.observe("Ben", items[0], "Bens Satz", tags=("face", "sky"), regions=(BOX,))
    app = site.open("Ada")
    press(app, f"look_reveal_{site.round.id}")
    assert list(site.round.revealed) == ["Ada"]
    shown = everything(app)
    assert "**0 · academic gown** · seed 2" in texts(app)
    assert "Fourier baseline" in texts(app) and "Adas Satz" in shown
    assert "Not finished yet: Ben" in texts(app)
    assert "Bens" not in shown and "sky" not in shown, "he still looks"
    assert "Agreement is shown when two reviewers have finished" in texts(app)
    site.reveal("Ben")
    checked(app.run())
    assert "Bens Satz" in texts(app)
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Shared tags"] == "50%"
    assert metrics["Overlap of regions"] == "100%"
    assert metrics["Cohen's kappa"] not in ("", "–")


def test_what_claims_rest_on_is_hidden_from_those_who_still_look(site):
    item = site.round.items[0]
    site.observe("Ada", item, "Adas Satz", tags=("Adas Wort",), regions=(BOX,))
    site.reveal("Ada")
    link = ev.ObservationLink(round=site.round.id, item=item.id, observer="Ada")
    site.claim(links=(link,))
    app = site.open("Ben", "Claims")
    assert "Rests on 1 observation: shown to you when you have finished" in texts(app)
    assert "Adas" not in everything(app)
    assert "Adas Wort" in texts(site.open("Ada", "Claims"))
    report = step(app, "Report")
    assert "You have not finished looking at all pictures yet" in texts(report)


def test_later_remarks_are_said_to_be_later_and_can_be_added_to(site):
    site.observe("Ada", site.round.items[0], "blind words")
    site.reveal("Ada")
    app = site.open("Ada")
    item = site.round.items[0]
    key = f"later_{site.round.id}_{item.id}_Ada"
    assert app.button(key=f"{key}_button").disabled
    enter(app, key, "it is a gown after all")
    press(app, f"{key}_button")
    assert said(site, item).text == "blind words"
    assert site.round.later[(item.id, "Ada")].said.text == "it is a gown after all"
    assert "later, **Ada** (50%): it is a gown after all" in texts(app)
    again = site.open("Ada")
    assert again.text_area(key=key).value == "it is a gown after all"


def test_covering_a_mark_is_kept_with_its_controls(site):
    item = next(item for item in site.round.items if item.role == "target")
    site.observe("Ada", item, "face", tags=("face",), regions=(BOX,))
    other = next(item for item in site.round.items if item.role == "distractor")
    site.observe("Ada", other, "face", tags=("face",), regions=(BOX,))
    site.reveal("Ada")
    app = site.open("Ada")
    (key,) = keys(app, "cover_")  # only pictures of the class
    press(app, key)
    (covered,) = site.round.occlusions
    assert (covered.item, covered.observer, covered.class_index) == (item.id, "Ada", GOWN)
    assert len(covered.control_drops) == 24 and covered.share == pytest.approx(0.2, abs=0.02)
    assert "Covered, it matters" in texts(app)
    assert app.button(key=key).label == "Cover it again"


def test_a_picture_that_was_changed_outside_is_not_shown(site):
    item = site.round.order_for("Ada")[0]
    path = resources.library().reviews.file(site.review, f"prototypes/{item.prototype_id}.png")
    path.write_bytes(b"nothing")
    app = site.open("Ada")
    assert "is not what the session has recorded" in texts(app)
    assert app.text_area(key=look_key(site, "text", 0))


# --- making rounds ---


def test_a_round_is_made_by_whoever_asks_for_it(site, monkeypatch):
    shorten(monkeypatch)
    app = site.open("Ben")
    assert app.selectbox(key="round_class").value == GOWN
    assert app.selectbox(key="round_distractor").value == HAT
    enter(app, "round_class", HAT)
    assert app.button(key="round_start").disabled
    assert "The distractor must be another class." in texts(app)
    enter(app, "round_distractor", GOWN)
    enter(app, "round_seeds", 1)
    enter(app, "round_others", 1)
    press(app, "round_start")
    settled(app)
    of = site.session.rounds[1]
    assert (of.opened_by, of.class_index) == ("Ben", HAT)
    assert [item.role for item in of.items] == ["target", "distractor", "baseline"]
    assert "**Round 2** · names hidden · 3 pictures · opened by Ben" in texts(app)
    assert keys(app, "look_text_")[0].startswith(f"look_text_{of.id}"), "the newest first"
    press(app, f"look_at_{site.round.id}")
    assert keys(app, "look_text_")[0].startswith(f"look_text_{site.round.id}")
    assert keys(app, "look_at_") == [f"look_at_{of.id}"]


def test_a_model_that_has_changed_is_explained(site, monkeypatch):
    started = site.session.started
    library = resources.library()
    other = library.reviews.create(
        "Ada",
        ev.Started(
            title="Old", model_link=started.model_link, model_title=started.model_title,
            weight_hash="ab" * 32, classes=(0,),
        ),
    )  # fmt: skip
    app = open_page("Ada", session=other)
    assert "has other weights now than when this session was started" in texts(app)


def test_a_session_by_hand_about_a_class_that_is_not_there_is_explained(site):
    started = site.session.started
    other = resources.library().reviews.create(
        "Ada",
        ev.Started(
            title="Odd", model_link=started.model_link, model_title=started.model_title,
            weight_hash=started.weight_hash, classes=(10**6,),
        ),
    )  # fmt: skip
    for name in ("Look", "Claims", "Tests"):
        app = open_page("Ada", session=other, step=name)
        assert "This session is about class 1000000, which" in texts(app)


# --- the case study ---


def test_the_case_study_from_start_to_end(monkeypatch):
    shorten(monkeypatch)
    monkeypatch.setattr(review_guide, "PAIRS", 40)
    app = open_page()
    enter(app, "guide_name", "Ada")
    press(app, "review_guide_start")
    review = app.session_state["review_open"]
    session = lambda: resources.library().reviews.session(review)  # noqa: E731
    press(app, "guide_do")
    settled(app)
    (of,) = session().rounds
    assert (
        sorted(item.role for item in of.items) == ["baseline"] + ["distractor"] * 2 + ["target"] * 3
    )
    assert "**2 · Look at them blind**" in texts(app)
    for place, item in enumerate(of.order_for("Ada")):
        enter(app, f"look_text_{of.id}_{item.id}_Ada", f"picture {place}")
        face = item.role == "target"
        regions = (BOX,) if face else ()
        resources.library().reviews.append(
            review, "Ada",
            ev.Observed(round=of.id, item=item.id, tags=("face",) if face else (), regions=regions),
        )  # fmt: skip
        if place < 5:
            press(app, f"look_next_{of.id}")
    press(app, f"look_reveal_{of.id}")
    assert "**3 · Cover what you marked**" in texts(app)
    for key in keys(app, "cover_"):
        press(app, key)
    assert len(session().rounds[0].occlusions) == 3
    assert "**4 · Write down the claims**" in texts(app)
    press(app, "guide_do")
    claims = session().claims
    assert [claim.current.said.known for claim in claims] == list(review_guide.CLAIMS)
    assert len(claims[0].current.said.links) == 3
    assert app.session_state["review_step"] == "Claims"
    press(app, "guide_do")
    settled(app)
    assert [test.status for test in session().tests] == ["finished"] * 3
    assert "**6 · Decide**" in texts(app)

    decisions = {}
    for claim, decided in zip(claims, ("supported", "supported", "not supported"), strict=True):
        enter(app, "test_claim", claim.id)
        decisions[claim.current.said.known] = decided
        assert f"By the rule: :{'green' if decided == 'supported' else 'red'}-badge[" in texts(app)
        tables = [list(table.value.columns) for table in app.dataframe]
        assert tables[0][:3] == ["Cohort", "Images", "Correct"] and "p" in tables[2]
        enter(app, f"decision_{claim.id}_Ada", decided)
        press(app, f"decision_save_{claim.id}_Ada")
    assert "Finished. Two claims were planted in the demo world and one was not" in texts(app)
    results = {
        test.id: resources.test_result(review, test.id, test.digest) for test in session().tests
    }
    for claim in session().claims:
        outcome = claim_outcome(session(), claim, results)
        assert (
            outcome.outcome
            == claim.decisions["Ada"].decision
            == decisions[claim.current.said.known]
        )


def test_the_case_study_does_not_make_the_pictures_twice(monkeypatch):
    shorten(monkeypatch)
    app = open_page()
    enter(app, "guide_name", "Ada")
    press(app, "review_guide_start")
    review = app.session_state["review_open"]
    engine = resources.engine()
    go_on = threading.Event()
    engine.submit(kind="block", title="x", device="cpu", work=lambda control: go_on.wait(30))
    press(app, "guide_do")
    assert not keys(app, "guide_do") and keys(app, "round_stop")
    press(app, "round_stop")
    assert keys(app, "guide_do"), "stopped before it began"
    go_on.set()
    settled(app)
    assert resources.library().reviews.session(review).rounds == ()


def test_the_case_study_offers_its_tests_again_when_one_has_failed(site):
    started = site.session.started
    library = resources.library()
    guided = replace(started, guide=review_guide.GUIDE)
    review = library.reviews.create("Ada", guided)
    of = library.reviews.session(site.review).rounds[0]
    opened = ev.RoundOpened(
        round=of.id, class_index=of.class_index, class_label=of.class_label, items=of.items, seed=1
    )
    library.reviews.append(review, "Ada", opened, ev.Revealed(round=of.id))
    app = open_page("Ada", session=review, step="Claims")
    for key in review_guide.CLAIMS:
        known = claim_by_key(key)
        plan = TestPlan(target=known.class_index, measure="logit", paired=True)
        identifier = f"c{review_guide.CLAIMS.index(key)}" * 4
        library.reviews.append(
            review, "Ada",
            ev.Claimed(
                claim=identifier, base=0, statement=key, plan=plan, cohort_a="a", cohort_b="b",
                known=key,
            ),
            ev.TestStarted(
                test=f"e{identifier[1]}" * 4, claim=identifier, plan=plan, source_a="a",
                source_b="b",
            ),
            ev.TestFailed(test=f"e{identifier[1]}" * 4, error="the disk is full"),
        )  # fmt: skip
    checked(app.run())
    assert "**5 · Test them**" in texts(app)
    go_on = threading.Event()
    resources.engine().submit(
        kind="x", title="x", device="cpu", work=lambda control: go_on.wait(30)
    )
    press(app, "guide_do")
    assert "**6 · Decide**" in texts(app)
    session = library.reviews.session(review)
    assert [test.status for test in session.tests] == ["failed"] * 3 + ["running"] * 3
    go_on.set()
