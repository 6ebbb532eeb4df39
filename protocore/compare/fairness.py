"""Whether differences between prototypes can come from what is compared alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from protocore.errors import ModelError, SettingsError
from protocore.generation.prototype import PrototypeRecord
from protocore.generation.settings import GenerationSettings, Target
from protocore.models.classifier import Classifier

MIN_CLASSES, MAX_CLASSES = 2, 12  # side by side
MAX_PROTOTYPES = 48  # classes times seeds; more than a screen shows


@dataclass(frozen=True, kw_only=True)
class Fairness:
    """What differs between prototypes besides their seed; `unfair` should be empty."""

    compared: tuple[str, ...]  # of "class", "model" and "settings": what differs
    unfair: tuple[str, ...]  # why a difference may have another cause, for people

    @property
    def fair(self) -> bool:
        """Whether one thing alone differs, under the same seeds, and all runs were whole."""
        return not self.unfair


def assess_fairness(records: Sequence[PrototypeRecord]) -> Fairness:
    """Look for other causes of a difference than what is compared.

    With the same seed and settings two prototypes share start image and random transforms.
    """
    settings = [record.settings for record in records]
    aspects = {
        "class": len({record.target.weights for record in records}),
        "model": len({record.weight_hash for record in records}),
        "settings": len(set(settings)),
    }
    compared = tuple(name for name, count in aspects.items() if count > 1)
    unfair = []
    if len(compared) > 1:
        names = " and ".join(compared)
        unfair.append(f"{names} differ at once{_which_settings(settings)}")
    seeds: dict[tuple, set[int]] = {}
    for record in records:
        seeds.setdefault(group_key(record), set()).add(record.seed)
    if len({frozenset(found) for found in seeds.values()}) > 1:
        unfair.append("the seeds are not the same for all")
    cut = sum(not record.completed for record in records)
    if cut:
        unfair.append(f"{cut} of {len(records)} were stopped before their last step")
    tuned = sum(len(record.history) > 1 for record in records)
    if tuned:
        unfair.append(f"{tuned} of {len(records)} were tuned while they ran")
    return Fairness(compared=compared, unfair=tuple(unfair))


def _which_settings(settings: Sequence[GenerationSettings]) -> str:
    names = [
        field.name.replace("_", " ")
        for field in fields(GenerationSettings)
        if len({getattr(one, field.name) for one in settings}) > 1
    ]
    return f" ({', '.join(names)})" if names else ""


def group_key(record: PrototypeRecord) -> tuple:
    """What two prototypes have in common that differ by their seed alone."""
    return record.target.weights, record.weight_hash, record.settings


def plan_targets(
    classifier: Classifier, classes: Sequence[int], seeds: Sequence[int]
) -> tuple[Target, ...]:
    """One target per class and seed, class by class; raises SettingsError.

    A seed gives the same start image and the same sequence of transforms for every class.
    """
    for index in classes:
        classifier.find_class(index)
    if len(set(classes)) != len(classes) or len(set(seeds)) != len(seeds):
        raise SettingsError(
            f"each class and each seed may occur once, got classes {list(classes)} and seeds "
            f"{list(seeds)}"
        )
    if not MIN_CLASSES <= len(classes) <= MAX_CLASSES:
        raise SettingsError(
            f"a comparison needs {MIN_CLASSES} to {MAX_CLASSES} classes, got {len(classes)}; "
            f"{'add a related class' if len(classes) < MIN_CLASSES else 'leave some out'}"
        )
    if not seeds:
        raise SettingsError("give at least one seed, such as 0")
    if len(classes) * len(seeds) > MAX_PROTOTYPES:
        raise SettingsError(
            f"at most {MAX_PROTOTYPES} prototypes fit side by side, got {len(classes)} classes x "
            f"{len(seeds)} seeds; choose fewer"
        )
    return tuple(Target.of(index, seed) for index in classes for seed in seeds)


def contrast_targets(
    first: int, second: int, strength: float, seeds: Sequence[int]
) -> tuple[Target, ...]:
    """z_A - strength * z_B and the reverse, for every seed; raises SettingsError."""
    if first == second:
        raise SettingsError(f"a contrast needs two different classes, got {first} twice")
    pairs = ((first, second), (second, first))
    return tuple(Target.contrast(a, b, strength, seed) for a, b in pairs for seed in seeds)


def mix_targets(classes: Sequence[int], seeds: Sequence[int]) -> tuple[Target, ...]:
    """The mean of the logits of several classes, for every seed; raises SettingsError."""
    if len(classes) < 2:
        raise SettingsError(f"a mix needs at least 2 classes, got {len(classes)}")
    weights = tuple((index, 1 / len(classes)) for index in classes)
    return tuple(Target(weights=weights, seed=seed) for seed in seeds)


def check_same_labels(classifiers: Sequence[Classifier]) -> None:
    """Raise ModelError when classifiers do not tell the same classes apart."""
    first, *others = classifiers
    for other in others:
        if len(other.class_names) != len(first.class_names):
            raise ModelError(
                f"{first.title} has {len(first.class_names)} classes and {other.title} has "
                f"{len(other.class_names)}: only models with the same label set can be compared; "
                "choose another model, or compare classes within one model"
            )
        pairs = enumerate(zip(first.class_names, other.class_names, strict=True))
        for index, (one, two) in pairs:
            if one != two:
                raise ModelError(
                    f"class {index} is {one!r} in {first.title} but {two!r} in {other.title}: "
                    "only models with the same label set can be compared; choose another model, "
                    "or give the weights the same list of class names"
                )
