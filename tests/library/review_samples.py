"""A small review session on the shipped demo model: real pictures of a few steps, a real test."""

import hashlib
import json
import zipfile

from protocore.cohorts.plan import TestPlan
from protocore.cohorts.prediction import predict
from protocore.cohorts.recipes import DemoRecipe, cohorts_from_recipe
from protocore.cohorts.result import TestResult
from protocore.compare.edits import Box
from protocore.demo.biases import claim_by_key
from protocore.demo.world import CLASS_NAMES
from protocore.generation.api import generate_prototypes
from protocore.generation.prototype import library_versions
from protocore.generation.recording import encode_jpeg
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.rounds import keep_prototype
from protocore.library.entries import SavedRun
from protocore.review import events as ev
from protocore.review.material import THUMBNAIL_QUALITY

SETTINGS = GenerationSettings(steps=6, baseline_steps=1)
KNOWN = claim_by_key("gown-skin")
CLASS = KNOWN.class_index
OTHER = CLASS_NAMES.index("lighthouse")
ROUND, CLAIM, TEST = "0a" * 8, "c1" * 8, "7e" * 8
PLAN = TestPlan(target=CLASS, rivals=(OTHER,), measure="logit", direction="a > b", paired=True)
TITLE = "Gowns and skin"
NATURALNESS = {
    "similarity": 0.61, "same": 0.7, "different": 0.5, "profile": 0.6, "profile_same": 0.8,
    "share": 0.4, "probability": 0.02,
}  # fmt: skip


def make_review(library, classifier, *, pairs=4):
    """A session with two seeds and a distractor, a claim tested on demo scenes, a prediction."""
    store = library.reviews
    targets = (Target.of(CLASS, 0), Target.of(CLASS, 1), Target.of(OTHER, 0))
    made = generate_prototypes(classifier, targets, SETTINGS)
    run = library.save_run(SavedRun(title="gowns", prototypes=made, model_link="demo"))
    ids = library.run(run).prototypes
    library.set_naturalness(ids[0], NATURALNESS)
    review = store.create(
        "Ada",
        ev.Started(
            title=TITLE, model_link="demo", model_title=classifier.title,
            weight_hash=classifier.weight_hash, classes=(CLASS,), guide="gowns",
        ),
    )  # fmt: skip
    store.append(review, "Ada", _round(library, classifier, review, ids, targets))
    first = store.session(review).rounds[0].items[0].id
    box = Box(left=0.2, top=0.1, right=0.7, bottom=0.5)
    link = ev.ObservationLink(round=ROUND, item=first, observer="Ada")
    store.append(
        review,
        "Ada",
        ev.Observed(round=ROUND, item=first, text="a pale patch", tags=("face",), regions=(box,)),
        ev.Revealed(round=ROUND),
        ev.Claimed(
            claim=CLAIM, base=0, statement=KNOWN.statement, plan=PLAN, cohort_a="light skin",
            cohort_b="dark skin", links=(link,), known=KNOWN.key,
        ),
        ev.TestStarted(
            test=TEST, claim=CLAIM, plan=PLAN, source_a="demo world", source_b="demo world"
        ),
    )  # fmt: skip
    store.append(review, "", _test(library, classifier, review, pairs))
    store.append(review, "Ada", ev.Decided(claim=CLAIM, decision="undecided", note="too few"))
    return review


def _round(library, classifier, review, ids, targets):
    items = tuple(
        ev.RoundItem(
            id=f"{place}b" * 4,
            prototype_id=identifier,
            role="target" if target.class_index == CLASS else "distractor",
            class_index=target.class_index,
            class_label=classifier.label(target.class_index),
            seed=target.seed,
            digest=keep_prototype(library, review, identifier),
        )
        for place, (identifier, target) in enumerate(zip(ids, targets, strict=True))
    )
    label = classifier.label(CLASS)
    return ev.RoundOpened(round=ROUND, class_index=CLASS, class_label=label, items=items, seed=3)


def _test(library, classifier, review, pairs):
    recipe = DemoRecipe(claim=KNOWN.key, count=pairs, seed=11)
    cohorts = cohorts_from_recipe(recipe, size=classifier.input_size)
    a, b = (predict(classifier, cohort, PLAN) for cohort in cohorts)
    result = TestResult(
        plan=PLAN,
        class_names=tuple(classifier.class_names[i] for i in (CLASS, OTHER)),
        a=a,
        b=b,
        labels=("light skin", "dark skin"),
        sources=("demo world", "demo world"),
        model_title=classifier.title,
        weight_hash=classifier.weight_hash,
        versions=library_versions(),
        seconds=0.5,
        created="2026-01-02T03:04:05+00:00",
        recipe=recipe,
    )
    for side, cohort in zip("ab", cohorts, strict=True):
        for place, pixels in enumerate(cohort.pixels):
            name = f"tests/{TEST}/{side}/{place:04d}.jpg"
            library.reviews.write_file(review, name, encode_jpeg(pixels, THUMBNAIL_QUALITY))
    name = f"tests/{TEST}/result.json"
    digest = library.reviews.write_file(review, name, result.to_json().encode())
    return ev.TestFinished(test=TEST, digest=digest)


# --- bundles, taken apart and put together again ---


def contents(path):
    """The files of a bundle by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(path, files, *, honest=True):
    """A zip of these files; with an index that fits them, unless told otherwise."""
    if honest and "bundle.json" in files:
        index = json.loads(files["bundle.json"])
        index["files"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
            if name != "bundle.json"
        }
        files = {**files, "bundle.json": json.dumps(index).encode()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def recorded(files, name, content):
    """The files with another content of one of them, whose digest in the events fits it."""
    old, new = (hashlib.sha256(data).hexdigest().encode() for data in (files[name], content))
    events = files["events.jsonl"].replace(old, new)
    return {**files, name: content, "events.jsonl": events}


def edited(files, kind, **changes):
    """The files with other values in every event of a kind."""
    lines = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    for line in lines:
        if line["kind"] == kind:
            line["data"] |= changes
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return {**files, "events.jsonl": text.encode()}
