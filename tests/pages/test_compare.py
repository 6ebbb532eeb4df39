"""The Compare page without a browser: every control, runs, sections, links, errors."""

import shutil
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.components.common import resources
from protocore.compare.groups import load_groups
from protocore.errors import DivergedError
from protocore.generation.api import generate_prototypes
from protocore.generation.settings import GenerationSettings, Target
from protocore.library.library import SavedRun
from protocore.models.loading import load_classifier
from tests.compare.makers import noise

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds
QUICK = GenerationSettings(steps=3, baseline_steps=0)

pytestmark = pytest.mark.usefixtures("clean_app")


def checked(app):
    assert not app.exception, app.exception[0].stack_trace
    return app


def settled(app):
    """Run until no background work is left that the page waits for."""
    for _ in range(12):
        active = [job for job in resources.engine().views() if job.active]
        for job in active:
            resources.engine().wait(job.id, timeout=PATIENCE)
        checked(app.run())
        if not active and not any(job.active for job in resources.engine().views()):
            return app
    raise AssertionError("the page did not settle")


@pytest.fixture
def open_page(small_checkpoint):
    def open_page(*, settle=True, **link):
        app = AppTest.from_file(ROOT / "pages" / "3_Compare.py", default_timeout=PATIENCE)
        app.query_params["model"] = small_checkpoint.to_link()
        for name, value in link.items():
            app.query_params[name] = value
        checked(app.run())
        return settled(app) if settle else app

    return open_page


@pytest.fixture
def kept(small_checkpoint):
    """Keeps quick prototypes in the library; returns their identifiers."""

    def keep(targets, settings=QUICK, spec=small_checkpoint):
        prototypes = generate_prototypes(load_classifier(spec), targets, settings)
        run = SavedRun(title="kept", prototypes=prototypes, model_link=spec.to_link())
        return resources.library().run(resources.library().save_run(run)).prototypes

    return keep


@pytest.fixture
def pair(kept, open_page):
    """The page with ant and bee under two seeds."""
    ids = kept([Target.of(c, s) for c in (0, 1) for s in (0, 1)])
    return open_page(prototypes=",".join(ids))


def press(app, key):
    return checked(app.button(key=key).click().run())


def section(app, name):
    (control,) = [c for c in app.get("button_group") if c.label == "What to look at"]
    checked(control.set_value(name).run())
    return settled(app)


def choose(app, key, value):
    (control,) = [c for c in app.get("button_group") if c.key == key]
    return settled(checked(control.set_value(value).run()))


def texts(app):
    kinds = (app.markdown, app.info, app.error, app.caption, app.warning)
    return " ".join(block.value for kind in kinds for block in kind).replace("\\", "")


def param(app, name):
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def shown(app):
    ids = (param(app, "prototypes") or "").split(",")
    return [resources.library().prototype(i) for i in ids if i]


def viewer(app):
    return [
        c.proto for c in app.get("bidi_component") if c.proto.component_name == "compare_viewer"
    ]


def quick_settings(app):
    app.number_input(key="steps").set_value(3)
    app.slider(key="transforms_per_step").set_value(1)
    return checked(app.run())


def test_empty_page_says_what_to_do(open_page):
    app = open_page()
    assert "accept a suggestion of a related class" in texts(app)
    assert "the ones most related to it are then suggested" in texts(app)


def test_anchor_suggestion_and_button_make_a_fair_pair(open_page):
    app = open_page()
    checked(app.selectbox(key="compare_anchor").set_value(2).run())
    settled(app)
    suggestions = [b for b in app.button if (b.key or "").startswith("suggest_")]
    assert "No strong relation" in texts(app), "random weights relate nothing"
    assert "The anchor has no prototype yet" in texts(app)
    assert app.button(key="compare").disabled
    chosen = 0
    if suggestions:  # weak ones
        chosen = int(suggestions[0].key.removeprefix("suggest_"))
        press(app, suggestions[0].key)
    else:
        checked(app.multiselect(key="compare_classes").set_value([chosen]).run())
    assert app.multiselect(key="compare_classes").value == [chosen]
    quick_settings(app)
    press(app, "compare")
    assert param(app, "jobs")
    settled(app)
    found = shown(app)
    assert [(i.class_index, i.seed) for i in found] == [(2, 0), (2, 1), (chosen, 0), (chosen, 1)]
    assert len({i.run_id for i in found}) == 1, "made in one batch"
    assert param(app, "jobs") is None
    assert "Fair: for each seed the same start image" in texts(app)
    assert len(viewer(app)) == 1 and '"columns": 2' in viewer(app)[0].json
    # The anchor's prototypes are evidence now, and asking again makes nothing new.
    assert "The anchor has no prototype yet" not in texts(app)
    before = resources.library().count()
    press(app, "compare")
    settled(app)
    assert resources.library().count() == before and shown(app) == found


