"""Small sessions and test results for tests of whatever reads them."""

import hashlib

import numpy as np
from scipy.special import expit

from protocore.cohorts.plan import Prediction, TestPlan
from protocore.cohorts.result import TestResult
from protocore.review import events as ev
from protocore.review.rules import check, replay
from protocore.review.session import advance

PLAN = TestPlan(target=1, rivals=(2,), measure="logit", direction="a > b")
WEIGHTS = "ab" * 32
CLAIM, TEST, ROUND = "c1a1c1a1", "7e577e57", "0a0a0a0a"


def prediction(name, logit, *, predicted=1, key=None):
    """The prediction on an image; the rival's logit is 0."""
    share = float(expit(logit))
    return Prediction(
        name=name,
        hash=hashlib.sha256(name.encode()).hexdigest(),
        predicted=predicted,
        predicted_name={1: "golf ball", 2: "French horn"}[predicted],
        correct=predicted == 1,
        logits=(float(logit), 0.0),
        probabilities=(share, 1 - share),
        pair_key=key,
    )


def side(name, mean, count=12):
    """Predictions whose logits lie evenly around `mean`."""
    logits = mean + np.linspace(-1, 1, count)
    return tuple(
        prediction(f"{name} {i}.png", x, predicted=1 if x > 0 else 2) for i, x in enumerate(logits)
    )


def result(**changes):
    """Cohort A at logit 3, cohort B at 0: a clear difference."""
    values = {
        "plan": PLAN,
        "class_names": ("golf ball", "French horn"),
        "a": side("a", 3.0),
        "b": side("b", 0.0),
        "labels": ("on grass", "on sand"),
        "sources": ("folder grass", "folder sand"),
        "model_title": "tiny · TEST",
        "weight_hash": WEIGHTS,
        "versions": {"python": "3.11", "torch": "2.9"},
        "seconds": 1.5,
        "created": "2026-01-02T03:04:05+00:00",
    }
    return TestResult(**(values | changes))


def started(**changes):
    """The event that opens a session."""
    values = {
        "title": "golf balls",
        "model_link": "demo",
        "model_title": "tiny · TEST",
        "weight_hash": WEIGHTS,
        "classes": (1,),
    }
    return ev.Started(**(values | changes))


def claimed(claim=CLAIM, **changes):
    """A claim that rests on nothing."""
    values = {
        "claim": claim,
        "base": 0,
        "statement": "Golf balls lie on grass.",
        "plan": PLAN,
        "cohort_a": "on grass",
        "cohort_b": "on sand",
    }
    return ev.Claimed(**(values | changes))


def a_test(claim=CLAIM, test=TEST, plan=PLAN, digest="cd" * 32):
    """The events of a test that came to its end."""
    return (
        ev.TestStarted(test=test, claim=claim, plan=plan, source_a="grass", source_b="sand"),
        ev.TestFinished(test=test, digest=digest),
    )


def session_of(*actions, author="Ada", identifier="0123456789abcdef"):
    """The session of these actions, each checked; `(author, action)` is by somebody else."""
    log = []
    for place, action in enumerate(actions, start=1):
        who, what = action if isinstance(action, tuple) else (author, action)
        time = f"2026-01-02T03:{place // 60:02d}:{place % 60:02d}+00:00"
        log.append(ev.Event(seq=place, time=time, author=who, action=what))
    return replay(identifier, log)


def and_then(session, author, action):
    """The session after one more event."""
    check(session, author, action)
    time = f"2026-01-03T00:00:{session.version % 60:02d}+00:00"
    event = ev.Event(seq=session.version + 1, time=time, author=author, action=action)
    return advance(session.id, session, event)


# --- blind rounds ---


def item(number, role="target", class_index=1, seed=0):
    """One picture of a round; `number` is its digit."""
    return ev.RoundItem(
        id=str(number) * 8,
        prototype_id=f"{number}f" * 8,
        role=role,
        class_index=class_index,
        class_label=f"{class_index} · golf ball",
        seed=seed,
        digest="ef" * 32,
    )


def round_opened(*items):
    """The event of a round of these pictures, by default three of the class."""
    items = items or tuple(item(number, seed=number) for number in (1, 2, 3))
    return ev.RoundOpened(
        round=ROUND, class_index=1, class_label="1 · golf ball", items=items, seed=7
    )


def observed(number, *tags, text="", regions=()):
    """What somebody says of a picture."""
    return ev.Observed(
        round=ROUND, item=str(number) * 8, tags=tags, text=text, regions=regions, confidence=0.8
    )
