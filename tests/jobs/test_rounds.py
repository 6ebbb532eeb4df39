"""Blind rounds as background jobs: what is made, what is taken, what is kept, what is refused."""

import hashlib
import threading

import numpy as np
import pytest

from protocore.errors import LibraryError, ReviewError
from protocore.generation import presets
from protocore.jobs import rounds as review_rounds
from protocore.jobs.engine import JobEngine
from protocore.jobs.rounds import RoundRequest, load_picture, submit_round
from protocore.review.events import Started
from protocore.review.material import picture_name
from tests.networks import tiny_classifier, tripwire_classifier
from tests.presets import shorten

PATIENCE = 30  # seconds
BALL, HORN = 1, 2
REQUEST = RoundRequest(class_index=BALL, seeds=(0, 1), distractor=HORN, distractor_seeds=(4,))


class Pool:
    """Knows one classifier under every name."""

    def __init__(self, classifier):
        self.classifier = classifier

    def get(self, spec):
        return self.classifier


class Table:
    """Everything that a round needs, with a session of Ada's."""

    def __init__(self, library, classifier):
        self.engine, self.library = JobEngine(), library
        self.pool = Pool(classifier)
        self.review = self.begin(classifier)

    def begin(self, classifier):
        started = Started(
            title="Balls", model_link="demo", model_title=classifier.title,
            weight_hash=classifier.weight_hash, classes=(BALL,),
        )  # fmt: skip
        return self.library.reviews.create("Ada", started)

    def submit(self, request=REQUEST, author="Ben"):
        return submit_round(self.engine, self.library, self.pool, self.review, author, request)

    def finish(self, request=REQUEST, author="Ben"):
        return self.engine.wait(self.submit(request, author), PATIENCE)

    def made(self, request=REQUEST):
        """The round that a job has opened."""
        view = self.finish(request)
        assert view.status == "done", view.error
        return self.session.round(view.result)

    @property
    def session(self):
        return self.library.reviews.session(self.review)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    shorten(monkeypatch)


@pytest.fixture
def table(library, classifier):
    table = Table(library, classifier)
    yield table
    table.engine.close()


def what(of):
    return [(item.role, item.class_label, item.seed) for item in of.items]


def test_a_round_holds_seeds_distractor_and_baseline_by_its_author(table):
    of = table.made()
    assert what(of) == [
        ("target", "1 · golf ball", 0),
        ("target", "1 · golf ball", 1),
        ("distractor", "2 · French horn", 4),
        ("baseline", "1 · golf ball", 0),
    ]
    assert (of.opened_by, of.class_index, of.class_label) == ("Ben", 1, "1 · golf ball")
    assert table.session.log[-1].author == "Ben"
    assert of.revealed == {} and of.observations() == ()
    last = load_picture(table.library, table.review, of.items[-1]).record
    assert last.history[-1].settings.parametrisation == "fourier"


def test_copies_in_the_session_have_the_recorded_digest_and_outlive_the_library(table):
    of = table.made()
    for item in of.items:
        content = table.library.reviews.read_file(table.review, picture_name(item.prototype_id))
        assert hashlib.sha256(content).hexdigest() == item.digest
    item = of.items[0]
    info = table.library.prototype(item.prototype_id)
    pixels = table.library.load_prototype(item.prototype_id).image
    info.picture.unlink()
    kept = load_picture(table.library, table.review, item)
    np.testing.assert_array_equal(kept.image, pixels)
    assert (kept.record.class_index, kept.record.target.seed) == (1, 0)


def test_a_changed_copy_is_not_shown(table):
    item = table.made().items[0]
    path = table.library.reviews.file(table.review, picture_name(item.prototype_id))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(LibraryError, match="is not what the session has recorded"):
        load_picture(table.library, table.review, item)


def test_only_what_is_missing_is_made(table, monkeypatch):
    first = table.made(RoundRequest(class_index=BALL, seeds=(0,), baseline=False))
    asked = []
    original = review_rounds.generate_prototypes

    def noted(classifier, targets, settings, **options):
        asked.append([(target.class_index, target.seed) for target in targets])
        return original(classifier, targets, settings, **options)

    monkeypatch.setattr(review_rounds, "generate_prototypes", noted)
    second = table.made()
    assert asked == [[(1, 1)], [(2, 4)], [(1, 0)]]  # seed 0 was there; the baseline is another
    assert second.items[0].prototype_id == first.items[0].prototype_id
    assert len(table.library.prototypes()) == 4
    assert table.made().items[0].digest == first.items[0].digest
    assert len(asked) == 3
    orders = {one.seed for one in table.session.rounds}
    assert len(orders) == 3, "each round has an order of its own"


def test_what_is_made_says_how(table):
    said = {}
    for item in table.made().items:
        info = table.library.prototype(item.prototype_id)
        said[item.role] = (table.library.run(info.run_id).title, info.model_link, info.preset)
    assert said == {
        "target": ("golf ball · tiny", "demo", "natural"),
        "distractor": ("French horn · tiny", "demo", "natural"),
        "baseline": ("golf ball · tiny", "demo", "fourier"),
    }
    again = table.made(RoundRequest(class_index=BALL, seeds=(0,), baseline=False, preset="mild"))
    record = load_picture(table.library, table.review, again.items[0]).record
    assert record.history[-1].settings == presets.find_preset("mild").settings


