"""Claims, tests, decisions, report and log of the Bias Review page, without a browser."""

import io
import re
import threading
import zipfile

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from pages.components.common import resources
from protocore.cohorts.plan import TestPlan
from protocore.cohorts.recipes import claim_recipe
from protocore.compare.edits import Box
from protocore.demo.biases import KNOWN_CLAIMS
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
    keys,
    open_page,
    press,
    restart,
    settled,
    step,
    texts,
)

pytestmark = pytest.mark.usefixtures("clean_app")
STATEMENT = "Gowns are recognised better on pale people"
HOSTILE = (
    "<script>window.hurt = 1</script><img src=x onerror='window.hurt=1'> "
    "[go](javascript:alert(1)) ![i](http://evil.example/x.png) $x^2$ :rainbow[colour] "
    ":material/home: `code` **bold** &lt;b&gt;"
)


def fill(app, key="new", **values):
    for name, value in values.items():
        enter(app, f"claim_{name}_{key}", value)
    return app


# --- writing claims ---


def test_a_claim_is_written_with_all_that_it_says(site):
    item = next(one for one in site.round.items if one.role == "target")
    site.observe("Ada", item, "x", tags=("face",))
    site.reveal("Ada")
    app = site.open("Ada", "Claims")
    assert app.button(key="claim_save_new").label == "Write down the claim"
    fill(app, statement=f" {STATEMENT} ", target=GOWN, rivals=[HAT], a="pale", b="dark")
    fill(app, measure="probability")
    assert app.number_input(key="claim_smallest_new").value == 0.02
    fill(app, direction="a < b", smallest=0.125, paired=True, why="seen twice")
    links = app.multiselect(key="claim_links_new")
    assert links.options == [f"round 1, {item.class_label}, seed {item.seed}, Ada: face"]
    fill(app, links=[(site.round.id, item.id, "Ada")])
    press(app, "claim_save_new")
    (claim,) = site.session.claims
    said = claim.current.said
    assert (said.statement, said.cohort_a, said.cohort_b, said.why) == (
        STATEMENT, "pale", "dark", "seen twice"
    )  # fmt: skip
    assert said.plan == TestPlan(
        target=GOWN, rivals=(HAT,), measure="probability", direction="a < b", paired=True,
        smallest_effect=0.125,
    )  # fmt: skip
    assert said.links == (ev.ObservationLink(round=site.round.id, item=item.id, observer="Ada"),)
    assert claim.current.author == "Ada"
    assert f"**Claim 1: {STATEMENT}**" in texts(app)
    assert "Rests on 1 observation: face" in texts(app)
    assert app.text_input(key="claim_statement_new").value == "", "the form begins anew"


def test_what_was_begun_survives_another_step_and_a_restart(site):
    values = {
        "statement": STATEMENT, "target": HAT, "rivals": [GOWN], "a": "pale", "why": "because",
        "measure": "rival logit", "direction": "a != b", "smallest": 0.25, "paired": True,
    }  # fmt: skip
    app = fill(site.open("Ada", "Claims"), **values)
    step(app, "Log")
    step(app, "Claims")
    restart()
    for one in (app, site.open("Ada", "Claims")):
        found = {name: one.main.get_by_key(f"claim_{name}_new").value for name in values}
        assert found == values
    assert site.session.claims == ()
    other = site.open("Ben", "Claims")
    assert other.text_input(key="claim_statement_new").value == "", "nobody else's business"


