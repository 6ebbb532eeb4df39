import dataclasses
import threading
from concurrent.futures import Future

import pytest

from protocore.errors import ModelError
from protocore.models import ModelPool, ModelSpec, find_entry, pool
from protocore.models.pool import size_of


@pytest.fixture
def specs(checkpoint_file):
    return [
        ModelSpec.checkpoint("squeezenet1_1", checkpoint_file, input_size=size, device="cpu")
        for size in (32, 48, 64)
    ]


def test_a_classifier_is_loaded_once(specs):
    models = ModelPool()
    first = models.get(specs[0])
    assert models.get(specs[0]) is first
    assert models.get(specs[1]) is not first
    assert models.loaded() == (specs[0], specs[1])
    weights = sum(p.nbytes for p in first.module.parameters())
    assert size_of(first) == weights


def announce_waiting(monkeypatch, count: int) -> list[threading.Event]:
    """Events that are set, one after the other, as threads begin to wait for a classifier."""
    events = [threading.Event() for _ in range(count)]
    remaining = iter(events)

    class Announced(Future):
        def result(self, timeout=None):
            if not self.done():
                next(remaining).set()
            return super().result(timeout)

    monkeypatch.setattr(pool, "Future", Announced)
    return events


def test_threads_that_ask_at_once_load_once(specs, monkeypatch):
    calls = []
    waiting = announce_waiting(monkeypatch, 3)

    def slow(spec, report=None):
        calls.append(spec)
        assert all(event.wait(5) for event in waiting)  # the three others wait for this one
        return original(spec, report)

    original = pool.load_classifier
    monkeypatch.setattr(pool, "load_classifier", slow)
    models, found = ModelPool(), []
    threads = [
        threading.Thread(target=lambda: found.append(models.get(specs[0]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len({id(classifier) for classifier in found}) == 1
    assert len(found) == 4


def test_the_longest_unused_goes_when_the_budget_is_spent(specs):
    size = size_of(ModelPool().get(specs[0]))
    models = ModelPool(budget_bytes=2 * size)
    for spec in (specs[0], specs[1], specs[0], specs[2]):
        models.get(spec)
    assert models.loaded() == (specs[0], specs[2])


def test_one_that_is_larger_than_the_budget_is_kept_alone(specs):
    models = ModelPool(budget_bytes=1)
    models.get(specs[0])
    models.get(specs[1])
    assert models.loaded() == (specs[1],)


def test_a_failure_is_told_to_all_and_not_remembered(specs, monkeypatch):
    original, started, go = pool.load_classifier, threading.Event(), threading.Event()

    def broken(spec, report=None):
        started.set()
        go.wait(5)
        raise ModelError("the disk is on fire")

    monkeypatch.setattr(pool, "load_classifier", broken)
    models, errors = ModelPool(), []

    def ask():
        try:
            models.get(specs[0])
        except ModelError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    threads[0].start()
    started.wait(5)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert errors == ["the disk is on fire"] * 2
    assert models.loaded() == ()
    monkeypatch.setattr(pool, "load_classifier", original)
    assert models.get(specs[0]).num_classes == 3


def test_a_stopped_page_does_not_stop_those_who_wait(specs, monkeypatch):
    started, go, heard = threading.Event(), threading.Event(), []
    waiting = announce_waiting(monkeypatch, 1)

    def stopped(spec, report=None):
        started.set()
        go.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(pool, "load_classifier", stopped)
    models = ModelPool()

    def load(kind):
        try:
            models.get(specs[0])
        except BaseException as error:
            heard.append((kind, type(error)))

    first = threading.Thread(target=load, args=("loads",))
    first.start()
    started.wait(5)
    second = threading.Thread(target=load, args=("waits",))
    second.start()
    assert waiting[0].wait(5)
    go.set()
    first.join()
    second.join()
    assert sorted(heard) == [("loads", KeyboardInterrupt), ("waits", ModelError)]


def test_one_download_for_everyone():
    entry = dataclasses.replace(find_entry("resnet18"), url="http://127.0.0.1:9/a-12345678.pth")
    models = ModelPool()
    assert models.download_of(entry) is None
    first = models.start_download(entry)
    assert models.download_of(entry) is first
    assert "the server cannot be reached" in first.wait(10).error
    assert models.start_download(entry) is not first  # a failed one is tried again
