"""Determinism, distributions and one-attribute counterfactuals of the rendered world."""

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from protocore.demo.backgrounds import PAINTERS
from protocore.demo.biases import KNOWN_CLAIMS
from protocore.demo.canvas import SIZE
from protocore.demo.classes import CLASSES, RELATED_PAIRS
from protocore.demo.people import HEAD_CENTRE, HEAD_SIZE
from protocore.demo.world import (
    CLASS_NAMES,
    SPLITS,
    Scene,
    contact_sheet,
    counterfactual_pair,
    render,
    render_class,
    resolve,
)
from protocore.errors import SettingsError

ALL = range(len(CLASS_NAMES))
SEEN = {"face": True}


def _digest() -> str:
    pictures = [render_class(index, 1, seed=3, split="reference") for index in ALL]
    return hashlib.sha256(np.concatenate(pictures).tobytes()).hexdigest()


def _changed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where two pictures differ: bool (SIZE, SIZE)."""
    return (first != second).any(axis=2)


def test_there_are_twelve_classes_in_pairs():
    assert len(CLASS_NAMES) == len(set(CLASS_NAMES)) == 12
    assert sorted(name for pair in RELATED_PAIRS for name in pair) == sorted(CLASS_NAMES)


@pytest.mark.parametrize("index", ALL)
def test_a_picture_is_uint8_at_the_models_size(index):
    picture = render(Scene(class_index=index))
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10


def test_same_seed_same_bytes_in_another_process():
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_world as t; print(t._digest())"
    folder = __file__.rpartition("/")[0]
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    told = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, env=environment
    )
    assert told.stdout.strip() == _digest(), told.stderr


def test_the_global_random_state_is_neither_used_nor_moved():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = render(Scene(class_index=5, seed=9))
    np.random.seed(2)
    assert (render(Scene(class_index=5, seed=9)) == first).all()
    np.random.seed(1)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("index", ALL)
def test_seeds_and_splits_give_different_pictures(index):
    pictures = [render(Scene(class_index=index, seed=s, split=p)) for s in (0, 1) for p in SPLITS]
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_a_longer_run_begins_with_the_shorter_one():
    assert (render_class(7, 3, seed=4)[1:] == render_class(7, 2, seed=5)).all()


@pytest.mark.parametrize("claim", KNOWN_CLAIMS, ids=lambda claim: claim.key)
def test_training_draws_attributes_with_the_share_the_card_tells(claim):
    count = 2000
    drawn = Counter(
        getattr(resolve(Scene(class_index=claim.class_index, seed=seed)), claim.attribute)
        for seed in range(count)
    )
    deviation = (claim.share * (1 - claim.share) / count) ** 0.5
    assert abs(drawn[claim.favoured] / count - claim.share) < 4 * deviation


@pytest.mark.parametrize("index", ALL)
def test_distributions_sum_to_one(index):
    for shares in CLASSES[index].distributions().values():
        assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("claim", KNOWN_CLAIMS, ids=lambda claim: claim.key)
def test_setting_one_attribute_leaves_the_others_as_drawn(claim):
    for seed in range(20):
        free = resolve(Scene(class_index=claim.class_index, seed=seed))
        for value in (claim.favoured, claim.other):
            scene = Scene(class_index=claim.class_index, seed=seed, **{claim.attribute: value})
            told = vars(resolve(scene)) | {claim.attribute: None}
            assert told == vars(free) | {claim.attribute: None}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("index", [0, 1])
def test_skin_tone_changes_the_head_alone(index, seed):
    light, dark = counterfactual_pair(index, seed, "skin_tone", "light", "dark", **SEEN)
    changed = _changed(light, dark)
    scene = resolve(Scene(class_index=index, seed=seed, split="heldout"))
    x = (scene.x + scene.scale * HEAD_CENTRE[0]) * SIZE
    y = (scene.y + scene.scale * HEAD_CENTRE[1]) * SIZE
    rows, columns = np.nonzero(changed)
    reach = HEAD_SIZE * scene.scale * SIZE
    assert 0.02 < changed.mean() < 0.15
    assert (np.abs(columns - x) < 1.6 * reach).all()
    assert ((rows - y > -1.3 * reach) & (rows - y < 2.4 * reach)).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("index", [0, 1])
def test_glasses_change_the_eyes_alone(index, seed):
    worn, bare = counterfactual_pair(index, seed, "glasses", True, False, **SEEN)
    changed = _changed(worn, bare)
    assert 0.002 < changed.mean() < 0.03
    rows, columns = np.nonzero(changed)
    assert np.ptp(rows) < 0.15 * SIZE
    assert np.ptp(columns) < 0.3 * SIZE


@pytest.mark.parametrize("index", [2, 3])
def test_a_face_appears_below_the_hat_alone(index):
    with_face, without = counterfactual_pair(index, 1, "face", True, False, tilt=0.0, y=0.45)
    changed = _changed(with_face, without)
    assert changed.mean() > 0.08
    assert not changed[: int(0.4 * SIZE)].any()


def test_without_a_face_skin_tone_and_glasses_change_nothing():
    for attribute, a, b in (("skin_tone", "light", "dark"), ("glasses", True, False)):
        first, second = counterfactual_pair(0, 2, attribute, a, b, face=False)
        assert (first == second).all()


@pytest.mark.parametrize("index", ALL)
def test_background_leaves_the_object_as_it_was(index):
    pictures = [
        render(Scene(class_index=index, seed=1, split="heldout", background=kind))
        for kind in PAINTERS
    ]
    same = np.all([~_changed(pictures[0], other) for other in pictures[1:]], axis=0)
    assert 0.08 < same.mean() < 0.85  # the object
    corners = same[:4, :4].mean() + same[:4, -4:].mean()
    assert corners < 1


@pytest.mark.parametrize("seed", range(4))
def test_hands_change_the_dial_alone(seed):
    first, second = counterfactual_pair(11, seed, "hands", "ten past ten", "other")
    rows, columns = np.nonzero(_changed(first, second))
    scene = resolve(Scene(class_index=11, seed=seed, split="heldout"))
    distance = np.hypot(columns - scene.x * SIZE, rows - scene.y * SIZE)
    assert len(rows) > 10
    assert distance.max() < 0.33 * scene.scale * SIZE


def test_haze_fades_to_grey():
    clear, hazy = render(Scene(class_index=4)), render(Scene(class_index=4, haze=0.5))
    np.testing.assert_allclose(hazy, clear / 2 + 63.75, atol=10)
    assert np.ptp(render(Scene(class_index=4, haze=1.0))) < 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_index": 12}, "class_index must be 0 to 11, got 12"),
        ({"class_index": 0, "seed": -1}, "seed must be >= 0, got -1"),
        ({"class_index": 0, "haze": 1.5}, "haze must be 0 to 1, got 1.5"),
        (
            {"class_index": 0, "split": "test"},
            "split must be one of train, heldout, reference, got 'test'",
        ),
        ({"class_index": 8, "skin_tone": "dark"}, "sailboat has no attribute skin_tone"),
        (
            {"class_index": 0, "skin_tone": "blue"},
            "skin_tone must be one of ('light', 'dark'), got 'blue'",
        ),
    ],
)
def test_a_scene_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(SettingsError) as error:
        Scene(**arguments)
    assert str(error.value) == message


def test_render_class_refuses_bad_arguments():
    with pytest.raises(SettingsError) as error:
        render_class(0, 0)
    assert str(error.value) == "count must be >= 1, got 0"
    with pytest.raises(SettingsError) as error:
        render_class(0, 1, moustache=True)
    assert str(error.value) == "a scene has no attribute moustache"


def test_contact_sheet_has_a_row_per_class():
    sheet = contact_sheet(columns=2, class_indices=[0, 5, 11])
    assert sheet.size == (110 + 2 * (SIZE + 2), 3 * (SIZE + 2))
    cell = np.asarray(sheet)[SIZE + 2 : 2 * SIZE + 2, 110 : 110 + SIZE]
    assert (cell == render(Scene(class_index=5, split="reference"))).all()
