"""The loop is the paper's method: against a naive one, and by what it achieves."""

import pytest
import torch
from torchvision.transforms.functional import InterpolationMode, affine

from protocore.generation import loop, update
from protocore.generation.loop import generate
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from protocore.models.classifier import Classifier
from tests.networks import tiny_classifier, tiny_network

SHORT = GenerationSettings(steps=4, baseline_steps=2, precision="float32")
STILL = SHORT.replace(baseline_steps=0, scale=(1, 1), rotation=0, translation=(0, 0))


def run(classifier, targets, settings):
    return list(generate(classifier, targets, settings))


def last_images(classifier, targets, settings):
    return run(classifier, targets, settings)[-1].images()


# --- the method ---


def naive_image(network, classifier, class_index, seed, settings):
    """The paper's loop as one would write it: torchvision's transform, torch.optim.Adam."""
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(seed))
    image.requires_grad_(True)
    draw = torch.Generator().manual_seed(seed ^ 0x9E3779B9)

    def views():
        for scale, angle, right, down in torch.rand(
            settings.transforms_per_step, 4, generator=draw
        ).tolist():
            yield affine(
                image[None],
                angle=(2 * angle - 1) * settings.rotation,
                translate=[
                    16 * (2 * right - 1) * settings.translation[0],
                    16 * (2 * down - 1) * settings.translation[1],
                ],
                scale=settings.scale[0] + scale * (settings.scale[1] - settings.scale[0]),
                shear=[0.0],
                interpolation=InterpolationMode.BILINEAR,
            )

    def optimise(steps, views, loss_of):
        optimiser = torch.optim.Adam([image], lr=settings.learning_rate)
        for step in range(steps):
            optimiser.zero_grad()
            logits = torch.cat([network(classifier.normalise(view)) for view in views()])
            loss_of(logits, step).backward()
            optimiser.step()
            with torch.no_grad():
                image.clamp_(0, 1)

    def unequal(logits, step):
        return (logits.shape[1] * logits.softmax(dim=1) - 1).square().mean()

    def unlike_the_class(logits, step):
        across, down = image[..., 1:] - image[..., :-1], image[:, 1:] - image[:, :-1]
        roughness = across.abs().mean() + down.abs().mean()
        return -logits[:, class_index].mean() + settings.hf_weight_at(step) * roughness

    optimise(settings.baseline_steps, lambda: [image[None]], unequal)
    optimise(settings.steps, views, unlike_the_class)
    return image.detach()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"baseline_steps": 0, "transforms_per_step": 3, "hf_weight": 0.2, "hf_weight_end": 1.8},
        {"transforms_per_step": 6, "learning_rate": 0.2, "hf_weight": 0.0},
    ],
)
def test_the_loop_is_the_papers(changes):
    settings = SHORT.replace(rotation=30.0, **changes)
    classifier = tiny_classifier()
    expected = naive_image(tiny_network(), classifier, 2, 5, settings)
    image = last_images(classifier, [Target.of(2, 5)], settings)[0]
    # Adam makes whole steps of gradients that are rounding errors, of pixels hardly in view.
    assert ((image - expected).abs() > 1e-4).float().mean() < 0.02
    assert (image - expected).abs().mean() < 1e-3


def test_adam_is_torchs():
    generator = torch.Generator().manual_seed(0)
    state = GenerationState.start(
        (Target.of(0), Target.of(1)), GenerationSettings(), 16, torch.device("cpu")
    )
    reference = state.parameters.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([reference], lr=0.05)
    for _ in range(5):
        gradient = torch.randn(reference.shape, generator=generator)
        gradient[:, 0] *= 1e-8  # where epsilon decides
        update.adam_(state, gradient, 0.05)
        reference.grad = gradient.clone()
        optimiser.step()
    assert state.updates == 5
    torch.testing.assert_close(state.parameters, reference.detach(), rtol=0, atol=1e-6)


def test_averages_by_hand():
    """Weight of the newest iterate: 1, 1/2, then 2 / (3 + 1)."""
    settings = STILL.replace(steps=5, averaging=3)
    expected = None
    for snapshot in generate(tiny_classifier(), [Target.of(1)], settings):
        newest = {1: 1.0, 2: 0.5}.get(snapshot.step, 0.5)
        iterate = snapshot.state.parameters
        expected = iterate.clone() if newest == 1 else (expected + iterate) / 2
        torch.testing.assert_close(snapshot.images(), expected)
    assert not torch.equal(snapshot.images(), snapshot.state.parameters)


def test_a_long_average_starts_as_the_plain_mean():
    iterates = []
    settings = STILL.replace(steps=6, averaging=100)
    for snapshot in generate(tiny_classifier(), [Target.of(1)], settings):
        iterates.append(snapshot.state.parameters.clone())
        torch.testing.assert_close(snapshot.images(), torch.stack(iterates).mean(dim=0))


def test_without_averaging_the_image_is_the_iterate():
    for snapshot in generate(tiny_classifier(), [Target.of(1)], SHORT):
        assert torch.equal(snapshot.images(), snapshot.state.parameters)
        assert snapshot.images().data_ptr() != snapshot.state.parameters.data_ptr()