def test_kept_prototypes_are_looked_at_as_they_are(table, monkeypatch):
    of = table.made()
    monkeypatch.setattr(review_rounds, "generate_prototypes", None)
    kept = tuple(item.prototype_id for item in (of.items[2], of.items[1]))
    again = table.made(RoundRequest(class_index=BALL, kept=(*kept, kept[0]), baseline=False))
    assert what(again) == [
        ("distractor", "2 · French horn", 4),
        ("target", "1 · golf ball", 1),
    ]


def test_kept_prototypes_of_other_weights_are_refused(table):
    kept = table.made().items[0].prototype_id
    table.pool.classifier = tiny_classifier(seed=5)
    table.review = table.begin(table.pool.classifier)
    view = table.finish(RoundRequest(class_index=BALL, kept=(kept,), baseline=False))
    assert view.error == (
        f"{table.library.prototype(kept).title!r} was made with other weights than those of this "
        "session: leave it out, or start a session about its model"
    )
    assert table.session.rounds == ()


def test_weights_that_have_changed_are_refused_with_both_hashes(table):
    before = table.pool.classifier.weight_hash
    table.pool.classifier = other = tiny_classifier(seed=5)
    view = table.finish()
    assert (view.status, view.error) == (
        "failed",
        f"{other.title} has other weights now than when this session was started "
        f"({other.weight_hash[:12]} instead of {before[:12]}): put the old file back, or start a "
        "new session",
    )
    assert table.session.rounds == () and table.library.prototypes() == ()


@pytest.fixture
def wired(library):
    """A table whose classifier waits in its first step until it is let go."""
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


def test_stopped_before_the_end_there_is_no_round(wired):
    job = wired.submit()
    assert wired.reached.wait(PATIENCE)
    wired.engine.stop(job)
    wired.go_on.set()
    view = wired.engine.wait(job, PATIENCE)
    assert (view.status, view.result) == ("stopped", None)
    assert wired.session.rounds == () and wired.session.version == 1
    assert len(wired.made().items) == 4, "it can be started again"


def test_stopped_while_nothing_is_left_to_make_there_is_no_round(table, monkeypatch):
    table.made()
    asked, go_on = threading.Event(), threading.Event()

    class Slow(Pool):
        def get(self, spec):
            asked.set()
            assert go_on.wait(PATIENCE)
            return super().get(spec)

    table.pool = Slow(table.pool.classifier)
    job = table.submit()
    assert asked.wait(PATIENCE)
    table.engine.stop(job)
    go_on.set()
    assert table.engine.wait(job, PATIENCE).result is None
    assert len(table.session.rounds) == 1


def test_progress_says_what_is_made_but_not_of_which_class(wired):
    job = wired.submit()
    wired.go_on.set()
    view, texts = wired.engine.view(job), set()
    while view.active:
        texts.add(view.text)
        view = wired.engine.wait_for_change(job, view.version, PATIENCE)
    roles = ("target", "distractor", "baseline")
    assert texts - {""} <= {f"making pictures ({role})" for role in roles}
    assert texts - {""}


def test_two_rounds_of_one_session_side_by_side(table):
    jobs = [
        table.submit(RoundRequest(class_index=index, seeds=(0,), baseline=False), author)
        for index, author in ((BALL, "Ada"), (HORN, "Ben"))
    ]
    views = [table.engine.wait(job, PATIENCE) for job in jobs]
    rounds = [table.session.round(view.result) for view in views]
    assert [(of.opened_by, of.class_index) for of in rounds] == [("Ada", 1), ("Ben", 2)]
    assert len(table.session.rounds) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": ()}, "a round needs different seeds, at least one, got ()"),
        ({"seeds": (3, 3)}, "a round needs different seeds, at least one, got (3, 3)"),
        ({"distractor": 1}, "the distractor must be another class than the one looked at"),
    ],
)
def test_what_cannot_be_a_round_is_said_at_once(values, message):
    with pytest.raises(ReviewError) as error:
        RoundRequest(**{"class_index": 1} | values)
    assert str(error.value) == message


def test_a_session_that_is_gone_and_a_prototype_that_is_gone(table):
    with pytest.raises(ReviewError, match="the library has no review session 'feedfeedfeed'"):
        table.review, kept = "feedfeedfeed", table.review
        table.submit()
    table.review = kept
    view = table.finish(RoundRequest(class_index=BALL, kept=("0123456789abcdef",), baseline=False))
    assert view.status == "failed" and "0123456789abcdef" in view.error
    assert table.session.rounds == ()


def test_the_device_that_was_chosen_is_used_and_not_the_machines_own(table, monkeypatch):
    monkeypatch.setattr("protocore.models.spec.default_device", lambda: "cuda:0")
    asked = []
    monkeypatch.setattr(table.pool, "get", lambda spec: asked.append(spec) or table.pool.classifier)
    job = submit_round(
        table.engine, table.library, table.pool, table.review, "Ben", REQUEST, device="cpu"
    )
    assert table.engine.view(job).device == "cpu"
    assert table.engine.wait(job, PATIENCE).status == "done"
    assert {spec.device for spec in asked} == {"cpu"}
