"""The state of a run between two steps: everything that is needed to go on from it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from protocore.errors import LibraryError
from protocore.generation.parametrisation import parametrisation_of
from protocore.generation.schedule import AdaptiveWeight
from protocore.generation.settings import GenerationSettings, Target

# torch's generator looks at the lowest 32 bits of a seed alone; these are the golden ratio's.
_TRANSFORMS = 0x9E3779B9
_TENSORS = (
    "parameters",
    "first_moment",
    "second_moment",
    "average",
    "hf_share",
    "where",
    "random_states",
)


@dataclass(kw_only=True)
class GenerationState:
    """Mutable; advanced in place by `generate`. One row per target in every tensor."""

    targets: tuple[Target, ...]
    parameters: Tensor  # (N, ...), see parametrisation
    first_moment: Tensor  # Adam's m, shape of parameters
    second_moment: Tensor  # Adam's v, shape of parameters
    average: Tensor  # average of the iterates, shape of parameters
    hf_share: Tensor  # (N,) of the high-frequency weight that holds, 0..1; see schedule
    where: Tensor  # (N, H, W) sum over stage 2 of the class's |gradient|, mean over channels
    generators: list[torch.Generator]  # one per target, draws its transforms
    updates: int = 0  # since the moments were last cleared
    baseline_step: int = 0  # steps of stage 1 taken
    step: int = 0  # steps of stage 2 taken
    undrawn: int = 0  # numbers that each generator is behind, where they are drawn ahead

    @classmethod
    def start(
        cls,
        targets: tuple[Target, ...],
        settings: GenerationSettings,
        size: int,
        device: torch.device,
    ) -> GenerationState:
        """The start images of the targets, `size` pixels wide; each depends on its seed alone."""
        parametrisation = parametrisation_of(settings)
        seeded = [torch.Generator().manual_seed(target.seed) for target in targets]
        rows = [parametrisation.start(size, generator) for generator in seeded]
        parameters = torch.stack(rows).to(device)
        share = AdaptiveWeight(settings).first_share()
        return cls(
            targets=targets,
            parameters=parameters,
            first_moment=torch.zeros_like(parameters),
            second_moment=torch.zeros_like(parameters),
            average=parameters.clone(),
            hf_share=torch.full((len(targets),), share, device=device),
            where=torch.zeros(len(targets), size, size, device=device),
            # An own sequence for the transforms, so that it does not depend on the image size.
            generators=[torch.Generator().manual_seed(t.seed ^ _TRANSFORMS) for t in targets],
        )

    def clear_moments(self) -> None:
        """Forget Adam's moments, for the change from stage 1 to stage 2."""
        self.first_moment.zero_()
        self.second_moment.zero_()
        self.updates = 0

    def copy(self) -> GenerationState:
        """The same with tensors of its own."""
        tensors = {name: getattr(self, name).clone() for name in _TENSORS[:-1]}
        return dataclasses.replace(
            self, generators=[g.clone_state() for g in self.generators], **tensors
        )

    def catch_up(self) -> None:
        """Bring the generators to where the steps taken leave them."""
        if self.undrawn:
            for generator in self.generators:
                torch.rand(self.undrawn, generator=generator)
            self.undrawn = 0

    def to_bytes(self) -> bytes:
        """Serialise as safetensors; the inverse of `from_bytes`."""
        self.catch_up()
        states = torch.stack([generator.get_state() for generator in self.generators])
        tensors = {name: getattr(self, name).cpu() for name in _TENSORS[:-1]}
        header = {
            "targets": [{"weights": t.weights, "seed": t.seed} for t in self.targets],
            "updates": self.updates,
            "baseline_step": self.baseline_step,
            "step": self.step,
        }
        return save({**tensors, "random_states": states}, metadata={"state": json.dumps(header)})

    @classmethod
    def from_file(cls, path: str, device: torch.device) -> GenerationState:
        """Read what `to_bytes` gave from a file; raises LibraryError when it is damaged."""
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in _TENSORS}
            return cls._of(header, tensors, device)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise LibraryError(
                f"the saved state of this run cannot be read ({error}); start the run again"
            ) from error

    @classmethod
    def _of(cls, header: dict, tensors: dict[str, Tensor], device: torch.device) -> GenerationState:
        generators = []
        for state in tensors.pop("random_states"):
            generators.append(torch.Generator())
            generators[-1].set_state(state.clone())  # not a view: torch reads past its start
        targets = tuple(
            Target(weights=tuple((i, w) for i, w in t["weights"]), seed=t["seed"])
            for t in header.pop("targets")
        )
        moved = {name: tensor.to(device) for name, tensor in tensors.items()}
        if {len(generators), *map(len, moved.values())} != {len(targets)}:
            raise ValueError("its parts do not fit together")
        return cls(targets=targets, generators=generators, **moved, **header)
