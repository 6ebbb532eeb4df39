"""One cohort test in a review report: tables, charts, images, where they come from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from protocore.cohorts.analysis import CohortAnalysis, Estimate
from protocore.cohorts.differences import CohortComparison
from protocore.cohorts.outcomes import Outcome, interval_text, number_text, rounded
from protocore.cohorts.plan import Prediction
from protocore.reports.markup import (
    Html,
    image,
    joined,
    markup,
    pairs,
    paragraph,
    table,
)
from protocore.reports.review.charts import cohort_chart, difference_chart
from protocore.review.material import Thumbnails
from protocore.review.results import TestResult
from protocore.text import plural

MOST_IMAGES = 24  # of each cohort; the rest is counted
MOST_SKIPPED = 10


def result_part(
    result: TestResult, outcome: Outcome, p_adjusted: float, tests: int, thumbnails: Thumbnails
) -> Html:
    """A finished test; `p_adjusted` is Holm's over the `tests` that count in the session."""
    analysis = result.analysis
    return joined(
        [
            markup(
                "<h4>Result of the last test: {}</h4><p>{}</p>", outcome.outcome, outcome.reason
            ),
            _warnings(analysis, tests),
            _cohorts(analysis),
            _comparisons(analysis, p_adjusted, tests),
            difference_chart(analysis),
            cohort_chart(analysis),
            _images(result, "a", thumbnails),
            _images(result, "b", thumbnails),
            _origin(result),
        ]
    )


def _warnings(analysis: CohortAnalysis, tests: int) -> Html:
    said = list(analysis.warnings)
    if tests > 1:
        said.append(
            f"{tests} claims of this session were tested: p of the predicted measure is adjusted "
            "for that (Holm), and the outcome uses the adjusted one"
        )
    return joined(paragraph(f"Mind: {text}.", "warn") for text in said)


def _cohorts(analysis: CohortAnalysis) -> Html:
    """The paper's Tables 1 and 2: what each cohort is taken for, and mean scores."""
    names, rivals = analysis.class_names, analysis.class_names[1:]
    confidence = f"{100 * (1 - analysis.plan.alpha):g} % interval"
    head = ["cohort", "images", "correct", f"accuracy ({confidence}, Wilson)"]
    first = [
        (row.label, row.count, row.correct, _estimate("accuracy", row.accuracy), *row.taken_for[1:])
        for row in analysis.rows
    ]
    scores = [
        (f"{form}({name})", *(_estimate(kind, getattr(row, many)[place]) for row in analysis.rows))
        for form, kind, many in (
            ("P", "probability", "probabilities"),
            ("logit", "logit", "logits"),
        )
        for place, name in enumerate(names)
    ]
    labels = [f"{letter}: {row.label}" for letter, row in zip("AB", analysis.rows, strict=True)]
    return joined(
        [
            table(
                [*head, *(f"taken for {name}" for name in rivals)],
                first,
                numbers=range(1, 4 + len(rivals)),
            ),
            table([f"mean score ({confidence}, bootstrap)", *labels], scores, numbers=(1, 2)),
        ]
    )


def _estimate(measure: str, estimate: Estimate) -> str:
    value = number_text(measure, estimate.value)
    return f"{value} ({interval_text(measure, estimate.interval)})"


def _comparisons(analysis: CohortAnalysis, p_adjusted: float, tests: int) -> Html:
    classes = (analysis.plan.target, *analysis.plan.rivals)
    needed = "pairs needed" if analysis.plan.paired else "images needed in each"
    head = ["measure", "A − B", "interval", "test", "p", "p, Holm", "effect size", needed]
    rows = []
    for found in analysis.comparisons:
        name = analysis.class_names[classes.index(found.class_index)]
        holm = f"{p_adjusted:.3g}" if found.primary and tests > 1 else "–"
        label = f"{found.measure} ({name})"
        rows.append(
            (
                markup("<b>▸ {}</b>", label) if found.primary else label,
                number_text(found.measure, found.difference, signed=True),
                interval_text(found.measure, found.interval, signed=True),
                f"{found.test}, {found.alternative}",
                f"{found.p:.3g}",
                holm,
                _effects(found),
                "–" if found.size_needed is None else rounded(found.size_needed),
            )
        )
    note = (
        "▸ is the measure that was predicted; the others are for orientation and tested in both "
        "directions. Images needed: to show a difference as large as the one seen, four times in "
        "five."
    )
    return joined([table(head, rows, numbers=(1, 2, 4, 5, 7)), paragraph(note, "faint")])


