"""The Bias Review page without a browser: a dozen journeys from the first name to the report."""

import io
import json
import re
import zipfile

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from pages.components.common import resources
from pages.components.review.look import _large
from protocore.cohorts.plan import TestPlan
from protocore.cohorts.recipes import DemoRecipe
from protocore.compare.edits import Box, shape_to_dict
from protocore.demo.network import CLASS_NAMES
from protocore.jobs.cohort_tests import CohortImages, submit_test
from protocore.library.library import Library
from protocore.library.review_bundle import export_review_to_cache, import_review
from protocore.review import events as ev
from tests.pages.review_site import (
    CLAIM,
    GOWN,
    HAT,
    checked,
    enter,
    everything,
    fields,
    keys,
    open_page,
    press,
    raw,
    restart,
    settled,
    step,
    texts,
    typed,
)
from tests.presets import shorten

pytestmark = pytest.mark.usefixtures("clean_app")
BOX = Box(left=0.2, top=0.1, right=0.7, bottom=0.5)
STATEMENT = "Gowns are recognised better on pale people"


def infos(**options):
    """The sessions that another process sees."""
    library = Library(resources.library().folder)
    try:
        return library.reviews.infos(**options)
    finally:
        library.close()


def look_key(site, name, place, author="Ada"):
    item = site.round.order_for(author)[place]
    return f"look_{name}_{site.round.id}_{item.id}_{author}"


def said(site, item, author="Ada"):
    return site.round.blind[(item.id, author)].said


def test_a_session_is_created_joined_renamed_left_deleted_and_restored(site):
    app = open_page()
    enter(app, "review_new_title", "  ")
    enter(app, "review_new_name", "  Ada   Lovelace ")
    assert app.button(key="review_new").disabled
    enter(app, "review_new_title", "Hats and gowns")
    enter(app, "review_new_classes", [HAT])
    press(app, "review_new")
    session = resources.library().reviews.session(infos()[0].id)
    assert (session.title, session.reviewers) == ("Hats and gowns", ("Ada Lovelace",))
    assert session.started.classes == (HAT,)
    assert "You are **Ada Lovelace**" in texts(app)

    key = f"review_title_{session.id}"
    enter(app, key, "Gowns & <b>hats</b>")
    press(app, "review_rename")
    assert "Gowns & <b>hats</b>" in texts(app)
    press(app, "review_close")
    assert "session" not in app.query_params and "**What is worn**" in texts(app)
    press(app, f"review_delete_{session.id}")
    assert [info.title for info in infos()] == ["What is worn"]
    press(app, f"review_restore_{session.id}")
    assert len(infos()) == 2

    press(app, f"review_open_{site.review}")
    assert not keys(app, "look_"), "nothing is shown before one says who one is"
    enter(app, "review_who", "New reviewer …")
    enter(app, "review_name", "n" * 59 + " long")
    press(app, "review_join")
    assert site.session.reviewers == ("Ada", "n" * 59)
    app = open_page(session="../../etc/passwd")
    assert "../../etc/passwd" in texts(app) and "session" not in app.query_params


def test_looking_keeps_a_draft_and_writes_one_event_for_each_picture(site):
    app = site.open("Ada")
    first, second = site.round.order_for("Ada")[:2]
    version = site.session.version
    for text in ("a", "a pale", "a pale patch"):
        typed(app, look_key(site, "text", 0), text)
    app.session_state[look_key(site, "tags", 0)] = ["pale face"]
    enter(app, look_key(site, "sure", 0), 85)
    assert site.session.version == version, "a pause is no event"
    again = site.open("Ada")  # the browser was closed
    assert fields(again)["What do you see?"] == "a pale patch"
    assert again.slider(key=look_key(site, "sure", 0)).value == 85

    press(again, "look_next")
    assert site.session.version == version + 1
    assert (said(site, first).text, said(site, first).confidence) == ("a pale patch", 0.85)
    press(again, "look_back")
    press(again, "look_next")
    assert site.session.version == version + 1, "nothing new"
    typed(again, look_key(site, "text", 1), "second")
    step(again, "Log")
    assert said(site, second).text == "second"
    step(again, "Look")
    typed(again, look_key(site, "text", 1), "")
    press(again, f"look_reveal_{site.round.id}")
    assert said(site, second).empty, "emptied by hand"
    kinds = [type(event.action) for event in site.session.log[version:]]
    assert kinds == [ev.Observed] * 3 + [ev.Revealed]


