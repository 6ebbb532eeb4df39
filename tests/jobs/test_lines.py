"""Queues and devices: fair between visitors, one network at a time, results made once."""

import threading

import pytest

from protocore.errors import JobEndedError, JobError, LibraryError
from protocore.jobs import engine as engine_module
from protocore.jobs.engine import ANALYSIS, JobEngine
from protocore.jobs.job import InterruptedWork, NotSaved

PATIENCE = 20  # seconds after which a test gives up; never reached when all is well


@pytest.fixture
def engine():
    engine = JobEngine(keep=3)
    yield engine
    engine.close()


@pytest.fixture
def gate():
    """Work that waits until the test lets it go."""
    opened = threading.Event()
    yield opened
    opened.set()


def submit(engine, work, **more):
    values = {"kind": "test", "title": "a test", "device": "cpu"} | more
    return engine.submit(work=work, **values)


def blocked(engine, gate, **more):
    """A running job that waits for the gate."""
    started = threading.Event()

    def work(control):
        started.set()
        assert gate.wait(PATIENCE)

    job = submit(engine, work, **more)
    assert started.wait(PATIENCE)
    return job


# --- fair between visitors ---


def test_visitors_take_turns_whoever_has_more_waiting(engine, gate):
    blocked(engine, gate, visitor="ada")
    order = []

    def add(visitor, name):
        return submit(engine, lambda control: order.append(name), visitor=visitor)

    ids = [add("ada", f"ada {n}") for n in range(3)]
    late = add("ben", "ben 0")
    assert [engine.view(i).position for i in (ids[0], late, ids[1], ids[2])] == [1, 2, 3, 4]
    later = add("ben", "ben 1")
    assert [engine.view(i).position for i in (ids[1], later, ids[2])] == [3, 4, 5]
    gate.set()
    assert engine.wait(ids[2], PATIENCE).status == "done"
    assert order == ["ada 0", "ben 0", "ada 1", "ben 1", "ada 2"]


def test_newcomers_do_not_starve_who_waits_longer(engine, gate):
    blocked(engine, gate, visitor="ada")
    second = submit(engine, lambda control: None, visitor="ada")
    for number in range(3):
        submit(engine, lambda control: None, visitor=f"guest {number}")
    assert engine.view(second).position == 1


def test_a_visitor_cannot_fill_the_queue(engine, gate, monkeypatch):
    monkeypatch.setenv(engine_module.JOBS_VARIABLE, "2")
    blocked(engine, gate, visitor="ada")
    submit(engine, lambda control: None, visitor="ada")
    with pytest.raises(JobError, match=f"2 jobs.*at most 2.*{engine_module.JOBS_VARIABLE}"):
        submit(engine, lambda control: None, visitor="ada")
    submit(engine, lambda control: None, visitor="ben")


@pytest.mark.parametrize("text", ["many", "0", "-1", "²"])
def test_a_bound_that_is_no_number_is_explained(engine, monkeypatch, text):
    monkeypatch.setenv(engine_module.JOBS_VARIABLE, text)
    with pytest.raises(JobError, match=f"{engine_module.JOBS_VARIABLE}.*{text}"):
        submit(engine, lambda control: None)


# --- a queue is not a device ---


def test_two_queues_never_compute_on_one_device_at_once(engine):
    inside, most, steps = [0], [0], 40

    def work(control):
        for step in range(steps):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            control.progress(step + 1, steps)
            inside[0] -= 1
            control.wait_if_paused()

    jobs = [submit(engine, work, queue=queue) for queue in ("generation", ANALYSIS, "third")]
    assert all(engine.wait(job, PATIENCE).status == "done" for job in jobs)
    assert most == [1]


def test_an_analysis_runs_between_the_steps_of_a_generation(engine):
    analysed, steps = threading.Event(), []

    def generation(control):
        while not control.stopping:
            steps.append(analysed.wait(0.001))  # a step takes its time, without the lock
            control.wait_if_paused()

    running = submit(engine, generation)
    found = submit(engine, lambda control: analysed.set(), queue=ANALYSIS)
    assert engine.wait(found, PATIENCE).status == "done"
    assert engine.view(running).status == "running"
    engine.stop(running)
    assert engine.wait(running, PATIENCE).status == "stopped"


def test_a_paused_job_leaves_its_device_to_others(engine):
    def generation(control):
        while not control.stopping:
            control.wait_if_paused()

    paused = submit(engine, generation)
    while engine.view(paused).status != "running":
        engine.wait_for_change(paused, engine.view(paused).version, 0.1)
    engine.pause(paused)
    found = submit(engine, lambda control: "seen", queue=ANALYSIS)
    assert engine.wait(found, PATIENCE).result == "seen"
    engine.resume(paused)
    engine.stop(paused)
    assert engine.wait(paused, PATIENCE).status == "stopped"


