"""What a graphics card promises; skipped where there is none. See also tests/benchmarks/gpu.py."""

import numpy as np
import pytest
import torch

from protocore.generation import loop
from protocore.generation.api import generate_prototypes
from protocore.generation.card import run as card_run
from protocore.generation.loop import generate
from protocore.generation.presets import find_preset
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from protocore.jobs.engine import JobEngine
from protocore.jobs.generation import GenerationRequest, submit_generation
from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec
from protocore.similarity.reference import NaturalReference
from protocore.similarity.statistics import measure_reference
from tests.networks import NAMES, tiny_network

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no graphics card"),
]
SHORT = GenerationSettings(steps=24, baseline_steps=4)
NATURAL = find_preset("natural").settings.replace(steps=24)
TARGETS = [Target.of(2, 7), Target.of(0), Target.contrast(3, 1, 0.5, seed=7), Target.antitype(1)]


@pytest.fixture
def card_classifier() -> Classifier:
    return Classifier.from_module(tiny_network().to("cuda"), class_names=NAMES, input_size=32)


def last(classifier, targets, settings, **options):
    snapshot = None
    for snapshot in generate(classifier, targets, settings, **options):  # noqa: B007
        pass
    return snapshot


@pytest.mark.parametrize("settings", [SHORT, NATURAL, SHORT.replace(fill="reflect")])
def test_the_same_bytes_again_and_in_any_batch(card_classifier, settings):
    alone = last(card_classifier, TARGETS[:1], settings)
    assert alone.execution.captured
    assert alone.execution.fixed_order
    image = alone.images()[0]
    assert torch.equal(last(card_classifier, TARGETS[:1], settings).images()[0], image)
    assert torch.equal(last(card_classifier, TARGETS, settings).images()[0], image)
    assert torch.equal(last(card_classifier, TARGETS[::-1], settings).images()[3], image)


@pytest.mark.parametrize("settings", [SHORT, NATURAL])
def test_a_resumed_run_ends_in_the_same_bytes(card_classifier, settings, tmp_path):
    whole = last(card_classifier, TARGETS, settings).images()
    for snapshot in generate(card_classifier, TARGETS, settings):
        if snapshot.stage == "prototype" and snapshot.step == 11:
            break
    (tmp_path / "state").write_bytes(snapshot.state.to_bytes())
    state = GenerationState.from_file(str(tmp_path / "state"), card_classifier.device)
    assert torch.equal(last(card_classifier, TARGETS, settings, state=state).images(), whole)


def test_captured_or_not_it_is_the_same(card_classifier, monkeypatch):
    image = last(card_classifier, TARGETS, SHORT).images()
    monkeypatch.setattr(
        card_run.CardRun, "_record", lambda self, work: (_ for _ in ()).throw(RuntimeError("no"))
    )
    uncaptured = last(card_classifier, TARGETS, SHORT)
    assert not uncaptured.execution.captured
    assert torch.equal(uncaptured.images(), image)


def test_settings_change_in_mid_run(card_classifier):
    run = generate(card_classifier, TARGETS, SHORT)
    for snapshot in run:
        if snapshot.stage == "prototype" and snapshot.step == 5:
            break
    later = SHORT.replace(transforms_per_step=3, learning_rate=0.01, fill="grey")
    changed = run.send(later)
    assert changed.settings == later
    assert list(run)[-1].logit.isfinite().all()


def test_a_nearly_full_card_is_enough(card_classifier):
    image = last(card_classifier, TARGETS, SHORT).images()
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info()[0]
    crowd = torch.empty(max(free - 2**30, 0), dtype=torch.uint8, device="cuda")
    assert torch.equal(last(card_classifier, TARGETS, SHORT).images(), image)
    del crowd


def test_memory_that_runs_out_gives_fewer_lanes(card_classifier, monkeypatch):
    record, failures = card_run.CardRun._record, []

    def once(self, work):
        if not failures:
            failures.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return record(self, work)

    image = last(card_classifier, TARGETS, SHORT).images()
    monkeypatch.setattr(card_run.CardRun, "_record", once)
    assert torch.equal(last(card_classifier, TARGETS, SHORT).images(), image)


def test_the_job_engine_makes_the_same(tmp_path):
    spec = ModelSpec.demo(device="cuda:0")
    pool, library, engine = ModelPool(), Library(tmp_path / "library"), JobEngine()
    request = GenerationRequest(spec=spec, targets=(Target.of(3),), settings=SHORT)
    view = engine.wait(submit_generation(engine, library, pool, request), timeout=120)
    assert view.status == "done", view.error
    made = library.load_prototype(library.run(view.result).prototypes[0])
    (alone,) = generate_prototypes(pool.get(spec), [Target.of(3)], SHORT)
    assert np.array_equal(made.image, alone.image)
    assert made.record.execution == alone.record.execution
    engine.close()


def test_similarity_is_that_of_the_processor(card_classifier):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    natural = NaturalReference(class_index=1, same=images[:6], different=images[6:])
    on_cpu = Classifier.from_module(tiny_network(), class_names=NAMES, input_size=32)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        found = measure_reference(card_classifier, natural)
    expected = measure_reference(on_cpu, natural)
    np.testing.assert_allclose(found.same, expected.same, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.different, expected.different, rtol=0, atol=1e-3)


def test_a_processor_and_a_card_start_alike(card_classifier):
    """The same numbers are drawn on both; a few steps on they have not parted."""
    settings = SHORT.replace(steps=3, baseline_steps=0, precision="float32")
    on_cpu = Classifier.from_module(tiny_network(), class_names=NAMES, input_size=32)
    expected = last(on_cpu, TARGETS, settings)
    found = last(card_classifier, TARGETS, settings)
    assert (found.images().cpu() - expected.images()).abs().mean() < 1e-3
    assert isinstance(found.state, loop.GenerationState)
