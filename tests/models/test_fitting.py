from collections import OrderedDict

import pytest
import torch
from torchvision import models

from protocore.errors import CheckpointError
from protocore.models.catalog import architectures
from protocore.models.fitting import (
    adapt_keys,
    build_fitted,
    closest_architecture,
    compare,
    head_name,
    image_size,
    rescaled,
)

# One of each kind of head and of everything that is built in its own way, with an image size.
FAMILIES = [
    ("densenet121", 64),
    ("efficientnet_b0", 64),
    ("googlenet", 64),
    ("inception_v3", 96),
    ("mnasnet0_5", 64),
    ("mobilenet_v3_small", 64),
    ("regnet_x_400mf", 64),
    ("resnet18", 64),
    ("shufflenet_v2_x0_5", 64),
    ("squeezenet1_1", 64),
    ("swin_t", 64),
]


def randomised(name, **options):
    """A network whose every buffer and parameter differs from what a builder sets."""
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    module = models.get_model(name, weights=None, **options)
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.data.add_(torch.rand(parameter.shape, generator=generator), alpha=0.01)
    for key, buffer in module.named_buffers():
        if key.endswith("running_mean"):
            buffer.fill_(0.1)
    return module.eval()


@pytest.mark.parametrize(("name", "size"), FAMILIES)
def test_fitted_network_is_the_one_that_was_saved(name, size):
    original = randomised(name, num_classes=5)
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    fitted = build_fitted(name, original.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(fitted(images), original(images))
    assert fitted(images).shape == (1, 5)
    assert not fitted.training
    assert not any(parameter.requires_grad for parameter in fitted.parameters())
    assert all(not tensor.is_meta for tensor in fitted.state_dict().values())


def test_vision_transformer_takes_its_image_size_from_the_weights():
    original = randomised("vit_b_32", num_classes=4, image_size=64)
    state = original.state_dict()
    assert image_size("vit_b_32", state) == 64
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(build_fitted("vit_b_32", state)(images), original(images))


def test_every_architecture_has_a_head_that_follows_the_number_of_classes():
    for name in architectures():
        if name.startswith("regnet"):  # cannot be built on the meta device
            continue
        plain = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        with torch.device("meta"):
            state = models.get_model(name, num_classes=7, **plain).state_dict()
        fit = compare(name, adapt_keys(name, state))
        assert fit.complete, name
        assert fit.num_classes == 7, name
        assert state[f"{head_name(name)}.weight"].shape[0] == 7, name


def test_auxiliary_heads_may_be_absent():
    with_heads = randomised("googlenet", num_classes=3, aux_logits=True).state_dict()
    without = {key: value for key, value in with_heads.items() if not key.startswith("aux")}
    assert len(without) < len(with_heads)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        first, second = (build_fitted("googlenet", s)(images) for s in (with_heads, without))
    assert torch.equal(first, second)


def test_rescaling_inside_equals_the_rescaled_normalisation():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    new_mean, new_std = rescaled(mean, std)
    assert new_mean == pytest.approx((0.5, 0.5, 0.5))
    assert new_std == pytest.approx((0.5, 0.5, 0.5))
    own_mean, own_std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    new_mean, new_std = (torch.tensor(v).view(3, 1, 1) for v in rescaled(own_mean, own_std))
    inside = randomised("googlenet", num_classes=3, aux_logits=False, transform_input=True)
    images = torch.rand(2, 3, 64, 64)
    plain = build_fitted("googlenet", inside.state_dict())
    own = (images - torch.tensor(own_mean).view(3, 1, 1)) / torch.tensor(own_std).view(3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(plain((images - new_mean) / new_std), inside(own))


def test_old_densenet_names_are_understood():
    original = randomised("densenet121", num_classes=2)
    state = {
        key.replace("norm1", "norm.1").replace("conv2", "conv.2"): value
        for key, value in original.state_dict().items()
    }
    assert any(".norm.1." in key for key in state)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(build_fitted("densenet121", state)(images), original(images))


@pytest.mark.parametrize("wrapped", ["Sequential", "alone"])
def test_a_wrapped_or_bare_last_layer_is_understood(wrapped):
    original = models.mobilenet_v3_small(num_classes=4).eval()
    state = original.state_dict()
    old = {"Sequential": "classifier.3.1", "alone": "classifier.last"}[wrapped]
    moved = OrderedDict((key.replace("classifier.3", old), v) for key, v in state.items())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        fitted = build_fitted("mobilenet_v3_small", moved)
        torch.testing.assert_close(fitted(images), original(images))


def test_half_precision_and_absent_counters_are_accepted(squeezenet):
    state = {key: value.half() for key, value in squeezenet.state_dict().items()}
    fitted = build_fitted("squeezenet1_1", state)
    assert {value.dtype for value in fitted.state_dict().values()} == {torch.float32}
    resnet = models.resnet18(num_classes=2).state_dict()
    bare = {key: v for key, v in resnet.items() if not key.endswith("num_batches_tracked")}
    assert len(bare) == 102
    build_fitted("resnet18", bare)


def test_weights_in_whole_numbers_are_refused(squeezenet):
    state = {**squeezenet.state_dict(), "features.0.bias": torch.ones(64, dtype=torch.int8)}
    with pytest.raises(CheckpointError) as error:
        build_fitted("squeezenet1_1", state)
    assert str(error.value) == (
        "the weights must be floating-point numbers, got torch.int8 in 'features.0.bias'; a "
        "quantised network cannot be loaded here, convert it back first"
    )


def test_what_does_not_fit_is_explained(squeezenet):
    state = dict(squeezenet.state_dict())
    state["extra"] = torch.ones(1)
    del state["features.0.bias"]
    state["features.0.weight"] = torch.ones(64, 3, 5, 5)
    with pytest.raises(CheckpointError) as error:
        build_fitted("squeezenet1_1", state)
    assert str(error.value) == (
        "the weights do not fit squeezenet1_1: 1 missing (features.0.bias); 1 unexpected (extra); "
        "1 of another shape (features.0.weight: expected (64, 3, 3, 3), found (64, 3, 5, 5)). "
        "No torchvision architecture fits them; a changed network cannot be loaded here"
    )


def test_another_architecture_that_fits_is_named(squeezenet):
    with pytest.raises(CheckpointError) as error:
        build_fitted("resnet18", squeezenet.state_dict())
    assert str(error.value) == (
        "the weights do not fit resnet18: 102 missing (conv1.weight, bn1.weight, bn1.bias and 99 "
        "more); 52 unexpected (features.0.weight, features.0.bias, features.3.squeeze.weight and "
        "49 more). They fit squeezenet1_1: choose that architecture"
    )


def test_the_nearest_architecture_is_named_with_what_lacks(squeezenet):
    state = {k: v for k, v in squeezenet.state_dict().items() if k != "features.0.bias"}
    with pytest.raises(CheckpointError) as error:
        build_fitted("alexnet", state)
    assert str(error.value).endswith(
        ". squeezenet1_1 is nearest with 98% of the tensors; there, 1 missing (features.0.bias)"
    )


def test_closest_architecture_tells_relatives_apart():
    for name in ("resnet50", "wide_resnet50_2", "vgg11_bn"):
        with torch.device("meta"):
            state = models.get_model(name, num_classes=10).state_dict()
        fit = closest_architecture(state)
        assert (fit.architecture, fit.complete, fit.num_classes) == (name, True, 10)


@pytest.mark.parametrize("value", [torch.tensor(1.0), torch.ones(0, 512, 1, 1), torch.ones(5)])
def test_a_head_of_a_strange_shape_is_explained(squeezenet, value):
    state = {**squeezenet.state_dict(), "classifier.1.weight": value}
    with pytest.raises(CheckpointError, match="of another shape"):
        build_fitted("squeezenet1_1", state)


def test_fitting_does_not_change_the_state():
    state = randomised("googlenet", num_classes=3, aux_logits=True).state_dict()
    before = {key: value.clone() for key, value in state.items()}
    build_fitted("googlenet", state)
    assert list(state) == list(before)
    assert all(torch.equal(state[key], value) for key, value in before.items())
