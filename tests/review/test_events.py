"""Events come back from JSON as they were; what is no event is refused, whatever it is."""

import json
import math

import pytest

from protocore.compare.edits import shape_to_dict
from protocore.errors import ReviewError
from protocore.review import events as ev
from tests.cohorts import makers
from tests.cohorts.makers import BOX, DIGEST, EVERY_KIND, ROUND, TARGETS


def plain(action):
    """The content of an action as a file holds it."""
    return json.loads(json.dumps(ev.action_to_dict(action), allow_nan=False))


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
    ("changes", "message"),
    [
        ({"seq": -1}, "the number must be a whole number >= 0, got -1"),
        ({"seq": True}, "the number must be a whole number >= 0, got True"),
        ({"seq": 1.0}, "the number must be a whole number >= 0, got 1.0"),
        ({"seq": 2**63}, "the number must be a whole number >= 0, got 9223372036854775808"),
        ({"time": 5}, "an event's time must be ISO 8601 in UTC, got 5"),
        ({"time": None}, "an event's time must be ISO 8601 in UTC, got None"),
        (
            {"time": "2026-01-01T10:00:00"},
            "an event's time must be ISO 8601 in UTC, got '2026-01-01T10:00:00'",
        ),
        (
            {"time": "2026-01-01T10:00:00+02:00"},
            "an event's time must be ISO 8601 in UTC, got '2026-01-01T10:00:00+02:00'",
        ),
        (
            {"time": "2026-13-41T10:00:00Z"},
            "an event's time must be ISO 8601 in UTC, got '2026-13-41T10:00:00Z'",
        ),
        (
            {"time": "٢٠٢٦-01-01T10:00:00Z"},
            "an event's time must be ISO 8601 in UTC, got '٢٠٢٦-01-01T10:00:00Z'",
        ),
        ({"author": None}, "the author must have 0 to 60 characters, got None"),
        ({"author": "A" * 61}, "the author must have 0 to 60 characters, got 61 characters"),
        (
            {"author": "A\ud800"},
            "the author holds '\\ud800', which cannot be written: remove it",
        ),
        (
            {"kind": "hacked"},
            "this session has an event of the unknown kind 'hacked'; update Protocore to read it",
        ),
        (
            {"kind": ["joined"]},
            "this session has an event of the unknown kind ['joined']; update Protocore to read it",
        ),
        ({"data": None}, "the content of an event must be an object, got None"),
        ({"data": [["a", 1]]}, "the content of an event must be an object, got [['a', 1]]"),
        ({"data": {"x": 1}}, "an event of kind 'joined' has no 'x'"),
        ({"data": {"__class__": "os"}}, "an event of kind 'joined' has no '__class__'"),
        ({"data": {1: 2, "a": 3}}, "an event of kind 'joined' has no 1"),
    ],
)
def test_an_event_with_a_wrong_value_is_refused(changes, message):
    content = makers.event(1, "Ada", ev.Joined()).to_dict() | changes
    with pytest.raises(ReviewError) as caught:
        ev.Event.from_dict(content)
    assert str(caught.value) == message