def test_the_class_alone_is_kept_too(site):
    fill(site.open("Ada", "Claims"), target=HAT)
    restart()
    assert site.open("Ada", "Claims").selectbox(key="claim_target_new").value == HAT


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"statement": " "}, "The claim must have 1 to 1000 characters"),
        ({"a": ""}, "The cohort A must have 1 to 300 characters"),
        ({"rivals": [GOWN]}, "The target and its rivals must be different classes"),
        ({"measure": "rival logit"}, "The measure 'rival logit' needs a rival class; name one"),
        ({"smallest": 1.0}, "The smallest effect must be >= 0 and < 1 for accuracy, got 1"),
    ],
)
def test_what_is_no_claim_is_explained_and_stays_in_the_form(site, values, message):
    app = fill(site.open("Ada", "Claims"), statement=STATEMENT, target=GOWN, a="pale", b="dark")
    fill(app, **values)
    press(app, "claim_save_new")
    assert message in texts(app)
    assert app.text_input(key="claim_b_new").value == "dark"
    assert site.session.claims == ()


def test_changing_a_claim_keeps_its_history(site):
    site.claim()
    app = site.open("Ada", "Claims")
    press(app, f"claim_save_{CLAIM}")
    assert "Nothing was changed: the claim stays as it is" in texts(app)
    fill(app, CLAIM, statement="Another one")
    press(app, f"claim_save_{CLAIM}")
    claim = site.session.claim(CLAIM)
    assert [one.said.statement for one in claim.versions] == ["About gown-skin", "Another one"]
    assert claim.current.said.known == "gown-skin"
    assert app.text_input(key=f"claim_statement_{CLAIM}").value == "Another one"


def test_nobody_overwrites_anybody_and_nothing_written_is_lost(site):
    site.claim()
    ada = fill(site.open("Ada", "Claims"), CLAIM, statement="Adas change", why="Adas reason")
    site.claim(author="Ben", base=site.session.version, statement="Bens change")
    version = site.session.version
    press(ada, f"claim_save_{CLAIM}")
    assert f"Ben has changed this claim meanwhile (event {version})" in texts(ada)
    assert site.session.claim(CLAIM).current.said.statement == "Bens change"
    assert ada.text_input(key=f"claim_statement_{CLAIM}").value == "Bens change"
    assert "Ben has changed this claim while you were changing it" in texts(ada)
    press(ada, f"claim_older_button_{CLAIM}")
    assert ada.text_input(key=f"claim_statement_{CLAIM}").value == "Adas change"
    assert ada.text_area(key=f"claim_why_{CLAIM}").value == "Adas reason"
    assert not keys(ada, "claim_older_button")
    press(ada, f"claim_save_{CLAIM}")
    assert [one.author for one in site.session.claim(CLAIM).versions] == ["Ada", "Ben", "Ada"]
    assert site.session.claim(CLAIM).current.said.statement == "Adas change"


def test_known_pictures_fill_the_form_and_do_not_tell_what_is_true(site):
    app = site.open("Ada", "Claims")
    known = app.selectbox(key="claim_known_new")
    assert len(known.options) == len(KNOWN_CLAIMS)
    for word in ("planted", "sham", "true", "false", "bias"):
        assert not any(word in option.lower() for option in known.options)
    assert known.options == sorted(known.options), "the order tells nothing"
    fill(app, known="gown-glasses")
    values = {
        name: app.session_state[f"claim_{name}_new"] for name in ("a", "b", "paired", "measure")
    }
    assert values == {
        "a": "academic gown, glasses", "b": "academic gown, no glasses", "paired": True,
        "measure": "logit",
    }  # fmt: skip
    assert app.selectbox(key="claim_target_new").value == GOWN
    sham = app.text_input(key="claim_statement_new").value
    assert sham == "The model finds “academic gown” more with glasses than with no glasses."
    fill(app, known="gown-skin")
    assert app.text_input(key="claim_statement_new").value == (
        "The model finds “academic gown” more with skin tone light than with skin tone dark."
    )
    fill(app, statement="My own words")
    fill(app, known="mortarboard-face")
    assert app.text_input(key="claim_statement_new").value == "My own words"
    press(app, "claim_save_new")
    assert site.session.claims[0].current.said.known == "mortarboard-face"