def test_what_a_control_held_when_its_page_was_left_replaces_nothing(site):
    item = site.round.order_for("Ada")[0]
    site.observe("Ada", item, "full text", tags=("face",), confidence=0.837, regions=(BOX,))
    app = site.open("Ada")
    (board,) = [
        json.loads(node.proto.json)
        for node in app.get("bidi_component")
        if node.proto.component_name == "compare_editor"
    ]
    assert board["shapes"] == [shape_to_dict(BOX)]
    enter(app, look_key(site, "sure", 0), 20)
    app.session_state[look_key(site, "tags", 0)] = []  # as after a change of pages
    app.session_state[look_key(site, "text", 0)] = {}
    press(app, "look_next")
    now = said(site, item)
    assert (now.text, now.tags, now.regions, now.confidence) == (
        "full text", ("face",), (BOX,), 0.2
    )  # fmt: skip
    app.session_state["review_step"] = None  # none while the browser changes pages
    checked(app.run())
    assert keys(app, "look_text_")


PREPARATION = ("New blind round",)  # its controls list all classes of the model


def test_while_one_looks_nothing_tells_what_a_picture_is(site):
    """No class, role, seed, prototype or file name, and nothing of what others have written."""
    items = site.round.items
    site.observe("Ben", items[0], "Bens Satz", tags=("Bens Wort",), regions=(BOX,))
    site.reveal("Ben")
    app, seen = site.open("Ada"), []
    words = [*CLASS_NAMES, "target", "distractor", "baseline", "fourier", "seed", "Bens"]
    secrets = [
        secret
        for item in items
        for secret in (item.prototype_id, item.digest, item.class_label)
    ]  # fmt: skip
    for place in range(6):
        shown = everything(app, but=PREPARATION)
        assert f"Picture {place + 1} of 6" in shown
        for word in (*words, *secrets):
            at = shown.lower().find(word.lower())
            assert at < 0, shown[max(0, at - 200) : at + 100]
        seen += [key.split("_")[3] for key in keys(app, "look_tags_")]
        if place < 5:
            press(app, "look_next")
    assert seen == [item.id for item in site.round.order_for("Ada")]
    assert seen != [item.id for item in site.round.order_for("Ben")]
    for item in items:
        content = _large(site.session, item)
        chunks, place = set(), 8
        while place < len(content):
            size = int.from_bytes(content[place : place + 4])
            chunks.add(content[place + 4 : place + 8])
            place += 12 + size
        assert chunks == {b"IHDR", b"IDAT", b"IEND"}, "the picture carries no words"


