"""The fast network is the same function, and making it disturbs nobody."""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import weight_norm
from torchvision import models

from protocore.models.classifier import Classifier
from protocore.models.fast import network as acceleration
from protocore.models.fast.convolution import available
from protocore.models.fast.network import (
    FastNetwork,
    faster,
    fold_batch_norms,
    resolve_precision,
)
from protocore.models.fast.segment import Segment
from protocore.models.fast.tape import Tape
from tests.networks import shake_norms, tiny_network

CPU = torch.device("cpu")
needs_onednn = pytest.mark.skipif(not available(), reason="this PyTorch has no oneDNN")


def norms_in(module):
    return sum(isinstance(child, nn.BatchNorm2d) for child in module.modules())


def images(count=2, size=16):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(3))


def assert_same_logits(one, other, size=16):
    with torch.inference_mode():
        torch.testing.assert_close(one(images(size=size)), other(images(size=size)))


def shaken(build, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return shake_norms(build(num_classes=7, **options)).eval()


# --- folding ---


def test_folded_weights_by_hand():
    """y = 2 * (3x + 1 - 5) / sqrt(4) + 7 = 3x + 3, with eps 0."""
    network = nn.Sequential(nn.Conv2d(3, 3, 1, groups=3), nn.BatchNorm2d(3, eps=0))
    convolution, norm = network
    nn.init.constant_(convolution.weight, 3.0)
    nn.init.constant_(convolution.bias, 1.0)
    nn.init.constant_(norm.running_mean, 5.0)
    nn.init.constant_(norm.running_var, 4.0)
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, 7.0)
    folded = fold_batch_norms(network.eval(), 4)
    assert isinstance(folded[1], nn.Identity)
    assert folded[0].weight.flatten().tolist() == [3.0, 3.0, 3.0]
    assert folded[0].bias.tolist() == [3.0, 3.0, 3.0]
    assert not folded[0].weight.requires_grad
    assert convolution.bias.tolist() == [1.0, 1.0, 1.0]  # the original is left as it was
    assert norms_in(network) == 1


def test_all_norms_of_the_tiny_network_fold():
    network = tiny_network()
    folded = fold_batch_norms(network, 16)
    assert (norms_in(network), norms_in(folded)) == (2, 0)
    assert_same_logits(network, folded)


@pytest.mark.parametrize(
    ("build", "options", "before", "after"),
    [
        (models.resnet18, {}, 20, 0),
        (models.mobilenet_v2, {}, 52, 0),
        # The two that stay belong to the auxiliary heads, which do not run in eval mode.
        (models.googlenet, {"init_weights": False}, 59, 2),
        # DenseNet normalises before its convolutions: 58 + 1 of the norms follow one.
        (models.densenet121, {}, 121, 62),
        (models.squeezenet1_1, {}, 0, 0),
    ],
)
def test_folding_keeps_the_logits_of_real_networks(build, options, before, after):
    network = shaken(build, **options)
    folded = fold_batch_norms(network, 64)
    assert (norms_in(network), norms_in(folded)) == (before, after)
    assert_same_logits(network, folded, size=64)


class Shared(nn.Module):
    """One norm behind two convolutions, and one convolution whose output is used twice."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.three, self.four = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
        self.twice, self.once = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.free = nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.twice(self.two(self.twice(self.one(x))))
        y = self.three(x)
        x = self.once(y) + y.detach()
        z = self.four(x)
        assert z.dim() == 4 and z.shape[0] == len(x)  # asking for a shape is no use
        return self.free(z).mean(dim=(2, 3))


def test_only_undisturbed_pairs_fold():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = shake_norms(Shared()).eval()
    folded = fold_batch_norms(network, 16)
    assert isinstance(folded.twice, nn.BatchNorm2d)
    assert isinstance(folded.once, nn.BatchNorm2d)
    assert isinstance(folded.free, nn.Identity)
    assert_same_logits(network, folded)


class Hidden(nn.Module):
    """Reaches its convolution past the module as well: folding would change what it computes."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        direct = nn.functional.conv2d(x, self.convolution.weight)
        return (self.norm(self.convolution(x)) - 2 * direct).mean(dim=(2, 3))


