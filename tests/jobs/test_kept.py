"""Jobs that survive their process: killed, interrupted, taken over, tried again."""

import json
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from protocore.errors import JobError
from protocore.generation.api import generate_prototypes
from protocore.jobs import checkpoint as checkpoint_module
from protocore.jobs import kept
from protocore.jobs.checkpoint import CheckpointFolder, Worth
from protocore.jobs.engine import JobEngine
from protocore.jobs.generation import GenerationRequest, submit_generation, tune
from protocore.jobs.kept import find_job, open_jobs, resume_jobs, retry_job
from protocore.jobs.run import beginning, open_run
from protocore.library.jobs import TRIES
from protocore.library.library import Library
from tests.jobs.bench import PATIENCE, SETTINGS, SPEC, TARGETS, Bench
from tests.networks import tripwire_classifier


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """A checkpoint at every step."""
    monkeypatch.setattr(Worth, "due", lambda self, share: True)


def whole():
    return generate_prototypes(tripwire_classifier()[0], TARGETS, SETTINGS)


def contents(library, run_id):
    """Everything of a run that must not depend on interruptions, by file."""
    found = {}
    folder = library.runs_folder / run_id
    for path in sorted(folder.rglob("*")):
        exact = path.suffix in (".png", ".jpg", ".webp", ".safetensors")
        if exact or path.parent.name == "curves":
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


@pytest.fixture
def bench(library):
    bench = Bench(library)
    yield bench
    bench.close()


# --- one run and its checkpoint ---


def test_a_run_goes_on_from_any_step_to_the_same_bytes(tmp_path):
    def run_in(folder):
        classifier = tripwire_classifier()[0]
        return open_run(
            classifier, CheckpointFolder(folder), lambda: beginning(classifier, TARGETS, SETTINGS)
        )

    straight = run_in(tmp_path / "straight")
    while straight.advance():
        pass
    for cut in range(1, 8):  # two steps of the first stage, five of the second
        folder = tmp_path / str(cut)
        first = run_in(folder)
        for _ in range(cut):
            first.advance()
        assert first.keep()
        again = run_in(folder)
        assert again.resumed
        while again.advance():
            assert again.keep() or again.recording.steps_taken == SETTINGS.steps
        assert again.recording.frames == straight.recording.frames
        assert again.recording.curves == straight.recording.curves
        last, expected = again.recording.last, straight.recording.last
        assert last.state.to_bytes() == expected.state.to_bytes()


def test_a_change_of_settings_survives(tmp_path):
    classifier = tripwire_classifier()[0]
    changed = SETTINGS.replace(fill="grey")

    def open_(folder):
        folder = CheckpointFolder(tmp_path / folder)
        return open_run(classifier, folder, lambda: beginning(classifier, TARGETS, SETTINGS))

    runs = open_("a"), open_("b")
    for run in runs:
        for _ in range(4):
            run.advance()
    runs[0].keep(changed)  # decided, not yet in force
    resumed = open_("a")
    assert resumed.settings == changed
    resumed.advance()
    runs[1].advance(changed)
    for run in (resumed, runs[1]):
        while run.advance():
            pass
    assert resumed.recording.history == runs[1].recording.history
    assert resumed.recording.frames == runs[1].recording.frames


@pytest.mark.parametrize(
    "content", ["", "{}", "[" * 100_000, "null", '{"weight_hash": 3}', "\ud800"]
)
def test_a_damaged_checkpoint_costs_the_work_and_nothing_else(tmp_path, content):
    classifier = tripwire_classifier()[0]
    begin = lambda: beginning(classifier, TARGETS, SETTINGS)  # noqa: E731
    run = open_run(classifier, CheckpointFolder(tmp_path), begin)
    run.advance()
    run.keep()
    (tmp_path / "checkpoint.json").write_bytes(content.encode(errors="surrogatepass"))
    assert not open_run(classifier, CheckpointFolder(tmp_path), begin).resumed


def test_a_checkpoint_of_other_weights_is_not_used(tmp_path):
    classifier = tripwire_classifier()[0]
    run = open_run(
        classifier, CheckpointFolder(tmp_path), lambda: beginning(classifier, TARGETS, SETTINGS)
    )
    run.advance()
    run.keep()
    path = tmp_path / "checkpoint.json"
    text = path.read_text().replace(classifier.weight_hash, "00" * 32)
    path.write_text(text)
    assert CheckpointFolder(tmp_path).load(classifier) is None


