"""The grade of a claim, by every combination of what it is computed from."""

import itertools

import pytest

from protocore.review import events as ev
from protocore.review.evidence import (
    GRADES,
    RULES,
    Evidence,
    as_effect,
    clean_tags,
    last_occlusions,
    linked_observations,
    weigh,
)
from protocore.review.occlusion import OcclusionEffect
from tests.cohorts import makers
from tests.cohorts.makers import BASELINE, CLAIM, DISTRACTOR, OTHER_ROUND, ROUND, TARGETS

FIRST, SECOND, THIRD = TARGETS
IDLE = OcclusionEffect(drop=0.1, control_drops=(0.5,) * 10, share=0.1)  # of a region that does not
ONE = (makers.link(),)
REVEALED = ("Ada", ev.Revealed(round=ROUND))


def evidence(*done, links=ONE, outcome=None, reason=""):
    """Of a claim that rests on these links, after what was done."""
    state = makers.session(*done, ("Ada", makers.claimed(links=links)))
    return weigh(state, state.claim(CLAIM), outcome, reason)


def criterion(found: Evidence, key):
    (one,) = [one for one in found.criteria if one.key == key]
    return one.holds, one.found


def seen(*pictures, tag="flag", author="Ada"):
    """Somebody has seen the tag on these pictures."""
    return [(author, makers.observed(name, tag)) for name in pictures]


def not_seen(*pictures, author="Ada"):
    return seen(*pictures, tag="ball", author=author)


# --- the grade ---


GRADE_TABLE = {
    # recurs, blind, covering: grade when supported, undecided, not tested
    (True, True, True): ("strong", "weak", "weak"),
    (True, True, False): ("moderate", "weak", "weak"),
    (True, False, True): ("moderate", "none", "none"),
    (False, True, True): ("moderate", "none", "none"),
    (True, False, False): ("weak", "none", "none"),
    (False, True, False): ("weak", "none", "none"),
    (False, False, True): ("weak", "none", "none"),
    (False, False, False): ("weak", "none", "none"),
}


def course(recurs, blind, covering):
    """What makes each of the three criteria hold, or not."""
    done = [*seen(FIRST, SECOND), *not_seen(THIRD, DISTRACTOR)]
    if not recurs:
        done[1:2] = not_seen(SECOND)
    links = [makers.link(FIRST)]
    done += [REVEALED]
    if not blind:  # an observation of a picture of which Ada had said nothing before
        done += [("Ada", makers.observed(BASELINE, "flag"))]
        links += [makers.link(BASELINE)]
    done += [("Ada", makers.occluded(FIRST, makers.EFFECT if covering else IDLE))]
    return done, tuple(links)


@pytest.mark.parametrize(("holds", "grades"), GRADE_TABLE.items())
def test_every_combination_has_its_grade(holds, grades):
    done, links = course(*holds)
    for outcome, grade in zip(("supported", "undecided", None), grades, strict=True):
        found = evidence(*done, links=links, outcome=outcome)
        assert tuple(one.holds for one in found.criteria[:3]) == holds
        assert found.grade == grade
        assert found.meaning == GRADES[grade]
    assert evidence(*done, links=links, outcome="not supported").grade == "against"


def test_nothing_at_all():
    found = evidence(links=())
    assert found.grade == "none"
    assert [(one.key, one.holds, one.found) for one in found.criteria] == [
        ("recurs", None, "the claim rests on no observation with a tag"),
        ("blind", None, "the claim rests on no observation"),
        ("occlusion", None, "no marked region was covered yet"),
        ("test", None, "not tested yet"),
    ]
    assert [one.rule for one in found.criteria] == [
        rule for key, rule in RULES.items() if key != "witness"
    ]


def test_a_test_alone_is_weak_evidence():
    assert evidence(links=(), outcome="supported").grade == "weak"


@pytest.mark.parametrize(
    ("outcome", "holds"),
    [(None, None), ("undecided", None), ("supported", True), ("not supported", False)],
)
def test_the_outcome_of_the_test(outcome, holds):
    found = evidence(outcome=outcome, reason="a sentence")
    assert criterion(found, "test") == (holds, "a sentence")


# --- does it recur? ---


def recurs(*done, links=ONE):
    return criterion(evidence(*done, links=links), "recurs")


