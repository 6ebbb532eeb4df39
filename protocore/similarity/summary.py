"""Path similarity in a few figures that always come together with the class probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from protocore.errors import NaturalReferenceError, SettingsError
from protocore.similarity.measures import MEASURES, find_measure
from protocore.similarity.path import PathSimilarity, layer_curves, mean_and_sd
from protocore.similarity.reference import ReferenceInfo
from protocore.similarity.witness import WitnessSummary

RESAMPLES = 1000  # of the bootstrap; the 95% limits then vary by a few percent of their width
LIMITS = (2.5, 97.5)  # percentiles: a 95% interval


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A figure, its spread over layers, and how sure it is."""

    mean: float  # over layers
    sd: float  # over layers
    low: float = np.nan  # 95% bootstrap interval of the mean over natural images
    high: float = np.nan


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One prototype under one measure. Layers in which a figure is not defined are left out."""

    measure: str
    prototype: Spread  # SS(A_I, A_P); without interval, since A_I is taken as given
    same: Spread  # mean SS(A_I, A_same-class image), the image left out of A_I
    different: Spread  # mean SS(A_I, A_different-class image)
    normalised: Spread  # mean over stable layers of (prototype - different) / (same - different)
    share: Spread  # of layers with Equation 1: at least as close as same-class images on average
    share_stable: float  # the same among stable layers only
    layers: int  # in which prototype and natural images have a score
    unstable: int  # layers left out of `normalised`
    probability: float  # of the class for the prototype, 0..1


@dataclass(frozen=True, kw_only=True)
class Naturalness:
    """The badge of a prototype: similarity never without the probability.

    A nearly blank image is natural in most layers while the model no longer sees the class.
    """

    similarity: float  # mean Spearman over layers
    same: float  # what images of the class reach
    different: float  # what images of other classes reach
    profile: float  # mean channel-profile Spearman
    profile_same: float
    share: float  # of layers with Equation 1, 0..1
    probability: float  # 0..1

    @property
    def text(self) -> str:
        """One line that opens with "0.64 (photos 0.69) · Eq. 1 on 36% of layers"."""
        return (
            f"{self.similarity:.2f} (photos {self.same:.2f}) · Eq. 1 on {self.share:.0%} of layers"
            f" · class seen with {self.probability:.0%}"
        )

    def to_dict(self) -> dict[str, float | None]:
        """Plain values for JSON; None for a figure that is not defined."""
        return {k: v if math.isfinite(v) else None for k, v in asdict(self).items()}

    @property
    def assessment(self) -> str:
        """What the figures say together, in plain words."""
        natural = self.similarity >= self.same
        between = self.similarity >= self.different
        seen = self.probability >= 0.5
        if natural and seen:
            return "as natural as photos of the class, and the model sees the class"
        if natural:
            return "natural, but the model hardly sees the class: it may be nearly blank"
        if not seen:
            return "the model hardly sees the class in it"
        if between:
            return "between photos of other classes and photos of the class"
        return "less natural than photos of other classes"


def summarise(
    similarity: PathSimilarity,
    measure: str = "spearman",
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[Summary, ...]:
    """One summary per prototype (paper, section 3.2 and Table 4).

    The intervals resample the natural images `resamples` times; their scores against the mean
    are kept, so the uncertainty of the mean activations themselves is not part of them.
    """
    if resamples < 1:
        raise SettingsError(f"resamples must be >= 1, got {resamples}")
    place = find_measure(measure)
    generator = np.random.default_rng(seed)
    same = _resample(similarity.reference.same[place], resamples, generator)
    different = _resample(similarity.reference.different[place], resamples, generator)
    return tuple(
        _summarise_one(similarity, measure, index, same, different)
        for index in range(similarity.scores.shape[1])
    )


def naturalness(similarity: PathSimilarity) -> tuple[Naturalness, ...]:
    """The badge of each prototype."""
    spearman, profile = (
        summarise(similarity, name, resamples=1) for name in ("spearman", "profile")
    )
    return tuple(
        Naturalness(
            similarity=first.prototype.mean,
            same=first.same.mean,
            different=first.different.mean,
            profile=second.prototype.mean,
            profile_same=second.same.mean,
            share=first.share.mean,
            probability=first.probability,
        )
        for first, second in zip(spearman, profile, strict=True)
    )


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One line of Table 4: a mean over classes and its standard deviation."""

    quantity: str
    mean: float
    sd: float  # over classes (n - 1); NaN for one class
    classes: int