def test_bad_seeds_are_explained(open_page):
    app = open_page()
    checked(app.selectbox(key="compare_anchor").set_value(0).run())
    settled(app)
    checked(app.multiselect(key="compare_classes").set_value([1]).run())
    checked(app.text_input(key="compare_seeds").set_value("a").run())
    press(app, "compare")
    assert "Seeds must be whole numbers with commas, got 'a'" in texts(app)
    assert not param(app, "jobs")


def test_a_link_from_generate_fills_the_controls_and_one_class_asks_for_another(kept, open_page):
    ids = kept([Target.of(3, 5)], QUICK.replace(rotation=33.0))
    app = open_page(prototypes=ids[0])
    assert app.selectbox(key="compare_anchor").value == 3
    assert app.text_input(key="compare_seeds").value == "5"
    assert "A comparison needs at least two prototypes" in texts(app)
    checked(app.multiselect(key="compare_classes").set_value([1]).run())
    press(app, "compare")
    settled(app)
    found = shown(app)
    assert [(i.class_index, i.seed) for i in found] == [(3, 5), (1, 5)]
    assert found[0].id == ids[0], "the given one was not made again"
    record = resources.library().load_prototype(found[1].id).record
    assert record.settings == QUICK.replace(rotation=33.0), "though no slider can say 33"


def test_numbers(pair):
    assert len(pair.get("plotly_chart")) == 1
    assert '"0 \\u00b7 ant"' in pair.get("plotly_chart")[0].proto.spec
    choose(pair, "compare_kind_probability", "logit")
    assert param(pair, "value") == "logit"
    assert "logit" in pair.get("plotly_chart")[0].proto.spec


def test_layers(pair):
    section(pair, "Layers")
    spec = pair.get("plotly_chart")[0].proto.spec
    assert "0 \\u00b7 ant | 1 \\u00b7 bee" in spec and "classifier.1" in spec
    checked(pair.selectbox(key="compare_layer_set").set_value("leaf").run())
    settled(pair)
    assert "features.1" in pair.get("plotly_chart")[0].proto.spec
    choose(pair, "compare_measure", "profile")
    assert len(pair.get("plotly_chart")) == 1


def test_stability(pair):
    section(pair, "Stability")
    frame = pair.dataframe[0].value
    assert list(frame["Group"]) == ["0 · ant", "1 · bee"] and list(frame["Seeds"]) == ["2", "2"]
    assert frame["Mean"].astype(float).between(-1, 1).all()


@pytest.mark.parametrize(
    ("kind", "added"),
    [
        ("contrast", [((0, 1.0), (1, -0.7)), ((1, 1.0), (0, -0.7))]),
        ("antitype", [((0, -1.0),), ((1, -1.0),)]),
        ("mix", [((0, 0.5), (1, 0.5))]),
    ],
)
def test_contrasts_stand_beside_the_plain_ones(pair, kind, added):
    section(pair, "Contrast")
    checked(pair.radio(key="contrast_kind").set_value(kind).run())
    if kind == "contrast":
        checked(pair.slider(key="contrast_strength").set_value(0.7).run())
    press(pair, "contrast_make")
    settled(pair)
    records = [resources.library().load_prototype(i.id).record for i in shown(pair)]
    plain = [((0, 1.0),), ((0, 1.0),), ((1, 1.0),), ((1, 1.0),)]
    expected = plain + [weights for weights in added for _ in (0, 1)]
    assert [record.target.weights for record in records] == expected
    assert {record.settings for record in records} == {QUICK}


def test_a_contrast_of_a_class_with_itself_is_explained(pair):
    section(pair, "Contrast")
    checked(pair.selectbox(key="contrast_B").set_value(0).run())
    press(pair, "contrast_make")
    assert "A contrast needs two different classes, got 0 twice" in texts(pair)


