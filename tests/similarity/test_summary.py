import math

import numpy as np
import pytest

from protocore.errors import NaturalReferenceError, SettingsError
from protocore.similarity.summary import Naturalness, naturalness, summarise, table4

SAME = [[0.7, 0.5, 0.9, np.nan], [0.9, 0.5, 0.9, np.nan], [0.8, 0.5, 0.9, np.nan]]
DIFFERENT = [[0.3, 0.5, 0.1, 0.1], [0.5, 0.5, 0.1, 0.1], [0.4, 0.5, 0.1, 0.1]]


def test_summary_by_hand(by_hand):
    (found,) = summarise(by_hand([[0.6, 0.5, 1.0, 0.3]], SAME, DIFFERENT, [0.9]))
    assert found.measure == "spearman"
    assert found.prototype.mean == pytest.approx(0.6)
    assert found.prototype.sd == pytest.approx(np.std([0.6, 0.5, 1.0, 0.3], ddof=1))
    assert math.isnan(found.prototype.low)
    assert found.same.mean == pytest.approx((0.8 + 0.5 + 0.9) / 3)
    assert found.different.mean == pytest.approx((0.4 + 0.5 + 0.1 + 0.1) / 4)
    # Equation 1 fails in the first layer, holds in the next two, is not defined in the last
    assert found.share.mean == pytest.approx(2 / 3)
    assert found.layers == 3
    # stable: the first, (.6 - .4) / .4, and the third, (1 - .1) / .8
    assert found.unstable == 2
    assert found.normalised.mean == pytest.approx((0.5 + 1.125) / 2)
    assert found.share_stable == pytest.approx(0.5)
    assert found.probability == 0.9


def test_for_a_distance_smaller_is_closer(by_hand):
    (found,) = summarise(by_hand([[0.6, 0.5, 1.0, 0.3]], SAME, DIFFERENT), "l1")
    assert found.share.mean == pytest.approx(2 / 3)  # first and second
    assert found.measure == "l1"


def test_intervals_hold_the_mean_and_shrink_with_more_images(by_hand):
    generator = np.random.default_rng(3)
    widths = []
    for count in (10, 1000):
        same = generator.normal(0.6, 0.1, (count, 1))
        different = generator.normal(0.4, 0.1, (count, 1))
        (found,) = summarise(by_hand([[0.6]], same, different))
        assert found.same.low < found.same.mean < found.same.high
        assert found.different.low < found.different.mean < found.different.high
        widths.append(found.same.high - found.same.low)
    # the standard error of 1000 values with sd 0.1 is 0.0032: 95% are 0.0124 wide
    assert widths[1] == pytest.approx(0.0124, rel=0.15)
    assert widths[0] > 4 * widths[1]


def test_intervals_repeat_with_the_seed(by_hand):
    natural = np.random.default_rng(0).normal(0.5, 0.1, (20, 2))
    similarity = by_hand([[0.6, 0.5]], natural, natural - 0.2)
    first, again = summarise(similarity, seed=1)[0], summarise(similarity, seed=1)[0]
    assert first.same == again.same
    assert first.same != summarise(similarity, seed=2)[0].same
    with pytest.raises(SettingsError) as error:
        summarise(similarity, resamples=0)
    assert str(error.value) == "resamples must be >= 1, got 0"


def test_badge_holds_similarity_and_probability(by_hand):
    blank, good = naturalness(by_hand([[0.9] * 4, [0.9] * 4], SAME, DIFFERENT, [0.02, 0.97]))
    assert blank.similarity == good.similarity == pytest.approx(0.9)
    assert (
        blank.assessment == "natural, but the model hardly sees the class: it may be nearly blank"
    )
    assert good.assessment == "as natural as photos of the class, and the model sees the class"
    assert good.text == "0.90 (photos 0.73) · Eq. 1 on 100% of layers · class seen with 97%"


@pytest.mark.parametrize(
    ("similarity", "probability", "assessment"),
    [
        (0.5, 0.9, "between photos of other classes and photos of the class"),
        (0.3, 0.9, "less natural than photos of other classes"),
        (0.5, 0.1, "the model hardly sees the class in it"),
    ],
)
def test_assessments(similarity, probability, assessment):
    badge = Naturalness(
        similarity=similarity, same=0.6, different=0.4, profile=0.5, profile_same=0.6, share=0.5,
        probability=probability,
    )  # fmt: skip
    assert badge.assessment == assessment


def test_table_averages_seeds_before_classes(by_hand):
    first = summarise(by_hand([[0.4] * 4, [0.6] * 4], SAME, DIFFERENT, [0.8, 1.0]))
    second = summarise(by_hand([[0.7] * 4], SAME, DIFFERENT, [0.5]))
    rows = table4([(0, first[0]), (0, first[1]), (1, second[0])])
    prototype = rows[0]
    assert prototype.quantity == "Prototype"
    assert prototype.classes == 2
    assert prototype.mean == pytest.approx(0.6)  # of 0.5 and 0.7
    assert prototype.sd == pytest.approx(math.sqrt(0.02))
    assert rows[1].sd == pytest.approx(0)
    assert rows[-1].quantity == "Class probability"
    assert rows[-1].mean == pytest.approx(0.7)
    assert math.isnan(table4([(0, first[0])])[0].sd)


def test_table_refuses_nothing_and_mixtures(by_hand):
    with pytest.raises(NaturalReferenceError) as error:
        table4([])
    assert str(error.value) == "a table needs at least one prototype, got none"
    similarity = by_hand([[0.4] * 4], SAME, DIFFERENT)
    mixed = [(0, summarise(similarity)[0]), (0, summarise(similarity, "l1")[0])]
    with pytest.raises(SettingsError) as error:
        table4(mixed)
    assert str(error.value) == "a table needs prototypes under one measure, got ['l1', 'spearman']"