def table4(summaries: Sequence[tuple[int, Summary]]) -> tuple[TableRow, ...]:
    """Means over classes with their plus-minus (paper, Table 4).

    Takes `(class index, summary)` pairs of one measure. Several prototypes of a class, such as
    seeds, are averaged first, so that every class weighs the same.
    """
    if not summaries:
        raise NaturalReferenceError("a table needs at least one prototype, got none")
    measures = sorted({summary.measure for _, summary in summaries})
    if len(measures) > 1:
        raise SettingsError(f"a table needs prototypes under one measure, got {measures}")
    quantities = {
        "Prototype": lambda s: s.prototype.mean,
        "Same-class images": lambda s: s.same.mean,
        "Different-class images": lambda s: s.different.mean,
        "Share of layers with Equation 1": lambda s: s.share.mean,
        "Class probability": lambda s: s.probability,
    }
    rows = []
    for quantity, read in quantities.items():
        by_class: dict[int, list[float]] = {}
        for index, summary in summaries:
            by_class.setdefault(index, []).append(read(summary))
        values = np.array([mean_and_sd(np.array(found))[0] for found in by_class.values()])
        mean, sd = mean_and_sd(values)
        rows.append(
            TableRow(quantity=quantity, mean=float(mean), sd=float(sd), classes=len(by_class))
        )
    return tuple(rows)


def _summarise_one(
    similarity: PathSimilarity, measure: str, index: int, same: np.ndarray, different: np.ndarray
) -> Summary:
    curves = layer_curves(similarity, measure)
    prototype = curves.prototypes[index]
    sign = 1 if MEASURES[find_measure(measure)].larger_is_closer else -1
    holds = _at_least(sign * prototype, sign * curves.same)
    share, share_sd = mean_and_sd(holds)
    stable = np.where(curves.unstable, np.nan, holds)
    return Summary(
        measure=measure,
        prototype=_spread(prototype),
        same=_spread(curves.same, mean_and_sd(same.T)[0]),
        different=_spread(curves.different, mean_and_sd(different.T)[0]),
        normalised=_spread(curves.normalised[index]),
        share=Spread(
            mean=float(share),
            sd=float(share_sd),
            **_interval(mean_and_sd(_at_least(sign * prototype, sign * same).T)[0]),
        ),
        share_stable=float(mean_and_sd(stable)[0]),
        layers=int(np.isfinite(holds).sum()),
        unstable=int(curves.unstable.sum()),
        probability=float(similarity.probabilities[index]),
    )


def _spread(by_layer: np.ndarray, resampled: np.ndarray | None = None) -> Spread:
    mean, sd = mean_and_sd(by_layer)
    interval = {} if resampled is None else _interval(resampled)
    return Spread(mean=float(mean), sd=float(sd), **interval)


def _interval(resampled: np.ndarray) -> dict[str, float]:
    known = resampled[np.isfinite(resampled)]
    if not len(known):
        return {}
    low, high = np.percentile(known, LIMITS)
    return {"low": float(low), "high": float(high)}


def _at_least(prototype: np.ndarray, same: np.ndarray) -> np.ndarray:
    """1 where Equation 1 holds, 0 where not, NaN where either side is missing."""
    known = np.isfinite(prototype) & np.isfinite(same)
    return np.where(known, prototype >= same, np.nan)


def _resample(scores: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Means by layer `(resamples, L)` of scores `(N, L)` over images drawn with replacement."""
    count = len(scores)
    weights = generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(float)
    known = np.isfinite(scores)
    totals, counts = weights @ np.where(known, scores, 0.0), weights @ known
    return np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Prototypes of one class, measured against one natural reference."""

    labels: tuple[str, ...]  # one per prototype
    class_label: str  # such as "574 · golf ball"
    model: str  # Classifier.title
    natural: ReferenceInfo
    similarity: PathSimilarity
    witnesses: tuple[WitnessSummary | None, ...] = ()  # per prototype; (): nobody was asked
    ceiling: WitnessSummary | None = None  # what the witnesses make of natural images

    def summaries(self, measure: str = "spearman") -> tuple[Summary, ...]:
        """One per prototype, with intervals."""
        return summarise(self.similarity, measure)
