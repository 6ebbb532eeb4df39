"""The result of a cohort test as a file: predictions, their analysis, and where they come from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from protocore.cohorts.analysis import CohortAnalysis, analyse
from protocore.cohorts.cohort import MAX_IMAGES
from protocore.cohorts.plan import MAX_CLASSES, Prediction, TestPlan
from protocore.cohorts.recipes import FILES, Recipe
from protocore.errors import ReviewError
from protocore.schema import checked, dump, items, load, number, shown, text
from protocore.similarity.reference import SkippedImage

__all__ = ["MAX_NOTES", "RESULT_FILE", "TestResult"]

RESULT_FILE = "result.json"
RESULT_FORMAT = "protocore cohort test"
RESULT_VERSION = 1
MAX_RESULT = 16 * 2**20  # bytes; two cohorts of MAX_IMAGES with long names
MAX_SKIPPED, MAX_NOTES = 20_000, 1_000
SIDES = ("a", "b")
_TOLERANCE = 1e-9  # relative: other processors round the last digits of a mean differently
_WHAT = "the result of a test"

Predictions = Annotated[tuple[Prediction, ...], items(MAX_IMAGES)]
Skipped = Annotated[tuple[SkippedImage, ...], items(MAX_SKIPPED)]


@checked(ReviewError)
class TestResult:
    """What a model said of the images of two cohorts, and everything needed to ask it again.

    `thumbnails` of the images, where there are any, lie beside it as a/0000.jpg, ..., in the order
    of the predictions. Raises ReviewError for values that cannot be.
    """

    __test__ = False  # for pytest

    plan: TestPlan
    class_names: Annotated[  # of (target, *rivals)
        tuple[Annotated[str, text(1000)], ...], items(MAX_CLASSES + 1)
    ]
    a: Predictions
    b: Predictions
    labels: Annotated[tuple[Annotated[str, text(300)], ...], items(2, 2)]  # the cohorts in words
    sources: Annotated[tuple[Annotated[str, text(1000)], ...], items(2, 2)]  # of the images
    model_title: Annotated[str, text(700)]
    weight_hash: Annotated[str, text(64)]
    versions: Annotated[  # of Python and the packages that decide the result
        dict[Annotated[str, text(100)], Annotated[str, text(200)]], Field(max_length=50)
    ]
    seconds: Annotated[float, number(0, 1e9)]  # wall time
    created: Annotated[str, text(40)]  # ISO 8601, UTC
    skipped_a: Skipped = ()  # files that could not be used
    skipped_b: Skipped = ()
    notes: Annotated[  # duplicates, images without a partner
        tuple[Annotated[str, text(20_000)], ...], items(MAX_NOTES)
    ] = ()
    recipe: Recipe = FILES
    reported: dict[str, Any] | None = None  # the analysis as written in the file it came from

    def __post_init__(self) -> None:
        if len(self.class_names) != 1 + len(self.plan.rivals):
            raise ReviewError(
                f"class_names must name the target and {len(self.plan.rivals)} rivals, got "
                f"{shown(self.class_names)}"
            )

    @cached_property
    def analysis(self) -> CohortAnalysis:
        """Tables, comparisons and warnings, computed from the predictions."""
        return analyse(self.plan, self.a, self.b, labels=self.labels, class_names=self.class_names)

    @property
    def misreported(self) -> str:
        """Where the analysis in the file is not what the predictions say; "" when it is."""
        if self.reported is None:
            return ""
        computed = json.loads(json.dumps(self.analysis.to_dict()))
        return _first_difference(self.reported, computed, "")

    def to_json(self) -> str:
        """The text of the result file: the predictions, and the analysis for other programs."""
        content = dump(self)
        content.pop("reported")
        head = {"format": RESULT_FORMAT, "version": RESULT_VERSION}
        analysis = self.analysis.to_dict()
        return json.dumps({**head, **content, "analysis": analysis}, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, content: str | bytes) -> TestResult:
        """The inverse of `to_json`; the text may come from anybody. Raises ReviewError."""
        if len(content) > MAX_RESULT:
            raise ReviewError(f"{_WHAT} must have at most {MAX_RESULT} bytes, got {len(content)}")
        try:
            values = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ReviewError(f"{_WHAT} cannot be read: {error}") from error
        if not isinstance(values, dict) or values.pop("format", None) != RESULT_FORMAT:
            raise ReviewError("this is not the result of a cohort test")
        version = values.pop("version", None)
        if version != RESULT_VERSION:
            raise ReviewError(
                f"{_WHAT} has version {shown(version)}, this Protocore reads version "
                f"{RESULT_VERSION}; update Protocore"
            )
        values["reported"] = _analysis(values.pop("analysis", None))
        return load(cls, values, ReviewError, _WHAT)

    def side(self, name: str) -> tuple[Prediction, ...]:
        """The predictions of cohort "a" or "b"."""
        return {"a": self.a, "b": self.b}[name]


def _analysis(reported: Any) -> Mapping[str, Any]:
    if not isinstance(reported, dict):
        raise ReviewError(f"the analysis of a test must be an object, got {shown(reported)}")
    outcome = reported.get("outcome")
    if isinstance(outcome, dict) and "verdict" in outcome:  # as earlier versions call it
        outcome["outcome"] = outcome.pop("verdict")
    return reported


def _first_difference(reported: Any, computed: Any, where: str) -> str:
    """Where two JSON values differ by more than rounding, in words; "" for nowhere."""
    if isinstance(reported, dict) and isinstance(computed, dict) and set(reported) == set(computed):
        pairs = [(f"{where}.{key}".lstrip("."), reported[key], computed[key]) for key in computed]
    elif isinstance(reported, list) and isinstance(computed, list):
        if len(reported) != len(computed):
            return f"{where} has {len(reported)} entries, the predictions give {len(computed)}"
        both = zip(reported, computed, strict=True)
        pairs = [(f"{where}[{place}]", *values) for place, values in enumerate(both)]
    else:
        same = _same_number(reported, computed) or reported == computed
        return "" if same else f"{where} is {reported!r:.80}, the predictions give {computed!r:.80}"
    found = (_first_difference(old, new, name) for name, old, new in pairs)
    return next((text for text in found if text), "")


def _same_number(one: Any, other: Any) -> bool:
    numbers = all(type(value) in (int, float) for value in (one, other))
    return numbers and math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