def test_names_agreement_occlusion_and_later_remarks(site):
    item = next(one for one in site.round.items if one.role == "target")
    site.observe("Ada", item, "Adas Satz", tags=("face",), regions=(BOX,))
    site.observe("Ben", item, "Bens Satz", tags=("face", "sky"), regions=(BOX,))
    link = ev.ObservationLink(round=site.round.id, item=item.id, observer="Ada")
    site.claim(links=(link,), author="Ben")
    app = site.open("Ada", "Look")
    press(app, f"look_reveal_{site.round.id}")
    shown = everything(app)
    assert "Adas Satz" in shown and "Bens" not in shown, "he still looks"
    ben = site.open("Ben", "Claims")
    assert "Adas" not in everything(ben) and "hidden until you have finished" in texts(ben)
    site.reveal("Ben")
    checked(app.run())
    assert "Bens Satz" in texts(app)
    metrics = {metric.label: metric.value for metric in app.metric}
    assert (metrics["Shared tags"], metrics["Overlap of regions"]) == ("50%", "100%")

    key = f"cover_{site.round.id}_{item.id}_Ada"
    press(app, key)
    (occlusion,) = site.round.occlusions
    assert (occlusion.item, occlusion.observer, occlusion.class_index) == (item.id, "Ada", GOWN)
    assert "Occluded, it matters" in texts(app)

    later = f"later_{site.round.id}_{item.id}_Ada"
    press(app, f"{later}_button")
    assert not site.round.later, "nothing new"
    typed(app, later, "it is a gown after all")
    press(app, f"{later}_button")
    assert said(site, item).text == "Adas Satz"
    assert site.round.later[(item.id, "Ada")].said.text == "it is a gown after all"


def test_a_round_is_made_of_a_class_or_of_prototypes_sent_here(site, monkeypatch):
    shorten(monkeypatch)
    app = site.open("Ben")
    enter(app, "round_class", HAT)
    assert app.button(key="round_start").disabled, "the distractor must be another class"
    enter(app, "round_distractor", GOWN)
    enter(app, "round_seeds", 1)
    enter(app, "round_others", 1)
    press(app, "round_start")
    settled(app)
    made = site.session.rounds[1]
    assert (made.opened_by, made.class_index) == ("Ben", HAT)
    assert [item.role for item in made.items] == ["target", "distractor", "baseline"]
    press(app, f"look_at_{site.round.id}")
    assert keys(app, "look_tags_")[0].startswith(f"look_tags_{site.round.id}")

    ids = [item.prototype_id for item in site.round.items]
    app = open_page(prototypes=f"{ids[0]},{ids[3]},gone")
    assert app.multiselect(key="review_new_classes").value == [GOWN, HAT]
    enter(app, "review_new_name", "Eve")
    press(app, "review_new")
    press(app, "round_linked")
    settled(app)
    opened = resources.library().reviews.session(infos()[0].id).rounds[0]
    assert [item.prototype_id for item in opened.items] == [ids[0], ids[3]]


def fill(app, key="new", **values):
    """Change fields of the claim form, each as its control does."""
    for name, value in values.items():
        change = typed if name in ("statement", "a", "b", "why") else enter
        change(app, f"claim_{name}_{key}", value)
    return app


def test_a_claim_is_begun_left_and_written_down(site):
    item = next(one for one in site.round.items if one.role == "target")
    site.observe("Ada", item, "x", tags=("face",))
    app = site.open("Ada", "Claims")
    assert not keys(app, "claim_known"), "what is planted is not listed before one has looked"
    site.reveal("Ada")
    app = fill(site.open("Ada", "Claims"), statement=f" {STATEMENT} ", target=GOWN, rivals=[HAT])
    fill(app, a="pale", measure="probability", direction="a < b", smallest=0.125, paired=True)
    fill(app, links=[(site.round.id, item.id, "Ada")])
    press(app, "claim_save_new")
    assert "must have 1 to 300 characters" in texts(app) and not site.session.claims
    step(app, "Log")
    restart()
    app = site.open("Ada", "Claims")
    assert fields(app)["Claim, in one sentence"] == f" {STATEMENT} "
    assert app.number_input(key="claim_smallest_new").value == 0.125
    assert fields(site.open("Ben", "Claims"))["Claim, in one sentence"] == ""
    fill(app, b="dark", why="seen twice")
    press(app, "claim_save_new")
    claimed = site.session.claims[0].current.said
    assert (claimed.statement, claimed.cohort_a, claimed.cohort_b, claimed.why) == (
        STATEMENT, "pale", "dark", "seen twice"
    )  # fmt: skip
    assert claimed.plan == TestPlan(
        target=GOWN, rivals=(HAT,), measure="probability", direction="a < b", paired=True,
        smallest_effect=0.125,
    )  # fmt: skip
    assert claimed.links == (ev.ObservationLink(round=site.round.id, item=item.id, observer="Ada"),)
    assert "Rests on 1 observation: face" in texts(app)
    assert resources.library().drafts.load(site.review, "Ada", "claim new") == {}

    options = app.selectbox(key="claim_known_new").options
    assert not re.search("planted|sham|true|false|bias", " ".join(options).lower())
    assert options == sorted(options), "the order tells nothing"
    fill(app, known="gown-glasses")
    form = resources.library().drafts.load(site.review, "Ada", "claim new")
    assert (form["a"], form["b"]) == ("academic gown, glasses", "academic gown, no glasses")
    fill(app, statement="My own words")
    fill(app, known="mortarboard-face")
    press(app, "claim_save_new")
    second = site.session.claims[1].current.said
    assert (second.statement, second.known) == ("My own words", "mortarboard-face")