# --- what it achieves ---


@pytest.mark.parametrize("parametrisation", ["pixels", "fourier"])
def test_the_objective_rises(parametrisation):
    settings = STILL.replace(steps=40, hf_weight=0.0, parametrisation=parametrisation)
    snapshots = run(tiny_classifier(), [Target.of(2), Target.antitype(2)], settings)
    first, last = snapshots[0], snapshots[-1]
    assert (last.logit > first.logit + 0.2).all()
    assert last.probability[0] > first.probability[0] + 0.05
    assert last.probability[1] < first.probability[1]  # the antitype's objective is -logit
    assert last.images().min() >= 0 and last.images().max() <= 1


def test_a_higher_weight_gives_smoother_images():
    roughness = [
        run(tiny_classifier(), [Target.of(2)], STILL.replace(steps=30, hf_weight=w))[-1].hf_loss
        for w in (0.0, 1.0, 30.0)
    ]
    assert roughness[0] > 1.5 * roughness[1]
    assert roughness[1] > 5 * roughness[2]


def test_in_units_of_the_gradient_the_models_scale_does_not_matter():
    """A head that is ten times as steep pulls ten times as hard: the same image all the same."""
    settings = STILL.replace(steps=12, hf_unit="gradient", hf_weight=80.0, hf_colour=2.0)
    steep = tiny_network()
    with torch.no_grad():
        steep[-1].weight.mul_(10)
        steep[-1].bias.mul_(10)
    steep = Classifier.from_module(steep, name="steep", input_size=16)
    plain, relative = (last_images(c, [Target.of(2)], settings) for c in (tiny_classifier(), steep))
    torch.testing.assert_close(relative, plain, rtol=0, atol=0.02)
    absolute = settings.replace(hf_unit="absolute")
    assert (last_images(steep, [Target.of(2)], absolute) - plain).abs().max() > 0.1


def test_the_weight_in_units_of_the_gradient_by_hand():
    """One step of an objective whose gradient is known: 200 percent of its size weigh as much."""
    settings = STILL.replace(steps=1, hf_weight=200.0, hf_unit="gradient")
    size = []

    def spy(gradients):
        size.append(losses_gradient_size(gradients))
        return size[-1]

    losses_gradient_size = loop.losses.gradient_size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.losses, "gradient_size", spy)
        relative = last_images(tiny_classifier(), [Target.of(2)], settings)
    weight = 2 * float(size[0])
    absolute = settings.replace(hf_unit="absolute", hf_weight=weight)
    torch.testing.assert_close(relative, last_images(tiny_classifier(), [Target.of(2)], absolute))


def test_the_baseline_stage_makes_classes_equally_likely():
    settings = SHORT.replace(baseline_steps=60, steps=1)
    spread = []

    for snapshot in generate(tiny_classifier(), [Target.of(0)], settings):
        if snapshot.stage == "baseline":
            logits = tiny_classifier().logits(snapshot.images())
            spread.append(float(logits.softmax(dim=1).std()))
    assert spread[-1] < 0.7 * spread[0]


def test_a_contrast_avoids_the_other_class():
    settings = STILL.replace(steps=40, hf_weight=0.0)
    targets = [Target.of(1), Target.contrast(1, 3, 2.0)]
    classifier = tiny_classifier()
    plain, contrast = classifier.logits(last_images(classifier, targets, settings))
    assert contrast[1] - contrast[3] > plain[1] - plain[3] + 0.1


# --- what a snapshot says ---


def test_snapshots_by_hand():
    settings = STILL.replace(baseline_steps=2, steps=3, hf_weight=2.0, hf_weight_end=8.0)
    target = Target.contrast(2, 0, 0.5, seed=3)
    classifier = tiny_classifier()
    before = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(3))[None]
    seen = []
    for snapshot in generate(classifier, [target], settings):
        logits = classifier.logits(before)[0]  # without transforms, of the image it started from
        assert snapshot.logit.item() == pytest.approx((logits[2] - logits[0] / 2).item(), abs=1e-4)
        assert snapshot.probability.item() == pytest.approx(logits.softmax(0)[2].item(), abs=1e-4)
        assert snapshot.settings == settings
        assert snapshot.precision == "float32"
        seen.append((snapshot.stage, snapshot.step, snapshot.total, snapshot.hf_weight))
        before = snapshot.images()
    assert seen == [
        ("baseline", 1, 2, 0.0),
        ("baseline", 2, 2, 0.0),
        ("prototype", 1, 3, 2.0),
        ("prototype", 2, 3, pytest.approx(4.0)),
        ("prototype", 3, 3, pytest.approx(8.0)),
    ]


def test_images_have_the_size_asked_for(classifier):
    image = last_images(classifier, [Target.of(0)], SHORT.replace(image_size=24))
    assert image.shape == (1, 3, 24, 24)
    assert last_images(classifier, [Target.of(0)], SHORT).shape == (1, 3, 16, 16)
