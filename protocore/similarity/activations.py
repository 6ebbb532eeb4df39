"""What every layer of a classifier puts out, in the order in which the layers run.

A layer is the output of a module. A module that runs several times in one forward pass, such as
the ReLU of a residual block, counts once, with its last output: that is what the usual
dictionary of hooked activations holds, and it gives the paper's 224 layers for GoogLeNet and 67
for ResNet-18 (68 with the network itself, which is a module too). Of an output that is a tuple,
list or dictionary the first tensor counts. Modules that never run, or whose output is not one
row per image, are no layers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from protocore.errors import ModelError, SettingsError
from protocore.models.classifier import Classifier
from protocore.models.modules import private_copy

# "all": every module (the paper's). "leaf": modules without children. "weighted": convolutions
# and linear maps, the fewest that follow the whole path.
LAYER_SETS = ("all", "leaf", "weighted")
ROOT_NAME = "(network)"  # the module itself has no name
_WEIGHTED = (nn.modules.conv._ConvNd, nn.Linear)


@dataclass(frozen=True, kw_only=True)
class LayerInfo:
    """One layer of one classifier at its input size."""

    index: int  # place in the execution order within the layer set
    name: str  # dotted, such as "layer1.0.conv1"
    kind: str  # type of the module, such as "Conv2d"
    shape: tuple[int, ...]  # of the output for one image
    calls: int  # in one forward pass; the last one counts

    @property
    def size(self) -> int:
        """Activations per image."""
        return prod(self.shape)

    @property
    def channel_axis(self) -> int:
        """Which axis of `shape` holds the channels.

        Maps are channels first, tokens `(T, C)` and the `(H, W, C)` maps of some transformers
        channels last; these are told by their square.
        """
        if len(self.shape) == 2:
            return 1
        height_first = len(self.shape) == 3 and self.shape[0] == self.shape[1] != self.shape[2]
        return 2 if height_first else 0


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerReader:
    """A private module tree over a classifier's weights, and the layers to be read from it.

    The classifier itself is never hooked. Not for use by two threads at once.
    """

    classifier: Classifier
    module: nn.Module
    layer_set: str
    layers: tuple[LayerInfo, ...]

    def read(
        self,
        images: Tensor,
        consume: Callable[[LayerInfo, Tensor], None],
        only: Collection[int] | None = None,
    ) -> Tensor:
        """Run `images` `(N, 3, S, S)` in [0, 1] and hand every layer's output to `consume`.

        `consume(layer, output)` gets the output `(N, *layer.shape)` as soon as it exists and
        must not keep it: an in-place operation may overwrite it right afterwards. `only` limits
        the layers to these indices. Returns the logits `(N, K)`.
        """
        wanted = {layer.name: layer for layer in self.layers if only is None or layer.index in only}
        runs = dict.fromkeys(wanted, 0)

        def hook(name: str, output: object) -> None:
            runs[name] += 1
            if runs[name] == wanted[name].calls:
                consume(wanted[name], _first_tensor(output))

        with hooked(self.module, wanted, hook), torch.inference_mode():
            images = images.to(self.classifier.device)
            return self.module(self.classifier.normalise(images)).float()

    def capture(self, images: Tensor) -> dict[str, Tensor]:
        """All outputs by layer name, each a copy `(N, *shape)`. Needs memory for all at once."""
        outputs: dict[str, Tensor] = {}
        self.read(images, lambda layer, output: outputs.update({layer.name: output.clone()}))
        return outputs


def open_reader(classifier: Classifier, layer_set: str = "all") -> LayerReader:
    """Find the layers of a set ("all", "leaf" or "weighted") by one run on a black image.

    Raises SettingsError for another set and ModelError when the set is empty or the layers of a
    compiled program cannot be read.
    """
    if layer_set not in LAYER_SETS:
        raise SettingsError(f"layers must be one of {', '.join(LAYER_SETS)}, got {layer_set!r}")
    if any(isinstance(m, torch.jit.ScriptModule) for m in classifier.module.modules()):
        raise ModelError(
            f"{classifier.name} is a TorchScript program, whose layers cannot be read; "
            "prototypes can be made of it, path similarity needs an ordinary nn.Module"
        )
    module = private_copy(classifier.module)
    layers = _find_layers(classifier, module, layer_set)
    if not layers:
        raise ModelError(
            f"{classifier.name} has no layers in the set {layer_set!r}; choose 'all', which takes "
            "every module"
        )
    return LayerReader(classifier=classifier, module=module, layer_set=layer_set, layers=layers)


@contextmanager
def hooked(
    module: nn.Module, names: Mapping[str, object], hook: Callable[[str, object], None]
) -> Iterator[None]:
    """Call `hook(name, output)` after each named module has run; removes the hooks at the end."""
    handles = []
    try:
        for name, child in _named_modules(module):
            if name in names:
                handles.append(
                    child.register_forward_hook(lambda _m, _i, out, name=name: hook(name, out))
                )
        yield
    finally:
        for handle in handles:
            handle.remove()


def _find_layers(
    classifier: Classifier, module: nn.Module, layer_set: str
) -> tuple[LayerInfo, ...]:
    modules = {name: m for name, m in _named_modules(module) if _belongs(m, layer_set)}
    calls: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}

    def hook(name: str, output: object) -> None:
        calls[name] = calls.get(name, 0) + 1
        shapes.pop(name, None)  # a later call moves the module back in the order
        tensor = _first_tensor(output)
        if tensor is not None and tensor.ndim >= 2 and len(tensor) == rows:
            shapes[name] = tuple(tensor.shape[1:])

    rows = 2  # with one row, outputs that are not one row per image could not be told
    side = classifier.input_size
    black = torch.zeros(rows, 3, side, side, device=classifier.device)
    with hooked(module, modules, hook), torch.inference_mode():
        module(classifier.normalise(black))
    return tuple(
        LayerInfo(
            index=index,
            name=name,
            kind=type(modules[name]).__name__,
            shape=shape,
            calls=calls[name],
        )
        for index, (name, shape) in enumerate(shapes.items())
    )


def _named_modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_modules():
        yield name or ROOT_NAME, child


def _belongs(module: nn.Module, layer_set: str) -> bool:
    if layer_set == "weighted":
        return isinstance(module, _WEIGHTED)
    return layer_set == "all" or next(module.children(), None) is None


def _first_tensor(output: object) -> Tensor | None:
    if isinstance(output, Tensor):
        return output if output.is_floating_point() else None
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        return next((t for part in output if (t := _first_tensor(part)) is not None), None)
    return None