def test_nobody_overwrites_anybody_and_nothing_written_is_lost(site):
    site.claim()
    key = f"claim_save_{CLAIM}"
    ada = site.open("Ada", "Claims")
    press(ada, key)
    assert "Nothing was changed" in texts(ada)
    fill(ada, CLAIM, statement="Adas change", why="Adas reason")
    site.claim(author="Ben", base=site.session.version, statement="Bens change")
    version = site.session.version
    press(ada, key)
    assert f"event {version}" in texts(ada) and "Ben has changed this claim" in texts(ada)
    fill(ada, CLAIM, paired=False)
    press(ada, f"claim_older_button_{CLAIM}")
    shown = [json.loads(node.proto.json) for node in ada.get("bidi_component")]
    assert {"Adas change", "Adas reason"} <= {one.get("text") for one in shown}
    press(ada, key)
    versions = site.session.claim(CLAIM).versions
    assert [(one.author, one.said.statement) for one in versions] == [
        ("Ada", "About gown-skin"), ("Ben", "Bens change"), ("Ada", "Adas change")
    ]  # fmt: skip
    perform(site)
    ada = site.open("Ada", "Claims")
    fill(ada, CLAIM, statement="Something else")
    press(ada, key)
    assert "Tested first: Adas change" in texts(ada)


def perform(site, claim=CLAIM, count=6):
    """Test a claim with pictures of the demo world, elsewhere."""
    known = site.session.claim(claim).current.said.known
    images = CohortImages(recipe=DemoRecipe(claim=known, count=count, haze=0.6))
    job = submit_test(
        resources.engine(), resources.library(), resources.pool(), site.review, "Ada", claim, images
    )
    view = resources.engine().wait(job, 60)
    assert view.status == "done", view.error
    return view.result


@pytest.fixture
def folders(tmp_path):
    """Two folders of six pictures, pairs by name, and a broken file in the first."""
    for side, base in (("light", 180), ("dark", 30)):
        (tmp_path / side).mkdir()
        for number in range(6):
            pixels = np.random.default_rng([base, number]).integers(0, 70, (40, 40, 3))
            image = Image.fromarray((pixels + base).astype(np.uint8))
            image.save(tmp_path / side / f"{number}.png")
    (tmp_path / "light" / "broken <b>.png").write_bytes(b"nothing")
    return tmp_path


