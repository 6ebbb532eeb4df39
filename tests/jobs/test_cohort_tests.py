"""Cohort tests as background jobs: results, notes, failures, stopping, what a restart leaves."""

import hashlib
import io
import json
import math
import threading

import numpy as np
import pytest
from PIL import Image

from protocore.cohorts.plan import TestPlan
from protocore.cohorts.recipes import FILES, DemoRecipe
from protocore.cohorts.result import TestResult
from protocore.demo.biases import claim_by_key
from protocore.errors import ImageError, ReviewError
from protocore.jobs.cohort_tests import (
    KIND,
    CohortImages,
    end_orphan,
    plan_text,
    stop_test,
    submit_test,
)
from protocore.jobs.engine import JobEngine
from protocore.library.library import Library
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec
from protocore.review.events import Claimed, Decided, Started
from protocore.review.results import check_result, claim_outcome
from protocore.similarity.image_sets import ImageFile
from tests.networks import tiny_classifier, tripwire_classifier

PATIENCE = 30  # seconds
CLAIM, OTHER_CLAIM = "c1a1c1a1", "c2a2c2a2"
PLAN = TestPlan(target=1, rivals=(2,), measure="logit")


class Pool:
    """Knows one classifier under every name."""

    def __init__(self, classifier):
        self.classifier = classifier

    def get(self, spec):
        if isinstance(self.classifier, Exception):
            raise self.classifier
        return self.classifier


class Table:
    """Everything that a test needs, with a session of Ada's and a claim in it."""

    def __init__(self, library, classifier, plan=PLAN):
        self.engine, self.library, self.pool = JobEngine(), library, Pool(classifier)
        started = Started(
            title="Balls", model_link="demo", model_title=classifier.title,
            weight_hash=classifier.weight_hash, classes=(1,),
        )  # fmt: skip
        self.review = library.reviews.create("Ada", started)
        self.claim(CLAIM, plan)

    def claim(self, claim, plan=PLAN, base=0, statement="Balls lie on grass"):
        said = Claimed(
            claim=claim, base=base, statement=statement, plan=plan, cohort_a="on grass",
            cohort_b="on sand",
        )  # fmt: skip
        self.library.reviews.append(self.review, "Ada", said)

    def submit(self, images, claim=CLAIM, author="Ben"):
        return submit_test(self.engine, self.library, self.pool, self.review, author, claim, images)

    def finish(self, images, claim=CLAIM):
        """The test after its job has ended, and the job."""
        view = self.engine.wait(self.submit(images, claim), PATIENCE)
        assert not view.active
        return self.session.tests_of(claim)[-1], view

    def result(self, images, claim=CLAIM):
        """The result of a test that came to its end."""
        test, view = self.finish(images, claim)
        assert view.status == "done", view.error
        return self.read(test)

    def read(self, test):
        content = self.library.reviews.read_file(
            self.review, f"tests/{test.id}/result.json", test.digest
        )
        return TestResult.from_json(content)

    @property
    def session(self):
        return self.library.reviews.session(self.review)


def picture(name, value, *, noise=0):
    """A grey PNG file, or one of noise."""
    pixels = np.random.default_rng([value, noise]).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels // (1 if noise else 8) + value % 200).save(buffer, "PNG")
    return ImageFile(name=name, read=buffer.getvalue)


def unreadable(name, reason):
    def read():
        raise ImageError(reason)

    return ImageFile(name=name, read=read)


def files(count, *, start=0, name="{}.png"):
    return tuple(picture(name.format(start + i), start + i) for i in range(count))


def images(a=None, b=None, **sources):
    return CohortImages(
        files_a=files(4) if a is None else a,
        files_b=files(5, start=10) if b is None else b,
        **sources,
    )


@pytest.fixture
def table(library, classifier):
    table = Table(library, classifier)
    yield table
    table.engine.close()


# --- what a test leaves ---


