"""The result of a cohort test as it lies in a session's folder, and what it says of a claim."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from protocore.cohorts.analysis import CohortAnalysis, analyse, check_predictions
from protocore.cohorts.cohort import MAX_IMAGES
from protocore.cohorts.fields import check_lines, check_match, check_number, check_text
from protocore.cohorts.outcomes import Outcome
from protocore.cohorts.plan import Prediction, TestPlan
from protocore.cohorts.recipes import FILES, check_recipe
from protocore.cohorts.statistics.multiplicity import holm
from protocore.errors import ReviewError
from protocore.review.evidence import Evidence, weigh
from protocore.review.session import Claim, ReviewSession, Test
from protocore.similarity.reference import SkippedImage

RESULT_FILE = "result.json"
RESULT_FORMAT = "protocore cohort test"
RESULT_VERSION = 1
MAX_RESULT = 16 * 2**20  # bytes; two cohorts of MAX_IMAGES with long names
MAX_SKIPPED, MAX_NOTES = 20_000, 1_000
SIDES = ("a", "b")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST = 1e6  # of a logit; sums of larger ones say nothing
_TOLERANCE = 1e-9  # relative: other processors round the last digits of a mean differently


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """What a model said of the images of two cohorts, and everything needed to ask it again.

    `thumbnails` of the images, where there are any, lie beside it as a/0000.jpg, ..., in the order
    of the predictions. Raises ReviewError for values that cannot be.
    """

    __test__ = False  # for pytest

    plan: TestPlan
    class_names: tuple[str, ...]  # of (target, *rivals)
    a: tuple[Prediction, ...]
    b: tuple[Prediction, ...]
    labels: tuple[str, str]  # the cohorts in words
    sources: tuple[str, str]  # where the images come from
    model_title: str
    weight_hash: str
    versions: Mapping[str, str]  # of Python and the packages that decide the result
    seconds: float  # wall time
    created: str  # ISO 8601, UTC
    skipped_a: tuple[SkippedImage, ...] = ()  # files that could not be used
    skipped_b: tuple[SkippedImage, ...] = ()
    notes: tuple[str, ...] = ()  # duplicates, images without a partner
    recipe: Mapping[str, Any] = field(default_factory=lambda: dict(FILES))
    reported: Mapping[str, Any] | None = None  # the analysis as written in the file it came from

    def __post_init__(self) -> None:
        for predictions in (self.a, self.b):
            _check_predictions(predictions)
        check_lines("class name", self.class_names, 1000, 1000)
        if len(self.class_names) != 1 + len(self.plan.rivals):
            raise ReviewError(
                f"a name is needed for target and rivals, got {list(self.class_names)!r:.200}"
            )
        for name, values, limit in (("label", self.labels, 300), ("source", self.sources, 1000)):
            check_lines(name, values, 2, limit)
            if len(values) != 2:
                raise ReviewError(f"both cohorts need a {name}, got {values!r:.200}")
        check_lines("note", self.notes, MAX_NOTES, 20_000)
        for skipped in (self.skipped_a, self.skipped_b):
            _check_skipped(skipped)
        check_text("model title", self.model_title, 700)
        check_text("weight hash", self.weight_hash, 64)
        check_text("time", self.created, 40)
        check_number("seconds", self.seconds, 0, 1e9)
        _check_versions(self.versions)
        object.__setattr__(self, "recipe", check_recipe(self.recipe))

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
        content = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name not in ("plan", "a", "b", "reported", "skipped_a", "skipped_b")
        }
        content["plan"] = self.plan.to_dict()
        for side in SIDES:
            content[side] = [prediction.to_dict() for prediction in getattr(self, side)]
            content[f"skipped_{side}"] = [asdict(one) for one in getattr(self, f"skipped_{side}")]
        content["versions"] = dict(self.versions)
        head = {"format": RESULT_FORMAT, "version": RESULT_VERSION}
        analysis = self.analysis.to_dict()
        return json.dumps({**head, **content, "analysis": analysis}, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> TestResult:
        """The inverse of `to_json`; the text may come from anybody. Raises ReviewError."""
        if len(text) > MAX_RESULT:
            raise ReviewError(
                f"the result of a test has at most {MAX_RESULT} bytes, this has {len(text)}"
            )
        try:
            content = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise ReviewError(f"the result of this test cannot be read: {error}") from error
        if not isinstance(content, dict) or content.get("format") != RESULT_FORMAT:
            raise ReviewError("this is not the result of a cohort test")
        if content.get("version") != RESULT_VERSION:
            raise ReviewError(
                f"the result has version {content.get('version')!r:.40}, this Protocore reads "
                f"version {RESULT_VERSION}; update Protocore"
            )
        try:
            return cls(**_values(cls, content))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReviewError(f"the result of this test is not complete: {error!r:.200}") from error

    def side(self, name: str) -> tuple[Prediction, ...]:
        """The predictions of cohort "a" or "b"."""
        return {"a": self.a, "b": self.b}[name]


def check_result(session: ReviewSession, test: Test, result: TestResult) -> None:
    """Raise ReviewError when a result cannot be that of this test of this session."""
    if result.plan != test.started.plan:
        raise ReviewError(f"the result of test {test.id} was made with another plan than the test")
    if result.weight_hash != session.started.weight_hash:
        raise ReviewError(
            f"the result of test {test.id} is of other weights ({result.weight_hash[:12]}…) than "
            f"the session ({session.started.weight_hash[:12]}…)"
        )
    check_predictions(result.plan, result.a, result.b, result.labels)


# --- what results say of claims ---


def adjusted(session: ReviewSession, results: Mapping[str, TestResult]) -> dict[str, float]:
    """Holm-adjusted p by test, over the last finished test of every claim of the session.

    `results` are by test. One that is missing counts with p = 1: nothing gets better by its loss.
    """
    tests = [session.final_test(claim.id) for claim in session.claims]
    names = [test.id for test in tests if test is not None]
    ps = [results[name].analysis.primary.p if name in results else 1.0 for name in names]
    return dict(zip(names, holm(ps), strict=True))


def claim_outcome(
    session: ReviewSession, claim: Claim, results: Mapping[str, TestResult]
) -> Outcome | None:
    """What the claim's last finished test says by the plan's rule; None: not tested."""
    test = session.final_test(claim.id)
    if test is None or test.id not in results:
        return None
    corrected = adjusted(session, results)
    p = corrected[test.id] if len(corrected) > 1 else None  # one test needs no correction
    return results[test.id].analysis.outcome(p)


def claim_evidence(
    session: ReviewSession, claim: Claim, results: Mapping[str, TestResult]
) -> Evidence:
    """The evidence for a claim: what its pictures show, and what its last test says."""
    outcome = claim_outcome(session, claim, results)
    if outcome is None:
        return weigh(session, claim, None)
    return weigh(session, claim, outcome.outcome, outcome.reason)


# --- checks and conversions ---


def _values(cls: type, content: dict[str, Any]) -> dict[str, Any]:
    """From JSON's lists and objects to tuples and the values in them."""
    held = {name: value for name, value in content.items() if name not in ("format", "version")}
    names = {one.name for one in fields(cls)} - {"reported"} | {"analysis"}
    if different := sorted(set(held) ^ names):
        raise ReviewError(f"the result of a test must hold just its fields; see {different[0]!r}")
    held["reported"] = held.pop("analysis")
    if not isinstance(held["reported"], dict):
        raise ReviewError("the analysis of a test must be an object")
    outcome = held["reported"].get("outcome")
    if isinstance(outcome, dict) and "verdict" in outcome:  # as earlier versions call it
        outcome["outcome"] = outcome.pop("verdict")
    held["plan"] = TestPlan.from_dict(held["plan"])
    for side in SIDES:
        _check_length(side, held[side], MAX_IMAGES)
        held[side] = tuple(Prediction.from_dict(one) for one in held[side])
        skipped = held[f"skipped_{side}"]
        _check_length("skipped images", skipped, MAX_SKIPPED)
        held[f"skipped_{side}"] = tuple(SkippedImage(**one) for one in skipped)
    for name in ("class_names", "labels", "sources", "notes"):
        _check_length(name, held[name], MAX_NOTES)
        held[name] = tuple(held[name])
    return held