def test_a_change_after_the_test_is_visible(site):
    site.claim()
    perform(site)
    app = site.open("Ada", "Claims")
    assert "Locked by its first test (entry" in texts(app)
    assert "This claim has been tested. A change will be visible" in texts(app)
    fill(app, CLAIM, statement="Something else")
    press(app, f"claim_save_{CLAIM}")
    assert "Changed by Ada after the first test. Tested first: About gown-skin" in texts(app)
    rows = step(app, "Report").dataframe[0].value
    assert list(rows["Changed after its test"]) == ["yes"]


def perform(site, claim=CLAIM, count=6):
    """Test a claim with pictures of the demo world, elsewhere."""
    known = site.session.claim(claim).current.said.known
    images = CohortImages(recipe=claim_recipe(known, count=count, haze=0.6))
    job = submit_test(
        resources.engine(), resources.library(), resources.pool(), site.review, "Ada", claim, images
    )
    view = resources.engine().wait(job, 60)
    assert view.status == "done", view.error
    return view.result


# --- the images of a test ---


def test_without_a_claim_there_is_nothing_to_test(site):
    assert "There is no claim to test yet" in texts(site.open("Ada", "Tests"))


def test_a_demo_claim_is_tested_with_the_scenes_that_were_chosen(site):
    site.claim()
    app = site.open("Ada", "Tests")
    assert len(app.image) == 8, "four pairs are shown"
    assert "Starting the test locks the claim" in texts(app)
    enter(app, f"cohort_count_{CLAIM}", 5)
    enter(app, f"cohort_seed_{CLAIM}", 30)
    enter(app, f"cohort_haze_{CLAIM}", 0.5)
    step(app, "Claims")
    step(app, "Tests")
    press(app, f"test_start_{CLAIM}")
    settled(app)
    (test,) = site.session.tests
    assert test.started.source_a == "demo world, 5 scenes from 30 on, haze 0.5"
    result = resources.test_result(site.review, test.id, test.digest)
    assert result.recipe == claim_recipe("gown-skin", count=5, seed=30, haze=0.5)
    assert app.button(key=f"test_start_{CLAIM}").label == "Test it"
    assert "By the rule" in texts(app)


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


def by_folders(site, folders, a="light", b="dark", **changes):
    site.claim(known="", **changes)
    app = site.open("Ada", "Tests")
    assert app.button(key=f"test_start_{CLAIM}").disabled
    enter(app, f"cohort_folder_a_{CLAIM}", str(folders / a))
    return enter(app, f"cohort_folder_b_{CLAIM}", str(folders / b))


def test_folders_are_counted_and_tested_and_what_is_skipped_is_said(site, folders):
    app = by_folders(site, folders)
    assert "7 images" in texts(app) and "6 images" in texts(app)
    press(app, f"test_start_{CLAIM}")
    settled(app)
    (test,) = site.session.tests
    assert (test.status, test.started.source_a) == ("finished", "folder light")
    assert "1 files were not used" in [box.label for box in app.expander]
    assert "A: light/broken <b>.png: not an image that can be read" in texts(app)
    assert "small cohort: 6 images" in texts(app)
    rows = app.dataframe[0].value
    assert list(rows["Images"]) == [6, 6] and list(rows["Cohort"]) == ["light", "dark"]


def test_a_wrong_folder_is_explained_and_the_other_stays(site, folders):
    app = by_folders(site, folders, a="nowhere")
    assert f"There is no folder {folders / 'nowhere'}; give one with" in texts(app)
    assert app.text_input(key=f"cohort_folder_b_{CLAIM}").value == str(folders / "dark")
    assert app.button(key=f"test_start_{CLAIM}").disabled
    (folders / "empty").mkdir()
    enter(app, f"cohort_folder_a_{CLAIM}", str(folders / "empty"))
    assert "empty holds no images; choose another folder" in texts(app)
    step(app, "Log")
    step(app, "Tests")
    assert app.text_input(key=f"cohort_folder_b_{CLAIM}").value == str(folders / "dark")


