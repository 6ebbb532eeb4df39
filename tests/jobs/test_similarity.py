import io
import threading

import numpy as np
import pytest
from PIL import Image

from protocore.errors import LibraryError
from protocore.generation.api import generate_prototypes
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs import similarity as similarity_job
from protocore.jobs.engine import JobEngine
from protocore.jobs.similarity import (
    SimilarityRequest,
    group_prototypes,
    submit_download,
    submit_similarity,
)
from protocore.library.library import Library, SavedRun
from protocore.similarity.image_sets import ImageFile, ImageSet
from protocore.similarity.matching import FolderMatch
from protocore.similarity.store import load_statistics
from tests.networks import tiny_classifier

PATIENCE = 30  # seconds


class Pool:
    """Knows one classifier under every name."""

    def __init__(self, classifier) -> None:
        self.classifier = classifier

    def get(self, spec):
        return self.classifier


@pytest.fixture
def engine():
    engine = JobEngine()
    yield engine
    engine.close()


@pytest.fixture
def library(tmp_path):
    library = Library(tmp_path / "library")
    yield library
    library.close()


@pytest.fixture
def prototypes(library, classifier):
    """Of classes 0, 0 and 1."""
    targets = (Target.of(0), Target.of(0, seed=1), Target.of(1))
    made = generate_prototypes(classifier, targets, GenerationSettings(steps=1, baseline_steps=0))
    run = library.save_run(SavedRun(title="x", prototypes=made, model_link="demo"))
    return library.run(run).prototypes


def noise_png(seed: int) -> bytes:
    """A file with a picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


@pytest.fixture
def images():
    """Six pictures of noise of class 0 and of class 1."""

    def files(first: int) -> tuple[ImageFile, ...]:
        return tuple(
            ImageFile(name=str(first + i), read=lambda value=first + i: noise_png(value))
            for i in range(6)
        )

    return {
        "images": ImageSet(source="test", groups={"a": files(0), "b": files(100)}),
        "matches": (
            FolderMatch(folder="a", class_index=0, how="given"),
            FolderMatch(folder="b", class_index=1, how="given"),
        ),
    }


def test_measures_every_class_and_notes_the_badges(engine, library, prototypes, classifier, images):
    request = SimilarityRequest(prototype_ids=prototypes, count=5, **images)
    job = submit_similarity(engine, library, Pool(classifier), request)
    view = engine.wait(job, PATIENCE)
    assert view.status == "done", view.error
    first, second = view.result
    assert first.prototype_ids == prototypes[:2]
    assert first.evaluation.labels == tuple(library.prototype(i).title for i in prototypes[:2])
    assert len(first.same) == len(second.different) == 5
    assert first.evaluation.similarity.reference.means.numel() == 0
    badge = library.prototype(prototypes[2]).naturalness
    spearman = second.evaluation.similarity.scores[0, 0]
    assert badge["similarity"] == pytest.approx(float(np.nanmean(spearman)))
    kept = list((library.folder / "cache" / "similarity").iterdir())
    assert len(kept) == 2
    assert load_statistics(kept[0]).means.numel() > 0
    assert (view.done, view.total) == (view.done, 2000)


def test_stopped_between_classes_keeps_the_first(
    engine, library, prototypes, classifier, images, monkeypatch
):
    measured, go_on = threading.Event(), threading.Event()
    original = similarity_job.cached_statistics

    def slowly(*args, **options):
        if measured.is_set():
            go_on.wait(PATIENCE)
        measured.set()
        return original(*args, **options)

    monkeypatch.setattr(similarity_job, "cached_statistics", slowly)
    request = SimilarityRequest(prototype_ids=prototypes, count=5, **images)
    job = submit_similarity(engine, library, Pool(classifier), request)
    view = engine.view(job)
    while not view.snapshot and view.active:
        view = engine.wait_for_change(job, view.version, PATIENCE)
    engine.stop(job)
    go_on.set()
    view = engine.wait(job, PATIENCE)
    assert view.status == "stopped"
    assert [part.prototype_ids for part in view.result] == [prototypes[:2]]
    assert library.prototype(prototypes[2]).naturalness is None


def test_other_weights_are_refused(engine, library, prototypes, images):
    other = tiny_classifier(seed=5)
    request = SimilarityRequest(prototype_ids=prototypes, count=5, **images)
    job = submit_similarity(engine, library, Pool(other), request)
    view = engine.wait(job, PATIENCE)
    title = library.prototype(prototypes[0]).title
    assert view.error == (
        f"the weights of {other.title} have changed since {title!r} was made; make the prototype "
        "again"
    )


def test_prototypes_need_a_model_and_to_exist(library, classifier):
    with pytest.raises(LibraryError) as error:
        group_prototypes([])
    assert str(error.value) == "choose at least one prototype to measure, got none"
    settings = GenerationSettings(steps=1, baseline_steps=0)
    made = generate_prototypes(classifier, [Target.of(0)], settings)
    run = library.save_run(SavedRun(title="x", prototypes=made))
    info = library.prototype(library.run(run).prototypes[0])
    with pytest.raises(LibraryError, match="does not say with which model it was made"):
        group_prototypes([info])


def test_a_download_can_be_stopped(engine, tmp_path, monkeypatch):
    started = threading.Event()

    def forever(root, *, size, progress):
        while True:
            progress(1, 2)
            started.set()

    monkeypatch.setattr(similarity_job, "download_imagenette", forever)
    job = submit_download(engine, tmp_path, "160px")
    assert started.wait(PATIENCE)
    engine.stop(job)
    assert engine.wait(job, PATIENCE).status == "stopped"
