"""Generation through the engine into the library: tuned, paused, stopped, continued, failed."""

import errno
import io

import numpy as np
import pytest
import torch
from PIL import Image

from protocore.errors import (
    JobError,
    LibraryError,
    ProtocoreError,
    SettingsError,
    WeightsUnavailableError,
)
from protocore.generation.api import generate_prototypes
from protocore.generation.loop import generate
from protocore.generation.prototype import Prototype
from protocore.generation.recording import to_uint8
from protocore.generation.settings import Target
from protocore.jobs import generation as generation_job
from protocore.jobs.generation import (
    LiveView,
    extend,
    find_made,
    tune,
)
from tests.jobs.bench import PATIENCE, SETTINGS, TARGETS, Bench
from tests.networks import tripwire_classifier


@pytest.fixture
def bench(library):
    bench = Bench(library)
    yield bench
    bench.close()


def undisturbed(settings=SETTINGS):
    return generate_prototypes(tripwire_classifier()[0], TARGETS, settings)


def assert_same_images(prototypes, expected):
    for one, other in zip(prototypes, expected, strict=True):
        assert np.array_equal(one.image, other.image)


# --- a run from beginning to end ---


def test_a_run_goes_into_the_library(bench):
    job = bench.submit()
    view = bench.finish(job)
    assert (view.status, view.error, view.done, view.total) == ("done", "", 6, 6)
    run = bench.library.run(view.result)
    assert (run.status, run.title, run.model_link) == ("done", "mine", "demo")
    assert 0 < run.seconds < PATIENCE
    expected = undisturbed()
    assert_same_images(bench.made(job), expected)
    for identifier, whole in zip(run.prototypes, expected, strict=True):
        info = bench.library.prototype(identifier)
        assert info.preset == "paper" and info.repeatable
        assert info.key == whole.record.key
        assert [frame.step for frame in bench.library.frames(identifier)] == [1, 2, 3, 4, 5, 6]
        curves = bench.library.curves(identifier)
        assert curves["step"].tolist() == [1, 2, 3, 4, 5, 6]
        assert set(curves) == {"step", "probability", "logit", "hf_loss"}
    assert bench.library.state_files(run.id) is not None


def test_what_the_page_sees(bench):
    view = bench.finish(bench.submit())
    live = view.snapshot
    assert isinstance(live, LiveView)
    assert (live.stage, live.step, live.total, live.size) == ("prototype", 6, 6, 16)
    assert live.labels == ("class 1 · seed 0", "class 2 − 0.5 × class 0 · seed 4")
    assert (live.settings, live.changes, live.measured_at) == (SETTINGS, (), 6)
    shown = [np.asarray(Image.open(io.BytesIO(content))) for content in live.images]
    for picture, prototype, top, curve, probability in zip(
        shown, undisturbed(), live.top, live.curves, live.probability, strict=True
    ):
        assert np.abs(picture.astype(float) - prototype.image).mean() < 15  # JPEG
        assert top == prototype.record.top
        assert curve["step"] == [1, 2, 3, 4, 5, 6]
        assert curve["probability"][-1] == probability


def test_the_first_view_comes_with_the_first_step(bench):
    bench.hold()
    job = bench.submit()
    bench.let(1)
    view = bench.engine.view(job)
    assert (view.snapshot.stage, view.snapshot.step, view.snapshot.total) == ("baseline", 1, 2)
    assert view.text == "stage 1: balancing classes"
    assert len(view.snapshot.top[0]) == 3


def test_what_was_made_is_found_again(bench):
    assert find_made(bench.library, bench.classifier, TARGETS, SETTINGS) == {}
    run = bench.library.run(bench.finish(bench.submit()).result)
    found = find_made(bench.library, bench.classifier, (*TARGETS, Target.of(0)), SETTINGS)
    assert found == dict(zip(TARGETS, run.prototypes, strict=True))
    other = SETTINGS.replace(learning_rate=0.1)
    assert find_made(bench.library, bench.classifier, TARGETS, other) == {}


# --- pause, stop, tuning ---


