"""A run on a graphics card: every step is one CUDA graph, and nobody waits for it.

What one prototype gives depends on its own request, on the card and on the number of views in a
pass through the network, and on nothing else: passes have one fixed shape and are filled up;
everything outside the network has an order of its own per image. Passes run side by side in
`lanes`, as many as memory allows, which changes the time and not a byte.
"""

from __future__ import annotations

import contextlib
import gc
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from protocore.errors import is_out_of_memory
from protocore.generation.card import draws, plain
from protocore.generation.card.step import Form, Look, Step
from protocore.generation.execution import Execution
from protocore.generation.faults import diverged, no_room
from protocore.generation.losses import target_weights
from protocore.generation.measured import Landing
from protocore.generation.parametrisation import parametrisation_of
from protocore.generation.settings import GenerationSettings
from protocore.generation.state import GenerationState
from protocore.generation.views import numbers_per_view
from protocore.models.classifier import Classifier
from protocore.models.fast.card import TRITON, repeatable
from protocore.models.fast.network import FastNetwork

# Unless a run asks for more. One prototype wants few, a batch goes on side by side; see
# tests/benchmarks/gpu.py.
VIEWS_PER_PASS = 8
LANES = 8  # passes side by side, at most
MEMORY_SHARE = 0.8  # of what is free that the passes may take
MOST_AHEAD, VIEWS_AHEAD = 32, 2048  # steps, and views, that wait in the card's queue
DRAWN_AHEAD, DRAWN_VIEWS = 64, 2**16  # steps, and views, whose numbers are made at once

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Coming:
    """Numbers of the steps to come, on the card."""

    settings: GenerationSettings
    baseline: bool
    updates: int  # of the state at the first row
    rows: Tensor  # (steps, numbers)