def test_when_a_checkpoint_is_worth_its_time(monkeypatch):
    monkeypatch.undo()
    time = [0.0]
    worth = Worth(clock=lambda: time[0])

    def at(moment, share):
        time[0] = moment
        return worth.due(share)

    assert not at(2.0, 0.9)  # 0.03 s of 2 s are more than a hundredth
    assert at(3.0, 0.1) and not at(3.0, 0.09)  # a tenth of the work
    assert at(30.0, 0.01)  # half a minute
    time[0] = 31.0
    worth.paid(30.0, 0.2)  # it took a second
    assert not at(130.0, 0.9) and at(131.0, 0.21)
    time[0] = 200.0
    worth.paid(131.0, 0.5)  # it took a minute: one in LONGEST_SECONDS all the same
    assert at(200.0 + checkpoint_module.LONGEST_SECONDS, 0.51)


# --- a job and its process ---


def restarted(bench):
    """A new process in all but name: engine and library anew, the same folder."""
    folder = bench.library.folder
    again = Bench(Library(folder))
    return again


def test_a_closed_app_interrupts_and_the_next_one_goes_on(bench):
    bench.hold()
    job, waiting = bench.submit(), bench.submit(title="second")
    bench.let(4)
    closing = threading.Thread(target=bench.engine.close)
    closing.start()
    while bench.engine.view(job).status != "stopping":
        bench.engine.wait_for_change(job, bench.engine.view(job).version, 0.1)
    bench.let_all()
    closing.join(PATIENCE)
    kept_job = bench.library.jobs.get(job)
    assert (kept_job.state, kept_job.owner) == ("running", "")
    again = restarted(bench)
    assert set(resume_jobs(again.engine, again.library, again)) == {job, waiting}
    view = again.finish(job)
    assert (view.status, view.result, view.meta["resumed"]) == ("done", job, True)
    for one, other in zip(again.made(job), whole(), strict=True):
        assert np.array_equal(one.image, other.image)
    assert again.finish(waiting).status == "done"
    assert not again.library.jobs.place(job).exists()
    again.close()


CHILD = """
    import os, sys
    from protocore.jobs.checkpoint import Worth
    from tests.jobs.bench import Bench
    from protocore.jobs.kept import resume_jobs
    from protocore.library.library import Library
    Worth.due = lambda self, share: True
    bench = Bench(Library(sys.argv[1]))
    die_at = int(sys.argv[2])
    act = bench._act
    passes = [0]
    def count(calls, x):
        if x.requires_grad:
            passes[0] += 1
            if passes[0] == die_at:
                os.kill(os.getpid(), 9)
        return act(calls, x)
    bench.wire.act = count
    taken = resume_jobs(bench.engine, bench.library, bench)
    job = taken[0] if taken else bench.submit()
    print(job, flush=True)
    view = bench.engine.wait(job, 60)
    print(view.status, flush=True)
"""


