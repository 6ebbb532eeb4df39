"""Sessions and material for tests of the report: a usual one, and one full of hostile texts."""

from dataclasses import replace

from protocore.compare.edits import Box, Stroke
from protocore.review import events as ev
from protocore.review.material import Picture, ReportMaterial
from protocore.similarity.reference import SkippedImage
from tests.library.samples import encoded, tiny_prototype
from tests.review.results_samples import (
    CLAIM,
    PLAN,
    ROUND,
    TEST,
    a_test,
    claimed,
    item,
    observed,
    prediction,
    result,
    round_opened,
    session_of,
    side,
    started,
)

BOX = Box(left=0.1, top=0.2, right=0.6, bottom=0.7)
STROKE = Stroke(points=((0.2, 0.2), (0.5, 0.4), (0.8, 0.3)), radius=0.05)
BADGE = "0.64 (photos 0.69) · Eq. 1 on 36% of layers · class seen with 90%"
LINK = ev.ObservationLink(round=ROUND, item="1" * 8, observer="Ada")
EVIL = [
    "<script>window.evil = 1</script>",
    '"><img src=x onerror="window.evil = 1">',
    "javascript:window.evil = 1",
    "' onmouseover='window.evil = 1' x='",
    "</style><svg onload=window.evil=1>",
    "{0} {style} %s ${x}",
    "\u202egnp.exe\u2066",
]


def usual_session():
    """Two reviewers, three pictures, a claim that was changed after its test, two predictions."""
    later = claimed(
        base=9, links=(LINK,), statement="Golf balls lie on <i>wet</i> grass.", cohort_b="on snow"
    )
    return session_of(
        started(),
        ("Bob", ev.Joined()),
        round_opened(
            item(1), item(2, seed=1), item(3, role="distractor", class_index=2), item(4, "baseline")
        ),
        observed(1, "grass", text="green blades\nbelow", regions=(BOX, STROKE)),
        ("Bob", observed(1, "grass", "dimples", regions=(BOX,))),
        observed(2, "grass", regions=(STROKE,)),
        ev.Revealed(round=ROUND),
        ("Bob", ev.Revealed(round=ROUND)),
        claimed(links=(LINK,), why="grass in two of two"),
        ev.Occluded(
            round=ROUND, item="1" * 8, observer="Ada", class_index=1, drop=2.5,
            control_drops=(0.5, 1.0), share=0.25,
        ),
        *a_test(),
        later,
        ev.Decided(claim=CLAIM, decision="supported", note="clear"),
        ("Bob", ev.Decided(claim=CLAIM, decision="undecided")),
        ev.Noted(text="done"),
    )  # fmt: skip


def usual_material(**changes):
    """Pictures of 16 pixels, a result with thumbnails, a badge for the first picture."""
    session = usual_session()
    ids = [one.prototype_id for one in session.rounds[0].items]
    pictures = {
        identifier: Picture(png=encoded("PNG"), record=tiny_prototype(1, seed).record)
        for seed, identifier in enumerate(ids)
    }
    pictures[ids[0]] = replace(pictures[ids[0]], badge=BADGE)
    found = changes.pop("result", result())
    thumbnails = {(side, place): encoded("JPEG") for side in "ab" for place in range(len(found.a))}
    values = {"pictures": pictures, "results": {TEST: found}, "thumbnails": {TEST: thumbnails}}
    return ReportMaterial(**(values | changes))


def large_session():
    """Two reviewers, nine pictures, four tested claims with long reasons."""
    items = [item(place, seed=place) for place in range(1, 7)]
    items += [item(place, role="distractor", class_index=2) for place in (7, 8)]
    happened = [started(), ("Bob", ev.Joined()), round_opened(*items)]
    for place in range(1, 9):
        happened.append(observed(place, "grass", "sky", text="Green blades. " * 8, regions=(BOX,)))
        happened.append(("Bob", observed(place, "grass", regions=(STROKE,))))
    happened += [ev.Revealed(round=ROUND), ("Bob", ev.Revealed(round=ROUND))]
    for number in range(4):
        claim = f"c{number}" * 4
        text = f"Claim about the logit of class {number} in one group of images. " * 3
        happened.append(claimed(claim, statement=text, why=text * 3, links=(LINK,)))
        happened += a_test(claim, f"7e577e5{number}")
        happened.append(ev.Decided(claim=claim, decision="supported", note=text))
        happened.append(("Bob", ev.Decided(claim=claim, decision="undecided")))
    return session_of(*happened)


def large_material():
    """Pictures of `large_session`, and two cohorts of forty images for every claim."""
    session = large_session()
    pictures = {
        one.prototype_id: Picture(png=encoded("PNG"), record=tiny_prototype(1).record, badge=BADGE)
        for one in session.rounds[0].items
    }
    results = {
        f"7e577e5{number}": result(a=side("a", 3.0 - number, 40), b=side("b", 0.5, 40))
        for number in range(4)
    }
    images = {(name, place): encoded("JPEG") for name in "ab" for place in range(40)}
    return ReportMaterial(
        pictures=pictures, results=results, thumbnails=dict.fromkeys(results, images)
    )


def hostile_session():
    """Every text that a person or a file decides tries to break out of the page."""
    evil = " ".join(EVIL)
    picture = replace(item(1), class_label=evil)
    return session_of(
        started(title=evil[:200], model_title=evil, model_link=evil, guide=EVIL[0][:40]),
        (EVIL[1], ev.Joined()),
        replace(round_opened(picture), class_label=evil),
        observed(1, *[text[:50] for text in EVIL], text=evil),
        ev.Revealed(round=ROUND),
        claimed(statement=evil, cohort_a=evil, cohort_b=evil, why=evil, links=(LINK,)),
        ev.TestStarted(test=TEST, claim=CLAIM, plan=PLAN, source_a=evil, source_b=evil),
        ev.TestFinished(test=TEST, digest="cd" * 32),
        ev.TestStarted(test="7e577e99", claim=CLAIM, plan=PLAN, source_a=evil, source_b=evil),
        ev.TestFailed(test="7e577e99", error=evil),
        ev.Decided(claim=CLAIM, decision="supported", note=evil),
        ev.Noted(text=evil),
    )


def hostile_material():
    """Records, file names and notes of the same kind."""
    evil = " ".join(EVIL)
    record = tiny_prototype(1).record
    record = replace(
        record, class_name=evil, model=EVIL[0], device=EVIL[1], created=EVIL[0],
        versions={EVIL[0]: EVIL[1]},
    )  # fmt: skip
    images = tuple(replace(prediction(f"{evil}{i}", i), predicted_name=evil) for i in range(1, 12))
    found = result(
        a=images, b=images, class_names=(evil, EVIL[0]), labels=(EVIL[0], EVIL[1]),
        sources=(evil, evil), model_title=evil, versions={EVIL[0]: EVIL[1]}, notes=(evil,),
        skipped_a=(SkippedImage(name=evil, reason=evil),),
    )  # fmt: skip
    picture = Picture(png=encoded("PNG"), record=record, badge=evil)
    thumbnails = {("a", 0): encoded("JPEG"), ("a", 1): EVIL[0].encode(), ("b", 0): b"<svg/>"}
    return ReportMaterial(
        pictures={"1f" * 8: picture}, results={TEST: found}, thumbnails={TEST: thumbnails}
    )