@pytest.mark.parametrize(
    ("done", "holds", "found"),
    [
        (seen(FIRST), False, "in 1 of 1 prototypes of the class"),
        (seen(FIRST, SECOND), False, "in 2 of 2 prototypes of the class"),
        (seen(*TARGETS), True, "in 3 of 3 prototypes of the class"),
        (seen(FIRST, SECOND) + not_seen(THIRD), True, "in 2 of 3 prototypes of the class"),
        (seen(FIRST) + not_seen(SECOND, THIRD), False, "in 1 of 3 prototypes of the class"),
        (
            seen(*TARGETS, DISTRACTOR) + not_seen(BASELINE),
            True,
            "in 3 of 3 prototypes of the class and 1 of 2 other pictures",
        ),
        (
            seen(*TARGETS, DISTRACTOR, BASELINE),
            False,
            "in 3 of 3 prototypes of the class and 2 of 2 other pictures",
        ),
        (
            seen(*TARGETS, DISTRACTOR),
            False,
            "in 3 of 3 prototypes of the class and 1 of 1 other pictures",
        ),
        (
            seen(FIRST, SECOND, BASELINE) + not_seen(THIRD, DISTRACTOR),
            True,
            "in 2 of 3 prototypes of the class and 1 of 2 other pictures",
        ),
    ],
)
def test_in_how_many_pictures_the_feature_is(done, holds, found):
    assert recurs(*done) == (holds, f"flag: {found}")


def test_a_feature_seen_on_a_distractor_alone():
    done = [*seen(DISTRACTOR), *not_seen(*TARGETS)]
    found = recurs(*done, links=(makers.link(DISTRACTOR),))
    assert found == (False, "flag: in 0 of 3 prototypes of the class and 1 of 1 other pictures")
    alone = recurs(*seen(DISTRACTOR), links=(makers.link(DISTRACTOR),))
    assert alone == (False, "flag: in 0 of 0 prototypes of the class and 1 of 1 other pictures")


def test_a_picture_counts_when_one_of_the_reviewers_has_seen_it():
    done = [*seen(FIRST), *not_seen(SECOND, THIRD), *seen(SECOND, author="Bob")]
    assert recurs(*done) == (True, "flag: in 2 of 3 prototypes of the class")


def test_any_of_the_tags_that_the_claim_rests_on_counts():
    done = [*seen(FIRST), *seen(SECOND, tag="pole"), *seen(THIRD, tag="ball")]
    links = (makers.link(FIRST), makers.link(SECOND))
    assert recurs(*done, links=links) == (True, "flag, pole: in 2 of 3 prototypes of the class")


def test_tags_are_compared_without_case_and_spaces():
    done = [
        *seen(FIRST, tag="Weiße  Fahne"),
        *seen(SECOND, tag=" weisse fahne"),
        *seen(THIRD, tag="WEISSE\tFAHNE "),
    ]
    assert recurs(*done) == (True, "weisse fahne: in 3 of 3 prototypes of the class")
    assert clean_tags(["Pale face", "pale  FACE"]) == {"pale face"}


def test_what_was_seen_after_the_names_does_not_recur():
    done = [*seen(FIRST), *not_seen(SECOND, THIRD), REVEALED, *seen(SECOND, THIRD)]
    assert recurs(*done) == (False, "flag: in 1 of 3 prototypes of the class")


def test_an_observation_that_was_taken_back_does_not_count():
    done = [*seen(*TARGETS), ("Ada", makers.observed(THIRD))]
    assert recurs(*done) == (False, "flag: in 2 of 2 prototypes of the class")


def again(author, picture, *tags):
    return author, makers.observed(picture, *tags, round=OTHER_ROUND)


def test_a_prototype_in_two_rounds_counts_once():
    done = [
        ("Ada", makers.round_opened(OTHER_ROUND)),
        *seen(FIRST, SECOND),
        again("Ada", FIRST, "flag"),
        again("Ada", SECOND, "flag"),
    ]
    links = (makers.link(FIRST), makers.link(FIRST, of=OTHER_ROUND))
    assert recurs(*done, links=links) == (False, "flag: in 2 of 2 prototypes of the class")


def test_rounds_are_added_up():
    items = tuple(makers.item(f"dddd000{n}") for n in range(3))
    done = [
        ("Ada", makers.round_opened(OTHER_ROUND, items=items)),
        *seen(*TARGETS),
        *(again("Bob", item.id, "ball") for item in items),
    ]
    assert recurs(*done)[0] is True  # the other round is not asked
    links = (makers.link(FIRST), makers.link("dddd0000", "Bob", OTHER_ROUND))
    done[4:] = [again("Bob", item.id, "grass") for item in items]
    expected = (True, "flag, grass: in 6 of 6 prototypes of the class")
    assert recurs(*done, links=links) == expected


# --- was it seen blind? ---


def blind(*done, links=ONE):
    return criterion(evidence(*done, links=links), "blind")