def test_an_unknown_kind_of_any_length_gives_a_short_message():
    assert len(refusal("k" * 1_000_000, {})) < 300
    assert len(refusal("joined", {"k" * 1_000_000: 1})) < 300


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("started", {"title": " "}, "the title must have 1 to 200 characters, got 1 characters"),
        (
            "started",
            {"title": "x" * 201},
            "the title must have 1 to 200 characters, got 201 characters",
        ),
        ("started", {"title": 5}, "the title must have 1 to 200 characters, got 5"),
        ("started", {"classes": 5}, "classes must be a list of indices, got 5"),
        ("started", {"classes": [1.5]}, "the class index must be a whole number >= 0, got 1.5"),
        ("started", {"classes": [True]}, "the class index must be a whole number >= 0, got True"),
        ("started", {"classes": [1] * 1001}, "at most 1000 classes can be given, got 1001"),
        ("renamed", {"title": None}, "the title must have 1 to 200 characters, got None"),
        (
            "renamed",
            {"title": "a\0b"},
            "the title holds '\\x00', which cannot be written: remove it",
        ),
        ("round opened", {"items": []}, "a round needs at least one picture, got none"),
        ("round opened", {"items": {}}, "at most 60 pictures can be given, got {}"),
        ("round opened", {"seed": -1}, "the seed must be a whole number >= 0, got -1"),
        ("round opened", {"seed": math.nan}, "the seed must be a whole number >= 0, got nan"),
        ("round opened", {"round": "../up"}, "the round of an event is not valid: '../up'"),
        ("observed", {"round": "a" * 33}, f"the round of an event is not valid: '{'a' * 33}'"),
        ("observed", {"item": "BBBB0001"}, "the item of an event is not valid: 'BBBB0001'"),
        ("observed", {"item": "bbbb0001\n"}, r"the item of an event is not valid: 'bbbb0001\n'"),
        (
            "observed",
            {"text": ["a"]},
            "the observation must have 0 to 20000 characters, got ('a',)",
        ),
        (
            "observed",
            {"text": "x" * 20_001},
            "the observation must have 0 to 20000 characters, got 20001 characters",
        ),
        ("observed", {"tags": "flag"}, "at most 30 tags can be given, got 'flag'"),
        ("observed", {"tags": ["t"] * 31}, "at most 30 tags can be given, got 31"),
        ("observed", {"tags": ["t"] * 10**6}, "at most 30 tags can be given, got 1000000"),
        (
            "observed",
            {"tags": ["ok", ""]},
            "the tag must have 1 to 50 characters, got 0 characters",
        ),
        ("observed", {"tags": [["t"]]}, "the tag must have 1 to 50 characters, got ['t']"),
        ("observed", {"confidence": True}, "the confidence must be a number from 0 to 1, got True"),
        ("observed", {"confidence": 1.01}, "the confidence must be a number from 0 to 1, got 1.01"),
        (
            "observed",
            {"confidence": math.nan},
            "the confidence must be a number from 0 to 1, got nan",
        ),
        ("observed", {"confidence": "1"}, "the confidence must be a number from 0 to 1, got '1'"),
        ("observed", {"regions": {}}, "at most 50 regions can be given, got {}"),
        ("observed", {"regions": ""}, "at most 50 regions can be given, got ''"),
        ("revealed", {"round": None}, "the round of an event is not valid: None"),
        ("occluded", {"drop": math.inf}, "the drop must be a number from -1e+09 to 1e+09, got inf"),
        ("occluded", {"share": -0.1}, "the share must be a number from 0 to 1, got -0.1"),
        ("occluded", {"control_drops": ""}, "at most 1000 control drops can be given, got ''"),
        (
            "occluded",
            {"control_drops": [0] * 1001},
            "at most 1000 control drops can be given, got 1001",
        ),
        (
            "occluded",
            {"control_drops": [False]},
            "the drop must be a number from -1e+09 to 1e+09, got False",
        ),
        (
            "occluded",
            {"observer": ""},
            "the observer must have 1 to 60 characters, got 0 characters",
        ),
        ("claimed", {"base": -1}, "the base must be a whole number >= 0, got -1"),
        ("claimed", {"base": True}, "the base must be a whole number >= 0, got True"),
        (
            "claimed",
            {"statement": ""},
            "the claim must have 1 to 1000 characters, got 0 characters",
        ),
        (
            "claimed",
            {"cohort_b": "b" * 301},
            "the cohort B must have 1 to 300 characters, got 301 characters",
        ),
        ("claimed", {"links": {}}, "at most 500 observations can be given, got {}"),
        (
            "claimed",
            {"links": [plain(EVERY_KIND["claimed"])["links"][0]] * 501},
            "at most 500 observations can be given, got 501",
        ),
        ("test finished", {"digest": "AB" * 32}, None),
        (
            "test failed",
            {"error": ""},
            "the error must have 1 to 20000 characters, got 0 characters",
        ),
        (
            "decided",
            {"decision": "true"},
            "the decision must be one of supported, not supported, undecided, got 'true'",
        ),
        (
            "decided",
            {"decision": ["supported"]},
            "the decision must be one of supported, not supported, undecided, got ('supported',)",
        ),
        ("noted", {"text": "\t"}, "the note must have 1 to 20000 characters, got 1 characters"),
    ],
)
def test_a_wrong_value_is_refused(kind, changes, message):
    found = refusal(kind, changed(kind, **changes))
    assert message is None or found == message


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
        {"plan": makers.PLAN.to_dict() | {"smallest_effect": 10**400}},
        {"plan": makers.PLAN.to_dict() | {"alpha": math.nan}},
        *({"links": [wrong]} for wrong in (5, {"round": ROUND}, nested(500))),
        {"links": [{"round": ROUND, "item": ROUND, "observer": "Ada", "x": 1}]},
    ],
)
def test_garbage_in_a_claim_is_refused(content):
    refusal("claimed", changed("claimed", **content))


@pytest.mark.parametrize("kind", [kind for kind in ev.KINDS if kind != "joined"])
def test_every_value_that_is_needed_is_asked_for(kind):
    assert refusal(kind, {}).startswith(f"an event of kind '{kind}' is not valid: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "decoy"}, "the role must be one of target, distractor, baseline, got 'decoy'"),
        ({"digest": DIGEST[1:]}, f"the digest of an event is not valid: '{DIGEST[1:]}'"),
        ({"class_index": "1"}, "the class index must be a whole number >= 0, got '1'"),
        ({"seed": 2**63}, "the seed must be a whole number >= 0, got 9223372036854775808"),
        ({"id": ""}, "the id of an event is not valid: ''"),
    ],
)
def test_a_picture_with_a_wrong_value_is_refused(changes, message):
    content = changed("round opened")
    content["items"][1] |= changes
    assert refusal("round opened", content) == message


@pytest.mark.parametrize("name", ["id", "prototype_id"])
def test_a_picture_cannot_be_twice_in_a_round(name):
    content = changed("round opened")
    content["items"][1][name] = content["items"][0][name]
    message = "the pictures of a round must differ from each other"
    assert refusal("round opened", content) == message


def test_a_round_holds_sixty_pictures():
    one = plain(EVERY_KIND["round opened"])["items"][0]
    items = [one | {"id": f"{n:08x}", "prototype_id": f"{n:08x}"} for n in range(61)]
    content = changed("round opened", items=items[:60])
    assert len(ev.action_from_dict("round opened", content).items) == 60
    message = "at most 60 pictures can be given, got 61"
    assert refusal("round opened", content | {"items": items}) == message


def test_events_made_here_are_checked_as_well():
    with pytest.raises(ReviewError, match="the author must have 0 to 60 characters, got 61"):
        makers.event(1, "A" * 61, ev.Joined())
    with pytest.raises(ReviewError, match="at most 50 regions can be given, got 51"):
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
