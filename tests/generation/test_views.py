"""How views vary: by hand, and independent of batch and interruptions."""

import pytest
import torch

from protocore.generation import views
from protocore.generation.affine import draw_matrices
from protocore.generation.loop import generate
from protocore.generation.settings import GenerationSettings, Target
from protocore.generation.state import GenerationState
from tests.networks import tiny_classifier

VARIED = GenerationSettings(
    steps=6, baseline_steps=0, noise=0.2, jitter=0.3, greyscale=0.5, transforms_per_step=3,
    precision="float32",
)  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def variation(contrast=1.0, brightness=0.0, grey=0.0, noise=0.0, down=0.0, across=0.0):
    return torch.tensor([[contrast, brightness, grey, noise, down, across]])


def test_without_variation_the_views_draw_what_they_always_drew():
    settings = GenerationSettings(transforms_per_step=3)
    matrices, variations = views.draw_views(settings, seeded(1), 0)
    assert torch.equal(matrices, draw_matrices(settings, seeded(1)))
    assert variations.shape == (3, 0)
    images = torch.rand(3, 3, 8, 8, generator=seeded())
    assert views.vary(images, variations) is images


def test_the_geometry_is_the_first_of_what_a_view_draws():
    matrices, variations = views.draw_views(VARIED, seeded(1), 0)
    drawn = torch.rand(3, 10, generator=seeded(1))
    assert torch.equal(matrices, views.matrices_of(VARIED, drawn[:, :4]))
    assert variations.shape == (3, views.VARIATION)
    contrast, brightness, grey, noise = variations[:, :4].unbind(1)
    assert ((contrast >= 0.5488) & (contrast <= 1.8222)).all()  # exp(-2 * .3), exp(2 * .3)
    assert (brightness.abs() <= 0.3).all()
    assert set(grey.tolist()) <= {0.0, 1.0}
    assert noise.abs().tolist() == pytest.approx([0.2] * 3)


def test_noise_falls_and_both_signs_and_all_shares_occur():
    settings = VARIED.replace(transforms_per_step=64, steps=4)
    _, variations = views.draw_views(settings, seeded(), 2)
    noise, grey = variations[:, 3], variations[:, 2]
    assert noise.abs().unique().tolist() == pytest.approx([0.1])
    assert 16 < (noise > 0).sum() < 48 and 16 < grey.sum() < 48


def test_light_by_hand():
    image = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    seen = views.vary(image, variation(contrast=2.0, brightness=0.1))
    assert seen[0, :, 0, 0].tolist() == pytest.approx([0.0, 0.6, 1.2], abs=1e-6)
    assert views.vary(image, variation(grey=1.0))[0, :, 0, 0].tolist() == pytest.approx([0.5] * 3)


def test_noise_is_one_pattern_shifted_in_a_circle():
    image = torch.full((1, 3, 8, 8), 0.5)
    pattern = views.noise_pattern(8, torch.device("cpu"))
    seen = views.vary(image, variation(noise=-0.1, down=0.25, across=0.5))
    expected = 0.5 - 0.1 * torch.roll(pattern, (-2, -4), dims=(1, 2))
    torch.testing.assert_close(seen[0], expected)
    large = views.noise_pattern(128, torch.device("cpu"))
    assert large.mean().abs() < 0.02 and large.std().item() == pytest.approx(1, abs=0.02)


def test_a_varied_run_does_not_depend_on_the_others_in_its_batch():
    targets = [Target.of(1, 3), Target.of(2, 4)]
    *_, together = generate(tiny_classifier(), targets, VARIED)
    for row, target in enumerate(targets):
        *_, alone = generate(tiny_classifier(), [target], VARIED)
        assert torch.equal(alone.images()[0], together.images()[row])


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    classifier, targets = tiny_classifier(), [Target.of(1, 3)]
    *_, whole = generate(classifier, targets, VARIED)
    for snapshot in generate(classifier, targets, VARIED):
        if snapshot.step == 4:
            (tmp_path / "state").write_bytes(snapshot.state.to_bytes())
            break
    state = GenerationState.from_file(str(tmp_path / "state"), torch.device("cpu"))
    *_, resumed = generate(classifier, targets, VARIED, state=state)
    assert torch.equal(resumed.images(), whole.images())
    assert torch.equal(resumed.state.where, whole.state.where)


def test_stage_one_sees_the_image_as_it_is():
    settings = VARIED.replace(baseline_steps=2, steps=1)
    first = next(generate(tiny_classifier(), [Target.of(1)], settings))
    plain = next(generate(tiny_classifier(), [Target.of(1)], settings.replace(
        noise=0, jitter=0, greyscale=0)))  # fmt: skip
    assert torch.equal(first.images(), plain.images())
