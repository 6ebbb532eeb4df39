"""The recipe's parts by hand-computed values, and a few steps of the whole."""

import pytest
import torch
from torch import nn

from protocore.demo.network import build_network
from protocore.demo.training.ascent import ascend, l2_attack, recognition_loss, roughness
from protocore.demo.training.augment import AffineLimits, augment, random_affine
from protocore.demo.training.evaluation import to_tensor
from protocore.demo.training.pool import PrototypePool, scrambled, starts
from protocore.demo.training.train import TrainingSettings, train
from protocore.demo.world import CLASS_NAMES, render_class
from protocore.errors import SettingsError

STILL = AffineLimits(rotation=0.0, shift=0.0, scale=(1.0, 1.0))
CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Linear(nn.Module):
    """Logit 0 is the mean brightness of the normalised image, logit 1 its negative."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean(dim=(1, 2, 3))
        return torch.stack([mean, -mean], dim=1)


@pytest.fixture(scope="module")
def photos() -> tuple[torch.Tensor, torch.Tensor]:
    pictures = [torch.from_numpy(render_class(index, 8)) for index in range(12)]
    return torch.cat(pictures).permute(0, 3, 1, 2).contiguous(), torch.arange(12).repeat_interleave(
        8
    )


def test_recognition_loss_by_hand():
    # logits 0: one-vs-all log 2 per class, cross-entropy log 2 at half weight
    loss = recognition_loss(torch.zeros(1, 2), torch.tensor([0]))
    assert loss.item() == pytest.approx(2.5 * 0.6931472, abs=1e-5)


def test_roughness_by_hand():
    image = torch.zeros(1, 3, 2, 2)
    image[..., 1] = 0.5  # a step across, nothing down
    assert roughness(image).item() == pytest.approx(0.5)


def test_an_affine_transform_without_limits_is_the_identity():
    images = torch.rand(2, 3, 8, 8, generator=generator())
    torch.testing.assert_close(random_affine(images, STILL, generator()), images)


def test_a_shift_moves_by_at_most_its_limit():
    limits = AffineLimits(rotation=0.0, shift=0.25, scale=(1.0, 1.0))
    images = torch.zeros(64, 1, 32, 32)
    images[..., 15:17, 15:17] = 1.0
    moved = random_affine(images, limits, generator())
    rows = (moved.sum(dim=3) * torch.arange(32.0)[None, None]).sum(dim=2) / moved.sum(dim=(2, 3))
    assert (rows - 15.5).abs().max() <= 8.01
    assert (rows - 15.5).abs().max() > 5


def test_augmented_images_stay_in_range_and_repeat_with_the_seed():
    images = torch.rand(4, 3, 16, 16, generator=generator())
    first, second = augment(images, generator(1)), augment(images, generator(1))
    assert (first == second).all()
    assert first.min() >= 0 and first.max() <= 1


def test_an_attack_raises_the_loss_within_its_radius():
    images = torch.full((3, 3, 8, 8), 0.5)
    labels = torch.tensor([0, 1, 0])
    attacked = l2_attack(Linear(), images, labels, radius=1.0, steps=3, generator=generator())
    change = attacked - images
    assert (change.flatten(1).norm(dim=1) <= 1.0 + 1e-4).all()
    means = change.mean(dim=(1, 2, 3))
    assert means[0] < 0 < means[1] and means[2] < 0


def test_ascent_raises_the_target_logit_and_leaves_the_start_alone():
    start = torch.rand(2, 3, 16, 16, generator=generator())
    before = start.clone()
    grown = ascend(
        Linear(),
        start,
        torch.tensor([0, 1]),
        steps=3,
        step_size=0.05,
        smoothing=torch.zeros(2),
        generator=generator(),
    )
    assert (start == before).all()
    assert grown[0].mean() > start[0].mean() + 0.05
    assert grown[1].mean() < start[1].mean() - 0.05
    assert grown.min() >= 0 and grown.max() <= 1


def test_scrambling_keeps_every_pixel():
    image = torch.arange(3.0 * 12 * 12).reshape(3, 12, 12)
    mixed = scrambled(image, generator(3))
    assert mixed.shape == image.shape
    assert not torch.equal(mixed, image)
    assert torch.equal(mixed.flatten(1).sort(dim=1).values, image.flatten(1))


def test_starts_are_images():
    drawn = starts(20, torch.randint(0, 255, (4, 3, 24, 24), dtype=torch.uint8), generator())
    assert drawn.shape == (20, 3, 24, 24)
    assert drawn.min() >= 0 and drawn.max() <= 1


def test_the_pool_grows_what_it_hands_out_and_keeps_the_rest():
    noise = torch.randint(0, 255, (4, 3, 24, 24), dtype=torch.uint8)
    pool = PrototypePool(noise, classes=2, per_class=3, restart=0.0, generator=generator())
    before = pool.images.clone()
    grown = pool.grow(Linear(), 2, CPU)
    changed = (pool.images != before).flatten(1).any(dim=1)
    assert grown.shape == (2, 3, 24, 24)
    assert changed.sum() == 2


def test_a_few_steps_reduce_the_loss_and_repeat_with_the_seed(photos):
    settings = TrainingSettings(
        plain_steps=40,
        plain_batch=16,
        robust_steps=4,
        positives=6,
        negatives=6,
        prototypes_per_class=1,
    )
    losses = []
    plain, robust = train(*photos, settings, device=CPU, on_progress=losses.append)
    told = [progress.loss for progress in losses if progress.stage == "plain"]
    assert told[-1] < 0.8 * told[0]
    assert [p.stage for p in losses] == ["plain"] * 40 + ["robust"] * 4
    assert losses[-1].seconds_left == 0
    assert not plain.training and not robust.training
    again, _ = train(*photos, settings, device=CPU)
    images = to_tensor(render_class(0, 2))
    torch.testing.assert_close(plain(images), again(images))


def test_the_network_takes_images_of_its_size():
    network = build_network().eval()
    assert network(torch.zeros(2, 3, 96, 96)).shape == (2, len(CLASS_NAMES))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"positives": 0}, "positives must be >= 1, got 0"),
        ({"robust_steps": -1}, "steps must be >= 0, got 400 plain and -1 robust"),
        (
            {"negatives": 400},
            "negatives must be <= 192 (prototypes_per_class for each class), got 400",
        ),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(SettingsError) as error:
        TrainingSettings(**arguments)
    assert str(error.value) == message
