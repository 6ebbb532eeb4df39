"""Networks for tests: small, with fixed weights, and able to fail on demand."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from protocore.models.classifier import Classifier

NAMES = ("tench", "golf ball", "French horn", "crane", "crane")


def tiny_network(classes: int = 5, seed: int = 0) -> nn.Sequential:
    """Convolution, batch norm, in-place ReLU, twice; then a head. The same for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, classes),
        )
        shake_norms(network)
    return network.eval()


def shake_norms(network: nn.Module) -> nn.Module:
    """Give the batch norms statistics and weights as after a training; uses the global seed."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
    return network


def tiny_classifier(size: int = 16, seed: int = 0) -> Classifier:
    """A `tiny_network` of five classes, two of which have the same name."""
    return Classifier.from_module(
        tiny_network(seed=seed), class_names=NAMES, name="tiny", weights="TEST", input_size=size
    )


def fingerprint(network: nn.Module) -> dict:
    """All of a module that Protocore promises to leave as it was."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "tensors": {name: value.clone() for name, value in network.state_dict().items()},
        "gradients": {n: p.grad if p.grad is None else p.grad.clone() for n, p in named(network)},
        "wanted": {name: parameter.requires_grad for name, parameter in named(network)},
        "same objects": {name: id(parameter) for name, parameter in named(network)},
        "modes": [module.training for module in network.modules()],
        "hooks": [
            [*getattr(module, table).values()] for module in network.modules() for table in hooks
        ],
    }


def named(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return list(network.named_parameters())


def assert_unchanged(network: nn.Module, before: dict) -> None:
    """The module has the fingerprint `before`, to the last bit."""
    after = fingerprint(network)
    for name in before:
        if name in ("tensors", "gradients"):
            torch.testing.assert_close(after[name], before[name], rtol=0, atol=0, equal_nan=True)
        else:
            assert after[name] == before[name], name


class Tripwire(nn.Module):
    """Passes its input on; `act(call number)`, if set, runs first and may raise or return NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.act: Callable[[int, Tensor], Tensor | None] | None = None

    def __deepcopy__(self, memo: dict) -> "Tripwire":
        return self  # the tests want to reach the one inside a private copy

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        changed = self.act(self.calls, x) if self.act else None
        return x if changed is None else changed


def tripwire_classifier() -> tuple[Classifier, Tripwire]:
    """A classifier of three classes at 16 pixels without batch norms, and its tripwire."""
    wire = Tripwire()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = nn.Sequential(wire, nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        network.append(nn.Linear(16, 3))
    classifier = Classifier.from_module(network, name="wired", input_size=16)
    wire.calls = 0
    return classifier, wire
