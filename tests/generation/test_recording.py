"""What is kept of a run: curves, frames, changes, and prototypes that anybody can measure."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from protocore import __version__
from protocore.generation.loop import generate
from protocore.generation.recording import (
    Recording,
    encode_animation,
    encode_jpeg,
    image_logits,
    likeliest,
    to_float,
    to_uint8,
)
from protocore.generation.settings import GenerationSettings, Target, prototype_key

SETTINGS = GenerationSettings(steps=5, baseline_steps=2, precision="float32")
TARGETS = (Target.of(1), Target.of(2, 4))


def record(classifier, settings=SETTINGS, changes=None, stop_after=None):
    """A recording; `changes` are settings sent after so many snapshots."""
    recording = Recording(classifier=classifier, targets=TARGETS, settings=settings)
    generation, snapshots = generate(classifier, TARGETS, settings), []
    while len(snapshots) != stop_after:
        try:
            snapshots.append(generation.send((changes or {}).get(len(snapshots))))
        except StopIteration:
            break
        recording.add(snapshots[-1])
    return recording, snapshots


def test_curves_are_those_of_the_prototype_stage(classifier):
    recording, snapshots = record(classifier)
    for row, curve in enumerate(recording.curves):
        assert curve["step"] == [1, 2, 3, 4, 5]
        for name in ("probability", "logit", "hf_loss"):
            assert curve[name] == [float(getattr(s, name)[row]) for s in snapshots[2:]]


def test_changes_are_kept_with_the_first_step_they_held_for(classifier):
    early, late = SETTINGS.replace(fill="grey"), SETTINGS.replace(fill="grey", steps=6)
    recording, _ = record(classifier, changes={1: early, 4: late})
    assert [(c.step, c.settings) for c in recording.history] == [
        (0, SETTINGS),
        (0, early),  # before the first step that counts
        (3, late),
    ]
    (first, _) = recording.prototypes(1.0)
    assert first.record.history == tuple(recording.history)
    assert (first.record.completed, first.record.steps, first.record.repeatable) == (True, 6, False)


@pytest.mark.parametrize(
    ("steps", "stop_after", "expected"),
    [
        (5, None, [1, 2, 3, 4, 5]),
        (64, None, [*range(1, 65)]),
        (200, 2 + 101, [1, *range(4, 101, 4), 101]),  # stopped at no multiple of 4
        (128, 2 + 6, [1, 2, 4, 6]),
    ],
)
def test_frames_are_spread_over_the_run(classifier, steps, stop_after, expected):
    recording, snapshots = record(classifier, SETTINGS.replace(steps=steps), stop_after=stop_after)
    recording.keep_last_frame()
    recording.keep_last_frame()  # once is enough
    for row, frames in enumerate(recording.frames):
        assert [step for step, _ in frames] == expected
        shown = np.asarray(Image.open(io.BytesIO(frames[-1][1]))).astype(float)
        assert np.abs(shown - to_uint8(snapshots[-1].images())[row]).mean() < 12  # JPEG of noise


def test_a_run_stopped_in_the_first_stage_has_its_image(classifier):
    recording, snapshots = record(classifier, stop_after=1)
    recording.keep_last_frame()
    assert [[step for step, _ in frames] for frames in recording.frames] == [[0], [0]]
    (first, _) = recording.prototypes(1.0)
    assert (first.record.steps, first.record.completed) == (0, False)
    assert np.array_equal(first.image, to_uint8(snapshots[0].images())[0])


def test_nothing_yet(classifier):
    recording = Recording(classifier=classifier, targets=TARGETS, settings=SETTINGS)
    recording.keep_last_frame()
    assert recording.prototypes(1.0) == ()
    assert recording.frames == [[], []]


def test_records_describe_the_saved_image(classifier):
    recording, snapshots = record(classifier)
    prototypes = recording.prototypes(1.2345)
    for prototype, target in zip(prototypes, TARGETS, strict=True):
        found = prototype.record
        pixels = torch.from_numpy(prototype.image.astype(np.float32) / 255).permute(2, 0, 1)
        logits = classifier.logits(pixels[None])[0]
        assert found.logit == pytest.approx(logits[target.class_index].item(), abs=1e-5)
        chance = logits.softmax(dim=0)
        assert found.probability == pytest.approx(chance[target.class_index].item(), abs=1e-6)
        order = chance.argsort(descending=True).tolist()
        assert [index for index, _, _ in found.top] == order
        assert found.top[0][1] == classifier.class_names[order[0]]
        assert found.key == prototype_key(classifier.identity, target, SETTINGS)
        assert (found.model, found.weights, found.source) == ("tiny", "TEST", "module")
        assert found.weight_hash == classifier.weight_hash
        assert (found.class_index, found.seed) == (target.class_index, target.seed)
        assert found.class_name == classifier.class_names[target.class_index]
        assert (found.steps, found.completed, found.repeatable) == (5, True, True)
        assert (found.seconds, found.device, found.precision) == (1.23, "cpu", "float32")
        assert found.versions["torch"] == torch.__version__.split("+")[0]
        assert {"python", "torchvision", "numpy", "pillow", "protocore"} <= set(found.versions)
        assert found.versions["processor"] == torch.backends.cpu.get_cpu_capability()
        assert found.versions["protocore"] == __version__
    assert np.array_equal(prototypes[1].image, to_uint8(snapshots[-1].images())[1])


# --- images ---


def test_eight_bit_images_by_hand():
    image = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1)  # 127.5 rounds to the even 128
    assert to_uint8(image).tolist() == [[[[0, 128, 255]]]]
    assert to_float(np.uint8([[[[0, 51, 255]]]])).flatten().tolist() == pytest.approx([0, 0.2, 1])
    pixels = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
    assert np.array_equal(to_uint8(to_float(pixels)), pixels)


def test_logits_of_many_images(classifier):
    pixels = np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3), dtype=np.uint8)
    expected = classifier.logits(to_float(pixels))
    torch.testing.assert_close(image_logits(classifier, pixels), expected)


def test_likeliest_classes_by_hand(classifier):
    logits = torch.log(torch.tensor([0.1, 0.5, 0.2, 0.15, 0.05]))
    found = likeliest(classifier, logits)
    assert [(index, name) for index, name, _ in found] == [
        (1, "golf ball"), (2, "French horn"), (3, "crane"), (0, "tench"), (4, "crane")
    ]  # fmt: skip
    assert [p for _, _, p in found] == pytest.approx([0.5, 0.2, 0.15, 0.1, 0.05])


def test_animations_show_every_frame_and_hold_the_last():
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    frames = [encode_jpeg(np.full((16, 16, 3), c, dtype=np.uint8), 90) for c in colours]
    animation = Image.open(io.BytesIO(encode_animation(frames, milliseconds=50)))
    assert (animation.format, animation.n_frames, animation.size) == ("WEBP", 3, (16, 16))
    durations = []
    for number, colour in enumerate(colours):
        animation.seek(number)
        shown = np.asarray(animation.convert("RGB")).mean(axis=(0, 1))
        assert np.abs(shown - colour).max() < 30
        durations.append(animation.info["duration"])
    assert durations == [50, 50, 2000]
    single = Image.open(io.BytesIO(encode_animation(frames[:1])))
    assert getattr(single, "n_frames", 1) == 1