def test_an_observation_after_the_names_is_not_blind():
    done = [*seen(FIRST), REVEALED, *seen(SECOND)]
    links = (makers.link(FIRST), makers.link(SECOND))
    assert blind(*done) == (True, "1 of 1 observations were written blind")
    assert blind(*done, links=links) == (False, "1 of 2 observations were written blind")


def test_what_was_written_blind_counts_although_it_was_written_again():
    done = [*seen(FIRST), REVEALED, *seen(FIRST, tag="Flag of a club")]
    assert blind(*done) == (True, "1 of 1 observations were written blind")
    state = makers.session(*done)
    (found,) = linked_observations(state, [makers.link()])
    assert found.said.tags == ("flag",)


def test_an_empty_blind_observation_does_not_hide_the_later_one():
    done = [("Ada", makers.observed(FIRST)), REVEALED, *seen(FIRST)]
    assert blind(*done) == (False, "0 of 1 observations were written blind")


def test_links_to_what_nobody_has_said_are_passed_over():
    links = (makers.link(FIRST, "Bob"), makers.link(SECOND))
    assert blind(*seen(FIRST), links=links) == (None, "the claim rests on no observation")


# --- does covering it matter? ---


def occlusion(*done, links=ONE):
    found = evidence(*seen(*TARGETS), REVEALED, *done, links=links)
    return criterion(found, "occlusion")


ALL = tuple(makers.link(name) for name in TARGETS)


def cover(*effects):
    pictures = zip(TARGETS, effects, strict=False)
    return [("Ada", makers.occluded(name, effect)) for name, effect in pictures]


@pytest.mark.parametrize(
    ("effects", "holds", "found"),
    [
        ([makers.EFFECT], True, "1 of 1 covered regions matter; the logit falls by up to 2.00"),
        ([IDLE], False, "0 of 1 covered regions matter; the logit falls by up to 0.10"),
        (
            [makers.EFFECT, IDLE],
            False,
            "1 of 2 covered regions matter; the logit falls by up to 2.00",
        ),
        (
            [makers.EFFECT, IDLE, makers.EFFECT],
            True,
            "2 of 3 covered regions matter; the logit falls by up to 2.00",
        ),
    ],
)
def test_more_than_half_of_the_covered_regions_must_matter(effects, holds, found):
    assert occlusion(*cover(*effects), links=ALL) == (holds, found)


def test_the_last_covering_of_a_region_counts():
    done = [*cover(makers.EFFECT), *cover(IDLE)]
    assert occlusion(*done)[0] is False
    assert occlusion(*reversed(done))[0] is True


@pytest.mark.parametrize("changes", [{"class_index": 2}, {"observer": "Bob"}, {"item": SECOND}])
def test_other_coverings_are_not_asked(changes):
    done = ("Ada", makers.occluded(**changes))
    assert occlusion(done) == (None, "no marked region was covered yet")


def test_a_kept_covering_comes_back():
    state = makers.session(REVEALED, *cover(makers.EFFECT))
    assert last_occlusions(state, [makers.link(), makers.link()]) == state.round(ROUND).occlusions
    assert as_effect(state.round(ROUND).occlusions[0]) == makers.EFFECT


def test_the_table_is_complete():
    assert set(GRADE_TABLE) == set(itertools.product((True, False), repeat=3))
    grades = {grade for row in GRADE_TABLE.values() for grade in row} | {"against"}
    assert grades == set(GRADES)


# --- other networks ---


def with_ranks(ranks):
    """Of a claim about three pictures of the class, whose prototypes are their names backwards."""
    state = makers.session(*seen(FIRST), ("Ada", makers.claimed(links=ONE)))
    by_prototype = {name[::-1]: found for name, found in ranks.items()}
    return weigh(state, state.claim(CLAIM), None, ranks=by_prototype)


@pytest.mark.parametrize(
    ("ranks", "holds", "text"),
    [
        ({}, None, "no other network"),
        ({FIRST: (0, 0), SECOND: (0,), THIRD: (7,)}, True, "3 of 4"),
        ({FIRST: (0,), SECOND: (4,)}, False, "1 of 2"),
        ({DISTRACTOR: (0, 0, 0), FIRST: (2,)}, False, "0 of 1"),  # those of the class alone count
    ],
)
def test_whether_other_networks_see_the_class(ranks, holds, text):
    found = with_ranks(ranks)
    assert criterion(found, "witness")[0] is holds
    assert text in criterion(found, "witness")[1]
    assert found.criteria[-1].key == "test"


def test_other_networks_do_not_change_the_grade():
    assert with_ranks({FIRST: (0,)}).grade == with_ranks({FIRST: (9,)}).grade
    assert "witness" not in [one.key for one in evidence().criteria]  # nobody has been asked