def test_other_logits_mean_no_folding(caplog):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = shake_norms(Hidden()).eval()
    folded = fold_batch_norms(network, 16)
    assert norms_in(folded) == 1
    assert_same_logits(network, folded)
    assert caplog.messages == ["batch norms of Hidden stay unfolded, the logits differ"]


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_norms_without_statistics_and_computed_weights_stay():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4, track_running_stats=False),
            weight_norm(nn.Conv2d(4, 4, 3)),
            nn.BatchNorm2d(4),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ).eval()
    folded = fold_batch_norms(network, 16)
    assert norms_in(folded) == 2
    assert_same_logits(network, folded)


def test_folding_does_not_disturb_other_threads():
    """As tracing with torch.fx would: it replaces nn.Module.__call__ for the whole process."""
    network, other, failures, stop = tiny_network(), tiny_network(seed=1), [], threading.Event()
    expected = other(images())

    def compute():
        while not stop.is_set():
            try:
                torch.testing.assert_close(other(images()), expected)
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=compute)
    thread.start()
    for _ in range(30):
        fold_batch_norms(network, 16)
    stop.set()
    thread.join()
    assert failures == []


# --- the fast network ---


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_logits_and_gradients_of_the_fast_network(classifier, precision):
    fast = FastNetwork(classifier, precision)
    tolerance = {} if precision == "float32" else {"rtol": 0.05, "atol": 0.05}
    batch = images().requires_grad_(True)
    logits = fast(batch)
    assert (logits.dtype, logits.shape) == (torch.float32, (2, 5))
    torch.testing.assert_close(logits, classifier.logits(batch.detach()), **tolerance)
    (gradient,) = torch.autograd.grad(logits[:, 2].sum(), batch)
    slow = classifier.module(classifier.normalise(batch))
    (expected,) = torch.autograd.grad(slow[:, 2].sum(), batch)
    torch.testing.assert_close(gradient, expected, **tolerance)


def test_the_classifier_keeps_its_own_weights(classifier):
    before = {name: value.clone() for name, value in classifier.module.state_dict().items()}
    FastNetwork(classifier, "bfloat16")
    after = classifier.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(value.dtype == before[name].dtype for name, value in after.items())
    assert norms_in(classifier.module) == 2


