"""Work on bare `nn.Module`s: private copies, hashes, checks. Never changes its argument."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from protocore.errors import ModelError
from protocore.models.preprocessing import Preprocessing

_HOOK_TABLES = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def private_copy(module: nn.Module) -> nn.Module:
    """A module tree of one's own over the same weights: in eval mode, frozen, without hooks.

    The tensors are shared, so it costs milliseconds and no memory, and a module in training is
    seen with its current weights. Hooks, gradients and modes of the original stay untouched by
    whatever is done with the copy. Raises ModelError for a module that cannot be copied.
    """
    memo: dict[int, object] = {
        id(p): nn.Parameter(p.detach(), requires_grad=False) for p in module.parameters()
    }
    memo.update({id(b): b for b in module.buffers()})
    memo.update({id(t): t.detach() for t in _computed_tensors(module)})
    try:
        duplicate = copy.deepcopy(module, memo)
    except Exception as error:  # a foreign module may hold anything
        raise ModelError(
            f"{type(module).__name__} cannot be copied ({error}); wrap the bare network, without "
            "locks, open files or distributed wrappers"
        ) from error
    for child in duplicate.modules():
        for name in _HOOK_TABLES:
            hooks = getattr(child, name)
            # Old-style weight and spectral norm compute the weight in a hook: those must stay.
            foreign = [k for k, h in hooks.items() if not _belongs_to_torch(h)]
            for key in foreign:
                del hooks[key]
    return duplicate.eval()


def _computed_tensors(module: nn.Module) -> Iterator[Tensor]:
    """Plain attributes with a history, such as the weights that weight norm computes."""
    for child in module.modules():
        for value in vars(child).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                yield value


def _belongs_to_torch(hook: object) -> bool:
    return type(hook).__module__.startswith("torch.nn.utils")


def hash_weights(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of the state dict; 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for key, value in sorted(_state_tensors(module).items()):
        tensor = value.cpu().contiguous()
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.flatten().view(torch.uint8).numpy()))
    return digest.hexdigest()


def _state_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The state dict without the "extra state" of any type that a module may add to it."""
    state = module.state_dict()
    return {key: value.detach() for key, value in state.items() if isinstance(value, Tensor)}


def check_finite(module: nn.Module) -> None:
    """Raise ModelError naming the first tensor that holds NaN or infinity."""
    bad = [
        key
        for key, value in _state_tensors(module).items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    if bad:
        raise ModelError(
            f"{len(bad)} of the model's tensors hold NaN or infinite values, first {bad[0]!r}; "
            "weights must be finite: the training has probably diverged, use an earlier checkpoint"
        )


def check_usable(module: nn.Module) -> None:
    """Raise ModelError for modules whose weights are not there yet, or not in a usable form."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise ModelError(
                f"{name!r} is lazy and has no shape yet; run the network once on an image, which "
                "creates its weights, before it is given to Protocore"
            )
        if tensor.is_meta:
            raise ModelError(
                f"{name!r} is on the meta device, which holds no values; load the weights first "
                "(for example with to_empty and load_state_dict)"
            )
        if name.endswith("running_var") and tensor.numel() and bool((tensor < 0).any()):
            raise ModelError(
                f"{name!r} holds a negative variance (least {float(tensor.min()):.3g}), which "
                "gives NaN; a variance must be >= 0: use an undamaged checkpoint"
            )
    if next(module.parameters(), None) is None:
        quantised = any("quantized" in type(child).__module__ for child in module.modules())
        why = (
            "quantised layers keep theirs apart; give the floating-point network"
            if quantised
            else ""
        )
        raise ModelError(
            f"a classifier needs at least one parameter, this module has none; {why}".rstrip("; ")
        )


def probe_images(module: nn.Module, fitted: Preprocessing) -> Tensor:
    """Two normalised images `(2, 3, S, S)`, noise and its negative, as the module takes them."""
    parameter = next(module.parameters())
    shape = (1, 3, fitted.input_size, fitted.input_size)
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    images = torch.cat([noise, 1 - noise])
    mean, std = torch.tensor(fitted.mean), torch.tensor(fitted.std)
    normalised = (images - mean[:, None, None]) / std[:, None, None]
    return normalised.to(parameter.device, parameter.dtype)


def count_outputs(module: nn.Module, input_size: int) -> int:
    """How many logits a module in eval mode returns for a black image of `input_size` pixels.

    Raises ModelError when it does not accept the image or does not return `(1, K)`.
    """
    parameter = next(module.parameters())
    black = torch.zeros(1, 3, input_size, input_size, device=parameter.device)
    try:
        with torch.inference_mode():
            output = module(black.to(parameter.dtype))
    except Exception as error:  # a foreign module may raise anything
        raise ModelError(
            f"the model does not accept images of shape (1, 3, {input_size}, {input_size}): {error}"
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != 1:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ModelError(f"a classifier must return logits of shape (N, classes), got {shape}")
    return output.shape[1]
