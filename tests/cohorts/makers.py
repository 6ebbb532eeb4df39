"""Small review sessions for tests: one round of three prototypes, a distractor and a baseline."""

from protocore.cohorts.plan import TestPlan
from protocore.compare.edits import Box, Stroke
from protocore.review import events as ev
from protocore.review.occlusion import OcclusionEffect
from protocore.review.rules import check
from protocore.review.session import ReviewSession, advance

ROUND, OTHER_ROUND = "aaaa0001", "aaaa0002"
CLAIM, OTHER_CLAIM = "cccc0001", "cccc0002"
TEST, OTHER_TEST = "eeee0001", "eeee0002"
TARGETS = ("bbbb0001", "bbbb0002", "bbbb0003")
DISTRACTOR, BASELINE = "bbbb0004", "bbbb0005"
DIGEST = "0123456789abcdef" * 4
PLAN = TestPlan(target=1, rivals=(2,), measure="accuracy", direction="a < b")
BOX = Box(left=0.1, top=0.2, right=0.5, bottom=0.75)
STROKE = Stroke(points=((0.25, 0.5), (1.0, 0.0)), radius=0.05)
EFFECT = OcclusionEffect(drop=2.0, control_drops=(0.5,) * 10, share=0.1)  # of a region that matters


def started(**changes) -> ev.Started:
    values = {
        "title": "Golf balls",
        "model_link": "module:tiny",
        "model_title": "tiny · TEST",
        "weight_hash": "ab" * 32,
        "classes": (1, 2),
    }
    return ev.Started(**values | changes)


def item(identifier: str, role: str = "target", **changes) -> ev.RoundItem:
    values = {
        "id": identifier,
        "prototype_id": identifier[::-1],
        "role": role,
        "class_index": 1 if role != "distractor" else 2,
        "class_label": "1 · golf ball" if role != "distractor" else "2 · French horn",
        "seed": 0,
        "digest": DIGEST,
    }
    return ev.RoundItem(**values | changes)


def round_opened(identifier: str = ROUND, **changes) -> ev.RoundOpened:
    targets = tuple(item(name, seed=seed) for seed, name in enumerate(TARGETS))
    values = {
        "round": identifier,
        "class_index": 1,
        "class_label": "1 · golf ball",
        "items": (*targets, item(DISTRACTOR, "distractor"), item(BASELINE, "baseline")),
        "seed": 7,
    }
    return ev.RoundOpened(**values | changes)


def observed(picture: str = TARGETS[0], *tags: str, text: str = "", **changes) -> ev.Observed:
    return ev.Observed(**{"round": ROUND, "item": picture, "tags": tags, "text": text} | changes)


def occluded(picture: str = TARGETS[0], effect: OcclusionEffect = EFFECT, **changes) -> ev.Occluded:
    values = {
        "round": ROUND,
        "item": picture,
        "observer": "Ada",
        "class_index": 1,
        "drop": effect.drop,
        "control_drops": effect.control_drops,
        "share": effect.share,
    }
    return ev.Occluded(**values | changes)


def link(picture: str = TARGETS[0], observer: str = "Ada", of: str = ROUND) -> ev.ObservationLink:
    return ev.ObservationLink(round=of, item=picture, observer=observer)


def claimed(base: int = 0, **changes) -> ev.Claimed:
    values = {
        "claim": CLAIM,
        "base": base,
        "statement": "Golf balls need a flag",
        "plan": PLAN,
        "cohort_a": "without a flag",
        "cohort_b": "with a flag",
    }
    return ev.Claimed(**values | changes)


def test_started(test: str = TEST, **changes) -> ev.TestStarted:
    values = {"claim": CLAIM, "plan": PLAN, "source_a": "folder a", "source_b": "folder b"}
    return ev.TestStarted(**{"test": test} | values | changes)


test_started.__test__ = False  # for pytest


def finished(test: str = TEST) -> ev.TestFinished:
    return ev.TestFinished(test=test, digest=DIGEST)


def failed(test: str = TEST) -> ev.TestFailed:
    return ev.TestFailed(test=test, error="the folder is empty")


def event(seq: int, author: str, action: ev.Action) -> ev.Event:
    """An event whose second is its number."""
    time = f"2026-01-01T10:{seq // 60:02d}:{seq % 60:02d}.000000+00:00"
    return ev.Event(seq=seq, time=time, author=author, action=action)


def session(*done: tuple[str, ev.Action]) -> ReviewSession:
    """Opened by Ada, with a round, and then what was done by whom, each allowed by the rules."""
    opened = advance("0123abcd", None, event(1, "Ada", started()))
    return then(opened, ("Ada", round_opened()), *done)


def then(state: ReviewSession, *done: tuple[str, ev.Action]) -> ReviewSession:
    """The session after some more."""
    for author, action in done:
        check(state, author, action)
        state = advance(state.id, state, event(state.version + 1, author, action))
    return state


EVERY_KIND = {
    "started": started(guide="demo"),
    "renamed": ev.Renamed(title="Of balls"),
    "joined": ev.Joined(),
    "round opened": round_opened(),
    "observed": observed(
        TARGETS[0], "flag", "Rasen", text="ein Ball\nauf ⛳", confidence=1, regions=(BOX, STROKE)
    ),
    "revealed": ev.Revealed(round=ROUND),
    "occluded": occluded(drop=-0.25, control_drops=(1, -2.5), share=0.125),
    "claimed": claimed(base=7, why="<b>seen</b>", links=(link(), link(DISTRACTOR)), known="flag"),
    "test started": test_started(),
    "test finished": finished(),
    "test failed": failed(),
    "decided": ev.Decided(claim=CLAIM, decision="not supported", note="too few"),
    "noted": ev.Noted(text="\u2028 a line separator, an é and an 🙂"),
}
