"""One cohort test in a review report: tables, charts, images, where they come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from protocore.cohorts.plan import Prediction
from protocore.cohorts.recipes import FilesRecipe
from protocore.cohorts.result import TestResult
from protocore.reports.charts.cohorts import cohort_charts, difference_chart
from protocore.reports.html import Markup
from protocore.reports.review.prototypes import versions_text
from protocore.reports.tables import Table
from protocore.reports.tables.cohorts import cohort_table, comparison_table, score_table
from protocore.review.material import Thumbnails
from protocore.schema import dump
from protocore.similarity.reference import SkippedImage

MOST_IMAGES = 24  # of each cohort in the appendix; the rest is counted
FEW_IMAGES = 6  # of each cohort beside the claim
MOST_SKIPPED = 10
Titled = tuple[str, Markup]


@dataclass(frozen=True, kw_only=True)
class ImageView:
    """One image of a cohort and the model's prediction."""

    png: bytes  # b"" for one that is not in the session's folder
    name: str
    correct: bool
    predicted: str
    probabilities: str
    logits: str


@dataclass(frozen=True, kw_only=True)
class CohortView:
    """The images of one cohort, misclassified ones first."""

    letter: str
    label: str
    count: int
    wrong: int
    images: tuple[ImageView, ...]

    @property
    def few(self) -> tuple[ImageView, ...]:
        """Those beside the claim."""
        return self.images[:FEW_IMAGES]

    @property
    def more(self) -> int:
        """How many are not shown even in the appendix."""
        return self.count - len(self.images)


@dataclass(frozen=True, kw_only=True)
class ResultView:
    """A finished test."""

    warnings: tuple[str, ...]
    cohorts_table: Table
    comparisons: Table
    scores: Table
    difference: Titled
    charts: list[Titled]
    cohorts: tuple[CohortView, ...]
    origin: list[tuple[str, str]]


def result_view(
    result: TestResult, p_adjusted: float, tests: int, thumbnails: Thumbnails
) -> ResultView:
    """A finished test; `p_adjusted` is Holm's over the `tests` that count in the session."""
    analysis = result.analysis
    warnings = list(analysis.warnings)
    if tests > 1:
        warnings.append(
            f"{tests} claims of this session were tested: p of the predicted measure is adjusted "
            "for that (Holm), and the outcome uses the adjusted one"
        )
    return ResultView(
        warnings=tuple(warnings),
        cohorts_table=cohort_table(analysis),
        comparisons=comparison_table(analysis, p_adjusted if tests > 1 else None),
        scores=score_table(analysis),
        difference=difference_chart(analysis),
        charts=cohort_charts(analysis),
        cohorts=tuple(_cohort(result, side, thumbnails) for side in "ab"),
        origin=_origin(result),
    )


def _cohort(result: TestResult, side: str, thumbnails: Thumbnails) -> CohortView:
    predictions = result.side(side)
    return CohortView(
        letter=side.upper(),
        label=result.labels["ab".index(side)],
        count=len(predictions),
        wrong=sum(not one.correct for one in predictions),
        images=tuple(
            _image(predictions[place], thumbnails.get((side, place), b""))
            for place in shown_places(predictions)
        ),
    )


def shown_places(predictions: Sequence[Prediction]) -> list[int]:
    """Which images are shown: misclassified first, then those the model is least sure of."""

    def badness(place: int) -> tuple[bool, float, int]:
        # The logit, because probabilities of a sure model are all 1.
        return (predictions[place].correct, predictions[place].logits[0], place)

    return sorted(range(len(predictions)), key=badness)[:MOST_IMAGES]


def _image(prediction: Prediction, content: bytes) -> ImageView:
    return ImageView(
        png=content,
        name=prediction.name,
        correct=prediction.correct,
        predicted=prediction.predicted_name,
        probabilities=" / ".join(f"{share:.2f}" for share in prediction.probabilities),
        logits=" / ".join(f"{logit:.1f}" for logit in prediction.logits),
    )


def _origin(result: TestResult) -> list[tuple[str, str]]:
    recipe = json.dumps(dump(result.recipe), ensure_ascii=False, sort_keys=True)
    made = "files of the reviewers, which are not in the bundle"
    if not isinstance(result.recipe, FilesRecipe):
        made = f"rendered by the demo world, which can render them again: {recipe}"
    return [
        ("cohort A", f"{result.labels[0]} — {result.sources[0]}"),
        ("cohort B", f"{result.labels[1]} — {result.sources[1]}"),
        ("images", made),
        ("left out of A", _skipped(result.skipped_a)),
        ("left out of B", _skipped(result.skipped_b)),
        ("notes", "; ".join(result.notes) or "none"),
        ("model", f"{result.model_title}, weights {result.weight_hash}"),
        ("made", f"{result.created}, in {result.seconds:.1f} s"),
        ("versions", versions_text(result.versions)),
    ]


def _skipped(skipped: Sequence[SkippedImage]) -> str:
    if not skipped:
        return "nothing"
    listed = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:MOST_SKIPPED])
    rest = len(skipped) - MOST_SKIPPED
    return listed + (f"; and {rest} more" if rest > 0 else "")