def test_pause_and_resume(bench):
    bench.hold()
    job = bench.submit()
    bench.let(3)
    bench.engine.pause(job)
    bench.let_all()
    version = 0
    while bench.engine.view(job).done != 2:  # the step that was under way
        version = bench.engine.wait_for_change(job, version, PATIENCE).version
    version = bench.engine.view(job).version
    later = bench.engine.wait_for_change(job, version + 2, 0.2)  # it may publish an image yet
    assert (later.done, later.status) == (2, "paused")
    bench.engine.resume(job)
    assert_same_images(bench.made(job), undisturbed())


@pytest.mark.parametrize("paused", [False, True])
def test_a_stop_keeps_what_there_is(bench, paused):
    bench.hold()
    job = bench.submit()
    bench.let(4)  # both of the first stage, two of the second
    if paused:
        bench.engine.pause(job)
    bench.engine.stop(job)
    bench.let_all()
    view = bench.finish(job)
    assert (view.status, view.error, view.done) == ("stopped", "", 3)  # one was under way
    run = bench.library.run(view.result)
    assert run.status == "stopped"
    records = [prototype.record for prototype in bench.made(job)]
    assert [(r.steps, r.completed, r.repeatable) for r in records] == [(3, False, False)] * 2
    assert [f.step for f in bench.library.frames(run.prototypes[0])] == [1, 2, 3]
    assert find_made(bench.library, bench.classifier, TARGETS, SETTINGS) == {}
    generation = generate(tripwire_classifier()[0], TARGETS, SETTINGS)
    images = [next(generation).images() for _ in range(5)][-1]
    expected = to_uint8(images)
    assert all(np.array_equal(p.image, e) for p, e in zip(bench.made(job), expected, strict=True))


def test_a_stop_before_the_first_step_keeps_nothing(bench):
    bench.hold()
    first, second = bench.submit(), bench.submit()
    bench.engine.stop(second)
    bench.let_all()
    assert bench.finish(first).status == "done"
    view = bench.finish(second)
    assert (view.status, view.result) == ("stopped", None)
    assert len(bench.library.runs()) == 1


def test_settings_sent_hold_from_the_next_step_and_are_kept(bench):
    changed = SETTINGS.replace(hf_weight=5.0, hf_weight_end=None, fill="grey")
    bench.hold()
    job = bench.submit()
    bench.let(3)
    tune(bench.engine, job, {"fill": "grey"}, by="Ada")
    tune(bench.engine, job, {"hf_weight": 5.0, "hf_weight_end": None}, by="Ben")
    bench.let_all()
    prototypes = bench.made(job)
    live = bench.engine.view(job).snapshot
    assert (live.changes, live.settings) == ((3,), changed)  # step 2 was under way
    assert [(t.step, t.author, t.changes) for t in live.tuned] == [
        (3, "Ada", {"fill": "grey"}),
        (3, "Ben", {"hf_weight": 5.0, "hf_weight_end": None}),
    ]
    for prototype in prototypes:
        history = prototype.record.history
        assert [(c.step, c.settings) for c in history] == [(0, SETTINGS), (3, changed)]
        assert [change.by for change in history] == ["", "Ben"]
        assert not prototype.record.repeatable
    generation = generate(tripwire_classifier()[0], TARGETS, SETTINGS)
    for _ in range(4):
        next(generation)
    generation.send(changed)
    expected = to_uint8(list(generation)[-1].images())
    assert all(np.array_equal(p.image, e) for p, e in zip(prototypes, expected, strict=True))


def test_settings_sent_to_a_waiting_job_hold_from_its_first_step(bench):
    changed = SETTINGS.replace(learning_rate=0.2)
    bench.hold()
    first, second = bench.submit(), bench.submit()
    tune(bench.engine, second, {"learning_rate": 0.2})
    bench.let_all()
    bench.finish(first)
    assert_same_images(bench.made(second), undisturbed(changed))


def test_changes_that_cannot_hold_are_refused_at_once(bench):
    bench.hold()
    job = bench.submit()
    bench.let(1)
    with pytest.raises(SettingsError, match="image size cannot change while a run goes on"):
        tune(bench.engine, job, {"image_size": 99})
    with pytest.raises(SettingsError, match="colour"):
        tune(bench.engine, job, {"colour": 1})
    bench.let_all()
    assert_same_images(bench.made(job), undisturbed())
    assert bench.made(job)[0].record.repeatable
    with pytest.raises(JobError, match="done"):
        tune(bench.engine, job, {"learning_rate": 0.2})


