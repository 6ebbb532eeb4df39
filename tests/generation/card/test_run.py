"""The run on a card by the same code without capture: it is the plain loop, in other passes."""

import pytest
import torch

from protocore.errors import DivergedError
from protocore.generation import loop
from protocore.generation.card.run import MOST_AHEAD, CardRun
from protocore.generation.card.step import Form, Step
from protocore.generation.loop import generate
from protocore.generation.settings import GenerationSettings, Target

SHORT = GenerationSettings(steps=9, baseline_steps=2, precision="float32")
TARGETS = (Target.of(2, 7), Target.of(0), Target.contrast(3, 1, 0.5, seed=7), Target.antitype(1))


def steps(classifier, targets, settings, **options):
    options.setdefault("views_per_pass", 4)
    state = loop.GenerationState.start(targets, settings, 16, classifier.device)
    problem = CardRun(classifier, targets, settings, **options)
    return loop._run(problem, settings, state)


def assert_alike(images, others):
    """But for rounding: it decides the sign of what is nearly 0, and Adam makes a step of that."""
    gaps = (images - others).abs()
    assert gaps.mean() < 1e-3
    assert (gaps < 1e-3).float().mean() > 0.97


@pytest.mark.parametrize("views", [1, 3, 16])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"transforms_per_step": 3, "averaging": 3},
        {"parametrisation": "fourier", "transforms_per_step": 2},
        {"hf_unit": "gradient", "hf_colour": 4.0, "hf_weight": 100.0},
        {"probability_floor": 0.3, "hf_rise": "class", "hf_weight_end": 4000.0},
        {"fill": "reflect", "hf_penalty": "squared"},
        {"noise": 0.2, "jitter": 0.3, "greyscale": 0.5, "transforms_per_step": 2},
        {"parametrisation": "maco"},
    ],
)
def test_it_is_the_plain_loop(classifier, changes, views):
    settings = SHORT.replace(**changes)
    expected = list(generate(classifier, TARGETS, settings))
    found = list(steps(classifier, TARGETS, settings, views_per_pass=views))
    assert [(s.stage, s.step) for s in found] == [(s.stage, s.step) for s in expected]
    for name in ("logit", "probability", "hf_loss"):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0.01)
    assert_alike(found[-1].images(), expected[-1].images())
    where = expected[-1].state.where
    assert (found[-1].state.where - where).abs().mean() < 0.01 * where.mean()


def test_settings_changed_in_mid_run_hold_from_the_next_step_on(classifier):
    changes = {3: {"learning_rate": 0.01}, 5: {"transforms_per_step": 3, "hf_weight": 50.0}}

    def last(run):
        snapshot, settings = next(run), SHORT
        while True:
            settings = settings.replace(**changes.get(snapshot.step, {}))
            try:
                snapshot = run.send(settings)
            except StopIteration:
                return snapshot

    found, expected = (
        last(steps(classifier, TARGETS, SHORT)),
        last(generate(classifier, TARGETS, SHORT)),
    )
    assert_alike(found.images(), expected.images())
    assert found.state.to_bytes()[-64:] == expected.state.to_bytes()[-64:]  # the generators


@pytest.mark.parametrize("stop", [1, 2, 4, 8])
def test_a_saved_run_goes_on_to_the_same_bytes(classifier, tmp_path, stop):
    settings = SHORT.replace(transforms_per_step=2)
    whole = list(steps(classifier, TARGETS, settings))[-1].images()
    run = steps(classifier, TARGETS, settings)
    for _ in range(stop):
        snapshot = next(run)
    path = tmp_path / "state"
    path.write_bytes(snapshot.state.to_bytes())
    state = loop.GenerationState.from_file(str(path), classifier.device)
    problem = CardRun(classifier, TARGETS, settings, views_per_pass=4)
    assert torch.equal(list(loop._run(problem, settings, state))[-1].images(), whole)


def test_a_target_does_not_depend_on_the_batch_nor_on_its_place(classifier):
    settings = SHORT.replace(transforms_per_step=3)
    alone = list(steps(classifier, TARGETS[:1], settings))[-1].images()[0]
    others = (Target.of(4, 9), *TARGETS[1:])
    assert torch.equal(list(steps(classifier, TARGETS, settings))[-1].images()[0], alone)
    moved = list(steps(classifier, (*others, TARGETS[0]), settings))[-1].images()[4]
    assert torch.equal(moved, alone)


def test_divergence_names_the_step_and_comes_before_the_end(classifier):
    settings = SHORT.replace(steps=MOST_AHEAD + 10)
    run = steps(classifier, TARGETS, settings)
    for _ in range(5):
        snapshot = next(run)
    snapshot.state.parameters[1, 0, 3, 3] = float("nan")
    with pytest.raises(DivergedError, match="in step 4;"):
        for _ in run:
            pass


def test_values_stay_with_their_snapshot(classifier):
    settings = SHORT.replace(steps=2 * MOST_AHEAD, baseline_steps=0)
    run = steps(classifier, TARGETS, settings)
    first = next(run)
    early = first.logit.clone()
    snapshots = list(run)
    assert torch.equal(first.logit, early)
    assert len({tuple(s.logit.tolist()) for s in snapshots}) == len(snapshots)


def test_the_record_can_say_how_it_was_computed(classifier):
    snapshot = next(steps(classifier, TARGETS, SHORT, views_per_pass=3))
    assert snapshot.execution.views_per_pass == 3
    assert not snapshot.execution.captured


def test_memory_that_runs_out_gives_smaller_passes(classifier, monkeypatch):
    from protocore.models.fast.network import FastNetwork

    sizes, play = [], FastNetwork.play

    def narrow(self, views):
        sizes.append(len(views))
        if len(views) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return play(self, views)

    monkeypatch.setattr(FastNetwork, "play", narrow)
    snapshots = list(steps(classifier, TARGETS, SHORT, views_per_pass=8))
    assert snapshots[-1].execution.views_per_pass == 2
    assert {8, 4, 2} == set(sizes)


def test_a_network_that_answers_by_place_is_told(classifier):
    state = loop.GenerationState.start(TARGETS, SHORT, 16, classifier.device)
    problem = CardRun(classifier, TARGETS, SHORT, views_per_pass=4)
    step = Step(problem, Form.of(SHORT, baseline=False), state)
    assert step.repeats()
    play = problem.network.play
    problem.network.play = lambda views: play(views) + torch.arange(4.0)[:, None]
    assert not step.repeats()


def test_a_finished_run_lets_go_of_its_buffers(classifier):
    state = loop.GenerationState.start(TARGETS, SHORT, 16, classifier.device)
    problem = CardRun(classifier, TARGETS, SHORT, views_per_pass=4)
    run = loop._run(problem, SHORT, state)
    first = next(run)
    assert problem._parts
    run.close()
    assert not problem._parts
    assert first.logit.isfinite().all()
