"""The Generate page without a browser: every control, a run, the library, errors."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.common import resources
from protocore.generation.presets import find_preset
from protocore.jobs.generation import LiveView

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds

pytestmark = pytest.mark.usefixtures("clean_app")


@pytest.fixture
def open_page(small_checkpoint):
    def open_page(**link):
        return open_link(model=small_checkpoint.to_link(), **link)

    return open_page


def open_link(**link):
    app = AppTest.from_file(ROOT / "app.py", default_timeout=PATIENCE)
    app.switch_page("pages/1_Generate.py")
    for name, value in link.items():
        app.query_params[name] = value
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception[0].stack_trace
    return app


def param(app, name):
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def press(app, key):
    return checked(app.button(key=key).click().run())


def start_short_run(app, steps=6):
    app.number_input(key="steps").set_value(steps)
    app.slider(key="transforms_per_step").set_value(1)
    checked(app.run())
    return press(app, "generate")


def finish(app):
    """Wait for the job in the link and show what it left."""
    job = param(app, "job")
    if job:
        resources.engine().wait(job, timeout=PATIENCE)
    for _ in range(3):
        checked(app.run())
    return app


def texts(app):
    return " ".join(block.value for kind in (app.markdown, app.info, app.error) for block in kind)


def test_without_a_class_the_button_is_off_and_the_page_says_what_to_do(open_page):
    app = open_page()
    assert app.button(key="generate").disabled
    assert "Choose a model and one or more classes on the left" in texts(app)


def test_the_demo_model_has_a_class_chosen_so_that_one_click_starts_it():
    app = open_link()
    assert app.multiselect(key="classes").value == [0]
    assert not app.button(key="generate").disabled


def test_the_link_sets_classes_seeds_and_preset_and_is_kept_up_to_date(open_page):
    app = open_page(classes="2,1", seeds="3,4", preset="mild")
    assert app.multiselect(key="classes").value == [2, 1]
    assert app.text_input(key="seeds").value == "3,4"
    assert app.selectbox(key="preset").value == "mild"
    assert app.slider(key="rotation").value == find_preset("mild").settings.rotation
    checked(app.multiselect(key="classes").set_value([0]).run())
    assert param(app, "classes") == "0"
    checked(app.selectbox(key="preset").set_value("paper").run())
    assert param(app, "preset") == "paper"
    assert app.slider(key="rotation").value == 180


def test_changed_settings_leave_the_preset_and_can_be_taken_back(open_page):
    app = open_page(classes="1", preset="mild")
    checked(app.slider(key="rotation").set_value(90).run())
    assert param(app, "preset") is None
    (undo,) = [button for button in app.button if button.label.startswith("Back to")]
    checked(undo.click().run())
    assert app.slider(key="rotation").value == 30
    assert param(app, "preset") == "mild"


def test_a_run_ends_in_the_library_and_asking_again_shows_it_at_once(open_page):
    app = start_short_run(open_page(classes="1,2", seeds="0", preset="mild"))
    finish(app)
    assert "Saved to library" in texts(app)
    assert param(app, "run") and not param(app, "job")
    first, second = resources.library().prototypes(sort="oldest")
    assert {first.class_name, second.class_name} == {"bee", "cat"}
    jobs_before = len(resources.engine().views())
    (close,) = [button for button in app.button if button.label == "Close"]
    checked(close.click().run())
    press(app, "generate")
    assert "From the library" in texts(app)
    assert len(resources.engine().views()) == jobs_before


def test_only_what_is_missing_is_made(open_page):
    app = finish(start_short_run(open_page(classes="1", preset="mild")))
    (close,) = [button for button in app.button if button.label == "Close"]
    checked(close.click().run())
    checked(app.multiselect(key="classes").set_value([1, 3]).run())
    press(app, "generate")
    assert resources.engine().views()[0].meta["request"].targets[0].class_index == 3
    finish(app)
    shown = [
        resources.library().prototype(i).class_name for i in param(app, "prototypes").split(",")
    ]
    assert shown == ["bee", "dog"]


def test_a_moved_slider_tunes_the_running_job_and_is_recorded(open_page):
    app = start_short_run(open_page(classes="1", preset="mild"), steps=100_000)
    engine, job = resources.engine(), param(app, "job")
    view = engine.view(job)
    while not isinstance(view.snapshot, LiveView):
        view = engine.wait_for_change(job, view.version, timeout=PATIENCE)
    checked(app.run())
    checked(app.slider(key="rotation").set_value(60).run())
    while engine.view(job).snapshot.settings.rotation != 60:
        view = engine.wait_for_change(job, engine.view(job).version, timeout=PATIENCE)
    press(app, "stop")
    finish(app)
    (info,) = resources.library().prototypes()
    history = resources.library().load_prototype(info.id).record.history
    assert [change.settings.rotation for change in history] == [30, 60]


def test_another_session_attaches_without_changing_the_run(open_page, small_checkpoint):
    app = start_short_run(open_page(classes="1", preset="mild"), steps=100_000)
    job = param(app, "job")
    other = open_link(job=job)
    checked(other.run())
    assert other.slider(key="rotation").value == 30
    press(other, "stop")
    view = resources.engine().wait(job, timeout=PATIENCE)
    record = resources.library().load_prototype(resources.library().prototypes()[0].id).record
    assert view.status in ("done", "stopped")
    assert len(record.history) == 1


def test_pause_and_resume(open_page):
    app = start_short_run(open_page(classes="1", preset="mild"), steps=100_000)
    engine, job = resources.engine(), param(app, "job")
    while engine.view(job).status != "running":
        engine.wait_for_change(job, engine.view(job).version, timeout=PATIENCE)
    checked(app.run())
    press(app, "pause")
    assert engine.view(job).status == "paused"
    assert app.button(key="pause").label == "Resume"
    press(app, "pause")
    assert engine.view(job).status == "running"
    press(app, "stop")
    finish(app)


def test_a_kept_run_goes_on_for_more_steps(open_page):
    app = finish(start_short_run(open_page(classes="1", preset="mild"), steps=6))
    checked(app.number_input(key="more_steps").set_value(4).run())
    press(app, "continue")
    finish(app)
    newest = resources.library().prototypes(sort="newest")[0]
    record = resources.library().load_prototype(newest.id).record
    assert record.steps == 10 and record.completed


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("x", "Seeds must be whole numbers with commas, got 'x'"),
        (" ", "Give at least one seed, such as 0"),
        ("-1", "Seed must be >= 0, got -1"),
    ],
)
def test_bad_seeds_are_explained(open_page, seeds, message):
    app = open_page(classes="1")
    checked(app.text_input(key="seeds").set_value(seeds).run())
    assert message in app.error[0].value.replace("\\", "")


def test_a_job_or_run_that_is_gone_leaves_the_page_usable(open_page):
    app = open_page(job="0" * 16)
    assert app.button(key="generate") is not None
    assert "no longer on this server" in app.warning[0].value
    app = open_page(run="nowhere")
    assert app.error
    checked(app.run())
    assert not app.error


def test_a_run_that_is_opened_brings_its_model_and_settings_along(open_page, small_checkpoint):
    finish(start_short_run(open_page(classes="1,2", seeds="3", preset="mild"), steps=5))
    (run,) = resources.library().runs()
    app = open_link(run=run.id)
    assert "Saved to library" in texts(app)
    assert app.multiselect(key="classes").value == [1, 2]
    assert app.text_input(key="seeds").value == "3"
    assert app.number_input(key="steps").value == 5
    assert app.slider(key="rotation").value == 30
    press(app, "generate")
    assert "From the library" in texts(app)


def test_path_similarity_is_measured_while_it_runs():
    app = open_link(classes="3")
    checked(app.toggle(key="live_similarity").set_value(True).run())
    checked(app.number_input(key="similarity_every").set_value(2).run())
    start_short_run(app, steps=5)
    view = resources.engine().wait(param(app, "job"), timeout=PATIENCE)
    (curve,) = view.snapshot.similarity
    assert curve.steps == (2, 4, 5)
    assert all(-1 <= value <= 1 for value in curve.values)
    assert curve.different < curve.same <= 1


def await_settings(job, **expected):
    """Wait until the running job's settings are as expected."""
    engine = resources.engine()
    view = engine.view(job)
    while not all(
        getattr(getattr(view.snapshot, "settings", None), name, None) == value
        for name, value in expected.items()
    ):
        assert view.active, view.error
        view = engine.wait_for_change(job, view.version, timeout=PATIENCE)