def test_a_test_locks_the_claim_and_keeps_its_result(table, classifier):
    result = table.result(images(source_a="folder grass", source_b="folder sand"))
    claim = table.session.claim(CLAIM)
    (test,) = table.session.tests
    assert claim.locked_at == test.seq and claim.locked.said.plan == test.started.plan == PLAN
    assert (test.author, test.status) == ("Ben", "finished")
    assert [event.author for event in table.session.log[-2:]] == ["Ben", ""]
    path = table.library.reviews.file(table.review, "tests", test.id, "result.json")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == test.digest
    check_result(table.session, test, result)
    assert (len(result.a), len(result.b)) == (4, 5)
    assert [one.name for one in result.a] == ["0.png", "1.png", "2.png", "3.png"]
    assert result.labels == ("on grass", "on sand")
    assert result.sources == ("folder grass", "folder sand")
    assert result.class_names == ("golf ball", "French horn")
    assert (result.model_title, result.weight_hash) == (classifier.title, classifier.weight_hash)
    assert {"torch", "scipy", "numpy"} <= set(result.versions)
    assert result.recipe == FILES
    assert result.notes == (
        "preprocessing of the images: shorter side to 16 px, centre 16 x 16, bilinear",
    )


def test_the_analysis_in_the_file_follows_from_its_verdicts(table):
    table.result(images())
    (test,) = table.session.tests
    path = table.library.reviews.file(table.review, "tests", test.id, "result.json")
    content = json.loads(path.read_text())
    result = TestResult.from_json(json.dumps(content))
    assert result.misreported == ""
    logits = [one["logits"][0] for one in content["a"]]
    assert content["analysis"]["cohorts"][0]["logits"][0]["value"] == pytest.approx(np.mean(logits))
    content["a"][0]["logits"][0] += 1
    assert "cohorts[0]" in TestResult.from_json(json.dumps(content)).misreported


def test_small_copies_of_the_images_stand_in_the_order_of_the_verdicts(table):
    dark, bright = (
        ImageFile(name=name, read=lambda value=value: flat(value))
        for name, value in (("b.png", 10), ("a.png", 240))
    )
    result = table.result(images(a=(dark, bright)))
    (test,) = table.session.tests
    folder = table.library.reviews.file(table.review, "tests", test.id)
    assert [one.name for one in result.a] == ["a.png", "b.png"]
    means = [np.asarray(Image.open(folder / "a" / f"000{i}.jpg")).mean() for i in (0, 1)]
    assert means == pytest.approx([240, 10], abs=2)
    assert len(list((folder / "b").iterdir())) == 5