def test_a_slider_after_continue_does_not_end_the_run(bench):
    run = bench.finish(bench.submit()).result
    bench.hold()
    job = bench.submit(continue_run=run, more_steps=4)
    bench.let(1)
    assert bench.engine.view(job).meta["request"].settings.steps == 10
    tune(bench.engine, job, {"learning_rate": 0.2})
    bench.let_all()
    assert [prototype.record.steps for prototype in bench.made(job)] == [10, 10]


# --- going on ---


@pytest.mark.parametrize(("let", "taken"), [(0, 0), (1, 0), (3, 2)])
def test_completing_a_stopped_run_is_as_if_it_had_not_been_stopped(bench, let, taken):
    bench.hold()
    job = bench.submit()
    bench.let(let)
    bench.engine.stop(job)
    bench.let_all()
    run = bench.finish(job).result
    assert bench.made(job)[0].record.steps == taken
    job = bench.submit(continue_run=run, more_steps=6 - taken)
    prototypes = bench.made(job)
    expected = undisturbed()
    assert_same_images(prototypes, expected)
    for prototype, whole in zip(prototypes, expected, strict=True):
        assert prototype.record.repeatable
        assert prototype.record.history == whole.record.history
        assert prototype.record.key == whole.record.key
    result = bench.engine.view(job).result
    assert result != run
    identifier = bench.library.run(result).prototypes[0]
    assert bench.library.curves(identifier)["step"].tolist() == [1, 2, 3, 4, 5, 6]
    frames = [frame.step for frame in bench.library.frames(identifier)]
    assert frames == ([] if taken else [0]) + [1, 2, 3, 4, 5, 6]
    assert bench.library.run(result).seconds > bench.library.run(run).seconds


def test_going_on_beyond_the_end(bench):
    run = bench.finish(bench.submit()).result
    job = bench.submit(continue_run=run, more_steps=4)
    prototypes = bench.made(job)
    extended = SETTINGS.replace(steps=10, hf_weight=32.0, hf_weight_end=None)
    history = [(0, SETTINGS), (7, extended)]
    assert [(c.step, c.settings) for c in prototypes[0].record.history] == history
    assert (prototypes[0].record.steps, prototypes[0].record.completed) == (10, True)
    assert not prototypes[0].record.repeatable
    identifier = bench.library.run(bench.engine.view(job).result).prototypes[1]
    assert bench.library.curves(identifier)["step"].tolist() == list(range(1, 11))

    generation = generate(tripwire_classifier()[0], TARGETS, SETTINGS)
    snapshots = [next(generation) for _ in range(8)]
    further = generate(bench.classifier, TARGETS, extended, state=snapshots[-1].state)
    images = to_uint8(list(further)[-1].images())
    assert np.array_equal(prototypes[1].image, images[1])


def test_extended_settings_by_hand():
    rising = SETTINGS.replace(steps=5, hf_weight=1.0, hf_weight_end=16.0)
    assert extend(rising, 3, 2) == rising
    assert extend(rising, 3, 5) == rising.replace(steps=8, hf_weight=4.0, hf_weight_end=None)
    assert extend(rising, 5, 1).hf_weight == 16.0
    with_class = rising.replace(hf_rise="class")  # how far it has risen is in the state
    assert extend(with_class, 3, 5) == with_class.replace(steps=8)
    noisy = with_class.replace(noise=0.2)  # falls on from where it had arrived, and to 0
    longer = extend(noisy, 3, 5)
    assert longer.noise_at(3) == pytest.approx(noisy.noise_at(3)) == pytest.approx(0.08)
    assert longer.noise_at(7) == pytest.approx(0.08 / 5)
    assert extend(noisy, 5, 4).noise == 0
    with pytest.raises(SettingsError) as caught:
        extend(rising, 5, 0)
    assert str(caught.value) == "the number of steps to go on for must be >= 1, got 0"


