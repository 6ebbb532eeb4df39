"""Who makes the passes: nothing is made twice, the bytes do not depend on the workers."""

import json
import multiprocessing
import os
import socket

import pytest
import torch

from protocore.errors import JobError, OutOfMemoryError
from protocore.generation.settings import Target
from protocore.jobs.atlas import make_atlas, workers
from protocore.library.library import Library
from protocore.models.loading import load_classifier
from tests.jobs.atlas.makers import SETTINGS, SPEC, contents, dying, started


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(SPEC)


def make_and_die(folder, after):
    """Another process: it makes `after` passes and is killed within the next."""
    from protocore.jobs.atlas import open_atlas

    torch.set_num_threads(1)  # as the test itself; other numbers of threads round differently
    real, count = workers.keep_pass, iter(range(100))

    def keep(atlas, made, library):
        if next(count) == after:
            atlas.keep(made[:1])  # half of the pass in hand is written
            dying()
        real(atlas, made, library)

    workers.keep_pass = keep
    make_atlas(open_atlas(folder), SPEC)


def test_after_a_kill_the_rest_is_made_and_nothing_twice(tmp_path, classifier, monkeypatch):
    whole = started(tmp_path / "whole", classifier)
    make_atlas(whole, SPEC, classifier=classifier)

    atlas = started(tmp_path / "cut", classifier)
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=make_and_die, args=(atlas.folder, 1))
    process.start()
    process.join()
    assert process.exitcode == -9
    assert atlas.count_made() == 3
    assert atlas.pending() == [1, 2]
    times = {p.name: p.stat().st_mtime_ns for p in (atlas.folder / "prototypes").iterdir()}

    made = []
    real = workers.make_pass

    def counted(classifier, targets, *rest):
        made.append(targets)
        return real(classifier, targets, *rest)

    monkeypatch.setattr(workers, "make_pass", counted)
    assert make_atlas(atlas, SPEC, classifier=classifier) == 0
    assert made == atlas.passes[1:]
    assert contents(atlas) == contents(whole)
    for name, time in times.items():
        assert (atlas.folder / "prototypes" / name).stat().st_mtime_ns == time, name


def test_two_workers_give_the_same_files_as_one(tmp_path, classifier):
    alone = started(tmp_path / "one", classifier)
    together = started(tmp_path / "two", classifier)
    told = []
    assert make_atlas(alone, SPEC, classifier=classifier) == 0
    assert make_atlas(together, SPEC, workers=2, progress=lambda *a: told.append(a)) == 0
    assert contents(together) == contents(alone)
    assert told[-1][:2] == (6, 6)
    assert list((together.folder / "claims").iterdir()) == []


def test_a_worker_that_keeps_dying_is_an_error_and_not_an_endless_loop(
    tmp_path, classifier, monkeypatch
):
    monkeypatch.setattr(workers, "_worker", dying)
    with pytest.raises(JobError, match="3 workers died over loading the model"):
        make_atlas(started(tmp_path, classifier), SPEC, workers=1 + 1)


def test_an_error_of_a_worker_is_told(tmp_path, classifier):
    atlas = started(tmp_path, classifier)
    missing = type(SPEC)(kind="demo", architecture="demo", weights="nothing", device="cpu")
    with pytest.raises(JobError, match="nothing"):
        make_atlas(atlas, missing, workers=2)
    with pytest.raises(JobError, match="got 0"):
        make_atlas(atlas, SPEC, workers=0)


def test_a_pass_that_another_process_has_is_left_to_it(tmp_path, classifier):
    atlas = started(tmp_path, classifier)
    owner = {"host": socket.gethostname(), "pid": os.getppid(), "time": 0}
    (tmp_path / "claims" / "00001").write_text(json.dumps(owner))
    elsewhere = {"host": "another machine", "pid": 2**22 + 1, "time": 0}
    (tmp_path / "claims" / "00002").write_text(json.dumps(elsewhere))
    gone = {"host": socket.gethostname(), "pid": 2**22 + 1, "time": 0}
    (tmp_path / "claims" / "00000").write_text(json.dumps(gone))
    assert make_atlas(atlas, SPEC, classifier=classifier) == 4
    assert atlas.pending() == [1, 2]


def test_a_claim_can_be_taken_once(tmp_path, classifier):
    atlas = started(tmp_path, classifier)
    assert workers.claim(atlas.folder, 0)
    assert not workers.claim(atlas.folder, 0)
    assert workers.drop_dead_claims(atlas.folder) == [], "our own, alive"
    workers.release(atlas.folder, 0)
    assert workers.claim(atlas.folder, 0)
    workers.release(atlas.folder, 0)


def test_a_pass_too_wide_for_the_device_is_made_in_halves(classifier, monkeypatch):
    real = workers.generate_prototypes
    widths = []

    def narrow(classifier, targets, settings, **rest):
        widths.append(len(targets))
        if len(targets) > 1:
            raise OutOfMemoryError("no room")
        return real(classifier, targets, settings, **rest)

    monkeypatch.setattr(workers, "generate_prototypes", narrow)
    targets = [Target.of(0), Target.of(1), Target.of(2)]
    made = workers.make_pass(classifier, targets, SETTINGS)
    assert [one.prototype.record.target for one in made] == targets
    assert widths == [3, 1, 2, 1, 1]


def test_into_the_library_once(tmp_path, classifier):
    library = Library(tmp_path / "home")
    try:
        for name in ("first", "second"):
            atlas = started(tmp_path / name, classifier, classes=(0, 1), seeds=(0,))
            make_atlas(atlas, SPEC, classifier=classifier, library=library)
        assert library.count() == 2
    finally:
        library.close()


def test_time_left_at_the_rate_of_this_run(tmp_path, classifier, monkeypatch):
    now = iter([100.0, 110.0, 120.0])
    monkeypatch.setattr(workers.time, "monotonic", lambda: next(now))
    atlas = started(tmp_path, classifier)
    told = []
    clock = workers.Clock(atlas, lambda *a: told.append(a))
    clock.tell()
    clock.tell(1.0)
    assert told == [(0, 6, ""), (0, 6, "1 min 40 s left")]