def test_too_few_images_are_a_failed_test_that_can_be_repeated(site, folders):
    for number in range(5):
        (folders / "light" / f"{number}.png").unlink()
    app = by_folders(site, folders)
    press(app, f"test_start_{CLAIM}")
    settled(app)
    assert "The last test came to no result: a cohort needs at least 2 images" in texts(app)
    assert site.session.tests[0].status == "failed"
    enter(app, f"cohort_folder_a_{CLAIM}", str(folders / "dark"))
    press(app, f"test_start_{CLAIM}")
    settled(app)
    assert [test.status for test in site.session.tests] == ["failed", "finished"]
    assert "came to no result" not in texts(app)


def test_uploads_and_archives_of_them(site, folders):
    site.claim(known="")
    app = site.open("Ada", "Tests")
    enter(app, f"cohort_source_{CLAIM}", "upload")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((folders / "dark").iterdir()):
            archive.write(path, f"../../{path.name}")
    single = [(path.name, path.read_bytes(), "image/png") for path in (folders / "light").iterdir()]
    app.file_uploader(key=f"cohort_upload_a_{CLAIM}").set_value(single)
    app.file_uploader(key=f"cohort_upload_b_{CLAIM}").set_value(
        [("x.zip", packed.getvalue(), "application/zip")]
    )
    checked(app.run())
    press(app, f"test_start_{CLAIM}")
    settled(app)
    (test,) = site.session.tests
    result = resources.test_result(site.review, test.id, test.digest)
    assert (len(result.a), len(result.b), result.sources) == (6, 6, ("upload", "upload"))
    app = checked(app.run())
    app.file_uploader(key=f"cohort_upload_a_{CLAIM}").set_value([("x.zip", b"PK", "")])
    checked(app.run())
    assert "X.zip is not a zip archive" in texts(app)
    assert app.button(key=f"test_start_{CLAIM}").disabled


def test_a_test_that_is_stopped_can_be_started_again(site):
    site.claim()
    go_on = threading.Event()
    engine = resources.engine()
    engine.submit(kind="block", title="x", device="cpu", work=lambda control: go_on.wait(30))
    app = site.open("Ada", "Tests")
    press(app, f"test_start_{CLAIM}")
    assert site.session.tests[0].status == "running"
    assert not keys(app, "test_start_") and not keys(app, "test_orphan")
    press(app, "test_stop")
    go_on.set()
    settled(app)
    assert "the test was stopped before it began: start it again" in texts(app)
    assert site.session.tests[0].status == "failed"
    enter(app, f"cohort_count_{CLAIM}", 4)
    press(app, f"test_start_{CLAIM}")
    settled(app)
    assert site.session.final_test(CLAIM) is not None


def test_a_test_that_a_restart_interrupted_is_offered_to_be_noted(site):
    site.claim()
    plan = site.session.claim(CLAIM).current.said.plan
    site.act(
        "Ada",
        ev.TestStarted(test="7e577e57", claim=CLAIM, plan=plan, source_a="x", source_b="y"),
    )
    restart()
    app = site.open("Ben", "Tests")
    assert "This test is not being performed any more: the app was closed" in texts(app)
    press(app, "test_orphan")
    assert site.session.tests[0].error == "interrupted: the app was closed meanwhile"
    assert site.session.log[-1].author == "Ben"
    assert app.button(key=f"test_start_{CLAIM}").label == "Test it"


# --- results and decisions ---


@pytest.fixture
def decided(site):
    """The page with a claim that was tested."""
    site.claim()
    perform(site)
    return site.open("Ada", "Tests")