def _check_length(name: str, values: Any, most: int) -> None:
    if not isinstance(values, list) or len(values) > most:
        raise ReviewError(f"{name} must be a list of at most {most} entries")


def _check_predictions(predictions: Sequence[Prediction]) -> None:
    if len(predictions) > MAX_IMAGES:
        raise ReviewError(f"a cohort has at most {MAX_IMAGES} images, got {len(predictions)}")
    for prediction in predictions:
        check_text("image name", prediction.name, 4000)
        check_text("class name", prediction.predicted_name, 1000)
        check_match("hash", prediction.hash, _DIGEST)
        for logit in prediction.logits:
            check_number("logit", logit, -_MOST, _MOST)
        for probability in prediction.probabilities:
            check_number("probability", probability, 0, 1)
        if prediction.pair_key is not None:
            check_text("pair key", prediction.pair_key, 4000, empty=True)


def _check_skipped(skipped: Sequence[SkippedImage]) -> None:
    if len(skipped) > MAX_SKIPPED:
        raise ReviewError(f"at most {MAX_SKIPPED} skipped images are kept, got {len(skipped)}")
    for one in skipped:
        check_text("image name", one.name, 4000)
        check_text("reason", one.reason, 4000)


def _check_versions(versions: Any) -> None:
    if not isinstance(versions, Mapping) or len(versions) > 50:
        raise ReviewError(f"versions must be texts by package, got {versions!r:.200}")
    for name, version in versions.items():
        check_text("package", name, 100)
        check_text("version", version, 200)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that can be kept")


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