def test_prototypes_of_weights_that_have_changed_are_said_to_be(
    open_page, small_checkpoint, tmp_path
):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = torchvision.models.squeezenet1_1(num_classes=4)
    torch.save(network.state_dict(), tmp_path / "new.pth")
    new = type(small_checkpoint).checkpoint(
        "squeezenet1_1",
        tmp_path / "new.pth",
        class_names=small_checkpoint.names_file.path,
        input_size=64,
        device="cpu",
    )
    old = generate_prototypes(
        load_classifier(small_checkpoint), [Target.of(0), Target.of(1)], QUICK
    )
    run = SavedRun(title="old", prototypes=old, model_link=new.to_link())
    ids = resources.library().run(resources.library().save_run(run)).prototypes
    app = open_page(prototypes=",".join(ids))
    assert "The weights of squeezenet1_1" in texts(app)
    section(app, "Contrast")
    press(app, "contrast_make")
    assert "None of the shown prototypes was made with this model's present weights" in texts(app)


def test_where(pair):
    section(pair, "Occlusion map")
    assert len(pair.get("image")) == 4
    assert any("Change of the logit" in node.proto.body for node in pair.get("html"))
    before = len(resources.engine().views())
    checked(pair.selectbox(key="occlusion_class").set_value(1).run())
    assert len(resources.engine().views()) == before, "another class is in the same maps"
    checked(pair.slider(key="occlusion_patch").set_value(0.4).run())
    checked(pair.selectbox(key="occlusion_how").set_value("blur").run())
    settled(pair)
    assert len(pair.get("image")) == 4


def test_what_if(pair):
    section(pair, "Edit & re-score")
    whole = [metric.value for metric in pair.metric]
    assert len(whole) == 2 and pair.metric[0].delta == ""
    checked(pair.toggle(key="edit_box").set_value(True).run())
    checked(pair.selectbox(key="edit_how").set_value("black").run())
    checked(pair.slider(key="edit_across").set_range(0, 100).run())
    checked(pair.slider(key="edit_down").set_range(0, 50).run())
    assert "50% of the image is edited" in texts(pair)
    assert [metric.value for metric in pair.metric] != whole
    change = float(pair.metric[0].delta)
    assert float(pair.metric[0].value) == pytest.approx(float(whole[0]) + change, abs=0.011)
    checked(pair.selectbox(key="edit_image").set_value(2).run())
    assert pair.metric[0].value != whole[0]


def test_export_offers_every_file(pair):
    section(pair, "Export")
    labels = [button.label for button in pair.get("download_button")]
    assert labels == [
        "Page (HTML)",
        "Grid (PNG)",
        "Probabilities (CSV)",
        "Logits (CSV)",
        "Likeliest classes (CSV)",
        "Layers (CSV)",
        "Stability (CSV)",
    ]


def test_groups_are_saved_taken_and_forgotten(open_page):
    app = open_page()
    checked(app.selectbox(key="compare_anchor").set_value(1).run())
    settled(app)
    checked(app.multiselect(key="compare_classes").set_value([3, 0]).run())
    checked(app.text_input(key="group_name").set_value("animals").run())
    press(app, "group_save")
    (group,) = load_groups(resources.library().folder)
    assert group.name == "animals" and group.indices == (1, 3, 0)
    checked(app.selectbox(key="compare_anchor").set_value(2).run())
    settled(app)
    press(app, "group_animals")
    assert app.selectbox(key="compare_anchor").value == 1
    assert app.multiselect(key="compare_classes").value == [3, 0]
    settled(app)
    press(app, "forget_animals")
    assert load_groups(resources.library().folder) == ()


def test_methods_of_one_class(open_page):
    app = open_page()
    choose(app, "compare_what", "presets")
    checked(app.selectbox(key="compare_anchor").set_value(0).run())
    checked(app.multiselect(key="compare_presets").set_value(["paper", "fourier"]).run())
    checked(app.number_input(key="compare_steps").set_value(2).run())
    checked(app.text_input(key="compare_seeds").set_value("0").run())
    press(app, "compare")
    settled(app)
    records = [resources.library().load_prototype(i.id).record for i in shown(app)]
    assert [record.settings.parametrisation for record in records] == ["pixels", "fourier"]
    assert {record.steps for record in records} == {2}


