"""Tuning in mid-run, what goes wrong in a run, and the model after all of it."""

import math

import pytest
import torch

from protocore.errors import DivergedError, OutOfMemoryError, SettingsError, UnknownClassError
from protocore.generation.loop import check_change, generate
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from protocore.models.classifier import Classifier
from tests.networks import assert_unchanged, fingerprint, tiny_network, tripwire_classifier

SHORT = GenerationSettings(steps=4, baseline_steps=2, precision="float32")
FOUR_VIEWS = SHORT.replace(baseline_steps=0, steps=2, transforms_per_step=4)
CPU = torch.device("cpu")
NO_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 602112 bytes. Error code 12 (Cannot allocate memory)"
)


def run(classifier, targets, settings):
    return list(generate(classifier, targets, settings))


def reread(state, folder):
    """A copy of the state by way of a file."""
    path = folder / "state.safetensors"
    path.write_bytes(state.to_bytes())
    return GenerationState.from_file(str(path), CPU)


# --- the model ---


def busy_network():
    """In train mode but for one module, with hooks and gradients of its own."""
    network = tiny_network().train()
    network[1].eval()
    network(torch.rand(2, 3, 16, 16)).sum().backward()
    network[0].weight.requires_grad_(False)
    network[2].register_forward_hook(forbidden)
    network[4].register_forward_pre_hook(forbidden)
    network[5].register_full_backward_hook(forbidden)
    return network


def forbidden(*_):
    raise AssertionError("a hook of the user's model was called")


def finish(classifier):
    run(classifier, [Target.of(0), Target.of(1)], SHORT)


def abandon(classifier):
    generation = generate(classifier, [Target.of(0)], SHORT)
    next(generation)
    generation.close()


def leave(classifier):
    next(generate(classifier, [Target.of(0)], SHORT.replace(precision="bfloat16")))


def diverge(classifier):
    generation = generate(classifier, [Target.of(0)], SHORT)
    next(generation).state.parameters.fill_(math.nan)
    with pytest.raises(DivergedError):
        next(generation)


def fail(classifier):
    generation = generate(classifier, [Target.of(0)], SHORT)
    next(generation)
    with pytest.raises(SettingsError):
        generation.send(SHORT.replace(image_size=99))


@pytest.mark.parametrize("use", [finish, abandon, leave, diverge, fail])
def test_the_model_is_left_as_it_was(use):
    network = busy_network()
    before = fingerprint(network)
    classifier = Classifier.from_module(network, input_size=16)
    own = fingerprint(classifier.module)
    use(classifier)
    assert_unchanged(network, before)
    assert_unchanged(classifier.module, own)


# --- tuning ---


def test_sent_settings_hold_from_exactly_the_next_step(classifier, tmp_path):
    changed = SHORT.replace(
        hf_weight=5.0, learning_rate=0.2, steps=5, rotation=0, transforms_per_step=2, fill="grey",
        hf_penalty="squared", averaging=2, scale=(1, 1), translation=(0, 0), hf_weight_end=9.0,
    )  # fmt: skip
    generation = generate(classifier, [Target.of(1)], SHORT)
    snapshots = [next(generation) for _ in range(4)]  # two of the prototype stage
    before = snapshots[-1].images()
    state = reread(snapshots[-1].state, tmp_path)
    snapshots.append(generation.send(changed))
    tuned = snapshots[-1].images()
    snapshots += list(generation)
    assert [s.settings for s in snapshots] == [SHORT] * 4 + [changed] * 3
    assert [s.total for s in snapshots] == [2, 2, 4, 4, 5, 5, 5]
    assert snapshots[4].hf_weight == pytest.approx(changed.hf_weight_at(2))
    fresh = generate(classifier, [Target.of(1)], changed, state=state)
    assert torch.equal(next(fresh).images(), tuned)
    assert not torch.equal(before, tuned)


def test_a_changed_number_of_steps_ends_the_run_sooner_or_later(classifier):
    generation = generate(classifier, [Target.of(1)], SHORT.replace(baseline_steps=0))
    next(generation)
    assert generation.send(SHORT.replace(baseline_steps=0, steps=2)).total == 2
    with pytest.raises(StopIteration):
        next(generation)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"image_size": 32}, "image size"),
        ({"precision": "bfloat16", "baseline_steps": 9}, "baseline steps, precision"),
        ({"parametrisation": "fourier"}, "parametrisation"),
    ],
)
def test_changes_that_cannot_hold_in_mid_run_are_refused(classifier, tmp_path, changes, names):
    text = f"{names} cannot change while a run goes on; start a new one"
    with pytest.raises(SettingsError) as caught:
        check_change(SHORT, SHORT.replace(**changes))
    assert str(caught.value) == text
    generation = generate(classifier, [Target.of(1)], SHORT)
    state = next(generation).state
    with pytest.raises(SettingsError) as caught:
        generation.send(SHORT.replace(**changes))
    assert str(caught.value) == text
    resumed = list(generate(classifier, [Target.of(1)], SHORT, state=reread(state, tmp_path)))
    assert torch.equal(resumed[-1].images(), run(classifier, [Target.of(1)], SHORT)[-1].images())


