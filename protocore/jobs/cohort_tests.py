"""A cohort test of a review session as a background job: predicts both cohorts, keeps a result."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import scipy

from protocore.cohorts.cohort import Cohort, cohort_from_images, duplicates, pair_up
from protocore.cohorts.controls import edit_notes
from protocore.cohorts.edits import Edit, edited_pair
from protocore.cohorts.plan import TestPlan
from protocore.cohorts.prediction import predict
from protocore.cohorts.recipes import FILES, Recipe, cohorts_from_recipe
from protocore.cohorts.result import MAX_NOTES, RESULT_FILE, TestResult
from protocore.errors import JobError, ProtocoreError, ReviewError
from protocore.generation.prototype import library_versions
from protocore.generation.recording import encode_jpeg
from protocore.jobs.engine import JobControl, JobEngine
from protocore.jobs.rounds import check_weights
from protocore.library.jobs import KeptJob
from protocore.library.library import Library
from protocore.library.manifest import now
from protocore.models.classifier import Classifier
from protocore.models.pool import ModelPool
from protocore.models.preprocessing import Preprocessing
from protocore.models.spec import ModelSpec
from protocore.review.events import TestFailed, TestFinished, TestStarted
from protocore.review.material import THUMBNAIL_QUALITY
from protocore.similarity.image_sets import ImageFile

KIND = "review test"


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortImages:
    """Where the images of both cohorts come from: a recipe, or files."""

    recipe: Recipe = FILES
    files_a: tuple[ImageFile, ...] = ()
    files_b: tuple[ImageFile, ...] = ()
    source_a: str = "files"
    source_b: str = "files"


def submit_test(
    engine: JobEngine,
    library: Library,
    pool: ModelPool,
    review_id: str,
    author: str,
    claim_id: str,
    images: CohortImages,
    *,
    device: str | None = None,
) -> str:
    """Lock the claim and test it in the background; returns the job's identifier.

    How it ends is an event of the session: a result in its folder, or the reason why there is
    none. Raises ReviewError when the claim cannot be tested now.
    """
    session = library.reviews.session(review_id)
    said = session.claim(claim_id).current.said
    spec = ModelSpec.from_link(session.started.model_link, device=device)
    started = TestStarted(
        test=secrets.token_hex(8),
        claim=claim_id,
        plan=said.plan,
        source_a=images.source_a,
        source_b=images.source_b,
    )
    library.reviews.append(review_id, author, started)
    job = _TestJob(library, review_id, started, images, (said.cohort_a, said.cohort_b))
    meta = {"review": review_id, "test": started.test, "recipe": images.recipe}
    title = f"Test of “{said.statement[:80]}”"

    def work(control: JobControl) -> str:
        return job.run(control, lambda: pool.get(spec), session.started.weight_hash)

    # Its row tells other processes that somebody works on it; it is not taken up by them.
    job_id = started.test
    row = KeptJob(
        id=job_id,
        kind=KIND,
        title=title,
        request={"review": review_id, "test": started.test},
        queue=KIND,
        device=spec.device,
        visitor=author,
    )
    library.jobs.add(row)
    return engine.submit(
        kind=KIND,
        title=title,
        device=spec.device,
        queue=KIND,
        work=work,
        meta=meta,
        job_id=job_id,
        on_end=lambda view: library.jobs.finish(job_id, view.status, error=view.error),
    )


@dataclass(frozen=True, eq=False)
class _TestJob:
    """One test, in the worker thread."""

    library: Library
    review_id: str
    started: TestStarted
    images: CohortImages
    labels: tuple[str, str]

    def run(self, control: JobControl, load: Callable[[], Classifier], weight_hash: str) -> str:
        """Perform the test and note how it ended; returns its identifier."""
        reviews, test = self.library.reviews, self.started.test
        try:
            classifier = load()
            check_weights(classifier, weight_hash)
            digest = self._perform(control, classifier)
        except BaseException as error:
            failed = TestFailed(test=test, error=_reason(error))
            reviews.append(self.review_id, "", failed)
            raise
        reviews.append(self.review_id, "", TestFinished(test=test, digest=digest))
        return test

    def _perform(self, control: JobControl, classifier: Classifier) -> str:
        """Predict both cohorts and keep the result; returns the SHA-256 of its file."""
        began, plan = time.monotonic(), self.started.plan
        control.progress(0, 0, "reading images")
        a, b = _cohorts(self.images, self.labels, classifier.preprocessing, plan.edits)
        skipped = (a.skipped, b.skipped)
        a, b, notes = _paired(plan, a, b)
        if self.images.recipe == FILES:
            notes.append(f"preprocessing of the images: {classifier.preprocessing.text}")
        progress = _progress(control, len(a) + len(b))
        predictions = (
            predict(classifier, a, plan, lambda done, _: progress(done)),
            predict(classifier, b, plan, lambda done, _: progress(len(a) + done)),
        )
        if plan.edits:
            notes += edit_notes(classifier, plan, a, predictions[0])
        result = self._result(classifier, predictions, skipped, notes, time.monotonic() - began)
        folder = f"tests/{self.started.test}"
        for side, cohort in (("a", a), ("b", b)):
            for place, pixels in enumerate(cohort.pixels):
                content = encode_jpeg(np.ascontiguousarray(pixels), THUMBNAIL_QUALITY)
                self._keep(f"{folder}/{side}/{place:04d}.jpg", content)
        return self._keep(f"{folder}/{RESULT_FILE}", result.to_json().encode())

    def _keep(self, name: str, content: bytes) -> str:
        return self.library.reviews.write_file(self.review_id, name, content)

    def _result(self, classifier: Classifier, predictions, skipped, notes, seconds) -> TestResult:
        plan = self.started.plan
        classes = (plan.target, *plan.rivals)
        return TestResult(
            plan=plan,
            class_names=tuple(classifier.class_names[index] for index in classes),
            a=predictions[0],
            b=predictions[1],
            labels=self.labels,
            sources=(self.started.source_a, self.started.source_b),
            model_title=classifier.title,
            weight_hash=classifier.weight_hash,
            versions={**library_versions(), "scipy": scipy.__version__},
            seconds=seconds,
            created=now(),
            skipped_a=skipped[0],
            skipped_b=skipped[1],
            notes=tuple(notes[:MAX_NOTES]),
            recipe=self.images.recipe,
        )


def _paired(plan: TestPlan, a: Cohort, b: Cohort) -> tuple[Cohort, Cohort, list[str]]:
    """The cohorts in the order of their pairs where the plan wants pairs, and what to mind."""
    notes = [f"duplicate: {one.text}"[:20_000] for one in duplicates(a, b)]
    notes += [*a.notes, *b.notes]
    if not plan.paired:
        return a, b, notes
    pairing = pair_up(a, b)
    if pairing.unpaired_a or pairing.unpaired_b:
        notes.append(pairing.text)
    return pairing.a, pairing.b, notes


def _reason(error: BaseException) -> str:
    text = str(error)
    if not isinstance(error, ProtocoreError):
        text = f"something unexpected went wrong ({type(error).__name__}: {text})"
    # An event takes neither NUL nor lone surrogates: the test would never be said to have ended.
    return text[:2000].replace("\0", "?").encode(errors="replace").decode()


def _cohorts(
    images: CohortImages, labels: tuple[str, str], size: Preprocessing, edits: Sequence[Edit]
) -> tuple[Cohort, Cohort]:
    made = cohorts_from_recipe(images.recipe, size=size.input_size)
    if made is not None and not edits:
        return made
    a = (
        made[0]
        if made is not None
        else _from_files(images.files_a, labels[0], size, images.source_a)
    )
    if edits:
        return edited_pair(a, edits)
    return a, _from_files(images.files_b, labels[1], size, images.source_b)


def _from_files(
    files: tuple[ImageFile, ...], label: str, size: Preprocessing, source: str
) -> Cohort:
    return cohort_from_images(files, label=label, size=size, source=source)


def _progress(control: JobControl, total: int) -> Callable[[int], None]:
    def progress(done: int) -> None:
        control.wait_if_paused()
        if control.stopping:
            raise ReviewError("the test was stopped before its end: start it again")
        control.progress(done, total, "asking the model")

    return progress


def stop_test(engine: JobEngine, library: Library, job_id: str, author: str) -> None:
    """Stop a test. One that was still waiting has no work that could note it: done here."""
    with suppress(JobError):  # it may have ended meanwhile
        engine.stop(job_id)
        view = engine.view(job_id)
        session = library.reviews.session(view.meta["review"])
        test = session.test(view.meta["test"])
        if view.status == "stopped" and test.status == "running":
            error = "the test was stopped before it began: start it again"
            library.reviews.append(session.id, author, TestFailed(test=test.id, error=error))


def end_orphan(engine: JobEngine, library: Library, review_id: str, author: str) -> int:
    """Note tests that no living process performs any more; returns how many."""
    session = library.reviews.session(review_id)
    alive = {view.meta.get("test") for view in engine.views() if view.active}
    running = [test for test in session.tests if test.status == "running" and test.id not in alive]
    lost = [test for test in running if not _is_performed(library, test.id)]
    for test in lost:
        failed = TestFailed(test=test.id, error="interrupted: the app was closed meanwhile")
        library.reviews.append(review_id, author, failed)
    return len(lost)


def _is_performed(library: Library, test_id: str) -> bool:
    """Whether another process, which lives, works on the test."""
    row = library.jobs.get(test_id)
    elsewhere = row is not None and row.owner != library.jobs.owner
    return elsewhere and library.jobs.is_alive(row)


def plan_text(plan: TestPlan, classifier: Classifier) -> str:
    """What a plan predicts, such as "logit of 0 · academic gown: A > B by more than 0.1"."""
    index = plan.rivals[0] if plan.measure.startswith("rival") else plan.target
    measure = plan.measure.removeprefix("rival ")
    pairs = ", pair by pair" if plan.paired else ""
    return (
        f"{measure} of {classifier.label(index)}: {plan.direction.upper()} by more than "
        f"{plan.smallest_effect:g}{pairs}"
    )
