"""The final layer of a classifier: one row of weights per class, found by what it does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from protocore.errors import ModelError
from protocore.models.classifier import Classifier
from protocore.models.modules import private_copy

_TOLERANCE = 1e-3  # of the largest logit, for float32 networks run twice


def class_weights(classifier: Classifier) -> Tensor:
    """The final layer's weights `(K, D)` float32 on the CPU, row k belonging to logit k.

    Works for linear maps and 1x1 convolutions, of convolutional networks and transformers. The
    layer is the last one to run with K outputs of which each becomes the logit of one class: with
    its outputs shifted by one class, the logits must shift by one class too. Raises ModelError
    when there is none.
    """
    module = private_copy(classifier.module)
    image = _probe(classifier)
    candidates: list[nn.Module] = []
    with torch.inference_mode():
        expected = _watched(module, image, candidates, classifier.num_classes)
        for layer in reversed(candidates):
            if _decides_alone(module, layer, image, expected):
                return layer.weight.detach().flatten(1).float().cpu()
    raise ModelError(
        f"the final layer of {classifier.name} was not found: no linear map or 1x1 convolution "
        f"gives its {classifier.num_classes} logits one by one; related classes can be suggested "
        "only from what prototypes excite and from natural images"
    )


def cosine_similarities(weights: Tensor, anchor: int) -> Tensor:
    """Cosine `(K,)`, -1..1, of the anchor's row of weights `(K, D)` with every row."""
    rows = nn.functional.normalize(weights.double(), dim=1)
    return rows @ rows[anchor]


def _probe(classifier: Classifier) -> Tensor:
    size = classifier.input_size
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    weight = next(classifier.module.parameters())
    return classifier.normalise(noise.to(weight.device)).to(weight.dtype)


def _class_axis(layer: nn.Module) -> int:
    return 1 if isinstance(layer, nn.Conv2d) else -1


def _watched(module: nn.Module, image: Tensor, found: list[nn.Module], classes: int) -> Tensor:
    """Logits of the image; `found` gets the layers that may be the final one, as they run."""

    def note(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        if output.shape[_class_axis(layer)] == classes:
            found.append(layer)

    handles = [m.register_forward_hook(note) for m in module.modules() if _fits(m)]
    try:
        return module(image).float()
    finally:
        for handle in handles:
            handle.remove()


def _fits(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == (1, 1) and layer.groups == 1
    return isinstance(layer, nn.Linear)


def _decides_alone(module: nn.Module, layer: nn.Module, image: Tensor, expected: Tensor) -> bool:
    def shift(_layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output.roll(1, dims=_class_axis(layer))

    handle = layer.register_forward_hook(shift)
    try:
        shifted = module(image).float()
    finally:
        handle.remove()
    room = _TOLERANCE * float(expected.abs().max())
    return bool(torch.allclose(shifted, expected.roll(1, dims=1), rtol=0, atol=room))
