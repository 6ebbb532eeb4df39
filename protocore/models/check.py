"""A short self-test of a classifier: what was found, and whether prototypes can be made."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from protocore.models.classifier import Classifier
from protocore.models.fast.network import FastNetwork
from protocore.text import plural

_STEPS = 2  # the first one also prepares the fast path


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the self-test."""

    name: str  # such as "gradient"
    text: str  # what was found, for people
    good: bool = True  # False: prototypes cannot be made, or mean less than usual


@dataclass(frozen=True, kw_only=True)
class ModelCheck:
    """Everything that the self-test has found, in the order to be shown."""

    title: str
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether there is nothing to mind."""
        return all(finding.good for finding in self.findings)

    def rows(self) -> list[tuple[str, str, str]]:
        """For a table: a mark, the name, what was found."""
        return [("" if f.good else "!", f.name, f.text) for f in self.findings]


def check_model(classifier: Classifier) -> ModelCheck:
    """Take two steps as a generation would and report; the classifier is left as it was.

    Takes seconds with large networks. Raises nothing for a network that has been loaded.
    """
    names = classifier.class_names
    gradient, seconds, is_fast, precision = _steps(classifier)
    parameters = sum(p.numel() for p in classifier.module.parameters())
    findings = [
        Finding(name="parameters", text=f"{parameters:,} on {classifier.device}"),
        Finding(name="input", text=_form(classifier)),
        Finding(name="photos", text=classifier.preprocessing.text),
        Finding(
            name="classes",
            text=f"{plural(len(names), 'class', 'classes')}, {names[0]!r} to {names[-1]!r}",
        ),
        Finding(name="head", text=_HEADS[classifier.head]),
        Finding(
            name="repeatable",
            text="yes" if classifier.repeatable else "no: the same image gives other logits",
            good=classifier.repeatable,
        ),
        gradient,
        Finding(name="fast path", text=_fast_text(classifier, is_fast, precision)),
        Finding(name="one step", text=f"{seconds * 1000:.0f} ms for one image"),
    ]
    findings += [Finding(name="note", text=note) for note in classifier.notes]
    return ModelCheck(title=classifier.title, findings=tuple(findings))


_HEADS = {
    "softmax": "softmax over the classes: p sums to 1",
    "sigmoid": "sigmoid, each class by itself: p need not sum to 1",
}


def _form(classifier: Classifier) -> str:
    channels = "grey" if classifier.preprocessing.grey else "RGB"
    mean, std = (", ".join(f"{v:.3g}" for v in c) for c in (classifier.mean, classifier.std))
    size = classifier.input_size
    return f"{size} x {size} px, {channels}, mean {mean}, std {std}"


def _steps(classifier: Classifier) -> tuple[Finding, float, bool, str]:
    """What the gradient is, seconds of one step, whether the fast path is used, its precision."""
    size = classifier.input_size
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    images = noise.to(classifier.device)
    try:
        classifier.check_differentiable()
        network = FastNetwork(classifier)
        for _ in range(_STEPS):
            began = time.perf_counter()
            gradient = _gradient(network, images)
        seconds = time.perf_counter() - began
    except Exception as error:  # a foreign network may raise anything; the test reports it
        return Finding(name="gradient", text=str(error), good=False), float("nan"), False, ""
    size = float(gradient.norm())
    found = Finding(
        name="gradient",
        text=f"reaches the image (norm {size:.3g})"
        if size > 0
        else "is zero on noise: the network is constant there, prototypes may not get under way",
        good=size > 0,
    )
    return found, seconds, network.is_fast, network.precision


def _gradient(network: FastNetwork, images: Tensor) -> Tensor:
    leaf = images.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        logits = network(leaf)
        (gradient,) = torch.autograd.grad(logits[:, -1].sum(), leaf)
    return gradient.cpu()


def _fast_text(classifier: Classifier, is_fast: bool, precision: str) -> str:
    if is_fast:
        return f"used ({precision})"
    if getattr(classifier.module, "apart", False):
        return "not used: the network draws random numbers or changes its buffers"
    if not precision:
        return "not used: no gradient"
    return (
        f"not used ({precision}): this network runs as it is (fewer than two convolutions, "
        "operations that cannot be recorded, or a processor without oneDNN)"
    )