def test_the_images_can_be_sorted_and_stay_within_the_pages(decided):
    app = decided
    key = keys(app, "gallery_order_")[0]
    values = lambda: [  # noqa: E731
        float(re.search(r"logit (-?[0-9.]+)", one.value.replace("\\", "")).group(1))
        for one in app.caption if "logit " in one.value and " · " in one.value and "p " in one.value
    ]  # fmt: skip
    enter(app, key, "low")
    assert values() == sorted(values()) and len(values()) == 6
    enter(app, key, "high")
    assert values() == sorted(values(), reverse=True)
    before = values()
    enter(app, keys(app, "gallery_side_")[0], "b")
    assert len(values()) == 6 and values() != before


def test_a_decision_needs_a_choice_and_is_kept_with_its_note(site, decided):
    app, key = decided, f"{CLAIM}_Ada"
    assert app.button(key=f"decision_save_{key}").disabled
    enter(app, f"decision_note_{key}", "for all I know")
    assert app.button(key=f"decision_save_{key}").disabled
    enter(app, f"decision_{key}", "undecided")
    press(app, f"decision_save_{key}")
    decision = site.session.claim(CLAIM).decisions["Ada"]
    assert (decision.decision, decision.note) == ("undecided", "for all I know")
    assert app.button(key=f"decision_save_{key}").disabled, "nothing new"
    assert "**Ada**: undecided: for all I know" in texts(app)
    other = site.open("Ben", "Tests")
    assert "**Ada**: undecided" in texts(other)
    enter(other, f"decision_{CLAIM}_Ben", "supported")
    press(other, f"decision_save_{CLAIM}_Ben")
    assert set(site.session.claim(CLAIM).decisions) == {"Ada", "Ben"}
    restart()
    again = site.open("Ada", "Tests")
    assert again.text_input(key=f"decision_note_{key}").value == "for all I know"


def test_several_claims_are_corrected_and_earlier_tests_stay(site, decided):
    app = decided
    assert "Holm" not in texts(app)
    site.claim("gown-glasses", "c2a2c2a2")
    perform(site, "c2a2c2a2")
    perform(site)
    checked(app.run())
    assert "2 claims are tested in this session: p values are corrected by Holm's" in texts(app)
    assert "1 earlier tests of this claim" in [box.label for box in app.expander]


def test_evidence_about_pictures_is_hidden_from_those_who_still_look(site):
    item = site.round.items[0]
    site.observe(
        "Ada", item, "x", tags=("Adas Wort",), regions=(Box(left=0, top=0, right=1, bottom=1),)
    )
    site.reveal("Ada")
    link = ev.ObservationLink(round=site.round.id, item=item.id, observer="Ada")
    site.claim(links=(link,))
    perform(site)
    app = site.open("Ben", "Tests")
    assert "By the rule" in texts(app) and texts(app).count("shown when you have finished") == 3
    assert "Adas Wort" not in everything(app)
    assert "Adas Wort".lower() in texts(site.open("Ada", "Tests"))


def test_a_result_that_was_changed_outside_is_said(site, decided):
    (test,) = site.session.tests
    path = resources.library().reviews.file(site.review, "tests", test.id, "result.json")
    path.write_text(path.read_text().replace("Ada", "Eve") + " ")
    restart()
    app = site.open("Ada", "Tests")
    assert "is not what the session has recorded" in texts(app)
    assert f"decision_save_{CLAIM}_Ada" not in keys(app, "decision_save_")
    assert "is not what the session has recorded" in texts(step(app, "Report"))


# --- report, bundle, log ---


