"""A tape does what the network does, or recording it is refused."""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from protocore.models.fast.tape import CannotRecordError, record
from tests.networks import assert_unchanged, fingerprint, tiny_network


class Does(nn.Module):
    """A network whose forward pass is a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.register_buffer("offset", torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def images(seed, count=1, size=6):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def in_place(self, x):
    x += self.offset
    y = F.relu(x - 2, inplace=True)
    y[:, 0] = 5
    return (x * y).mean(dim=(2, 3))


def several_outputs(self, x):
    one, *rest = x.chunk(3, dim=1)
    values, _ = rest[0].flatten(1).sort(dim=1)
    return torch.cat([one.flatten(1), values], dim=1)


def by_shape(self, x):
    assert x.dim() == 4 and x.is_floating_point() and len(x) == x.shape[0]
    torch._assert(x.size(1) == 3, "three channels")
    return x.view(x.size(0), -1)[:, : x.shape[-1]] @ torch.eye(x.shape[-1])


@pytest.mark.parametrize("function", [in_place, several_outputs, by_shape])
@pytest.mark.parametrize("count", [1, 2])
def test_a_tape_gives_the_same_for_other_images(function, count):
    network = Does(function)
    tape = record(network, images(0, count))
    other = images(1, count)
    assert torch.equal(tape(other.clone()), network(other.clone()))


def test_gradients_pass_through():
    tape = record(Does(lambda self, x: x.square().flatten(1)), images(0))
    x = images(1).requires_grad_(True)
    (gradient,) = torch.autograd.grad(tape(x).sum(), x)
    assert torch.equal(gradient, 2 * x)


def test_recording_changes_neither_network_nor_images():
    network, x = tiny_network(), images(0, size=16)
    before, kept = fingerprint(network), x.clone()
    record(network, x)
    assert_unchanged(network, before)
    assert torch.equal(x, kept) and not x.requires_grad


def test_other_threads_are_not_recorded():
    outside, go_on = threading.Event(), threading.Event()

    def waiting(self, x):
        outside.set()
        assert go_on.wait(10)
        return x.flatten(1)

    tapes = []
    recorder = threading.Thread(target=lambda: tapes.append(record(Does(waiting), images(0))))
    recorder.start()
    assert outside.wait(10)
    torch.relu(torch.ones(3))
    go_on.set()
    recorder.join()
    assert len(tapes[0].calls) == 1


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.ReLU()), images(0))

    def forward(self, x):
        return self.inner(x * 2) + 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Does(lambda s, x: x.flatten(1) if x.mean() > 0 else -x.flatten(1)), "something else"),
        (Does(lambda s, x: x.flatten(1) * x.max().item()), "item turns a tensor into something"),
        (Does(lambda s, x: (x, x)), "not one tensor"),
        (Does(lambda s, x: s.offset.flatten(1)), None),
    ],
)
def test_what_depends_on_values_is_refused(network, reason):
    if reason is None:  # not made from the images, but from calls all the same
        assert record(network, images(0))(images(1)).tolist() == [[1, 2, 3]]
        return
    with pytest.raises(CannotRecordError, match=reason):
        record(network, images(0))


def test_values_are_let_go_after_their_last_use():
    tape = record(Does(lambda s, x: (x * 2 + 1).relu().flatten(1)), images(0))
    assert tape.result.index == 4
    assert [call.done_with for call in tape.calls] == [(0,), (1,), (2,), (3,)]