def test_a_claim_is_tested_on_demo_scenes_folders_and_uploads(site, folders):
    site.claim()
    app = site.open("Ada", "Tests")
    assert len(app.image) == 8, "four pairs are shown"
    enter(app, f"cohort_count_{CLAIM}", 5)
    enter(app, f"cohort_seed_{CLAIM}", 30)
    step(app, "Claims")
    step(app, "Tests")
    press(app, f"test_start_{CLAIM}")
    settled(app)
    (test,) = site.session.tests
    assert test.started.source_a == "demo world, 5 scenes from 30 on, haze 0"
    assert "Outcome" in texts(app)

    enter(app, f"cohort_source_{CLAIM}", "folder")
    enter(app, f"cohort_folder_a_{CLAIM}", str(folders / "nowhere"))
    enter(app, f"cohort_folder_b_{CLAIM}", str(folders / "dark"))
    assert str(folders / "nowhere") in texts(app)
    assert app.button(key=f"test_start_{CLAIM}").disabled
    enter(app, f"cohort_folder_a_{CLAIM}", str(folders / "light"))
    press(app, f"test_start_{CLAIM}")
    settled(app)
    assert site.session.tests[1].started.source_a == "folder light"
    assert "A: light/broken <b>.png: not an image that can be read" in texts(app)

    enter(app, f"cohort_source_{CLAIM}", "upload")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(folders / "dark" / "1.png", "../../1.png")
    app.file_uploader(key=f"cohort_upload_a_{CLAIM}").set_value([("x.zip", b"PK", "")])
    app.file_uploader(key=f"cohort_upload_b_{CLAIM}").set_value(
        [("y.zip", packed.getvalue(), "application/zip")]
    )
    checked(app.run())
    assert "X.zip is not a zip archive" in texts(app)
    app.file_uploader(key=f"cohort_upload_a_{CLAIM}").set_value(
        [("y.zip", packed.getvalue(), "application/zip")]
    )
    checked(app.run())
    press(app, f"test_start_{CLAIM}")
    settled(app)
    assert "a cohort needs at least 2 images" in texts(app)
    assert [test.status for test in site.session.tests] == ["finished", "finished", "failed"]


def test_a_test_that_was_interrupted_is_marked_and_retried(site):
    site.claim()
    plan = site.session.claim(CLAIM).current.said.plan
    started = ev.TestStarted(test="7e577e57", claim=CLAIM, plan=plan, source_a="x", source_b="y")
    site.act("Ada", started)
    restart()
    app = site.open("Ben", "Tests")
    press(app, "test_orphan")
    assert site.session.tests[0].error.startswith("interrupted")
    assert site.session.log[-1].author == "Ben"
    assert keys(app, "test_start_")


def test_from_the_decision_to_report_bundle_and_log(site, monkeypatch, tmp_path):
    site.claim()
    perform(site)
    app, key = site.open("Ada", "Tests"), f"{CLAIM}_Ada"
    typed(app, f"decision_note_{key}", "for all I know")
    press(app, f"decision_save_{key}")
    assert not site.session.claim(CLAIM).decisions
    assert "Choose a decision first" in texts(app)
    enter(app, f"decision_{key}", "undecided")
    press(app, f"decision_save_{key}")
    decision = site.session.claim(CLAIM).decisions["Ada"]
    assert (decision.decision, decision.note) == ("undecided", "for all I know")
    version = site.session.version
    press(app, f"decision_save_{key}")
    assert site.session.version == version, "the same decision is logged once"

    step(app, "Log")
    typed(app, "review_note", "a remark | with <b>signs</b>")
    press(app, "review_note_button")
    assert fields(app)["Remark for the log"] == ""
    assert app.dataframe[0].value["What"][0] == "noted: a remark | with <b>signs</b>"

    offered = {}
    original = st.download_button

    def noted(label, data=None, *args, **options):
        offered[options["key"]] = (data, options.get("file_name"))
        return original(label, data, *args, **options)

    monkeypatch.setattr(st, "download_button", noted)
    step(app, "Report")
    rows = app.dataframe[0].value
    assert list(rows["Claim"]) == ["1 · About gown-skin"]
    page = offered["review_report"][0]().decode()
    assert "About gown-skin" in page and "<script" not in page
    path = tmp_path / offered["review_bundle"][1]
    path.write_bytes(offered["review_bundle"][0]())
    elsewhere = Library(tmp_path / "elsewhere")
    report = import_review(elsewhere, path)
    assert elsewhere.reviews.session(report.review_id).log == site.session.log
    elsewhere.close()
    press(app, "review_verify")
    settled(app)
    assert re.search(r"Verified: [1-9][0-9]* ok, 0 differs", texts(app)), texts(app)

    content = export_review_to_cache(resources.library(), site.review).read_bytes()
    resources.library().reviews.delete([site.review])
    resources.library().reviews.purge()
    app = open_page()
    app.file_uploader(key="review_import").set_value(("x.protocore-review", content, ""))
    checked(app.run())
    press(app, "review_import_button")
    assert site.session.log
    test = site.session.final_test(CLAIM).id
    path = resources.library().reviews.file(site.review, "tests", test, "result.json")
    path.write_text(path.read_text() + " ")
    restart()
    assert "is not what the session has recorded" in texts(site.open("Ada", "Report"))


