"""Classifiers whose answers are known by construction, and prototypes without a run."""

import numpy as np
import torch
from torch import Tensor, nn

from protocore.generation.prototype import Prototype, PrototypeRecord, SettingsChange
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier

SETTINGS = GenerationSettings(steps=4, baseline_steps=0)
NO_CHANGE = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


class Quadrants(nn.Module):
    """Logit k is ten times the mean of quadrant k (top left, top right, bottom left, right)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4, bias=False)
        self.head.weight.data = 10 * torch.eye(4)

    def forward(self, images: Tensor) -> Tensor:
        means = nn.functional.adaptive_avg_pool2d(images.mean(dim=1, keepdim=True), 2)
        return self.head(means.flatten(1))


class Colours(nn.Module):
    """Three features, the mean red, green and blue, and a head with the given rows."""

    def __init__(self, rows: list[list[float]], head: str = "linear") -> None:
        super().__init__()
        weight = torch.tensor(rows)
        if head == "linear":
            self.hidden = nn.Linear(3, len(rows), bias=False)  # as many outputs, but not the head
            self.hidden.weight.data = torch.ones(len(rows), 3)
            self.head = nn.Linear(3, len(rows), bias=False)
            self.head.weight.data = weight
        else:
            self.head = nn.Conv2d(3, len(rows), 1, bias=False)
            self.head.weight.data = weight[:, :, None, None]
        self.kind = head

    def forward(self, images: Tensor) -> Tensor:
        if self.kind == "linear":
            features = images.mean(dim=(2, 3))
            return self.head(features) + 0 * self.hidden(features)
        return self.head(images).mean(dim=(2, 3))


class Headless(nn.Module):
    """Logits that no linear layer gives one by one: their order is turned round at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.mixer = nn.Linear(3, 3, bias=False)
        self.mixer.weight.data = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [1.0, 0.0, 1.0]])

    def forward(self, images: Tensor) -> Tensor:
        mixed = self.mixer(images.mean(dim=(2, 3)))
        return mixed.cumsum(dim=1)


def quadrants() -> Classifier:
    """Four classes at 16 pixels, one per quadrant."""
    names = ("top left", "top right", "bottom left", "bottom right")
    return Classifier.from_module(
        Quadrants(), class_names=names, name="quadrants", input_size=16, **NO_CHANGE
    )


def colours(rows: list[list[float]], head: str = "linear") -> Classifier:
    """Classes by colour, with the rows of weights given."""
    return Classifier.from_module(
        Colours(rows, head), name="colours", weights="KNOWN", input_size=16, **NO_CHANGE
    )


def headless() -> Classifier:
    return Classifier.from_module(Headless(), name="headless", input_size=16, **NO_CHANGE)


def prototype_of(
    classifier: Classifier,
    target: Target,
    image: np.ndarray,
    settings: GenerationSettings = SETTINGS,
    **changes: object,
) -> Prototype:
    """A prototype with a given image, as if it had been generated."""
    values = {
        "key": "k",
        "model": classifier.name,
        "weights": classifier.weights,
        "source": classifier.source,
        "weight_hash": classifier.weight_hash,
        "class_index": target.class_index,
        "class_name": classifier.class_names[target.class_index],
        "target": target,
        "history": (SettingsChange(step=0, settings=settings),),
        "steps": settings.steps,
        "completed": True,
        "logit": 0.0,
        "probability": 0.0,
        "top": (),
        "seconds": 1.0,
        "device": "cpu",
        "precision": "float32",
        "created": "2026-01-01T00:00:00+00:00",
        "versions": {},
        **changes,
    }
    return Prototype(image=image, record=PrototypeRecord(**values))


def lit_quadrant(place: int, size: int = 16, level: int = 255) -> np.ndarray:
    """Black but for one quadrant."""
    image = np.zeros((size, size, 3), dtype=np.uint8)
    half = size // 2
    row, column = divmod(place, 2)
    image[row * half : (row + 1) * half, column * half : (column + 1) * half] = level
    return image


def noise(seed: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