def flat(value):
    buffer = io.BytesIO()
    Image.new("RGB", (24, 24), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_recipe_of_the_demo_world_is_rendered_and_kept(table):
    table.claim(OTHER_CLAIM, TestPlan(target=0, measure="logit", paired=True))
    recipe = DemoRecipe(claim="gown-skin", count=3, seed=5, haze=0.25)
    result = table.result(CohortImages(recipe=recipe), OTHER_CLAIM)
    assert result.recipe == recipe
    assert [one.pair_key for one in result.a] == ["5", "6", "7"]
    assert [one.pair_key for one in result.b] == ["5", "6", "7"]
    assert all(one.hash != other.hash for one, other in zip(result.a, result.b, strict=True))


def test_planted_bias_is_supported_on_the_demo_model(library):
    classifier = ModelPool().get(ModelSpec.demo(device="cpu"))
    known = claim_by_key("gown-skin")
    plan = TestPlan(target=known.class_index, measure="logit", paired=True)
    table = Table(library, classifier, plan)
    try:
        table.result(CohortImages(recipe=DemoRecipe(claim=known.key, count=12, haze=0.6)))
        results = {test.id: table.read(test) for test in table.session.tests}
        outcome = claim_outcome(table.session, table.session.claim(CLAIM), results)
        assert outcome.outcome == "supported"
    finally:
        table.engine.close()


# --- pairs, duplicates, files that cannot be used ---


def test_pairs_are_brought_in_line_and_those_left_over_are_noted(library, classifier):
    table = Table(library, classifier, TestPlan(target=1, measure="logit", paired=True))
    a = (*files(4), picture("alone.png", 50))
    b = tuple(picture(f"{i}.jpg", 20 + i) for i in (3, 1, 2))
    result = table.result(images(a=a, b=b))
    table.engine.close()
    assert [one.name for one in result.a] == ["1.png", "2.png", "3.png"]
    assert [one.name for one in result.b] == ["1.jpg", "2.jpg", "3.jpg"]
    assert "3 pairs; without a partner: 2 of A (0.png, alone.png), 0 of B" in result.notes
    assert result.analysis.primary.count_a == 3


def test_the_same_image_in_both_cohorts_is_noted(table):
    result = table.result(images(b=(*files(3, start=10), picture("copy.png", 0))))
    assert "duplicate: the same image: 0.png (A), copy.png (B)" in result.notes


def test_files_that_cannot_be_used_are_skipped_with_the_reason(table):
    small = io.BytesIO()
    Image.new("RGB", (4, 4)).save(small, "PNG")
    bad = (
        ImageFile(name="text.png", read=lambda: b"<script>alert(1)</script>"),
        ImageFile(name="small.png", read=small.getvalue),
        unreadable("gone.png", "the file cannot be read"),
    )
    result = table.result(images(a=(*files(2), *bad)))
    assert {one.name: one.reason for one in result.skipped_a} == {
        "text.png": "not an image that can be read",
        "small.png": "too small: 4x4 pixels, at least 16 each way",
        "gone.png": "the file cannot be read",
    }
    assert (len(result.a), result.skipped_b) == (2, ())


# --- failures ---


def test_too_few_images_end_the_test_with_the_reason(table):
    bad = ImageFile(name="x.png", read=lambda: b"nothing")
    test, view = table.finish(images(a=(*files(1), bad)))
    reason = (
        "a cohort needs at least 2 images, 'on grass' has 1 (1 were skipped, first x.png: not an "
        "image that can be read); add images"
    )
    assert (test.status, test.error) == ("failed", reason)
    assert (view.status, view.error) == ("failed", reason)
    assert table.session.final_test(CLAIM) is None
    assert not table.library.reviews.file(table.review, "tests").exists()
    table.result(images())
    assert [one.status for one in table.session.tests] == ["failed", "finished"]


def test_no_pairs_end_the_test_with_the_way_out(library, classifier):
    table = Table(library, classifier, TestPlan(target=1, paired=True))
    test, _ = table.finish(images())
    table.engine.close()
    assert test.error == (
        "0 images of 'on grass' have a partner in 'on sand', at least 2 are needed; give both "
        "files of a pair the same name, or test unpaired"
    )


def test_weights_that_have_changed_are_refused_with_both_hashes(table, classifier):
    table.pool.classifier = other = tiny_classifier(seed=5)
    test, _ = table.finish(images())
    assert test.error == (
        f"{other.title} has other weights now than when this session was started "
        f"({other.weight_hash[:12]} instead of {classifier.weight_hash[:12]}): put the old file "
        "back, or start a new session"
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ReviewError("the file is gone"), "the file is gone"),
        (RuntimeError("bad\0news"), "something unexpected went wrong (RuntimeError: bad?news)"),
        (MemoryError(), "something unexpected went wrong (MemoryError: )"),
        (OSError("\udcff"), "something unexpected went wrong (OSError: ?)"),
    ],
)
def test_a_model_that_cannot_be_loaded_ends_the_test_with_the_reason(table, error, reason):
    table.pool.classifier = error
    test, view = table.finish(images())
    assert (test.status, test.error, view.status) == ("failed", reason, "failed")