def test_models_of_one_class(open_page, small_checkpoint, tmp_path):
    twin = tmp_path / "twin.pth"
    shutil.copy(small_checkpoint.file.path, twin)
    other = type(small_checkpoint).checkpoint(
        "squeezenet1_1",
        twin,
        class_names=small_checkpoint.names_file.path,
        mean=(0.5, 0.5, 0.5),
        input_size=64,
        device="cpu",
    )
    app = open_page()
    choose(app, "compare_what", "models")
    press(app, "compare_add_model")
    app.query_params["model"] = other.to_link()
    checked(app.run())
    press(app, "compare_add_model")
    checked(app.selectbox(key="compare_anchor").set_value(1).run())
    checked(app.text_input(key="compare_seeds").set_value("0").run())
    quick_settings(app)
    press(app, "compare")
    settled(app)
    assert len(shown(app)) == 2
    assert "What each model says of the others' prototypes" in texts(app)
    assert len(app.get("plotly_chart")) == 2


def test_models_with_other_labels_are_refused(open_page, small_checkpoint, tmp_path):
    names = tmp_path / "others.txt"
    names.write_text("ant\nbee\ncow\ndog")
    other = type(small_checkpoint).checkpoint(
        "squeezenet1_1", small_checkpoint.file.path, class_names=names, input_size=64, device="cpu"
    )
    app = open_page()
    choose(app, "compare_what", "models")
    press(app, "compare_add_model")
    app.query_params["model"] = other.to_link()
    checked(app.run())
    press(app, "compare_add_model")
    checked(app.selectbox(key="compare_anchor").set_value(1).run())
    press(app, "compare")
    assert "Class 2 is 'cat' in" in texts(app)
    assert not param(app, "jobs")


def test_sizes_that_differ_are_said_and_handled(kept, open_page):
    ids = [
        *kept([Target.of(0)], QUICK.replace(image_size=32)),
        *kept([Target.of(1)], QUICK.replace(image_size=48)),
    ]
    app = open_page(prototypes=",".join(ids))
    assert "The images have different sizes (32 px and 48 px)" in texts(app)
    assert "class and settings differ at once" in texts(app)
    assert len(app.get("plotly_chart")) == 1


def test_a_prototype_that_is_gone_is_explained_and_forgotten(open_page):
    app = open_page(settle=False, prototypes="nothing")
    assert "The library has no prototype 'nothing'" in texts(app)
    assert not param(app, "prototypes")
    checked(app.run())
    assert "accept a suggestion" in texts(app)


def test_a_run_that_failed_is_explained(kept, open_page):
    def fail(control):
        raise DivergedError("the loss became NaN")

    ids = kept([Target.of(0), Target.of(1)])
    job = resources.engine().submit(kind="generation", title="bad", device="cpu", work=fail)
    resources.engine().wait(job, timeout=PATIENCE)
    app = open_page(settle=False, prototypes=",".join(ids), jobs=job)
    assert "The loss became NaN" in texts(app)
    assert len(viewer(app)) == 1 and param(app, "jobs") is None


def test_an_analysis_that_failed_can_be_tried_again(open_page, tmp_path):
    app = open_page()
    checked(app.selectbox(key="compare_anchor").set_value(0).run())
    settled(app)
    checked(app.text_input(key="compare_natural").set_value(str(tmp_path / "none")).run())
    settled(app)
    assert f"There is no folder {tmp_path / 'none'}" in texts(app)
    (again,) = [button for button in app.button if button.label == "Try again"]
    folder = tmp_path / "none" / "ant"
    folder.mkdir(parents=True)
    for seed in range(5):
        Image.fromarray(noise(seed)).save(folder / f"{seed}.png")
    other = tmp_path / "none" / "bee"
    shutil.copytree(folder, other)
    checked(again.click().run())
    settled(app)
    assert not app.error
    hints = " ".join(b.help or "" for b in app.button if (b.key or "").startswith("suggest_"))
    assert "natural images: mean probability" in hints.replace("\\", "")


def test_a_job_that_is_no_longer_known_is_explained(kept, open_page):
    ids = kept([Target.of(0), Target.of(1)])
    app = open_page(prototypes=",".join(ids), jobs="0123456789abcdef")
    assert len(shown(app)) == 2 and param(app, "jobs") is None