def run_child(home, die_at):
    script = textwrap.dedent(CHILD)
    return subprocess.run(
        [sys.executable, "-c", script, str(home), str(die_at)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )


def test_a_killed_process_loses_nothing_but_the_step_it_was_in(bench, tmp_path):
    home = tmp_path / "killed"
    first = run_child(home, 9)  # in the second step of the second stage
    assert first.returncode == -signal.SIGKILL, first.stderr
    job = first.stdout.split()[0]
    library = Library(home)
    assert library.jobs.get(job).state == "running"
    assert [each.id for each in library.jobs.orphans()] == [job]
    library.close()
    second = run_child(home, -1)
    assert second.stdout.split() == [job, "done"], second.stderr
    straight = bench.finish(bench.submit()).result
    library = Library(home)
    assert contents(library, job) == contents(bench.library, straight)
    library.close()


def test_a_crash_loop_ends_and_says_why(bench, tmp_path):
    home = tmp_path / "loop"
    jobs = {run_child(home, 1).stdout.split()[0] for _ in range(TRIES)}
    assert len(jobs) == 1
    library = Library(home)
    engine = JobEngine()
    try:
        assert resume_jobs(engine, library, bench) == ()
        view = find_job(engine, library, jobs.pop())
        assert view.status == "failed"
        assert f"{TRIES} times" in view.error and "memory" in view.error
        retry_job(engine, library, bench, view.id)  # whoever has made room says so
        assert engine.wait(view.id, PATIENCE).status == "done"
    finally:
        engine.close()
        library.close()


def test_living_work_is_never_taken_over(bench):
    bench.hold()
    job = bench.submit()
    bench.let(3)
    other = restarted(bench)
    assert resume_jobs(other.engine, other.library, other) == ()
    view = find_job(other.engine, other.library, job)
    assert (view.status, view.meta["elsewhere"]) == ("running", True)
    assert [v.id for v in open_jobs(other.engine, other.library)] == [job]
    with pytest.raises(JobError, match="running already"):
        retry_job(other.engine, other.library, other, job)
    other.close()
    bench.let_all()
    assert bench.finish(job).status == "done"


def test_a_job_that_was_taken_over_keeps_its_hands_off(bench):
    bench.hold()
    job = bench.submit()
    bench.let(3)
    other = restarted(bench)
    row = other.library.jobs.get(job)
    assert other.library.jobs.take(row)  # as if this process had been silent for too long
    keeper = kept._keeper(bench.engine, bench.library, bench)
    keeper._beat()
    view = bench.engine.view(job)
    assert view.status == "stopped" and "another process" in view.error
    bench.let_all()
    assert other.library.jobs.get(job).state == "running"
    other.close()


def test_a_run_that_was_saved_but_not_noted_is_not_made_again(bench):
    job = bench.submit()
    bench.finish(job)
    row = bench.library.jobs.get(job)
    bench.library.jobs.reopen(job)
    before = bench._passed
    bench.engine.dismiss(job)
    kept._take_in(bench.engine, bench.library, bench, row, resumed=True)
    assert bench.finish(job).result == job
    assert bench._passed == before


def test_a_finished_job_is_found_by_its_link_after_a_restart(bench):
    job = bench.submit()
    bench.finish(job)
    bench.engine.close()
    other = restarted(bench)
    view = find_job(other.engine, other.library, job)
    assert (view.status, view.result, view.active) == ("done", job, False)
    assert find_job(other.engine, other.library, "0" * 16) is None
    other.close()


def test_a_job_whose_model_is_gone_fails_with_the_reason(bench):
    bench.hold()
    job = bench.submit()
    bench.let(1)
    bench.let_all()
    bench.engine.close()
    other = restarted(bench)
    row = other.library.jobs.get(job)
    broken = {**row.request, "model": "torchvision:no_such_network"}
    row = type(row)(**{**row.__dict__, "request": broken})
    other.library.jobs.reopen(job)
    assert not kept._take_in(other.engine, other.library, other, row, resumed=True)
    view = find_job(other.engine, other.library, job)
    assert view.status == "failed" and "no_such_network" in view.error
    other.close()


def test_requests_come_back_from_json(bench):
    request = GenerationRequest(
        spec=SPEC, targets=TARGETS, settings=SETTINGS, preset="paper", title="mine", more_steps=3
    )
    values = json.loads(json.dumps(request.to_dict()))
    assert GenerationRequest.from_dict(values) == request


def test_who_changed_what_is_kept_with_the_run(bench):
    bench.hold()
    job = bench.submit()
    bench.let(3)
    tune(bench.engine, job, {"fill": "grey"}, by="Ada")
    bench.let_all()
    run = bench.finish(job).result
    _, info = bench.library.state_files(run)
    assert json.loads(info.read_text())["tuned"] == [
        {"step": 3, "author": "Ada", "changes": {"fill": "grey"}}
    ]


def test_a_submission_that_cannot_be_kept_is_refused_before_any_work(bench, monkeypatch):
    bench.library.folder.joinpath("library.sqlite").unlink()
    with pytest.raises(Exception, match="lost"):
        submit_generation(
            bench.engine,
            bench.library,
            bench,
            GenerationRequest(spec=SPEC, targets=TARGETS, settings=SETTINGS),
        )
    assert bench.engine.views() == []