def _effects(found: CohortComparison) -> Html:
    lines = []
    for effect in found.effects:
        value = "–" if effect.value is None else f"{effect.value:.2f}"
        lines.append(f"{effect.name} {value}" + (f" ({effect.note})" if effect.note else ""))
    return joined(lines, "<br>")


def _images(result: TestResult, side: str, thumbnails: Thumbnails) -> Html:
    """The images of a cohort with the model's prediction under each, misclassified ones first."""
    predictions = result.side(side)
    wrong = sum(not prediction.correct for prediction in predictions)
    label = result.labels["ab".index(side)]
    rest = len(predictions) - MOST_IMAGES
    parts = [
        markup(
            "<h4>Cohort {}: {} — {} of {} misclassified</h4>",
            side.upper(),
            label,
            wrong,
            plural(len(predictions), "image"),
        ),
        markup(
            '<div class="grid">{}</div>',
            joined(
                _thumbnail(predictions[place], thumbnails.get((side, place), b""))
                for place in shown_places(predictions)
            ),
        ),
    ]
    if rest > 0:
        parts.append(paragraph(f"and {rest} more.", "faint"))
    return joined(parts)


def shown_places(predictions: Sequence[Prediction]) -> list[int]:
    """Which images are shown: misclassified first, then those the model is least sure of."""

    def badness(place: int) -> tuple:
        # The logit, because probabilities of a sure model are all 1.
        return (predictions[place].correct, predictions[place].logits[0], place)

    return sorted(range(len(predictions)), key=badness)[:MOST_IMAGES]


def _thumbnail(prediction: Prediction, content: bytes) -> Html:
    mark = "✓" if prediction.correct else "✗"
    shares = " / ".join(f"{share:.2f}" for share in prediction.probabilities)
    logits = " / ".join(f"{logit:.1f}" for logit in prediction.logits)
    return markup(
        '<figure class="{}">{}<figcaption>{} {}<br>p {}<br>logit {}<br>'
        '<span class="faint">{}</span></figcaption></figure>',
        "right" if prediction.correct else "wrong",
        image(content, prediction.name) or Html("<p>no picture kept</p>"),
        mark,
        prediction.predicted_name,
        shares,
        logits,
        prediction.name,
    )


def _origin(result: TestResult) -> Html:
    recipe = json.dumps(dict(result.recipe), ensure_ascii=False, sort_keys=True)
    made = "files of the reviewers, which are not in the bundle"
    if result.recipe["kind"] == "demo":
        made = f"rendered by the demo world, and can be again: {recipe}"
    rows = [
        ("cohort A", f"{result.labels[0]} — {result.sources[0]}"),
        ("cohort B", f"{result.labels[1]} — {result.sources[1]}"),
        ("images", made),
        ("left out of A", _skipped(result.skipped_a)),
        ("left out of B", _skipped(result.skipped_b)),
        ("notes", "; ".join(result.notes) or "none"),
        ("predicted by", f"{result.model_title}, weights {result.weight_hash}"),
        ("made", f"{result.created}, in {result.seconds:.1f} s"),
        ("versions", ", ".join(f"{name} {text}" for name, text in result.versions.items())),
    ]
    return joined([markup("<h4>Where the images come from</h4>"), pairs(rows)])


def _skipped(skipped: Sequence) -> str:
    if not skipped:
        return "nothing"
    listed = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:MOST_SKIPPED])
    rest = len(skipped) - MOST_SKIPPED
    return listed + (f"; and {rest} more" if rest > 0 else "")