def test_a_vision_transformer_works():
    network = shaken(
        models.VisionTransformer, image_size=64, patch_size=16, num_layers=2, num_heads=2,
        hidden_dim=32, mlp_dim=64,
    )  # fmt: skip
    nn.init.normal_(network.heads.head.weight)  # torchvision starts with zeros
    classifier = Classifier.from_module(network, input_size=64)
    fast = FastNetwork(classifier)
    assert fast.precision == "float32"
    batch = images(size=64).requires_grad_(True)
    torch.testing.assert_close(fast(batch), classifier.logits(batch.detach()), rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(fast(batch)[:, 1].sum(), batch)
    assert gradient.abs().max() > 0


# --- frozen convolutions ---

BUILDERS = {
    "resnet18": 64, "mobilenet_v2": 64, "googlenet": 64, "mobilenet_v3_small": 64,
    "efficientnet_b0": 64, "densenet121": 64, "squeezenet1_1": 64, "shufflenet_v2_x0_5": 64,
    "regnet_y_400mf": 64, "mnasnet0_5": 64, "vit_b_32": 224,
}  # fmt: skip


def torchvision_network(name):
    options = {"init_weights": False} if name == "googlenet" else {}
    network = shaken(getattr(models, name), **options)
    if name.startswith("vit"):
        nn.init.normal_(network.heads.head.weight)  # zero at first
    return network


def logits_and_gradient(network, x):
    x = x.clone().requires_grad_(True)
    logits = network(x)
    (gradient,) = torch.autograd.grad(logits[:, 3].sum() - logits[:, 1].sum(), x)
    return logits.detach(), gradient


@pytest.mark.parametrize("name", BUILDERS)
def test_logits_and_gradients_are_the_plain_networks(name):
    classifier = Classifier.from_module(torchvision_network(name), input_size=BUILDERS[name])
    fast = FastNetwork(classifier, "float32")
    x = images(1, BUILDERS[name])
    plain = logits_and_gradient(lambda x: classifier.module(classifier.normalise(x)), x)
    for found, expected in zip(logits_and_gradient(fast, x), plain, strict=True):
        assert torch.linalg.vector_norm(found - expected) < 1e-3 * torch.linalg.vector_norm(
            expected
        )


@needs_onednn
@pytest.mark.parametrize(("name", "segments"), [("mobilenet_v2", 1), ("resnet18", 2)])
def test_convolutions_that_follow_one_another_are_one_segment(name, segments):
    network = fold_batch_norms(torchvision_network(name), 32)
    tape = faster(network, images(1, 32), {})
    assert sum(isinstance(call.function, Segment) for call in tape.calls) == segments
    assert torch.conv2d not in [call.function for call in tape.calls]


class Branches(nn.Module):
    """Sums and activations in the ways that can and cannot be taken in."""

    def __init__(self, forward):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.third = nn.Conv2d(8, 8, 1)
        self._forward = forward
        self.requires_grad_(False)

    def forward(self, x):
        return self._forward(self, self.first(x)).mean(dim=(2, 3))


def used_before_its_activation(net, x):
    y = net.second(x)
    return y.relu() + y


def sum_in_place_seen_through_a_view(net, x):
    y = net.second(x)
    view = y[:, :1]
    y += x
    return y + view


def a_sum_of_itself(net, x):
    y = net.second(x)
    return (y + y).relu()


def a_broadcast_sum(net, x):
    return F.relu6(net.second(x) + net.third(x).mean(dim=(2, 3), keepdim=True))


def one_input_twice(net, x):
    x = torch.relu_(x)
    return F.relu(net.second(x) + net.third(x) + x, inplace=True)


def an_output_nobody_needs(net, x):
    net.third(x)
    return net.second(x)


def bounds_after_a_sum(net, x):
    return F.hardtanh(net.second(x) + x, -0.5, max_val=0.5) + net.third(x)


def weighted_sum(net, x):
    return torch.add(x, net.second(x), alpha=2)


@pytest.mark.parametrize(
    "forward",
    [
        used_before_its_activation,
        sum_in_place_seen_through_a_view,
        a_sum_of_itself,
        a_broadcast_sum,
        one_input_twice,
        an_output_nobody_needs,
        bounds_after_a_sum,
        weighted_sum,
    ],
)
@needs_onednn
def test_branches_give_the_same(forward):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Branches(forward)
    tape = faster(network, images(2), {})
    assert isinstance(tape, Tape)
    found, expected = (logits_and_gradient(net, images(2)) for net in (tape, network))
    torch.testing.assert_close(found, expected)


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def own_gradient(net, x):
    return net.second(StraightThrough.apply(5 * net.third(x)))


def a_decision(net, x):
    return net.second(x) if x.mean() > 0 else net.third(x)


@pytest.mark.parametrize("forward", [own_gradient, a_decision])
def test_networks_that_cannot_be_played_run_as_they_are(forward):
    network = Branches(forward)
    assert faster(network, images(2), {}) is network


def test_a_network_with_one_convolution_runs_as_it_is():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(784, 5))
    assert faster(network, images(2), {}) is network


@needs_onednn
def test_other_batch_sizes_share_the_weights(classifier):
    fast = FastNetwork(classifier, "float32")
    one = fast(images(1))
    frozen = dict(fast._frozen)
    three = fast(images(3))
    assert fast._frozen == frozen and len(frozen) == 2
    torch.testing.assert_close(three[:1], one)


@needs_onednn
@pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="oneDNN has no bfloat16 convolutions on this processor",
)
def test_bfloat16_is_played_too():
    network = fold_batch_norms(torchvision_network("resnet18"), 32).to(torch.bfloat16)
    x = images(1, 32).to(torch.bfloat16)
    tape = faster(network, x, {})
    assert isinstance(tape, Tape)
    torch.testing.assert_close(tape(x), network(x), rtol=0.05, atol=0.05)


# --- precision ---


@pytest.mark.parametrize(
    ("build", "has_bfloat16", "expected"),
    [
        (models.resnet18, True, "bfloat16"),
        (models.resnet18, False, "float32"),
        (models.mobilenet_v2, True, "float32"),  # 17 of 52 convolutions are depthwise
        (models.vit_b_32, True, "float32"),  # a single convolution
    ],
)
def test_auto_means_bfloat16_for_dense_convolutions(monkeypatch, build, has_bfloat16, expected):
    monkeypatch.setattr(acceleration, "_cpu_has_bfloat16", lambda: has_bfloat16)
    with torch.device("meta"):
        network = build()
    assert resolve_precision(network, "auto", CPU) == expected


def test_a_given_precision_holds(classifier):
    assert resolve_precision(classifier.module, "bfloat16", CPU) == "bfloat16"
    assert resolve_precision(classifier.module, "float32", CPU) == "float32"
    assert FastNetwork(classifier, "bfloat16").precision == "bfloat16"
