"""Other networks look at what a run has made, before it is saved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from protocore.errors import ProtocoreError
from protocore.generation.prototype import Prototype
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec
from protocore.similarity.witness import default_witnesses, why_no_witness, with_witnesses

_log = logging.getLogger(__name__)


def witnessed(
    prototypes: tuple[Prototype, ...],
    spec: ModelSpec,
    maker: Classifier,
    load: Callable[[ModelSpec], Classifier],
) -> tuple[Prototype, ...]:
    """The prototypes with the readings of the witnesses at hand on their records.

    A witness that cannot be loaded is left out: the run itself has gone well.
    """
    witnesses = _loaded(default_witnesses(spec), maker, load)
    if not witnesses or not prototypes:
        return prototypes
    return with_witnesses(prototypes, witnesses, maker=maker)


def _loaded(
    specs: Sequence[ModelSpec], maker: Classifier, load: Callable[[ModelSpec], Classifier]
) -> list[Classifier]:
    found = []
    for spec in specs:
        try:
            classifier = load(spec)
            reason = why_no_witness(maker, classifier)
        except ProtocoreError as error:
            reason = str(error)
        if reason:
            _log.info("no witness: %s", reason)
        else:
            found.append(classifier)
    return found
