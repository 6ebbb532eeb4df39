"""Values that only an import or another model brings: the Bias Review page still stands."""

import numpy as np
import pytest
from PIL import Image

from pages.components.common import resources
from protocore.cohorts.plan import TestPlan
from protocore.review import events as ev
from tests.pages.review_site import (
    CLAIM,
    GOWN,
    checked,
    enter,
    keys,
    open_page,
    press,
    settled,
    texts,
)

pytestmark = pytest.mark.usefixtures("clean_app")


@pytest.mark.parametrize("name", ["Look", "Claims", "Tests", "Report", "Log"])
def test_numbers_that_no_control_gives(site, name):
    item = site.round.order_for("Ada")[0]
    tags = tuple(f"{number} " + "t" * 45 for number in range(30))
    site.observe("Ada", item, "x", confidence=0.837, tags=tags)
    for key, effect, measure in (("c1", 1e300, "logit"), ("c2", 0.99951, "accuracy")):
        plan = TestPlan(target=GOWN, measure=measure, smallest_effect=effect)
        site.claim(claim=key * 4, plan=plan, known="not-known")
    app = site.open("Ada", name)
    if name == "Look":
        key = f"look_sure_{site.round.id}_{item.id}_Ada"
        assert app.slider(key=key).value == 84
        assert site.round.blind[(item.id, "Ada")].said.confidence == 0.837
    if name == "Claims":
        assert app.number_input(key="claim_smallest_c1c1c1c1").value == 1e6
        assert app.number_input(key="claim_smallest_c2c2c2c2").value == 0.99951
    if name == "Tests":
        assert "The demo world has no claim 'not-known'; update Protocore" in texts(app)


def test_pages_of_images_fit_the_cohort_that_is_shown(site, tmp_path):
    for side, count in (("a", 30), ("b", 3)):
        (tmp_path / side).mkdir()
        for number in range(count):
            pixels = np.random.default_rng([number, count]).integers(0, 256, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / side / f"{number}.png")
    site.claim(known="", plan=TestPlan(target=GOWN))
    app = site.open("Ada", "Tests")
    for side in "ab":
        enter(app, f"cohort_folder_{side}_{CLAIM}", str(tmp_path / side))
    press(app, f"test_start_{CLAIM}")
    settled(app)
    (page,) = keys(app, "gallery_page_")
    enter(app, page, 2)
    assert len(app.image) == 6
    enter(app, keys(app, "gallery_side_")[0], "b")
    assert len(app.image) == 3 and app.number_input(key=page).value == 1


def test_classes_of_another_model_are_not_taken_over(small_checkpoint):
    app = open_page()
    enter(app, "review_new_classes", [1, 11])
    enter(app, "review_new_title", "x")
    enter(app, "review_new_name", "Ada")
    values = {
        "spec": small_checkpoint, "source": "checkpoint", "device": "cpu", "size": 64,
        "architecture": small_checkpoint.architecture, "path": str(small_checkpoint.file.path),
        "names": str(small_checkpoint.names_file.path), "mean": "", "std": "",
    }  # fmt: skip
    for name, value in values.items():  # as the picker's own controls do
        app.session_state[f"model_{name}"] = value
    checked(app.run())
    assert "About squeezenet1" in texts(app), texts(app)
    press(app, "review_new")
    session = resources.library().reviews.session(app.session_state["review_open"])
    assert session.started.classes == (1,)


def test_a_reviewer_whose_name_is_cut_stays_one(site):
    name = "n" * 59 + " long"
    app = open_page(session=site.review)
    enter(app, "review_who", "somebody else …")
    enter(app, "review_name", name)
    press(app, "review_join")
    assert len(site.session.reviewers) == 2
    assert "You are **nnn" in texts(app)
    version = site.session.version
    (key,) = keys(app, "look_text_")
    enter(app, key, "seen")
    assert site.session.version == version + 1 and len(site.session.reviewers) == 2
    assert isinstance(site.session.log[-1].action, ev.Observed)
