"""The short way, and prototypes of a model in training."""

import numpy as np
import pytest
import torch
from torch import nn

from protocore import Classifier, GenerationSettings, TrainingPrototypes, generate_prototype
from protocore.errors import SettingsError, UnknownClassError
from protocore.generation import generate_prototypes
from protocore.generation.presets import find_preset
from protocore.generation.prototype import Prototype
from protocore.generation.settings import Target
from tests.networks import NAMES, assert_unchanged, fingerprint, tiny_network

SETTINGS = GenerationSettings(steps=3, baseline_steps=0, precision="float32")


def test_three_lines_from_a_module_to_a_saved_prototype(tmp_path):
    classifier = Classifier.from_module(tiny_network(), class_names=NAMES, input_size=16)
    prototype = generate_prototype(classifier, "golf ball", SETTINGS, seed=3)
    path = prototype.save(tmp_path)
    assert path.name == "sequential_1_golf-ball_seed3.png"
    assert Prototype.load(path).record.target == Target.of(1, 3)


def test_prototypes_in_one_batch_are_those_made_one_by_one(classifier):
    steps = []
    targets = [Target.of(1), Target.of(2, 5)]
    both = generate_prototypes(
        classifier, targets, SETTINGS, on_step=lambda s: steps.append(s.step)
    )
    assert steps == [1, 2, 3]
    assert [p.record.target for p in both] == targets
    alone = generate_prototype(classifier, 2, SETTINGS, seed=5)
    assert np.abs(alone.image.astype(int) - both[1].image).max() <= 1
    assert both[0].record.seconds > 0
    assert both[0].record.repeatable


def test_a_class_that_is_not_there(classifier):
    with pytest.raises(UnknownClassError, match="tiny has no class 'dog'"):
        generate_prototype(classifier, "dog", SETTINGS)


def test_without_settings_it_is_the_preset_for_the_model(classifier, monkeypatch):
    chosen = []

    def stop(_classifier, _targets, settings, **_how):
        chosen.append(settings)
        return iter(())

    monkeypatch.setattr("protocore.generation.api.generate", stop)
    assert generate_prototypes(classifier, [Target.of(1)]) == ()
    assert chosen == [find_preset("natural").settings]


# --- in training ---


def train(epochs, each_epoch):
    """A toy training with batch norms, dropout, momentum and hooks, all from one seed."""
    torch.manual_seed(0)
    network = nn.Sequential(*tiny_network(seed=2)[:-1], nn.Dropout(0.5), nn.Linear(32, 5)).train()
    calls = []
    network[0].register_forward_hook(lambda *_: calls.append(1))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(epochs):
        for _ in range(3):
            images, classes = torch.rand(8, 3, 16, 16), torch.randint(5, (8,))
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(images), classes).backward()
            optimiser.step()
        each_epoch(network, epoch)
    return network, calls


def test_training_goes_on_as_if_nothing_had_happened(tmp_path):
    callback = TrainingPrototypes(
        tmp_path, classes=["tench", 2], every=2, settings=SETTINGS, seed=4,
        class_names=NAMES, input_size=16,
    )  # fmt: skip
    made = []
    undisturbed, own_calls = train(4, lambda network, epoch: None)
    network, calls = train(4, lambda network, epoch: made.append(callback(network, epoch)))
    assert_same_training(network, undisturbed)
    assert len(calls) == len(own_calls) == 12
    assert [len(prototypes) for prototypes in made] == [2, 0, 2, 0]
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    assert files == [
        f"epoch_{epoch:04d}/sequential_{name}_seed4.png"
        for epoch in (0, 2)
        for name in ("0_tench", "2_french-horn")
    ]
    first, later = made[0][0].record, made[2][0].record
    assert (first.weights, later.weights) == ("epoch 0", "epoch 2")
    assert first.weight_hash != later.weight_hash
    assert not np.array_equal(made[0][0].image, made[2][0].image)


def assert_same_training(network, expected):
    assert network.training
    for ours, theirs in (
        (network.state_dict(), expected.state_dict()),
        ({n: p.grad for n, p in network.named_parameters()},
         {n: p.grad for n, p in expected.named_parameters()}),
    ):  # fmt: skip
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_the_model_is_the_same_after_a_failure(tmp_path):
    callback = TrainingPrototypes(tmp_path, classes=[9], settings=SETTINGS, input_size=16)
    network = tiny_network().train()
    before = fingerprint(network)
    with pytest.raises(UnknownClassError):
        callback(network, 0)
    assert_unchanged(network, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"classes": [1], "every": 0}, "every (epochs) must be >= 1, got 0"),
        ({"classes": []}, "choose at least one class: there is nothing to generate"),
    ],
)
def test_a_wrong_callback_is_refused_before_the_training(tmp_path, values, text):
    with pytest.raises(SettingsError) as caught:
        TrainingPrototypes(tmp_path, **values)
    assert str(caught.value) == text


class Writer:
    """What TensorBoard's SummaryWriter is asked to do."""

    def __init__(self):
        self.images, self.scalars = {}, {}

    def add_image(self, tag, image, step, *, dataformats):
        assert dataformats == "HWC" and image.shape == (16, 16, 3) and image.dtype == np.uint8
        self.images[tag, step] = image

    def add_scalar(self, tag, value, step):
        self.scalars[tag, step] = value


def test_prototypes_of_a_training_go_to_a_writer_and_to_a_callable(tmp_path):
    writer, called = Writer(), []
    to = [writer, tmp_path, lambda prototype, epoch: called.append((prototype, epoch))]
    callback = TrainingPrototypes(
        to, classes=["tench"], settings=SETTINGS, class_names=NAMES, input_size=16
    )
    (prototype,) = callback(tiny_network(), 3)
    assert np.array_equal(writer.images["prototype/tench · seed 0", 3], prototype.image)
    logged = writer.scalars["prototype probability/tench · seed 0", 3]
    assert logged == prototype.record.probability
    assert called == [(prototype, 3)] and len(list(tmp_path.rglob("*.png"))) == 1
    with pytest.raises(SettingsError, match="int"):
        TrainingPrototypes(3, classes=["tench"])


def test_a_prototype_shows_itself_in_a_notebook():
    classifier = Classifier.from_module(
        tiny_network(), input_size=16, class_names=["<b>x</b>", *NAMES[1:]]
    )
    prototype = generate_prototype(classifier, 0, SETTINGS)
    assert prototype._repr_png_().startswith(b"\x89PNG")
    shown = prototype._repr_html_()
    assert "&lt;b&gt;x&lt;/b&gt;" in shown and "<b>x</b>" not in shown
    assert f"{prototype.record.probability:.2f}" in shown and "data:image/png;base64," in shown
