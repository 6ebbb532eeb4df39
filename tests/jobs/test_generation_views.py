"""What the live view may cost."""

import pytest

from protocore.generation.loop import generate
from protocore.generation.recording import Recording
from protocore.jobs import live_view
from protocore.jobs.live_view import thin
from tests.jobs.bench import SETTINGS, TARGETS
from tests.networks import tripwire_classifier


def test_curves_are_thinned_by_hand(monkeypatch):
    monkeypatch.setattr(live_view, "CURVE_POINTS", 3)
    curve = {"step": [1, 2, 3, 4, 5, 6, 7, 8], "logit": [10, 20, 30, 40, 50, 60, 70, 80]}
    assert thin(curve) == {"step": [1, 4, 7, 8], "logit": [10, 40, 70, 80]}
    assert thin({"step": [1, 2]}) == {"step": [1, 2]}
    assert thin({"step": [], "logit": []}) == {"step": [], "logit": []}


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Sink:
    def __init__(self):
        self.steps = []

    def publish(self, view):
        self.steps.append(view.step)


@pytest.mark.parametrize(
    ("image_cost", "top_cost", "most"),
    [(0.002, 0.01, 5.0), (0.05, 0.0, 1.0), (0.002, 0.3, 5.0), (0.5, 2.0, 0.1)],
)
def test_views_take_a_bounded_share_of_the_time(monkeypatch, image_cost, top_cost, most):
    """Steps of 20 ms, for 600 s of a made-up clock: share of the time, and views per second."""
    clock, sink, spent = Clock(), Sink(), [0.0]
    classifier = tripwire_classifier()[0]

    def costly(function, seconds):
        def call(*args):
            clock.now += seconds
            spent[0] += seconds
            return function(*args)

        return call

    monkeypatch.setattr(live_view, "to_uint8", costly(live_view.to_uint8, image_cost))
    monkeypatch.setattr(live_view, "image_logits", costly(live_view.image_logits, top_cost))
    settings = SETTINGS.replace(steps=100_000, baseline_steps=0)
    recording = Recording(classifier=classifier, targets=TARGETS, settings=settings)
    views = live_view.Views(recording=recording, clock=clock)
    snapshot = next(generate(classifier, TARGETS, settings))
    while clock.now < 600:
        clock.now += 0.02
        views.maybe_publish(sink, snapshot, now_please=False)
    assert spent[0] / clock.now < 0.04
    assert most / 4 <= len(sink.steps) / clock.now <= most
