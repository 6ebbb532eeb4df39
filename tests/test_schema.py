"""Values from outside: what is read, what is refused, and what the message says."""

import math
from dataclasses import FrozenInstanceError, replace
from typing import Annotated, Literal

import pytest
from pydantic import Field

from protocore.errors import ReviewError
from protocore.schema import (
    Number,
    Whole,
    checked,
    dump,
    items,
    load,
    load_json,
    matching,
    number,
    one_of,
    text,
)  # fmt: skip


@checked(ReviewError)
class Dot:
    x: Annotated[float, number(0, 1)]
    kind: Literal["dot"] = "dot"


@checked(ReviewError)
class Line:
    points: Annotated[tuple[Annotated[tuple[Number, Number], items(2)], ...], items(3, 1)]
    kind: Literal["line"] = "line"


@checked(ReviewError)
class Drawing:
    title: Annotated[str, text(5)]
    count: Whole = 0
    tags: Annotated[tuple[Annotated[str, text(5)], ...], items(3)] = ()
    shapes: Annotated[tuple[Annotated[Dot | Line, Field(discriminator="kind")], ...], items(3)] = ()
    digest: Annotated[str, matching("[0-9a-f]{2}")] = "00"
    role: Annotated[str, one_of(("a", "b"))] = "a"
    done: bool = False

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ReviewError("13 is no count")


FULL = Drawing(title="x", tags=("t",), shapes=(Dot(x=0.5), Line(points=((0, 1), (1, 0)))))


def test_plain_values_and_back():
    assert dump(FULL)["shapes"][1] == {"kind": "line", "points": [[0.0, 1.0], [1.0, 0.0]]}
    assert load(Drawing, dump(FULL), ReviewError, "it") == FULL
    assert load_json(Drawing, '{"title": "é", "count": 2}', ReviewError, "it").count == 2
    assert replace(FULL, count=3).count == 3
    with pytest.raises(FrozenInstanceError):
        FULL.count = 4


WRONG = [  # content, facts in the message
    ({}, ["title", "missing"]),
    ({"title": "longer"}, ["title", "1 to 5", "6 given"]),
    ({"title": " "}, ["title", "1 to 5"]),
    ({"title": "a\0"}, ["title", r"'\x00'"]),
    ({"title": "\ud800"}, ["the drawing"]),
    ({"title": 5}, ["title", "string", "got 5"]),
    ({"count": True}, ["count", "integer", "True"]),
    ({"count": 1.0}, ["count", "1.0"]),
    ({"count": "1"}, ["count", "'1'"]),
    ({"count": -1}, ["count", "0", "-1"]),
    ({"count": 2**63}, ["count", str(2**63)]),
    ({"count": 13}, ["13 is no count"]),
    ({"tags": ["a", ""]}, ["tags[1]", "1 to 5"]),
    ({"tags": ["a"] * 4}, ["tags", "at most 3"]),
    ({"tags": "abc"}, ["tags", "list", "'abc'"]),
    ({"tags": {}}, ["tags", "list"]),
    ({"shapes": [{}]}, ["shapes[0]", "kind"]),
    ({"shapes": [5]}, ["shapes[0]", "5"]),
    ({"shapes": [{"kind": ["dot"]}]}, ["shapes[0]", "kind", "['dot']"]),
    ({"shapes": [{"kind": "dot", "x": 1.5}]}, ["shapes[0].dot.x", "1", "1.5"]),
    ({"shapes": [{"kind": "dot", "x": 10**400}]}, ["shapes[0].dot.x", "finite"]),
    ({"shapes": [{"kind": "dot", "x": math.nan}]}, ["not JSON"]),
    ({"shapes": [{"kind": "line", "points": [[1, 2, 3]]}]}, ["points[0]", "at most 2"]),
    ({"shapes": [{"kind": "line", "points": []}]}, ["points", "at least 1"]),
    ({"digest": "00\n"}, ["digest", "[0-9a-f]{2}", r"'00\n'"]),
    ({"role": "c"}, ["role", "a, b", "'c'"]),
    ({"done": 1}, ["done", "boolean", "1"]),
    ({"k" * 100_000: 1}, ["kkk", "unknown"]),
]


@pytest.mark.parametrize(("content", "facts"), WRONG)
def test_what_is_refused_and_why(content, facts):
    given = {"title": "x"} | content if content else content
    with pytest.raises(ReviewError) as caught:
        load(Drawing, given, ReviewError, "the drawing")
    message = str(caught.value)
    assert all(fact in message for fact in facts), message
    assert len(message) < 400


@pytest.mark.parametrize("content", [None, 5, "text", [], [1], {1, 2}])
def test_what_is_no_object(content):
    with pytest.raises(ReviewError, match="the drawing"):
        load(Drawing, content, ReviewError, "the drawing")


@pytest.mark.parametrize("content", ["", "{", "[" * 90, '{"title": NaN}', b"\xff", "x" * 101])
def test_a_text_that_is_no_json(content):
    with pytest.raises(ReviewError, match="the drawing"):
        load_json(Drawing, content, ReviewError, "the drawing", most=100)


def test_values_made_here_are_checked_as_well():
    with pytest.raises(ReviewError, match=r"^the title must be .* got 5$"):
        Drawing(title=5)
    with pytest.raises(ReviewError, match=r"tags\[0\]"):
        replace(FULL, tags=("toolong",))