def test_two_tabs_change_their_own_sliders_and_follow_each_other(open_page):
    first = start_short_run(open_page(classes="1", preset="mild"), steps=100_000)
    job = param(first, "job")
    await_settings(job, rotation=30)
    second = open_link(job=job)
    checked(first.slider(key="rotation").set_value(60.0).run())
    await_settings(job, rotation=60)
    checked(second.slider(key="translation").set_value(0.4).run())
    await_settings(job, rotation=60, translation=(0.4, 0.4))
    checked(second.run())
    assert second.slider(key="rotation").value == 60
    press(first, "stop")
    finish(first)
    (info,) = resources.library().prototypes()
    history = resources.library().load_prototype(info.id).record.history
    assert [(c.settings.rotation, c.settings.translation[0]) for c in history] == [
        (30, 0.1),
        (60, 0.1),
        (60, 0.4),
    ]
    assert history[0].by == "" and all(change.by for change in history[1:])


def test_a_continued_run_keeps_its_total_when_a_slider_is_moved(open_page):
    app = finish(start_short_run(open_page(classes="1", preset="mild"), steps=6))
    checked(app.number_input(key="more_steps").set_value(90_000).run())
    press(app, "continue")
    job = param(app, "job")
    await_settings(job, steps=90_006)
    checked(app.run())
    assert app.number_input(key="steps").value == 90_006
    checked(app.slider(key="rotation").set_value(45.0).run())
    await_settings(job, rotation=45, steps=90_006)
    press(app, "stop")
    finish(app)


def test_another_model_takes_over_classes_by_name_alone(small_checkpoint):
    app = open_link(classes="0")  # academic gown of the demo model
    app.session_state["model_link"] = ""
    app.query_params["model"] = small_checkpoint.to_link()
    checked(app.run())
    assert app.multiselect(key="classes").value == []
    assert any("academic gown" in caption.value for caption in app.caption)


def test_the_link_carries_changed_settings_exactly(open_page):
    app = open_page(classes="1", base="mild", rotation="12.5", scale="0.85,1.2", steps="77")
    assert app.slider(key="rotation").value == 12.5
    checked(app.slider(key="transforms_per_step").set_value(3).run())
    assert {
        name: param(app, name) for name in ("base", "preset", "rotation", "scale", "steps")
    } == {
        "base": "mild",
        "preset": None,
        "rotation": "12.5",
        "scale": "0.85,1.2",
        "steps": "77",
    }
    assert param(app, "transforms_per_step") == "3"


def test_a_link_with_a_wrong_setting_says_so(open_page):
    app = open_page(classes="1", rotation="500")
    assert "180" in app.error[0].value and "500" in app.error[0].value