def test_report_and_bundle_to_take_away(site, decided, monkeypatch, tmp_path):
    offered = {}
    original = st.download_button

    def noted(label, data=None, *args, **options):
        offered[options["key"]] = (data, options.get("file_name"))
        return original(label, data, *args, **options)

    monkeypatch.setattr(st, "download_button", noted)
    app = step(decided, "Report")
    rows = app.dataframe[0].value
    assert list(rows["Claim"]) == ["1 · About gown-skin"]
    assert rows["By the rule"][0] in ("supported", "undecided", "not supported")
    assert list(rows["Decisions"]) == ["none yet"]
    page = offered["review_report"][0]().decode()
    assert "About gown-skin" in page and page.lstrip().startswith("<!doctype html>")
    assert not re.search(r'(src|href)\s*=\s*["\']?\s*(https?:)?//', page) and "<script" not in page
    assert offered["review_report"][1].endswith(".html")
    path = tmp_path / offered["review_bundle"][1]
    path.write_bytes(offered["review_bundle"][0]())
    elsewhere = Library(tmp_path / "elsewhere")
    report = import_review(elsewhere, path)
    copy = elsewhere.reviews.session(report.review_id)
    assert copy.log == site.session.log
    elsewhere.close()


def test_verifying_makes_everything_again(site, decided):
    app = step(decided, "Report")
    press(app, "review_verify")
    settled(app)
    assert re.search(r"Verified: [1-9][0-9]* ok, 0 differs", texts(app)), texts(app)
    rows = app.dataframe[1].value
    assert set(rows["Result"]) <= {"ok", "not possible"}
    seen = [one for one in rows["Check"] if one.endswith("what the model sees")]
    assert len(seen) == len(site.round.items)
    site.act("Ben", ev.Noted(text="x"))
    assert "Verified" not in texts(checked(app.run())), "that was another state"


def test_the_page_imports_what_it_exports(site, decided):
    content = export_review_to_cache(resources.library(), site.review).read_bytes()
    resources.library().reviews.delete([site.review])
    resources.library().reviews.purge()
    app = open_page()
    assert "No review has been begun yet" in texts(app)
    app.file_uploader(key="review_import").set_value(("x.protocore-review", content, ""))
    checked(app.run())
    press(app, "review_import_button")
    assert "Say who you are, above" in texts(app) and "#### What is worn" in texts(app)
    app = open_page()
    app.file_uploader(key="review_import").set_value(("x.protocore-review", b"PK\3\4", ""))
    checked(app.run())
    press(app, "review_import_button")
    assert len(app.error) == 1 and "#### Sessions" in texts(app)


def test_a_session_without_a_claim_has_a_report_too(site):
    app = site.open("Ada", "Report")
    assert "There is no claim yet; the report then holds what was seen." in texts(app)


def test_remarks_and_the_log(site, decided):
    app = step(decided, "Log")
    assert app.button(key="review_note_button").disabled
    enter(app, "review_note", "a remark | with <b>signs</b>")
    press(app, "review_note_button")
    assert app.text_input(key="review_note").value == ""
    rows = app.dataframe[0].value
    assert rows["What"][0] == "noted: a remark | with <b>signs</b>"
    assert list(rows["By"])[-1] == "Ada" and "opened the session" in list(rows["What"])[-1]
    assert "test 1 finished" in list(rows["What"])
    assert rows["By"][1] == "Protocore"


# --- hostile texts ---


def raw(app):
    """What is given to Markdown, as it is."""
    kinds = (app.markdown, app.info, app.error, app.caption, app.warning, app.success)
    return "\n".join(block.value for kind in kinds for block in kind)


DANGEROUS = re.compile(
    r"(?<!\\)<script|(?<!\\)<img|(?<!\\)\]\(|(?<!\\)\$x|(?<!\\):rainbow|(?<!\\)\*\*bold|(?<!\\)`code"
)


@pytest.mark.parametrize("name", ["Look", "Claims", "Tests", "Report", "Log"])
def test_hostile_texts_are_text_everywhere(site, name):
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
    app = site.open("Ada", name)
    found = DANGEROUS.search(raw(app))
    assert not found, raw(app)[max(0, found.start() - 80) : found.end() + 40]
    html = "".join(node.proto.body for node in app.get("html"))
    assert "<script" not in html and "onerror" not in html
    assert "<script>window" in texts(app) or name in ("Report", "Log")