def test_logits_that_are_not_finite_end_the_test(library):
    classifier, wire = tripwire_classifier()
    table = Table(library, classifier)
    wire.act = lambda calls, x: x * math.nan
    test, _ = table.finish(images())
    assert test.error == (
        "wired gives logits that are not finite for '0.png'; leave the image out, or check the "
        "weights"
    )
    wire.act = None
    table.result(images())
    table.engine.close()


def test_a_class_that_the_model_does_not_have(library, classifier):
    table = Table(library, classifier, TestPlan(target=77))
    test, _ = table.finish(images())
    table.engine.close()
    assert test.error == "tiny has no class 77; its classes are 0 to 4"


def test_a_full_disk_ends_the_test_with_the_reason(table, monkeypatch):
    original = table.library.reviews.write_file

    def full(review_id, name, content):
        if name.endswith("result.json"):
            raise ReviewError("the disk is full: make room")
        return original(review_id, name, content)

    monkeypatch.setattr(table.library.reviews, "write_file", full)
    test, _ = table.finish(images())
    assert (test.status, test.error) == ("failed", "the disk is full: make room")


# --- what is refused at once ---


def test_what_cannot_be_started_leaves_nothing(table):
    before = table.session.version
    with pytest.raises(ReviewError, match="this session has no claim 'feedfeed'"):
        table.submit(images(), claim="feedfeed")
    with pytest.raises(ReviewError, match="say who you are first"):
        table.submit(images(), author="  ")
    assert table.session.version == before and table.engine.views() == []


# --- stopping, restarts, several at once ---


@pytest.fixture
def wired(library):
    """A table whose classifier waits in its first pass until it is let go."""
    classifier, wire = tripwire_classifier()
    reached, go_on = threading.Event(), threading.Event()

    def wait(calls, x):
        reached.set()
        assert go_on.wait(PATIENCE)

    wire.act = wait
    table = Table(library, classifier)
    table.reached, table.go_on = reached, go_on
    yield table
    go_on.set()
    table.engine.close()


def test_a_stopped_test_has_failed_and_can_be_started_again(wired):
    job = wired.submit(images())
    assert wired.reached.wait(PATIENCE)
    with pytest.raises(ReviewError) as error:
        wired.submit(images())
    assert str(error.value) == "a test of this claim is running: wait for it, or stop it first"
    stop_test(wired.engine, wired.library, job, "Ada")
    wired.go_on.set()
    wired.engine.wait(job, PATIENCE)
    (test,) = wired.session.tests
    reason = "the test was stopped before its end: start it again"
    assert (test.status, test.error) == ("failed", reason)
    assert wired.session.claim(CLAIM).locked_at == test.seq, "it was begun, so it is locked"
    wired.result(images())
    assert wired.session.final_test(CLAIM).id != test.id


def test_a_test_that_is_stopped_while_it_waits_has_failed_too(wired):
    wired.claim(OTHER_CLAIM)
    first = wired.submit(images())
    assert wired.reached.wait(PATIENCE)
    second = wired.submit(images(), OTHER_CLAIM)
    assert wired.engine.view(second).status == "queued"
    stop_test(wired.engine, wired.library, second, "Ada")
    (test,) = wired.session.tests_of(OTHER_CLAIM)
    assert (test.status, test.error) == (
        "failed", "the test was stopped before it began: start it again"
    )  # fmt: skip
    assert wired.session.log[-1].author == "Ada"
    assert wired.session.tests_of(CLAIM)[0].status == "running"
    stop_test(wired.engine, wired.library, second, "Ada")  # again: it has ended, nothing happens
    wired.go_on.set()
    assert wired.engine.wait(first, PATIENCE).status == "done"
    assert wired.session.tests_of(CLAIM)[0].status == "finished"


