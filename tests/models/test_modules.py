"""Private copies leave the original alone; hashes and checks say what they should."""

import hashlib
import threading

import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm, weight_norm
from torch.nn.utils.parametrizations import weight_norm as new_weight_norm

from protocore.errors import ModelError
from protocore.models.modules import (
    check_finite,
    check_usable,
    count_outputs,
    hash_weights,
    private_copy,
)
from tests.networks import assert_unchanged, fingerprint, tiny_network


def counting_hook(counts):
    def hook(*_):
        counts.append(1)

    return hook


# --- private copies ---


def test_a_private_copy_shares_the_weights():
    network = tiny_network()
    copied = private_copy(network)
    for mine, original in zip(copied.parameters(), network.parameters(), strict=True):
        assert mine is not original
        assert mine.data_ptr() == original.data_ptr()
    with torch.no_grad():
        network[0].weight.zero_()  # as an optimiser would, in place
    assert copied[0].weight.abs().max() == 0


def test_a_private_copy_is_frozen_quiet_and_in_eval_mode():
    counts = []
    network = tiny_network().train()
    network[0].register_forward_hook(counting_hook(counts))
    network[3].register_forward_pre_hook(counting_hook(counts))
    network[6].register_full_backward_hook(counting_hook(counts))
    copied = private_copy(network)
    batch = torch.rand(2, 3, 16, 16, requires_grad=True)
    copied(batch).sum().backward()
    assert batch.grad.abs().max() > 0
    assert counts == []
    assert not any(module.training for module in copied.modules())
    assert not any(p.requires_grad for p in copied.parameters())


def test_the_original_keeps_hooks_mode_gradients_and_statistics():
    network = tiny_network().train()
    network[2].eval()  # modes may be mixed, for example with frozen batch norms
    network[0].weight.requires_grad_(False)
    network(torch.rand(2, 3, 16, 16)).sum().backward()
    network[0].register_forward_hook(counting_hook([]))
    before = fingerprint(network)
    private_copy(network)(torch.rand(2, 3, 16, 16))
    assert_unchanged(network, before)


def test_tied_weights_stay_tied():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    copied = private_copy(network)
    assert copied[1].weight is copied[0].weight


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("wrap", [weight_norm, spectral_norm, new_weight_norm])
def test_computed_weights_are_copied_with_what_computes_them(wrap):
    network = nn.Sequential(wrap(nn.Conv2d(3, 4, 3)), nn.Flatten(), nn.Linear(16, 2))
    batch = torch.rand(2, 3, 4, 4)
    network.train()(batch)  # leaves a weight with a history, which cannot be copied deeply
    copied = private_copy(network)
    torch.testing.assert_close(copied(batch), network.eval()(batch))
    assert not copied(batch).requires_grad


def test_what_cannot_be_copied_is_explained():
    network = tiny_network()
    network.lock = threading.Lock()
    with pytest.raises(ModelError) as caught:
        private_copy(network)
    assert str(caught.value) == (
        "Sequential cannot be copied (cannot pickle '_thread.lock' object); wrap the bare network, "
        "without locks, open files or distributed wrappers"
    )


# --- hashes ---


def test_the_hash_by_hand():
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -2.0]]))
        network.bias.zero_()
    digest = hashlib.sha256()
    digest.update(b"bias torch.float32 (1,)" + bytes(4))
    digest.update(b"weight torch.float32 (1, 2)" + bytes.fromhex("0000803f000000c0"))
    assert hash_weights(network) == digest.hexdigest()


def test_the_hash_depends_on_weights_and_statistics_alone():
    network = tiny_network()
    same = hash_weights(network)
    assert hash_weights(tiny_network()) == same
    assert hash_weights(network.train().to(memory_format=torch.channels_last)) == same
    assert hash_weights(tiny_network(seed=1)) != same
    network[1].running_mean[0] += 1
    assert hash_weights(network) != same
    assert hash_weights(tiny_network().to(torch.bfloat16)) != same


class Extra(nn.Linear):
    def get_extra_state(self):
        return {"anything": 1}

    def set_extra_state(self, state):
        pass


def test_extra_state_that_is_no_tensor_is_left_out():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = nn.Linear(2, 1)
    extra = Extra(2, 1)
    extra.load_state_dict(plain.state_dict(), strict=False)
    check_finite(extra)
    assert hash_weights(extra) == hash_weights(plain)


# --- checks ---


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite(value):
    network = tiny_network()
    check_finite(network)
    with torch.no_grad():
        network[3].bias[0] = value
        network[4].running_var[0] = value
    with pytest.raises(ModelError) as caught:
        check_finite(network)
    assert str(caught.value) == (
        "2 of the model's tensors hold NaN or infinite values, first '3.bias'; weights must be "
        "finite: the training has probably diverged, use an earlier checkpoint"
    )


def test_outputs_are_counted():
    assert count_outputs(tiny_network(classes=7), 16) == 7


class Returns(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.answer = answer

    def forward(self, x):
        return self.answer


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (nn.ReLU(), "a classifier needs at least one parameter, this module has none"),
        (
            nn.Conv2d(3, 2, 3),
            "a classifier must return logits of shape (N, classes), got (1, 2, 14, 14)",
        ),
        (
            Returns({"out": 1}),
            "a classifier must return logits of shape (N, classes), got dict",
        ),
        (
            Returns(torch.zeros(2, 5)),
            "a classifier must return logits of shape (N, classes), got (2, 5)",
        ),
        (
            nn.Conv2d(1, 2, 3),
            "the model does not accept images of shape (1, 3, 16, 16): Given groups=1, weight of "
            "size [2, 1, 3, 3], expected input[1, 3, 16, 16] to have 1 channels, but got 3 "
            "channels instead",
        ),
    ],
)
def test_what_is_no_classifier(network, text):
    with pytest.raises(ModelError) as caught:
        check_usable(network)
        count_outputs(network, 16)
    assert str(caught.value) == text
