"""Agreement against the examples that Cohen and Fleiss published."""

import numpy as np
import pytest

from protocore.compare.edits import Box, Stroke
from protocore.errors import ReviewError
from protocore.review.agreement import (
    cohen_kappa,
    fleiss_kappa,
    mean_overlap,
    region_overlap,
    shared_marks,
    tag_agreement,
)

# Fleiss 1971, table 1: 30 patients, 6 psychiatrists, depression / personality disorder /
# schizophrenia / neurosis / other
PATIENTS = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""


def test_cohens_example():
    """Two judges, 200 cases, 3 diagnoses: .70 observed, .41 by chance, kappa .492.

    Cohen, Psychological Bulletin 70 (1968) 213-220, table 1, for the kappa of 1960 too.
    """
    shares = [[0.44, 0.07, 0.09], [0.05, 0.20, 0.05], [0.01, 0.03, 0.06]]
    first, second = [], []
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            first += [i] * round(200 * share)
            second += [j] * round(200 * share)
    found = cohen_kappa(first, second)
    assert found.observed == pytest.approx(0.70)
    assert round(found.value, 3) == 0.492
    assert (found.items, found.raters) == (200, 2)


def test_fleiss_example():
    counts = np.array([[int(digit) for digit in patient] for patient in PATIENTS.split()])
    assert counts.shape == (30, 5)
    assert counts.sum(axis=0).tolist() == [26, 26, 30, 55, 43]
    found = fleiss_kappa(counts)
    assert round(found.value, 3) == 0.430
    assert found.observed == pytest.approx(0.556, abs=5e-4)
    assert (found.items, found.raters) == (30, 6)


def test_full_agreement_chance_and_less():
    assert cohen_kappa("aabb", "aabb").value == 1.0
    assert cohen_kappa("aabb", "abab").value == 0.0
    assert cohen_kappa("ab", "ba").value == -1.0
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])).value == 1.0
    assert fleiss_kappa(np.array([[1, 1], [1, 1]])).value == -1.0


def test_where_kappa_is_not_defined_it_says_why():
    same = cohen_kappa("aaa", "aaa")
    assert (same.value, same.observed) == (None, 1.0)
    assert same.reason == (
        "all ratings are the same, so that agreement and chance cannot be told apart"
    )
    assert fleiss_kappa(np.array([[3, 0], [3, 0]])).value is None
    assert cohen_kappa([], []).reason == "nothing was rated by both"
    assert fleiss_kappa(np.empty((0, 2), int)).reason == "nothing was rated by all"
    assert tag_agreement([{"x": ["face"]}]).reason == "it takes two reviewers"


def test_tags_are_rated_present_or_absent_for_what_all_have_seen():
    one = {"p1": ["Face ", "gown"], "p2": ["face"], "p3": ["never seen by the other"]}
    two = {"p1": ["face"], "p2": ["hat", "face"]}
    found = tag_agreement([one, two])
    # face gown hat for p1, p2: 110 100 against 100 101
    assert found.items == 6
    assert found.observed == pytest.approx(4 / 6)
    assert found.value == cohen_kappa([1, 1, 0, 1, 0, 0], [1, 0, 0, 1, 0, 1]).value
    three = tag_agreement([one, two, {"p1": ["face"], "p2": ["face"]}])
    assert three.name == "Fleiss' kappa"
    assert (
        three.value
        == fleiss_kappa(np.array([[3, 0], [1, 2], [0, 3], [3, 0], [0, 3], [1, 2]])).value
    )
    assert tag_agreement([{"p1": []}, {"p1": []}]).value is None
    assert tag_agreement([{"p1": ["a"]}, {"p2": ["a"]}]).value is None


def test_marks_that_two_reviewers_share():
    assert shared_marks([["face", "gown"], ["Face"], ["hat"]]) == pytest.approx(1 / 3)
    assert shared_marks([["face", "face"], []]) == 0.0
    assert shared_marks([[], [" "]]) is None


def test_overlap_of_regions():
    left = [Box(left=0, top=0, right=0.5, bottom=1)]
    top = [Box(left=0, top=0, right=1, bottom=0.5)]
    assert region_overlap(left, left) == 1.0
    assert region_overlap(left, top) == pytest.approx(1 / 3)
    assert region_overlap(left, []) == 0.0
    assert region_overlap([], []) is None
    dot = [Stroke(points=((0.9, 0.9),), radius=0.05)]
    assert region_overlap(left, dot) == 0.0
    assert mean_overlap([left, left, []], [left, top, []]) == pytest.approx(2 / 3)
    assert mean_overlap([[]], [[]]) is mean_overlap([], []) is None


def test_ratings_that_do_not_fit_are_explained():
    with pytest.raises(ReviewError) as error:
        cohen_kappa("ab", "a")
    assert str(error.value) == "both reviewers must rate the same items, got 2 and 1 ratings"
    with pytest.raises(ReviewError) as error:
        fleiss_kappa(np.array([[2, 1], [2, 0]]))
    assert str(error.value) == "every item needs the same number of ratings, at least 2"
    with pytest.raises(ReviewError, match="whole counts"):
        fleiss_kappa(np.array([[0.5, 0.5]]))
    with pytest.raises(ReviewError, match="must see the same images, got 1 and 0"):
        mean_overlap([[]], [])