def test_two_tests_of_one_session_side_by_side(table):
    table.claim(OTHER_CLAIM, TestPlan(target=2, measure="probability"))
    jobs = [table.submit(images(), claim) for claim in (CLAIM, OTHER_CLAIM)]
    views = [table.engine.wait(job, PATIENCE) for job in jobs]
    assert [view.status for view in views] == ["done", "done"]
    results = {test.id: table.read(test) for test in table.session.tests}
    plans = {test.claim: results[test.id].plan for test in table.session.tests}
    assert {claim: plan.target for claim, plan in plans.items()} == {CLAIM: 1, OTHER_CLAIM: 2}
    assert table.session.tests_of(CLAIM)[0].digest != table.session.tests_of(OTHER_CLAIM)[0].digest


def test_jobs_say_of_which_test_they_are(wired):
    job = wired.submit(images())
    assert wired.reached.wait(PATIENCE)
    view = wired.engine.view(job)
    (test,) = wired.session.tests
    assert (view.kind, view.meta["test"], view.meta["review"]) == (KIND, test.id, wired.review)
    assert view.title == "Test of “Balls lie on grass”"
    wired.go_on.set()
    view = wired.engine.wait(job, PATIENCE)
    assert (view.done, view.total, view.result) == (9, 9, test.id)


def test_what_a_restart_has_interrupted_is_noted_once(wired):
    job = wired.submit(images())
    assert wired.reached.wait(PATIENCE)
    assert end_orphan(wired.engine, wired.library, wired.review, "Ada") == 0, "it is performed"
    restarted = JobEngine()
    assert end_orphan(restarted, wired.library, wired.review, "Ada") == 1
    (test,) = wired.session.tests
    assert (test.status, test.error) == ("failed", "interrupted: the app was closed meanwhile")
    assert wired.session.log[-1].author == "Ada"
    assert end_orphan(restarted, wired.library, wired.review, "Ada") == 0
    wired.go_on.set()  # what the old process still finds is too late
    assert "this test has ended already" in wired.engine.wait(job, PATIENCE).error
    restarted.close()
    wired.result(images())


def test_after_a_test_a_change_is_visible_and_a_decision_possible(table):
    with pytest.raises(ReviewError, match="a decision needs a test"):
        table.library.reviews.append(
            table.review, "Ada", Decided(claim=CLAIM, decision="supported")
        )
    table.result(images())
    assert not table.session.claim(CLAIM).changed_after_lock
    base = table.session.claim(CLAIM).current.seq
    table.claim(CLAIM, base=base, statement="Balls lie on sand")
    claim = table.session.claim(CLAIM)
    assert claim.changed_after_lock and claim.locked.said.statement == "Balls lie on grass"
    table.library.reviews.append(table.review, "Ada", Decided(claim=CLAIM, decision="undecided"))
    assert table.session.claim(CLAIM).decisions["Ada"].decision == "undecided"


def test_plans_in_words(classifier):
    assert plan_text(PLAN, classifier) == "logit of 1 · golf ball: A > B by more than 0.1"
    rival = TestPlan(
        target=1, rivals=(3,), measure="rival probability", direction="a != b", paired=True
    )
    assert plan_text(rival, classifier) == (
        "probability of 3 · crane: A != B by more than 0.02, pair by pair"
    )


def test_a_second_process_leaves_a_living_test_alone(table):
    """Another server on the same home neither ends the test nor has its result refused."""
    gate, (first, *others) = threading.Event(), files(3)

    def read():
        assert gate.wait(PATIENCE)
        return first.read()

    job = table.submit(images(a=(ImageFile(name=first.name, read=read), *others)))
    other, engine = Library(table.library.folder), JobEngine()
    assert end_orphan(engine, other, table.review, "Cleo") == 0
    engine.close()
    other.close()
    gate.set()
    view = table.engine.wait(job, PATIENCE)
    assert (view.status, view.error) == ("done", "")
    assert table.library.jobs.get(job).state == "done"
