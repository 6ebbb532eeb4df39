"""Events come back from JSON as they were; what is no event is refused, whatever it is."""

import json
import math

import pytest

from protocore.compare.edits import shape_to_dict
from protocore.errors import ReviewError
from protocore.review import events as ev
from protocore.schema import dump
from tests.cohorts import makers
from tests.cohorts.makers import BOX, DIGEST, EVERY_KIND, ROUND, TARGETS


def plain(action):
    """The content of an action as a file holds it."""
    return json.loads(json.dumps(dump(action), allow_nan=False))


def changed(kind, **changes):
    """The content of an event of this kind, with other values."""
    return plain(EVERY_KIND[kind]) | changes


def refusal(kind, content):
    with pytest.raises(ReviewError) as caught:
        ev.action_from_dict(kind, content)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


# --- there and back ---


def test_there_is_an_example_of_every_kind():
    assert set(EVERY_KIND) == set(ev.KINDS)
    assert {type(action) for action in EVERY_KIND.values()} == set(ev.KIND_OF)


@pytest.mark.parametrize("kind", ev.KINDS)
def test_every_kind_comes_back_from_json(kind):
    event = makers.event(3, "Ada", EVERY_KIND[kind])
    text = json.dumps(event.to_dict(), allow_nan=False)
    again = ev.Event.from_dict(json.loads(text))
    assert again == event
    assert again.to_dict() == event.to_dict()
    assert json.loads(text)["kind"] == kind


def test_what_a_file_holds():
    content = json.loads(json.dumps(makers.event(5, "Ada", EVERY_KIND["observed"]).to_dict()))
    assert content == {
        "seq": 5,
        "time": "2026-01-01T10:00:05.000000+00:00",
        "author": "Ada",
        "kind": "observed",
        "data": {
            "round": "aaaa0001",
            "item": "bbbb0001",
            "text": "ein Ball\nauf ⛳",
            "tags": ["flag", "Rasen"],
            "confidence": 1,
            "regions": [
                {"kind": "box", "left": 0.1, "top": 0.2, "right": 0.5, "bottom": 0.75},
                {"kind": "brush", "points": [[0.25, 0.5], [1.0, 0.0]], "radius": 0.05},
            ],
        },
    }


def test_what_may_be_left_out():
    bare = ev.action_from_dict("observed", {"round": ROUND, "item": TARGETS[0]})
    assert bare == ev.Observed(round=ROUND, item=TARGETS[0])
    assert bare.empty and bare.confidence == 0.5
    assert ev.action_from_dict("joined", {}) == ev.Joined()


@pytest.mark.parametrize(
    ("changes", "empty"),
    [({"text": " \n "}, True), ({"text": "x"}, False), ({"regions": (BOX,)}, False)],
)
def test_an_observation_is_empty_without_words_tags_and_regions(changes, empty):
    assert makers.observed(**changes).empty is empty
    assert not makers.observed(TARGETS[0], "tag").empty


# --- what is no event ---


@pytest.mark.parametrize(
    "content",
    [
        *(None, 5, "event", [], {}, {"seq": 1}, [1, 2], nested(900)),
        makers.event(1, "Ada", ev.Joined()).to_dict() | {"colour": "red"},
    ],
)
def test_what_is_no_event_is_refused(content):
    with pytest.raises(ReviewError) as caught:
        ev.Event.from_dict(content)
    assert str(caught.value).startswith("this is not an event of a review session: ")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        *(({"seq": wrong}, "seq") for wrong in (-1, True, 1.0, 2**63)),
        *(
            ({"time": wrong}, "time")
            for wrong in (
                *(5, None, "2026-01-01T10:00:00", "2026-01-01T10:00:00+02:00"),
                *("2026-13-41T10:00:00Z", "٢٠٢٦-01-01T10:00:00Z"),
            )
        ),
        *(({"author": wrong}, "author") for wrong in (None, "A" * 61, "A\ud800")),
        *(({"kind": wrong}, "unknown kind") for wrong in ("hacked", ["joined"])),
        *(({"data": wrong}, "'joined'") for wrong in (None, [["a", 1]], {"x": 1}, {1: 2, "a": 3})),
        ({"data": {"__class__": "os"}}, "__class__"),
    ],
)
def test_an_event_with_a_wrong_value_is_refused(changes, facts):
    content = makers.event(1, "Ada", ev.Joined()).to_dict() | changes
    with pytest.raises(ReviewError, match=facts):
        ev.Event.from_dict(content)


def test_an_unknown_kind_of_any_length_gives_a_short_message():
    assert len(refusal("k" * 1_000_000, {})) < 300
    assert len(refusal("joined", {"k" * 1_000_000: 1})) < 300


