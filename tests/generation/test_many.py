"""Many prototypes: the same as one by one, over several devices, with errors that are seen."""

import threading

import numpy as np
import pytest

from protocore.errors import SettingsError
from protocore.generation import many
from protocore.generation.api import generate_prototypes
from protocore.generation.many import generate_many
from protocore.generation.settings import GenerationSettings, Target
from tests.networks import tiny_classifier

SHORT = GenerationSettings(steps=3, baseline_steps=1, precision="float32")
TARGETS = [Target.of(index, seed) for seed in range(3) for index in range(5)]


@pytest.mark.parametrize("devices", [1, 2])
def test_they_are_those_of_single_runs(classifier, monkeypatch, devices):
    monkeypatch.setitem(many.MOST_TOGETHER, "cpu", 4)
    kept = {}
    count = generate_many(
        [classifier] * devices, TARGETS, SHORT, lambda made: kept.update({made.record.target: made})
    )
    assert count == len(TARGETS) == len(kept)
    for target in TARGETS[::4]:
        (alone,) = generate_prototypes(classifier, [target], SHORT)
        assert np.array_equal(kept[target].image, alone.image)
        assert kept[target].record.key == alone.record.key


def test_both_devices_work(classifier, monkeypatch):
    monkeypatch.setitem(many.MOST_TOGETHER, "cpu", 1)
    both, threads = threading.Barrier(2, timeout=30), set()

    def on_step(device, snapshot):
        if threading.get_ident() not in threads:
            threads.add(threading.get_ident())
            both.wait()

    generate_many([classifier] * 2, TARGETS[:6], SHORT, lambda made: None, on_step=on_step)
    assert len(threads) == 2


def test_what_cannot_be_written_ends_it(classifier):
    def full(made):
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        generate_many([classifier], TARGETS[:2], SHORT, full)


def test_a_stop_keeps_whole_runs_alone(classifier, monkeypatch):
    monkeypatch.setitem(many.MOST_TOGETHER, "cpu", 5)
    steps, kept = [], []
    count = generate_many(
        [classifier],
        TARGETS,
        SHORT,
        kept.append,
        on_step=lambda device, snapshot: steps.append(snapshot.step),
        should_stop=lambda: len(steps) > 5,
    )
    assert count == len(kept) == 5


def test_no_target_is_no_work(classifier):
    assert generate_many([classifier], [], SHORT, lambda made: None) == 0


def test_two_networks_are_refused(classifier):
    with pytest.raises(SettingsError, match="got 2"):
        generate_many([classifier, tiny_classifier(seed=1)], TARGETS, SHORT, lambda made: None)
