"""Loaded classifiers, shared by everyone in the process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future

from protocore.errors import ModelError
from protocore.models.catalog import CatalogEntry
from protocore.models.classifier import Classifier
from protocore.models.download import Download
from protocore.models.loading import Progress, load_classifier
from protocore.models.spec import ModelSpec

BUDGET_BYTES = 4 * 2**30  # a dozen usual networks, or one of the largest
_INTERRUPTED = "loading {} was interrupted by another page; try again"


class ModelPool:
    """Loads each classifier once and keeps the recently used ones, up to a budget of bytes.

    Also knows the downloads that run, so that every page sees the same one.

    Safe to use from many threads: who asks for a classifier that is being loaded waits for it.
    The classifier asked for last is always kept, whatever its size; those that are let go stay
    alive as long as someone works with them.
    """

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[ModelSpec, Future[Classifier]] = OrderedDict()
        self._downloads: dict[CatalogEntry, Download] = {}

    def get(self, spec: ModelSpec, progress: Progress | None = None) -> Classifier:
        """The classifier of `spec`, loaded now if need be; raises what `load_classifier` raises.

        A failure is not remembered: the next call tries again.
        """
        with self._lock:
            future = self._entries.get(spec)
            mine = future is None
            if mine:
                future = self._entries[spec] = Future()
            self._entries.move_to_end(spec)
        if mine:
            self._load(spec, future, progress)
        return future.result()

    def loaded(self) -> tuple[ModelSpec, ...]:
        """What is in memory, the longest unused first."""
        with self._lock:
            return tuple(spec for spec, future in self._entries.items() if _ready(future))

    def start_download(self, entry: CatalogEntry) -> Download:
        """Fetch weights in the background; the download that is running, if there is one."""
        with self._lock:
            running = self._downloads.get(entry)
            if running is None or not running.state.active:
                running = self._downloads[entry] = Download(entry)
            return running

    def download_of(self, entry: CatalogEntry) -> Download | None:
        """The latest download of an entry, finished or not; None before the first."""
        with self._lock:
            return self._downloads.get(entry)

    def _load(self, spec: ModelSpec, future: Future[Classifier], progress: Progress | None) -> None:
        try:
            classifier = load_classifier(spec, progress)
        except BaseException as error:
            with self._lock:
                self._entries.pop(spec, None)
            # A page that is stopped while it loads must not stop those of others who wait.
            own = isinstance(error, Exception)
            future.set_exception(error if own else ModelError(_INTERRUPTED.format(spec.title)))
            raise
        future.set_result(classifier)
        self._make_room(spec)

    def _make_room(self, newest: ModelSpec) -> None:
        with self._lock:
            ready = [spec for spec, future in self._entries.items() if _ready(future)]
            for spec in ready:
                if self._bytes_used() <= self._budget:
                    return
                if spec != newest:
                    del self._entries[spec]

    def _bytes_used(self) -> int:
        return sum(size_of(f.result()) for f in self._entries.values() if _ready(f))


def size_of(classifier: Classifier) -> int:
    """Bytes of a classifier's weights and buffers."""
    return sum(t.nbytes for t in classifier.module.state_dict().values())


def _ready(future: Future[Classifier]) -> bool:
    return future.done() and future.exception() is None