def test_what_may_change_in_mid_run(classifier):
    check_change(SHORT, SHORT.replace(steps=99, hf_weight=1, fill="grey", averaging=3))


# --- bad input ---


@pytest.mark.parametrize(
    ("targets", "error", "text"),
    [
        ([], SettingsError, "choose at least one class: there is nothing to generate"),
        (
            [Target.of(5)],
            UnknownClassError,
            "class index must be between 0 and 4 for tiny, got 5",
        ),
        (
            [Target.contrast(1, 9, 0.5)],
            UnknownClassError,
            "class index must be between 0 and 4 for tiny, got 9",
        ),
        (
            [Target.of(1, 2), Target.of(1, 2)],
            SettingsError,
            "the same class and seed was asked for twice in one run",
        ),
    ],
)
def test_wrong_targets_are_explained_before_anything_runs(classifier, targets, error, text):
    with pytest.raises(error) as caught:
        generate(classifier, targets, SHORT)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("targets", "changes", "text"),
    [
        ([Target.of(2)], {}, "the saved state belongs to other classes or seeds"),
        (
            [Target.of(1)],
            {"image_size": 32},
            "the saved state belongs to another image size or parametrisation than 32 pixels, "
            "pixels",
        ),
        (
            [Target.of(1)],
            {"parametrisation": "fourier"},
            "the saved state belongs to another image size or parametrisation than 16 pixels, "
            "fourier",
        ),
    ],
)
def test_a_state_of_another_run_is_refused(classifier, targets, changes, text):
    state = GenerationState.start((Target.of(1),), SHORT, 16, CPU)
    with pytest.raises(SettingsError) as caught:
        generate(classifier, targets, SHORT.replace(**changes), state=state)
    assert str(caught.value) == text


# --- divergence ---


@pytest.mark.parametrize(
    ("call", "changes", "where", "weight"),
    [
        (2, {}, "baseline step 2", "1000"),
        (3, {}, "step 1", "1000"),
        (5, {"hf_weight": 100.0, "hf_weight_end": 800.0}, "step 3", "400"),
    ],
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run(call, changes, where, weight, value):
    classifier, wire = tripwire_classifier()
    generation = generate(classifier, [Target.of(1)], SHORT.replace(**changes))
    wire.calls = 0
    wire.act = lambda calls, x: x * value if calls == call else None
    snapshots = []
    with pytest.raises(DivergedError) as caught:
        snapshots.extend(generation)
    assert str(caught.value) == (
        f"the loss became NaN or infinite in {where}; lower the learning rate (0.05) or the "
        f"high-frequency weight ({weight}), or use precision float32"
    )


def test_the_image_before_the_divergence_is_still_there():
    classifier, wire = tripwire_classifier()
    generation = generate(classifier, [Target.of(1)], SHORT)
    snapshot = next(generation)
    before = snapshot.images()
    wire.act = lambda calls, x: x * math.nan
    with pytest.raises(DivergedError):
        next(generation)
    assert torch.equal(snapshot.images(), before)


# --- memory ---


def room_for(views, error):
    """Fails like an allocator when more views come at once; remembers how many came."""
    sizes = []

    def act(calls, x):
        sizes.append(len(x))
        if len(x) > views:
            raise error

    return act, sizes


@pytest.mark.parametrize(
    "error", [RuntimeError(NO_MEMORY), torch.OutOfMemoryError("CUDA out of memory."), MemoryError()]
)
def test_when_memory_runs_out_fewer_views_go_at_once(error):
    targets = [Target.of(0), Target.of(1)]
    classifier, wire = tripwire_classifier()
    expected = run(classifier, targets, FOUR_VIEWS)[-1].images()
    generation = generate(classifier, targets, FOUR_VIEWS)
    wire.act, sizes = room_for(1, error)
    images = list(generation)[-1].images()
    assert sizes == [4, 2, *[1] * 16]  # two failures, then eight views in each of two steps
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-5)


def test_when_not_even_one_view_fits():
    classifier, wire = tripwire_classifier()
    generation = generate(classifier, [Target.of(0)], FOUR_VIEWS)
    wire.act, sizes = room_for(0, RuntimeError(NO_MEMORY))
    with pytest.raises(OutOfMemoryError) as caught:
        next(generation)
    assert sizes == [4, 2, 1]
    assert str(caught.value) == (
        "not even one view at a time fits into the memory of cpu; choose fewer classes or seeds, "
        "a smaller image size or another device"
    )


def test_when_there_is_no_room_for_the_start_images(classifier, monkeypatch):
    def start(*_):
        raise RuntimeError(NO_MEMORY)

    monkeypatch.setattr(GenerationState, "start", start)
    with pytest.raises(OutOfMemoryError, match="not even one view at a time fits"):
        generate(classifier, [Target.of(0)], SHORT)


def test_other_errors_of_the_network_surface():
    classifier, wire = tripwire_classifier()
    generation = generate(classifier, [Target.of(0)], SHORT)
    wire.act, _ = room_for(0, RuntimeError("sizes do not match"))
    with pytest.raises(RuntimeError, match=r"^sizes do not match$"):
        next(generation)