class CardRun:
    """What stays the same during a run, and one step of it.

    `capture`: steps become CUDA graphs; without, the same code runs call by call. Where a network
    does not let itself be captured, that happens by itself, and `execution` says so.
    """

    def __init__(
        self,
        classifier: Classifier,
        targets: tuple,
        settings: GenerationSettings,
        *,
        views_per_pass: int | None = None,
        capture: bool = True,
    ) -> None:
        self.network = FastNetwork(classifier, settings.precision)
        self.probabilities = classifier.probabilities
        self.device = classifier.device
        self.operations = _operations(self.device)
        self.parametrisation = parametrisation_of(settings)
        self.mean, self.std = classifier.mean, classifier.std
        self.size = settings.image_size or classifier.input_size
        self.weights = target_weights(targets, classifier.num_classes).to(self.device)
        self.classes = torch.tensor([t.class_index for t in targets], device=self.device)
        # A target that is to be avoided has no probability to keep up.
        self.wanted = torch.tensor([t.weights[0][1] > 0 for t in targets], device=self.device)
        self.views_per_pass = views_per_pass or VIEWS_PER_PASS
        self._on_card = self.device.type == "cuda"
        apart = getattr(classifier.module, "apart", False)  # has random numbers of its own
        self._captured = capture and self._on_card and not apart
        self._repeats = self.operations.REPEATABLE and not apart
        self._card = torch.cuda.get_device_name(self.device) if self._on_card else ""
        self._lanes = LANES
        self._work: dict[object, Callable[[], None]] = {}
        self._parts: dict[object, Step | Look] = {}
        self._coming: _Coming | None = None
        self._flying: deque[tuple[Landing, Callable[[], Exception]]] = deque()
        self._places: list[tuple[Tensor, torch.cuda.Event | None]] = []
        self._taken = 0  # steps
        if self._on_card:
            self._pool = torch.cuda.graph_pool_handle()
            self._stream = torch.cuda.Stream(self.device)
            self._side = [torch.cuda.Stream(self.device) for _ in range(LANES)]

    @property
    def execution(self) -> Execution:
        """For the record."""
        return Execution(
            card=self._card,
            views_per_pass=self.views_per_pass,
            captured=self._captured,
            fixed_order=self._repeats,
        )

    def step(self, state: GenerationState, settings: GenerationSettings, *, baseline: bool):
        """Queue one step; `state` is what it will be, and comes true on the card in order.

        Raises DivergedError at most MOST_AHEAD steps late; `settle` leaves none behind.
        """
        form = Form.of(settings, baseline=baseline)
        row = self._next_row(state, settings, form)
        place, event = self._free_place(len(state.targets) * form.transforms)
        part = self._take(form, state, row)
        place.copy_(part.measured, non_blocking=True)
        if event is not None:
            event.record()
        landing = Landing(place, event)
        step = state.baseline_step if baseline else state.step
        self._flying.append((landing, partial(diverged, settings, step, baseline=baseline)))
        state.updates += 1
        if not baseline:
            state.undrawn += settings.transforms_per_step * numbers_per_view(settings)
        return landing

    def look(self, state: GenerationState) -> Tensor:
        """Probability `(N,)` of each target's class for the images without transform."""
        return self._take("look", state, None).probability

    def settle(self) -> None:
        """Wait for all steps; raises DivergedError if one of them was not finite."""
        while self._flying:
            self._land()

    def close(self) -> None:
        """Let go of graphs and buffers now, and not when garbage happens to be collected."""
        if self._on_card:
            torch.cuda.synchronize(self.device)
        for held in (self._work, self._parts, self._flying, self._places):
            held.clear()
        self._coming = None

    def side_by_side(self, passes: int, work: Callable[[int], None]) -> None:
        """Call `work` with every number below `passes`, in lanes."""
        lanes = min(self._lanes, passes) if self._on_card else 1
        if lanes == 1:
            for number in range(passes):
                work(number)
            return
        main = torch.cuda.current_stream(self.device)
        for lane in self._side[:lanes]:
            lane.wait_stream(main)
        for number in range(passes):
            with torch.cuda.stream(self._side[number % lanes]):
                work(number)
        for lane in self._side[:lanes]:
            main.wait_stream(lane)

    # --- the steps' numbers, and what they measured ---

    def _next_row(self, state: GenerationState, settings, form: Form) -> Tensor:
        coming, baseline = self._coming, form.baseline
        if coming and coming.settings is settings and coming.baseline == baseline:
            row = state.updates - coming.updates
            if 0 <= row < len(coming.rows):
                return coming.rows[row]
        state.catch_up()
        left = settings.baseline_steps - state.baseline_step if baseline else settings.steps
        left -= 0 if baseline else state.step
        views = len(state.targets) * form.transforms
        steps = max(1, min(left, DRAWN_AHEAD, DRAWN_VIEWS // views))
        rows = draws.coming(state, settings, steps, baseline=baseline)
        if self._on_card:
            rows = rows.pin_memory().to(self.device, non_blocking=True)
        self._coming = _Coming(
            settings=settings, baseline=baseline, updates=state.updates, rows=rows
        )
        return rows[0]

    def _free_place(self, views: int) -> tuple[Tensor, torch.cuda.Event | None]:
        """Where the card may write what it measured; waits until few steps are in its queue."""
        while len(self._flying) >= max(2, min(MOST_AHEAD, VIEWS_AHEAD // views)):
            self._land()
        if not self._places:
            shape = (MOST_AHEAD, Step.MEASURED, len(self.classes))
            host = torch.empty(shape, pin_memory=self._on_card)
            events = [torch.cuda.Event() if self._on_card else None for _ in host]
            self._places = list(zip(host, events, strict=True))
        self._taken += 1
        return self._places[self._taken % MOST_AHEAD]

    def _land(self) -> None:
        landing, error = self._flying.popleft()
        if not landing.settle().isfinite().all():
            self._flying.clear()
            raise error()

    # --- graphs ---

    def _take(self, form: Form | str, state: GenerationState, row: Tensor | None) -> Step | Look:
        """Take a step of that form, prepared at its first use, with as much at once as fits.

        Memory can run out only before anything of `state` has changed.
        """
        while True:
            try:
                if form not in self._work:
                    self._prepare(form, state)
                part = self._parts[form]
                if row is not None:
                    part.load(row)
                self._work[form]()
                return part
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self._make_room(error)

    def _prepare(self, form: Form | str, state: GenerationState) -> None:
        part = Look(self, len(state.targets)) if form == "look" else Step(self, form, state)

        def call_by_call() -> None:
            with repeatable():
                part.work(state)

        if self._on_card:
            self._warm_up(part, state)
        self._work[form], self._parts[form] = call_by_call, part
        if not self._captured:
            return
        try:
            with repeatable():
                graph = self._record(lambda: part.work(state))
        except RuntimeError as error:
            with contextlib.suppress(RuntimeError):  # what a failed capture leaves behind
                self._record(lambda: None)
            if is_out_of_memory(error):
                raise
            _log.warning("steps are taken call by call, they cannot be captured: %s", error)
            self._captured = False
        else:
            self._work[form] = graph.replay

    def _warm_up(self, part: Step | Look, state: GenerationState) -> None:
        """Run everything once on a copy, and see how many passes fit side by side."""
        device, stream = self.device, self._stream
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream), repeatable():
            part.one_pass(0)  # records the network, which needs more memory than playing it
            self._repeats = self._repeats and part.repeats()
            torch.cuda.synchronize(device)
            before = torch.cuda.memory_allocated(device)
            torch.cuda.reset_peak_memory_stats(device)
            part.one_pass(0)
            taken = max(torch.cuda.max_memory_allocated(device) - before, 1)
            torch.cuda.synchronize(device)
            torch.cuda.empty_cache()
            free = torch.cuda.mem_get_info(device)[0]
            self._lanes = max(1, min(self._lanes, int(MEMORY_SHARE * free / taken)))
            part.work(state.copy())
        torch.cuda.current_stream(device).wait_stream(stream)
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()

    def _record(self, work: Callable[[], None]) -> torch.cuda.CUDAGraph:
        # torch.cuda.graph would collect Python's garbage first, which takes longer than all this.
        # It must not be collected meanwhile: what is let go of then can end the capture.
        graph, stream = torch.cuda.CUDAGraph(), self._stream
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with _no_garbage_collection(), torch.cuda.stream(stream):
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                work()
            finally:
                graph.capture_end()
        torch.cuda.current_stream(self.device).wait_stream(stream)
        return graph

    def _make_room(self, error: Exception) -> None:
        """Fewer lanes; with one alone, smaller passes, which round differently: the record says."""
        if self._lanes > 1:
            self._lanes //= 2
        elif self.views_per_pass > 1:
            self.views_per_pass //= 2
            self._work.clear()
            self._parts.clear()
        else:
            raise no_room(self.device) from error
        if self._on_card:
            torch.cuda.empty_cache()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _operations(device: torch.device):
    """Triton's where there is a card and Triton, else PyTorch's own."""
    if device.type == "cuda" and TRITON:
        from protocore.generation.card import fused

        return fused
    return plain