def spoil(bench, run, how):
    state, _ = bench.library.state_files(run)
    if how == "trash":
        bench.library.delete([bench.library.run(run).prototypes[0]])
    elif how == "no state":
        state.unlink()
    elif how == "damaged":
        state.write_bytes(state.read_bytes()[:100])
    elif how == "weights":
        with torch.no_grad():
            bench.classifier.module[1].bias.add_(1)
        bench.classifier = type(bench.classifier).from_module(
            bench.classifier.module, name="wired", input_size=16
        )


@pytest.mark.parametrize(
    ("how", "start"),
    [
        ("trash", "some of this run's prototypes are in the trash; restore them to go on with it"),
        ("no state", "this run was kept without its state; start it again with more steps"),
        ("damaged", "the saved state of this run cannot be read ("),
        ("weights", "this run was made with other weights; load those to go on with it"),
        ("zero", "the number of steps to go on for must be >= 1, got 0"),
        ("targets", "the saved state belongs to other classes or seeds"),
    ],
)
def test_what_cannot_go_on_is_explained(bench, how, start):
    run = bench.finish(bench.submit()).result
    spoil(bench, run, how)
    targets = TARGETS[::-1] if how == "targets" else TARGETS
    try:
        job = bench.submit(targets, continue_run=run, more_steps=0 if how == "zero" else 2)
        error = bench.finish(job).error
    except ProtocoreError as at_once:
        error = str(at_once)
    assert error.startswith(start)
    assert len(bench.library.runs()) == 1


# --- failures ---


def assert_usable(bench):
    """The next job works, and nothing but its run is in the library."""
    job = bench.submit()
    assert_same_images(bench.made(job), undisturbed())
    assert [run.id for run in bench.library.runs()] == [bench.engine.view(job).result]
    folders = [path.name for path in bench.library.runs_folder.iterdir()]
    assert folders == [bench.engine.view(job).result]


def test_a_model_that_cannot_be_loaded(bench):
    bench.failure = WeightsUnavailableError("the weights of resnet18 are not on disk: get them")
    view = bench.finish(bench.submit())
    assert (view.status, view.result) == ("failed", None)
    assert view.error == "the weights of resnet18 are not on disk: get them"
    bench.failure = None
    assert_usable(bench)


def test_a_loss_that_becomes_nan(bench):
    bench.poison = 2 * len(TARGETS) + 3  # in the second step of the second stage
    view = bench.finish(bench.submit())
    assert view.status == "failed"
    assert view.error == (
        "the loss became NaN or infinite in step 2; lower the learning rate (0.05) or the "
        "high-frequency weight (2), or use precision float32"
    )
    assert_usable(bench)


def test_a_full_disk(bench, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_only_for_png(Image.Image.save, full))
    monkeypatch.setattr(generation_job, "SAVE_WAITS", (0.0,))
    job = bench.submit()
    view = bench.finish(job)
    assert view.status == "unsaved"
    assert "No space left on device" in view.error and "make room" in view.error
    assert bench.library.jobs.get(job).state == "unsaved"
    with pytest.raises(LibraryError):
        bench.engine.save_again(job)
    monkeypatch.undo()
    view = bench.engine.save_again(job)
    assert (view.status, view.error, view.result) == ("done", "", job)
    assert_same_images(bench.made(job), undisturbed())
    assert bench.library.jobs.get(job).state == "done"


def full_only_for_png(save, fail):
    """The live view's JPEGs are made in memory."""

    def maybe(self, target, *args, **kwargs):
        return (save if isinstance(target, io.BytesIO) else fail)(self, target, *args, **kwargs)

    return maybe


def test_an_unknown_class(bench):
    view = bench.finish(bench.submit((Target.of(3),)))
    assert view.error == "class index must be between 0 and 2 for wired, got 3"
    assert_usable(bench)


def test_the_library_can_be_read_without_the_engine(bench):
    """A run is reopened by its identifier alone, as a page does from its link."""
    run = bench.library.run(bench.finish(bench.submit()).result)
    bench.engine.close()
    assert [Prototype.load(bench.library.prototype(i).picture).record.target
            for i in run.prototypes] == list(TARGETS)  # fmt: skip
    with pytest.raises(LibraryError):
        bench.library.run("0" * 16)