@pytest.mark.parametrize("name", ["Look", "Claims", "Tests", "Report", "Log"])
def test_odd_values_and_hostile_texts_are_shown_as_they_are(site, name):
    bad, long = "<script>Eve</script> $x$ :rainbow[r]", "w" * 50
    site.act("Ada", ev.Renamed(title=HOSTILE[:200]))
    site.act(bad, ev.Joined())
    items = site.round.items
    for author in (bad, "Ada"):
        site.observe(author, items[0], HOSTILE, tags=("<script>", "$x$", ":rainbow[a]", long))
    site.reveal("Ada", bad)
    site.observe(bad, items[1], HOSTILE)
    link = ev.ObservationLink(round=site.round.id, item=items[0].id, observer=bad)
    site.claim(
        statement=HOSTILE, cohort_a=HOSTILE[:300], cohort_b="$x$ <img src=x>", why=HOSTILE,
        links=(link,), author=bad,
    )  # fmt: skip
    perform(site)
    site.act(bad, ev.Decided(claim=CLAIM, decision="undecided", note=HOSTILE))
    site.act(bad, ev.Noted(text=HOSTILE))
    site.claim(statement="later " + HOSTILE, author=bad, base=site.session.claim(CLAIM).current.seq)
    plan = TestPlan(target=GOWN, measure="logit", smallest_effect=1e300)
    site.claim(claim="c2a2c2a2", plan=plan, known="not-known")
    app = site.open("Ada", name)
    found = DANGEROUS.search(raw(app))
    assert not found, raw(app)[max(0, found.start() - 80) : found.end() + 40]
    html = "".join(node.proto.body for node in app.get("html"))
    assert "<script" not in html and "onerror" not in html
    assert "<script>window" in texts(app) or name in ("Report", "Log")
    if name == "Claims":
        assert app.number_input(key="claim_smallest_c2a2c2a2").value == 1e6


HOSTILE = (
    "<script>window.hurt = 1</script><img src=x onerror='window.hurt=1'> "
    "[go](javascript:alert(1)) ![i](http://evil.example/x.png) $x^2$ :rainbow[colour] "
    ":material/home: `code` **bold** &lt;b&gt;"
)
DANGEROUS = re.compile(
    r"(?<!\\)<script|(?<!\\)<img|(?<!\\)\]\(|(?<!\\)\$x|(?<!\\):rainbow|(?<!\\)\*\*bold|(?<!\\)`code"
)


def test_a_model_that_changed_or_lacks_a_class_is_explained(site):
    started = site.session.started
    for weights, classes, words in (
        ("ab" * 32, (0,), "weights"),
        (started.weight_hash, (10**6,), "class 1000000"),
    ):
        other = resources.library().reviews.create(
            "Ada",
            ev.Started(
                title="Old", model_link=started.model_link, model_title=started.model_title,
                weight_hash=weights, classes=classes,
            ),
        )  # fmt: skip
        assert any(words in box.value for box in open_page("Ada", session=other).error)
