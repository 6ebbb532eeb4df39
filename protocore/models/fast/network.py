"""The same function, faster: batch norms folded, channels last, bfloat16 where it pays."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from protocore.models.classifier import Classifier
from protocore.models.fast.card import CardConvolution, repeatable
from protocore.models.fast.convolution import FrozenConvolution, available
from protocore.models.fast.fusion import Frozen, fuse
from protocore.models.fast.tape import record
from protocore.models.modules import private_copy

_log = logging.getLogger(__name__)
_FOLDING_TOLERANCE = 1e-3  # of the largest logit; rounding alone gives about 1e-5
# Of the norm, for logits and for gradients. In bfloat16 two ways to round already switch so many
# ReLUs that the gradients of random networks differ by up to 0.75 (ResNet-18: 0.3), their logits
# by 0.04; a gradient that is missing or wrong is off by 1.
_PLAYING_TOLERANCE = {torch.float32: (0.01, 0.01), torch.bfloat16: (0.1, 0.9)}
_FEWEST_CONVOLUTIONS = 2  # with a single one there is nothing to gain


class FastNetwork:
    """Images `(N, 3, H, W)` in [0, 1] -> float32 logits `(N, K)`, differentiable in the images.

    Works on private weights: the classifier is left as it is.
    """

    def __init__(self, classifier: Classifier, precision: str = "auto") -> None:
        self.precision = resolve_precision(classifier.module, precision, classifier.device)
        self.dtype = getattr(torch, self.precision)
        self._device = classifier.device
        folded = fold_batch_norms(classifier.module, classifier.input_size)
        self._module = folded.to(dtype=self.dtype, memory_format=torch.channels_last)
        self._played: dict[tuple[int, ...], Callable[[Tensor], Tensor]] = {}  # by shape of images
        self._frozen: Frozen = {}
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(classifier.mean, device=self._device).view(shape)
        self._std = torch.tensor(classifier.std, device=self._device).view(shape)

    def __call__(self, images: Tensor) -> Tensor:
        normalised = (images - self._mean) / self._std
        return self.play(normalised.to(dtype=self.dtype, memory_format=torch.channels_last))

    def play(self, normalised: Tensor) -> Tensor:
        """The same for images that are normalised, in the network's `dtype`, channels last."""
        shape = normalised.shape
        if shape not in self._played:
            self._played[shape] = faster(self._module, normalised, self._frozen)
        return self._played[shape](normalised).float()

    @property
    def is_fast(self) -> bool:
        """Whether what was prepared last is a faster recording; False: the network as it is."""
        return bool(self._played) and [*self._played.values()][-1] is not self._module


def faster(module: nn.Module, images: Tensor, frozen: Frozen) -> Callable[[Tensor], Tensor]:
    """`module` for images of that shape with frozen convolutions, on CPUs with oneDNN.

    Should logits or gradients differ, or the network do what cannot be recorded, it is `module`
    itself. `frozen` keeps the convolutions for other batch sizes.
    """
    if getattr(module, "apart", False):  # its random numbers and buffers need its own forward
        return module
    convolutions = sum(isinstance(child, nn.Conv2d) for child in module.modules())
    fits = images.is_cuda or (images.device.type == "cpu" and available())
    if not fits or convolutions < _FEWEST_CONVOLUTIONS:
        return module
    probe = torch.rand(images.shape, generator=torch.Generator().manual_seed(1))
    probe = probe.to(images.device, images.dtype, memory_format=torch.channels_last)
    try:
        kind = CardConvolution if images.is_cuda else FrozenConvolution
        tape = fuse(record(module, 1 - probe), frozen, kind)
        same = _agree(tape, module, probe)
    except Exception as error:  # a foreign network may do anything
        _log.info("%s is run as it is: %s", type(module).__name__, error)
        return module
    if not same:
        _log.warning("%s is run as it is, faster it differs", type(module).__name__)
    return tape if same else module


def _agree(tape: Callable, module: Callable, images: Tensor) -> bool:
    """Whether logits and gradients are the same but for rounding."""
    results = []
    for network in (tape, module):
        with torch.enable_grad():
            leaf = images.detach().requires_grad_(True)
            logits = network(leaf.clone(memory_format=torch.preserve_format))
            weights = torch.linspace(-1, 1, logits.numel(), device=logits.device)
            weights = weights.view(logits.shape)
            (gradient,) = torch.autograd.grad((logits.float() * weights).sum(), leaf)
        results.append((logits.detach().float(), gradient.float()))
    allowed = _PLAYING_TOLERANCE[images.dtype]
    return all(
        torch.linalg.vector_norm(one - other) <= most * torch.linalg.vector_norm(other)
        for one, other, most in zip(*results, allowed, strict=True)
    )


