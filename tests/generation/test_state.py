"""A run that goes on from its saved state is the uninterrupted run, to the last bit."""

import pytest
import torch

from protocore.errors import LibraryError
from protocore.generation.loop import generate
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from tests.networks import tiny_classifier

CPU = torch.device("cpu")
SETTINGS = GenerationSettings(steps=6, baseline_steps=4, precision="float32")
TARGETS = (Target.of(1, 3), Target.contrast(2, 0, 0.25, seed=2**32 - 1))


def values(snapshot):
    return {
        "images": snapshot.images(),
        "logit": snapshot.logit,
        "probability": snapshot.probability,
        "hf_loss": snapshot.hf_loss,
        "steps": (snapshot.stage, snapshot.step, snapshot.hf_weight),
    }


def record(generation, changes):
    """Everything that a run shows; `changes` are settings sent after so many snapshots."""
    seen, snapshot = [], None
    while True:
        try:
            snapshot = generation.send(changes.get(len(seen)))
        except StopIteration:
            return seen, snapshot
        seen.append(values(snapshot))


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 8, 9, 10])
@pytest.mark.parametrize(
    ("settings", "tuned_after"),
    [
        (SETTINGS, None),
        (SETTINGS.replace(averaging=3, hf_weight=10.0, hf_weight_end=90.0), None),
        (SETTINGS.replace(parametrisation="fourier", transforms_per_step=2), None),
        (SETTINGS.replace(probability_floor=0.9), None),
        (SETTINGS.replace(hf_unit="gradient", hf_colour=4.0), None),
        (SETTINGS.replace(hf_weight_end=4000.0, hf_rise="class", probability_floor=0.3), None),
        (SETTINGS, 2),
        (SETTINGS, 6),
    ],
)
def test_resuming_equals_the_uninterrupted_run(tmp_path, settings, tuned_after, cut):
    tuned = settings.replace(hf_weight=7.0, hf_weight_end=None, learning_rate=0.2, averaging=5)
    changes = {} if tuned_after is None else {tuned_after: tuned}
    whole, _ = record(generate(tiny_classifier(), TARGETS, settings), changes)
    assert len(whole) == 10

    generation = generate(tiny_classifier(), TARGETS, settings)
    for number in range(cut):
        snapshot = generation.send(changes.get(number))
    path = tmp_path / "state.safetensors"
    path.write_bytes(snapshot.state.to_bytes())
    content = path.read_bytes()
    now = tuned if tuned_after is not None and tuned_after <= cut else settings
    state = GenerationState.from_file(str(path), CPU)
    later = {number - cut: sent for number, sent in changes.items() if number > cut}
    resumed, _ = record(generate(tiny_classifier(), TARGETS, now, state=state), later)

    assert len(resumed) == 10 - cut
    for one, other in zip(resumed, whole[cut:], strict=True):
        assert one.pop("steps") == other["steps"]
        assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert path.read_bytes() == content  # going on does not write into the file


def test_everything_survives_the_file(tmp_path):
    generation = generate(tiny_classifier(), TARGETS, SETTINGS)
    for _ in range(6):
        state = next(generation).state
    path = tmp_path / "state.safetensors"
    path.write_bytes(state.to_bytes())
    read = GenerationState.from_file(str(path), CPU)
    assert read.targets == TARGETS
    assert (read.updates, read.baseline_step, read.step) == (2, 4, 2)
    for name in ("parameters", "first_moment", "second_moment", "average", "hf_share"):
        assert torch.equal(getattr(read, name), getattr(state, name))
    for one, other in zip(read.generators, state.generators, strict=True):
        assert torch.equal(one.get_state(), other.get_state())
    assert read.to_bytes() == state.to_bytes()


def damaged(kind, path):
    state = GenerationState.start(TARGETS, SETTINGS, 16, CPU)
    if kind == "parts":
        state.average = state.average[:1]
    content = state.to_bytes()
    path.write_bytes(
        {"cut": content[:-9], "not": b"\x80" * 99, "empty": b"", "parts": content}[kind]
    )


@pytest.mark.parametrize("kind", ["cut", "not", "empty", "parts"])
def test_a_damaged_file_is_explained(tmp_path, kind):
    path = tmp_path / "state.safetensors"
    damaged(kind, path)
    with pytest.raises(LibraryError) as caught:
        GenerationState.from_file(str(path), CPU)
    text = str(caught.value)
    assert text.startswith("the saved state of this run cannot be read (")
    assert text.endswith("); start the run again")
    if kind == "parts":
        assert "(its parts do not fit together)" in text


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(LibraryError, match=r"^the saved state of this run cannot be read"):
        GenerationState.from_file(str(tmp_path / "none.safetensors"), CPU)
