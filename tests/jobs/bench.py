"""Generation jobs whose steps are let through one by one by the test."""

import math
import threading

from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.engine import JobEngine
from protocore.jobs.generation import GenerationRequest, submit_generation
from protocore.models.spec import ModelSpec
from tests.networks import tripwire_classifier

PATIENCE = 20  # seconds after which a test gives up; never reached when all is well
TARGETS = (Target.of(1), Target.contrast(2, 0, 0.5, seed=4))
SETTINGS = GenerationSettings(
    steps=6, baseline_steps=2, hf_weight=1.0, hf_weight_end=32.0, averaging=2, precision="float32"
)
SPEC = ModelSpec.demo(device="cpu")


class Bench:
    """Engine, library and a classifier whose steps are let through by the test."""

    def __init__(self, library):
        self.engine = JobEngine()
        self.library = library
        self.classifier, self.wire = tripwire_classifier()
        self.failure = None  # raised when the model is loaded
        self.poison = None  # number of the pass whose views become NaN
        self._changed = threading.Condition()
        self._passed, self._allowed, self._waiting = 0, math.inf, False
        self.wire.act = self._act

    def get(self, spec, report=None):
        """As ModelPool.get."""
        if self.failure:
            raise self.failure
        return self.classifier

    def _act(self, calls, x):
        if not x.requires_grad:
            return None  # a measurement, not a step
        with self._changed:
            self._waiting = True
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._passed < self._allowed, PATIENCE)
            self._passed += 1
            self._waiting = False
            return x * math.nan if self.poison == self._passed else None

    def hold(self):
        """From now on steps need `let`."""
        self._allowed = self._passed

    def let(self, steps, *, and_wait=True):
        """Let steps through (each is one pass per target) until the next one is begun."""
        with self._changed:
            self._allowed += steps * len(TARGETS)
            self._changed.notify_all()
            if and_wait:
                arrived = lambda: self._waiting and self._passed == self._allowed  # noqa: E731
                assert self._changed.wait_for(arrived, PATIENCE)

    def let_all(self):
        """Let everything through."""
        self.let(math.inf, and_wait=False)

    def submit(self, targets=TARGETS, settings=SETTINGS, **more):
        request = GenerationRequest(
            spec=SPEC,
            targets=targets,
            settings=settings,
            **{"preset": "paper", "title": "mine"} | more,
        )
        return submit_generation(self.engine, self.library, self, request)

    def finish(self, job):
        view = self.engine.wait(job, PATIENCE)
        assert not view.active
        return view

    def made(self, job):
        """The prototypes of a finished job."""
        view = self.finish(job)
        assert view.error == ""
        run = self.library.run(view.result)
        return [self.library.load_prototype(i) for i in run.prototypes]

    def close(self):
        self.let_all()
        self.engine.close()
