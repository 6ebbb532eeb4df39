"""Edits change what they say and nothing else; what changes nothing or does not fit is refused."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from protocore.cohorts.cohort import Cohort
from protocore.cohorts.controls import control_analysis
from protocore.cohorts.edits import (
    Background,
    Blur,
    Brightness,
    Cover,
    Crop,
    Edit,
    Flip,
    Grey,
    Hue,
    Jpeg,
    Paste,
    Rotation,
    Watermark,
    control_cohort,
    edit_cohort,
    edit_text,
    edited_pair,
    read_edit,
)  # fmt: skip
from protocore.cohorts.plan import TestPlan
from protocore.cohorts.prediction import predict
from protocore.compare.edits import Box
from protocore.errors import ProtocoreError, ReviewError
from protocore.schema import dump, load
from tests.compare.makers import quadrants

QUARTER = Box(left=0, top=0, right=0.5, bottom=0.5)


def png(colour, size=(8, 8)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


EVERY = (
    Watermark(text="A"), Paste(png=png("red")), Cover(box=QUARTER), Background(box=QUARTER),
    Hue(degrees=90), Grey(), Brightness(factor=0.5), Blur(), Jpeg(), Crop(), Flip(),
    Rotation(degrees=30),
)  # fmt: skip


def cohort(count=4, size=32):
    pixels = np.random.default_rng(0).integers(0, 255, (count, size, size, 3), dtype=np.uint8)
    names = tuple(f"{i}.png" for i in range(count))
    return Cohort(label="A", pixels=pixels, names=names, hashes=("0" * 64,) * count)


@pytest.mark.parametrize("edit", EVERY, ids=lambda edit: edit.kind)
def test_every_edit_is_a_value_and_makes_pairs(edit):
    assert load(Edit, dump(edit), ReviewError, "it") == edit
    a = cohort()
    before = a.pixels.copy()
    b = edit_cohort(a, [edit])
    assert (a.pixels == before).all() and (b.pixels != before).any()
    assert b.pixels.shape == before.shape
    mine, theirs = edited_pair(a, [edit])
    assert mine.pair_keys == theirs.pair_keys and len(set(mine.pair_keys)) == len(a)
    assert edit_cohort(a, [edit]).hashes == b.hashes
    assert edit.kind in edit_text([edit])


def test_values_by_hand():
    image = np.full((4, 4, 3), 100, np.uint8)
    image[:, :, 0] = 200
    assert (Brightness(factor=0.5).apply(image)[0, 0] == [100, 50, 50]).all()
    assert (Flip().apply(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))[0, 0] == [9, 10, 11]).all()
    pasted = Paste(png=png((0, 0, 255)), x=0.25, y=0.25, size=0.5, opacity=0.5).apply(image)
    assert (pasted[0, 0] == [100, 50, 178]).all() and (pasted[2:] == image[2:]).all()
    covered = Cover(box=QUARTER, how="black").apply(image)
    assert (covered[:2, :2] == 0).all() and (covered[2:] == image[2:]).all()
    kept = Background(box=QUARTER, how="black").apply(image)
    assert (kept[:2, :2] == image[:2, :2]).all() and (kept[2:] == 0).all()
    assert (Hue(degrees=0, saturation=0).apply(image)[0, 0] == 130).all()  # .299 * 200 + .701 * 100


def test_edits_are_chained_in_order():
    a = cohort()
    chained = edit_cohort(a, [Grey(), Brightness(factor=0.5)])
    assert (chained.pixels == edit_cohort(edit_cohort(a, [Grey()]), [Brightness(factor=0.5)]).pixels
            ).all()  # fmt: skip


def test_the_control_has_the_same_edit_at_places_of_its_own():
    a = cohort(count=6)
    edit = Cover(box=Box(left=0, top=0, right=0.25, bottom=0.25), how="black")
    control = control_cohort(a, [edit], seed=1)
    places = {tuple(np.argwhere((one == 0).all(axis=2))[0]) for one in control.pixels}
    assert len(places) > 3
    assert control_cohort(a, [edit], seed=1).hashes == control.hashes
    assert control_cohort(a, [edit], seed=2).hashes != control.hashes
    assert control_cohort(a, [Grey()]) is None


def test_a_planted_place_is_told_from_its_control():
    classifier = quadrants()
    generator = np.random.default_rng(3)
    size = classifier.input_size
    pixels = generator.integers(100, 255, (12, size, size, 3), dtype=np.uint8)
    a = replace(cohort(12, size), pixels=pixels)
    plan = TestPlan(
        target=0, measure="logit", paired=True, edits=(Cover(box=QUARTER, how="black"),)
    )
    a, edited = edited_pair(a, plan.edits)
    before = predict(classifier, a, plan)
    control = control_analysis(classifier, plan, a, before)
    b = predict(classifier, edited, plan)
    effect = np.mean([x.logits[0] - y.logits[0] for x, y in zip(before, b, strict=True)])
    assert effect > 2 * control.primary.difference > 0


@pytest.mark.parametrize(
    ("edit", "fact"),
    [
        (Watermark(text="A", colour=(0, 0, 0)), "changes nothing"),
        (Watermark(text="much too long a text for this", size=1.0), "32 x 32"),
        (Watermark(text="\U0001f9ff"), "no font"),
        (Paste(png=png("red", (4, 40)), size=1.0), "32 x 32"),
        (Paste(png="bm8="), "cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused(edit, fact):
    black = replace(cohort(), pixels=np.zeros((4, 32, 32, 3), np.uint8))
    with pytest.raises(ReviewError, match=fact):
        edit_cohort(black, [edit])


@pytest.mark.parametrize(
    ("given", "edit"),
    [
        ("grey", Grey()),
        ("watermark:text=a, b=c,size=0.2,colour=255;0;0",
         Watermark(text="a, b=c", size=0.2, colour=(255, 0, 0))),
        ("cover:left=0,top=0,right=0.5,bottom=0.5,how=grey", Cover(box=QUARTER, how="grey")),
        ("jpeg:quality=10", Jpeg(quality=10)),
    ],
)  # fmt: skip
def test_edits_of_the_command_line(given, edit):
    assert read_edit(given) == edit


@pytest.mark.parametrize(
    "given", ["", "paint", "jpeg:10", "jpeg:quality=200", "cover:left=0,top=0,right=2,bottom=1"]
)
def test_what_is_no_edit(given):
    with pytest.raises(ProtocoreError):
        read_edit(given)


def test_a_plan_with_edits_is_a_plan_of_pairs():
    with pytest.raises(ReviewError, match="paired"):
        TestPlan(target=0, edits=(Grey(),))
