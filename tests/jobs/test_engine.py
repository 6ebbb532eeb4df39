"""The job engine, with events instead of sleeps."""

import logging
import subprocess
import sys
import threading
import weakref

import pytest
import torch

from protocore.errors import JobError, LibraryError
from protocore.jobs.engine import JobEngine

PATIENCE = 20  # seconds after which a test gives up; never reached when all is well


class Clock:
    """A clock that only moves when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Stepper:
    """Work whose steps are let through one by one by the test."""

    def __init__(self, total=100):
        self.total = total
        self.permits = threading.Semaphore(0)
        self.started = threading.Event()
        self.stepped = threading.Semaphore(0)
        self.received = []

    def __call__(self, control):
        self.started.set()
        for step in range(self.total):
            control.wait_if_paused()
            if control.stopping:
                return f"stopped after {step}"
            assert self.permits.acquire(timeout=PATIENCE)
            self.received += control.take_messages()
            control.progress(step + 1, self.total, "stepping")
            control.publish(("image", step))
            self.stepped.release()
        return "complete"

    def step(self, count=1):
        for _ in range(count):
            self.permits.release()
            assert self.stepped.acquire(timeout=PATIENCE)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine(clock):
    engine = JobEngine(clock=clock, keep=3)
    yield engine
    engine.close()


@pytest.fixture
def submit(engine):
    """Submit and, at the end, let every stepper run out so that no thread hangs."""
    steppers = []

    def submit(work, device="cpu", **meta):
        if isinstance(work, Stepper):
            steppers.append(work)
        return engine.submit(kind="test", title="a test", device=device, work=work, meta=meta)

    yield submit
    for stepper in steppers:
        stepper.permits.release(stepper.total)


def running(submit, total=100, **kwargs):
    work = Stepper(total)
    job_id = submit(work, **kwargs)
    assert work.started.wait(PATIENCE)
    return work, job_id


def test_a_job_runs_and_its_result_is_kept(engine, submit):
    job_id = submit(lambda control: 6 * 7, model="tiny")
    view = engine.wait(job_id, PATIENCE)
    assert (view.status, view.result, view.error, view.active) == ("done", 42, "", False)
    assert (view.kind, view.title, view.device) == ("test", "a test", "cpu")
    assert view.meta == {"model": "tiny"}
    assert view.position is None


def test_identifiers_are_unguessable_and_differ(engine, submit):
    ids = {submit(lambda control: None) for _ in range(3)}
    assert len(ids) == 3
    assert all(len(job_id) == 16 for job_id in ids)


def test_snapshot_progress_and_version(engine, submit):
    work, job_id = running(submit)
    before = engine.view(job_id)
    assert (before.status, before.position, before.snapshot) == ("running", 0, None)
    work.step(3)
    view = engine.view(job_id)
    assert view.snapshot == ("image", 2)
    assert (view.done, view.total, view.text, view.fraction) == (3, 100, "stepping", 0.03)
    assert view.version == before.version + 6  # three times progress and publish


def test_meta_and_views_cannot_be_changed(engine, submit):
    view = engine.wait(submit(lambda control: None, a=1), PATIENCE)
    with pytest.raises(TypeError):
        view.meta["a"] = 2
    with pytest.raises(AttributeError):
        view.status = "queued"


def test_seconds_rate_and_time_left(engine, submit, clock):
    work, job_id = running(submit, total=20)
    work.step()
    assert engine.view(job_id).rate is None
    clock.now += 2.0
    work.step(4)  # 4 more steps in 2 seconds; only the first of them is a sample
    clock.now += 2.0
    work.step()  # 5 steps in 4 seconds
    view = engine.view(job_id)
    assert view.seconds == 4.0
    assert view.rate == pytest.approx(5 / 4)
    assert view.seconds_left is None  # six steps are too few to tell
    clock.now += 8.0
    work.step(10)
    assert engine.view(job_id).seconds_left == pytest.approx(4 / 1.25, rel=0.6)


def test_the_rate_forgets_what_is_long_ago(engine, submit, clock):
    work, job_id = running(submit, total=1000)
    work.step()
    clock.now += 100  # a slow start
    work.step()
    for _ in range(6):
        clock.now += 1
        work.step(10)
    assert engine.view(job_id).rate == pytest.approx(10)


def test_a_new_stage_starts_a_new_rate(engine, submit, clock):
    def work(control):
        control.progress(1, 10, "first")
        clock.now += 1
        control.progress(9, 10, "first")
        control.progress(1, 50, "second")
        clock.now += 2
        control.progress(2, 50, "second")

    view = engine.wait(submit(work), PATIENCE)
    assert view.rate == pytest.approx(0.5)
    assert (view.done, view.total, view.text) == (2, 50, "second")
    assert view.seconds_left is None  # nothing is left of a job that has ended


def test_pause_takes_no_time_and_resume_goes_on(engine, submit, clock):
    work, job_id = running(submit)
    work.step()
    clock.now += 3
    engine.pause(job_id)
    assert engine.view(job_id).status == "paused"
    clock.now += 1000
    assert engine.view(job_id).seconds == 3
    engine.resume(job_id)
    clock.now += 1
    work.step()
    view = engine.view(job_id)
    assert (view.status, view.seconds) == ("running", 4)


def test_a_paused_job_takes_no_step(engine, submit):
    passed, go_on = threading.Event(), threading.Event()

    def work(control):
        assert go_on.wait(PATIENCE)
        control.wait_if_paused()
        passed.set()

    job_id = submit(work)
    version = engine.view(job_id).version
    if engine.view(job_id).status == "queued":
        engine.wait_for_change(job_id, version, PATIENCE)
    engine.pause(job_id)
    go_on.set()
    assert not passed.wait(0.1)
    engine.resume(job_id)
    assert engine.wait(job_id, PATIENCE).status == "done"
    assert passed.is_set()


def test_stop_acts_within_one_step_and_keeps_the_result(engine, submit):
    work, job_id = running(submit)
    work.step(2)
    engine.stop(job_id)
    assert engine.view(job_id).status == "stopping"
    work.permits.release()  # the step it was in
    view = engine.wait(job_id, PATIENCE)
    assert (view.status, view.result) == ("stopped", "stopped after 3")


def test_stop_while_paused(engine, submit):
    work, job_id = running(submit)
    engine.pause(job_id)
    engine.stop(job_id)
    work.permits.release()
    assert engine.wait(job_id, PATIENCE).status == "stopped"


def test_one_queue_per_device_with_positions(engine, submit):
    first_work, first = running(submit)
    second, third = submit(lambda control: 2), submit(lambda control: 3)
    elsewhere = submit(lambda control: "other device", device="cuda:0")
    assert engine.wait(elsewhere, PATIENCE).result == "other device"
    assert [engine.view(i).position for i in (first, second, third)] == [0, 1, 2]
    assert engine.view(third).status == "queued"
    assert [view.id for view in engine.views()] == [elsewhere, third, second, first]
    engine.stop(second)  # at once, although the device is busy
    assert engine.view(second).status == "stopped"
    assert engine.view(third).position == 1
    engine.stop(first)
    first_work.permits.release()
    assert engine.wait(third, PATIENCE).result == 3


def test_a_change_of_position_is_a_change_of_version(engine, submit):
    running(submit)
    second, third = submit(lambda control: 2), submit(lambda control: 3)
    before = engine.view(third).version
    engine.stop(second)
    assert engine.view(third).version > before


def test_messages_arrive_once_and_in_order(engine, submit):
    work, job_id = running(submit)
    engine.send(job_id, "weight 300")
    engine.send(job_id, "weight 1000")
    work.step(2)
    engine.send(job_id, "weight 2000")
    work.step()
    assert work.received == ["weight 300", "weight 1000", "weight 2000"]


def test_an_explained_error_is_shown_as_it_is(engine, submit):
    def work(control):
        control.publish("the last good image")
        raise LibraryError("the disk is full; delete something")

    view = engine.wait(submit(work), PATIENCE)
    assert (view.status, view.error) == ("failed", "the disk is full; delete something")
    assert view.snapshot == "the last good image"


def test_an_unforeseen_error_is_polite_and_logged(engine, submit, caplog):
    def work(control):
        raise ValueError("shapes (3, 4) and (5,)")

    with caplog.at_level(logging.ERROR):
        view = engine.wait(submit(work), PATIENCE)
    assert view.error == (
        "something unexpected went wrong (ValueError: shapes (3, 4) and (5,)). The app and "
        "everything in the Library are unharmed; try again, and if it returns, report it with "
        "the server's log"
    )
    assert "Traceback" in caplog.text
    assert 'raise ValueError("shapes (3, 4) and (5,)")' in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    ],
)
def test_out_of_memory_says_what_to_do(engine, submit, error):
    def work(control):
        raise error

    view = engine.wait(submit(work), PATIENCE)
    assert view.error == (
        "the memory of cpu was not enough for this job; ask for fewer classes or seeds at once, "
        "a smaller image or fewer transforms per step, or end other jobs and programs"
    )


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit(3), KeyboardInterrupt()])
def test_the_worker_survives_any_error(engine, submit, error):
    def work(control):
        raise error

    assert engine.wait(submit(work), PATIENCE).status == "failed"
    assert engine.wait(submit(lambda control: "alive"), PATIENCE).result == "alive"


def test_finished_work_is_released(engine, submit):
    class Work:
        def __call__(self, control):
            return 1

    work = Work()
    gone = weakref.ref(work)
    engine.wait(submit(work), PATIENCE)
    del work
    assert gone() is None


def test_only_the_last_finished_jobs_are_remembered(engine, submit):
    ids = [submit(lambda control: None) for _ in range(5)]
    engine.wait(ids[-1], PATIENCE)
    assert [view.id for view in engine.views()] == [ids[4], ids[3], ids[2]]
    with pytest.raises(JobError) as caught:
        engine.view(ids[0])
    assert str(caught.value) == (
        f"there is no job {ids[0]!r} any more; the last 3 finished jobs are remembered until "
        "the app is restarted, finished runs are in the Library"
    )


def test_dismiss_forgets_a_finished_job_only(engine, submit):
    _, active = running(submit)
    with pytest.raises(JobError) as caught:
        engine.dismiss(active)
    assert str(caught.value) == (
        "the job 'a test' is running and cannot be dismissed; "
        "that needs a job that is done or stopped or failed or unsaved or interrupted"
    )
    finished = submit(lambda control: None, device="other")
    engine.wait(finished, PATIENCE)
    engine.dismiss(finished)
    assert [view.id for view in engine.views()] == [active]


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_a_finished_job_cannot_be_steered(engine, submit, action):
    job_id = submit(lambda control: None)
    engine.wait(job_id, PATIENCE)
    with pytest.raises(JobError, match=f"the job 'a test' is done and cannot be {action}"):
        getattr(engine, action)(job_id)
    with pytest.raises(JobError, match="cannot be told anything"):
        engine.send(job_id, "too late")


def test_a_waiting_job_cannot_be_paused(engine, submit):
    running(submit)
    waiting = submit(lambda control: None)
    with pytest.raises(JobError, match="is queued and cannot be paused; that needs a job that is"):
        engine.pause(waiting)


def test_close_stops_what_runs_and_drops_what_waits():
    engine = JobEngine()
    started, seen = threading.Event(), []

    def work(control):
        started.set()
        while not control.stopping:
            control.wait_if_paused()
        seen.append("stopped")

    first = engine.submit(kind="test", title="first", device="cpu", work=work)
    second = engine.submit(kind="test", title="second", device="cpu", work=lambda c: seen.append(2))
    assert started.wait(PATIENCE)
    engine.pause(first)
    engine.close()
    assert seen == ["stopped"]
    assert [engine.view(i).status for i in (first, second)] == ["stopped", "stopped"]
    assert not any(thread.name == "protocore generation on cpu" for thread in threading.enumerate())
    with pytest.raises(JobError, match="the app is shutting down; start it again"):
        engine.submit(kind="test", title="late", device="cpu", work=work)


def test_many_threads_may_use_one_engine(engine):
    results = []

    def use(number):
        job_id = engine.submit(
            kind="test", title=str(number), device=f"device {number % 2}", work=lambda c: number
        )
        results.append(number)
        engine.views()
        return job_id

    threads = [threading.Thread(target=use, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(results) == list(range(16))


def test_the_interpreter_ends_cleanly_in_the_middle_of_a_job():
    script = """
import threading, torch
from protocore.jobs.engine import JobEngine
started = threading.Event()
def work(control):
    started.set()
    while not control.stopping:
        torch.ones(64, 64) @ torch.ones(64, 64)
    print("stopped", flush=True)
JobEngine().submit(kind="test", title="endless", device="cpu", work=work)
started.wait()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "stopped\n", "")