LINK = plain(EVERY_KIND["claimed"])["links"][0]
WRONG = [  # kind, field, values that it cannot have, what the message says beside the field
    ("started", "title", [" ", "x" * 201, 5], ""),
    ("started", "title", [" ", "x" * 201], "1 to 200"),
    ("started", "classes", [5, [1.5], [True], [1] * 1001], ""),
    ("renamed", "title", [None, "a\0b"], ""),
    ("round opened", "items", [[], {}], ""),
    ("round opened", "seed", [-1, 1.5, 2**63], ""),
    ("round opened", "round", ["../up"], "[0-9a-f]{8,32}"),
    ("observed", "round", ["a" * 33], ""),
    ("observed", "item", ["BBBB0001", "bbbb0001\n"], ""),
    ("observed", "text", [["a"], "x" * 20_001], ""),
    ("observed", "tags", ["flag", ["t"] * 31, ["t"] * 10**5, ["ok", ""], [["t"]]], ""),
    ("observed", "confidence", [True, 1.01, "1"], ""),
    ("observed", "regions", [{}, "", [{}] * 51], ""),
    ("revealed", "round", [None], ""),
    ("occluded", "drop", [1e10], "1000000000"),
    ("occluded", "share", [-0.1], "0"),
    ("occluded", "control_drops", ["", [0] * 1001, [False]], ""),
    ("occluded", "observer", [""], "1 to 60"),
    ("claimed", "base", [-1, True], ""),
    ("claimed", "statement", [""], "1 to 1000"),
    ("claimed", "cohort_b", ["b" * 301], "1 to 300"),
    ("claimed", "links", [{}, [LINK] * 501], ""),
    ("test finished", "digest", ["AB" * 32], ""),
    ("test failed", "error", [""], "1 to 20000"),
    ("decided", "decision", ["true"], "supported, not supported, undecided"),
    ("decided", "decision", [["supported"]], ""),
    ("noted", "text", ["\t"], "1 to 20000"),
]


@pytest.mark.parametrize(("kind", "field", "values", "rule"), WRONG)
def test_a_wrong_value_is_refused(kind, field, values, rule):
    for value in values:
        found = refusal(kind, changed(kind, **{field: value}))
        assert field in found and kind in found and rule in found, found


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_of_json_is_refused(value):
    assert "not JSON" in refusal("occluded", changed("occluded", drop=value))
    with pytest.raises(ReviewError, match="drop"):
        makers.occluded(drop=value)


@pytest.mark.parametrize(
    "content",
    [
        {"confidence": 10**400},
        {"text": nested(900)},
        {"tags": nested(900)},
        {"round": nested(900)},
        {"regions": [nested(900)]},
        {"regions": ["box"]},
        {"regions": [5]},
        {"regions": [{}]},
        {"regions": [{"kind": "box"}]},
        {"regions": [{"kind": ["box"]}]},
        {"regions": [{"kind": "box", "left": 10**400, "top": 0, "right": 1, "bottom": 1}]},
        {"regions": [shape_to_dict(BOX)] * 51},
        {"unknown": 1},
    ],
)
def test_garbage_in_an_observation_is_refused(content):
    refusal("observed", changed("observed", **content))


@pytest.mark.parametrize(
    "content",
    [
        *({"plan": wrong} for wrong in (None, {}, nested(500), "accuracy")),
        {"plan": dump(makers.PLAN) | {"smallest_effect": 10**400}},
        {"plan": dump(makers.PLAN) | {"alpha": math.nan}},
        *({"links": [wrong]} for wrong in (5, {"round": ROUND}, nested(500))),
        {"links": [{"round": ROUND, "item": ROUND, "observer": "Ada", "x": 1}]},
    ],
)
def test_garbage_in_a_claim_is_refused(content):
    refusal("claimed", changed("claimed", **content))


@pytest.mark.parametrize("kind", [kind for kind in ev.KINDS if kind != "joined"])
def test_every_value_that_is_needed_is_asked_for(kind):
    assert "missing" in refusal(kind, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [("role", "decoy"), ("digest", DIGEST[1:]), ("class_index", "1"), ("seed", 2**63), ("id", "")],
)
def test_a_picture_with_a_wrong_value_is_refused(name, value):
    content = changed("round opened")
    content["items"][1][name] = value
    assert f"items[1].{name}" in refusal("round opened", content)


@pytest.mark.parametrize("name", ["id", "prototype_id"])
def test_a_picture_cannot_be_twice_in_a_round(name):
    content = changed("round opened")
    content["items"][1][name] = content["items"][0][name]
    assert f"differ in their {name}" in refusal("round opened", content)


def test_a_round_holds_sixty_pictures():
    one = plain(EVERY_KIND["round opened"])["items"][0]
    items = [one | {"id": f"{n:08x}", "prototype_id": f"{n:08x}"} for n in range(61)]
    content = changed("round opened", items=items[:60])
    assert len(ev.action_from_dict("round opened", content).items) == 60
    assert "at most 60" in refusal("round opened", content | {"items": items})


def test_events_made_here_are_checked_as_well():
    with pytest.raises(ReviewError, match="author must have 0 to 60"):
        makers.event(1, "A" * 61, ev.Joined())
    with pytest.raises(ReviewError, match="regions must have at most 50"):
        makers.observed(regions=(BOX,) * 51)


@pytest.mark.parametrize(
    ("kind", "former", "rename"),
    [("occluded", "covered", {}), ("decided", "judged", {"decision": "verdict"})],
)
def test_events_of_earlier_versions_are_read(kind, former, rename):
    content = makers.event(1, "Ada", makers.EVERY_KIND[kind]).to_dict()
    data = {rename.get(name, name): value for name, value in content["data"].items()}
    read = ev.Event.from_dict(content | {"kind": former, "data": data})
    assert read.action == makers.EVERY_KIND[kind]