def fold_batch_norms(module: nn.Module, size: int) -> nn.Module:
    """A private copy in which each batch norm behind a convolution is put into its weights.

    The pairs are found by running the network on one image of `size` pixels. Should the copy
    not give the same logits, it is returned unfolded.
    """
    # torch.fx would find the pairs without a run, but while it traces it replaces
    # nn.Module.__call__ for the whole process: networks in other threads fail.
    folded = private_copy(module)
    if not any(_fixed_norm(child) for child in folded.modules()):
        return folded
    parameter = next(folded.parameters())
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    probe = noise.to(parameter.device, parameter.dtype)
    with torch.inference_mode(), repeatable():
        uses = _Uses(folded)
        expected = uses.watch(probe)
    pairs = uses.foldable_pairs()
    for convolution, norm in pairs:
        fused = fuse_conv_bn_eval(folded.get_submodule(convolution), folded.get_submodule(norm))
        folded.set_submodule(convolution, fused.requires_grad_(False).eval())
        folded.set_submodule(norm, nn.Identity())
    if not pairs:
        return folded
    with torch.inference_mode(), repeatable():
        error = (folded(probe) - expected).abs().max()
    if error <= _FOLDING_TOLERANCE * expected.abs().max():
        return folded
    _log.warning("batch norms of %s stay unfolded, the logits differ", type(module).__name__)
    return private_copy(module)


class _Uses(TorchFunctionMode):
    """What becomes of the outputs of convolutions in one run; seen in this thread alone."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        self._names = _single_names(module)
        self._outputs: dict[int, tuple[nn.Module, Tensor]] = {}  # kept, so that ids stay unique
        self._uses: dict[int, int] = {}
        self._pairs: list[tuple[nn.Module, nn.Module, int]] = []
        self._calls: dict[nn.Module, int] = {}

    def watch(self, images: Tensor) -> Tensor:
        """Run the network; returns what it returns."""
        hooks = []
        for child in self._names:
            if isinstance(child, nn.Conv2d):
                hooks.append(child.register_forward_hook(self._after_convolution))
            else:
                hooks.append(child.register_forward_pre_hook(self._before_norm))
        try:
            with self:
                return self._module(images)
        finally:
            for hook in hooks:
                hook.remove()

    def foldable_pairs(self) -> list[tuple[str, str]]:
        """Names of convolutions and norms, each called once, with nothing else in between."""
        return [
            (self._names[convolution], self._names[norm])
            for convolution, norm, output in self._pairs
            if self._calls[convolution] == self._calls[norm] == self._uses[output] == 1
        ]

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        # Asking for a size or a type changes nothing.
        if isinstance(result, Tensor | tuple | list) and not isinstance(result, torch.Size):
            for value in _tensors([*args, *(kwargs or {}).values()]):
                if id(value) in self._uses:
                    self._uses[id(value)] += 1
        return result

    def _after_convolution(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self._calls[module] = self._calls.get(module, 0) + 1
        self._outputs[id(output)] = (module, output)
        self._uses[id(output)] = 0

    def _before_norm(self, module: nn.Module, inputs: tuple) -> None:
        self._calls[module] = self._calls.get(module, 0) + 1
        if inputs and id(inputs[0]) in self._outputs:
            convolution, output = self._outputs[id(inputs[0])]
            self._pairs.append((convolution, module, id(output)))


def _single_names(module: nn.Module) -> dict[nn.Module, str]:
    """Convolutions and norms that can be replaced by name, because they have a single one."""
    names: dict[nn.Module, list[str]] = {}
    for name, child in module.named_modules(remove_duplicate=False):
        if _plain_convolution(child) or _fixed_norm(child):
            names.setdefault(child, []).append(name)
    return {child: found[0] for child, found in names.items() if len(found) == 1 and found[0]}


def _plain_convolution(module: nn.Module) -> bool:
    # A pre-hook that is left in a private copy computes the weight (old-style weight norm).
    return type(module) is nn.Conv2d and not module._forward_pre_hooks


def _fixed_norm(module: nn.Module) -> bool:
    return type(module) is nn.BatchNorm2d and module.running_mean is not None


def _tensors(values: object) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _tensors(value)


def resolve_precision(module: nn.Module, precision: str, device: torch.device) -> str:
    """ "auto" -> "bfloat16" on processors with bfloat16 arithmetic, for dense convolutions.

    Measured on 2 cores with AVX512-BF16 (tests/benchmarks/generation.py): ResNet-18 gains,
    MobileNetV2 with its depthwise convolutions loses. A fixed rule and not a timing decides, so
    that the same run gives the same bytes.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    dense = _dense_share(module) > 0.9
    return "bfloat16" if device.type == "cpu" and dense and _cpu_has_bfloat16() else "float32"


def _dense_share(module: nn.Module) -> float:
    """Share of the convolution layers that are not grouped; 0 without convolutions."""
    groups = [m.groups for m in module.modules() if isinstance(m, nn.Conv2d)]
    return sum(g == 1 for g in groups) / len(groups) if len(groups) > 1 else 0.0


def _cpu_has_bfloat16() -> bool:
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