def test_work_on_no_device_waits_for_none(engine, gate):
    blocked(engine, gate)
    download = submit(engine, lambda control: "fetched", device="", queue="download")
    assert engine.wait(download, PATIENCE).result == "fetched"


# --- results that are made once ---


def once(engine, key, work, **more):
    values = {"kind": "occlusion", "title": "a map", "device": "cpu"} | more
    return engine.once(key=key, work=work, **values)


def test_the_same_analysis_is_started_once(engine, gate):
    count = []

    def work(control):
        count.append(1)
        assert gate.wait(PATIENCE)
        return "map"

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(once(engine, "a", work).id)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    gate.set()
    assert len(set(found)) == 1
    assert engine.wait(found[0], PATIENCE).result == "map"
    assert once(engine, "a", work).result == "map"
    assert count == [1]


def test_results_do_not_push_out_other_jobs(engine):
    run = submit(engine, lambda control: "a run")
    engine.wait(run, PATIENCE)
    for number in range(20):
        engine.wait(once(engine, str(number), lambda control: 0).id, PATIENCE)
    assert engine.view(run).result == "a run"


def test_the_memory_of_results_is_bounded_and_drops_what_was_used_least(engine, monkeypatch):
    monkeypatch.setattr(engine_module, "KEEP_RESULTS", 2)
    ids = {}
    for key in ("a", "b"):
        ids[key] = once(engine, key, lambda control: 0).id
        engine.wait(ids[key], PATIENCE)
    assert once(engine, "a", None).id == ids["a"]  # used again
    engine.wait(once(engine, "c", lambda control: 0).id, PATIENCE)
    assert once(engine, "a", None).id == ids["a"]
    assert once(engine, "b", lambda control: 1).id != ids["b"]


def test_a_failed_analysis_stays_until_it_is_dismissed(engine):
    def fail(control):
        raise LibraryError("the picture is gone")

    engine.wait(once(engine, "a", fail).id, PATIENCE)
    view = once(engine, "a", lambda control: 1)
    assert (view.status, view.error) == ("failed", "the picture is gone")
    engine.dismiss(view.id)
    assert engine.wait(once(engine, "a", lambda control: 1).id, PATIENCE).result == 1


# --- work that hangs, work that cannot be saved, work that goes on later ---


def test_a_job_that_hangs_is_given_up_and_its_queue_goes_on(engine, gate):
    ended, woken = [], []
    started = threading.Event()

    def hang(control):
        started.set()
        gate.wait(PATIENCE)
        try:
            control.progress(1, 2)
        except JobEndedError as error:
            woken.append(str(error))
            raise

    job = submit(engine, hang, on_end=ended.append)
    assert started.wait(PATIENCE)
    next_job = submit(engine, lambda control: "next")
    engine.stop(job)
    engine.give_up(job)
    view = engine.view(job)
    assert view.status == "stopped" and "given up" in view.error
    assert engine.wait(next_job, PATIENCE).result == "next"
    gate.set()
    assert [v.status for v in ended] == ["stopped"]
    last = engine.wait(submit(engine, lambda control: "alive"), PATIENCE)
    assert last.result == "alive"


def test_a_result_that_could_not_be_saved_is_kept_and_saved_later(engine):
    tries, ended = [], []

    def save():
        tries.append(1)
        if len(tries) < 2:
            raise LibraryError("the disk is full")
        return "run"

    def work(control):
        raise NotSaved("the disk is full", save)

    job = submit(engine, work, on_end=lambda view: ended.append(view.status))
    assert engine.wait(job, PATIENCE).status == "unsaved"
    for _ in range(5):  # others that finish do not push it out
        engine.wait(submit(engine, lambda control: 0), PATIENCE)
    with pytest.raises(LibraryError):
        engine.save_again(job)
    assert engine.view(job).status == "unsaved"
    view = engine.save_again(job)
    assert (view.status, view.result, view.error) == ("done", "run", "")
    assert ended == ["unsaved", "done"]
    with pytest.raises(JobError, match="done and cannot be saved again"):
        engine.save_again(job)


def test_closing_interrupts_what_can_go_on_later():
    engine = JobEngine()
    started, ended = threading.Event(), []

    def work(control):
        started.set()
        while not control.stopping:
            control.wait_if_paused()
        assert control.closing
        raise InterruptedWork

    first = submit(engine, work, on_end=ended.append)
    second = submit(engine, work, on_end=ended.append)
    assert started.wait(PATIENCE)
    engine.close()
    assert {view.id: view.status for view in ended} == {
        first: "interrupted",
        second: "interrupted",
    }
