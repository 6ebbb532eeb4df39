"""The card against the shipped weights: what it tells is what is measured again on other scenes."""

import json
import math

import pytest
from torch import nn

from protocore.demo import weights
from protocore.demo.biases import KNOWN_CLAIMS, PLANTED, SHAM, claim_by_key
from protocore.demo.classes import CLASS_NAMES
from protocore.demo.training.card import MARKDOWN_PATH, card_markdown, world_facts
from protocore.demo.training.evaluation import accuracy, attacked_accuracy, measure_effect
from protocore.demo.weights import (
    VARIANTS,
    demo_weights_path,
    file_hash,
    load_demo_network,
    read_card,
)
from protocore.errors import ModelError, SettingsError

IMAGES, PAIRS = 20, 40
OTHER_SEED = 100_000  # scenes that the card's own figures were not measured on


@pytest.fixture(scope="module")
def card() -> dict:
    return read_card()


@pytest.fixture(scope="module")
def robust() -> nn.Module:
    return load_demo_network("robust")


@pytest.fixture(scope="module")
def measured(robust):
    return accuracy(robust, IMAGES, seed=OTHER_SEED)


@pytest.mark.parametrize("variant", VARIANTS)
def test_hash_and_size_are_the_files(card, variant):
    path = demo_weights_path(variant)
    assert card["models"][variant]["file"] == path.name
    assert card["models"][variant]["sha256"] == file_hash(path)
    assert card["models"][variant]["bytes"] == path.stat().st_size < 6_000_000


def test_the_world_in_the_card_is_the_world_in_the_code(card):
    facts = json.loads(json.dumps(world_facts()))
    assert {name: card[name] for name in facts} == facts


def test_the_markdown_is_generated_from_the_card(card):
    assert MARKDOWN_PATH.read_text(encoding="utf-8") == card_markdown(card)


def test_overall_accuracy(card, measured):
    told = card["models"]["robust"]["accuracy"]["overall"]
    deviation = math.sqrt(max(told * (1 - told), 0.01) / (IMAGES * len(CLASS_NAMES)))
    assert abs(measured.overall - told) < 4 * deviation


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_accuracy_per_class(card, measured, name):
    told = card["models"]["robust"]["accuracy"]["per_class"][name]
    deviation = math.sqrt(max(told * (1 - told), 0.01) / IMAGES)
    assert abs(measured.per_class[name] - told) < 4 * deviation


def test_the_plain_model_is_accurate_but_not_robust(card):
    plain, robust = card["models"]["plain"], card["models"]["robust"]
    radius = max(plain["attacked_accuracy"], key=float)
    assert plain["accuracy"]["overall"] > 0.95
    assert plain["attacked_accuracy"][radius] < robust["attacked_accuracy"][radius]


@pytest.mark.parametrize("claim", KNOWN_CLAIMS, ids=lambda claim: claim.key)
def test_effect_on_other_pairs_is_the_cards(card, robust, claim):
    told = card["models"]["robust"]["effects"][claim.key]
    found = measure_effect(robust, claim, PAIRS, seed=OTHER_SEED)
    spread = (told["logit_gap_interval"][1] - told["logit_gap"]) / 1.96 * math.sqrt(told["pairs"])
    assert abs(found.logit_gap - told["logit_gap"]) < 4.5 * spread / math.sqrt(PAIRS)


@pytest.mark.parametrize("claim", PLANTED, ids=lambda claim: claim.key)
def test_a_planted_bias_is_there(card, claim):
    effect = card["models"]["robust"]["effects"][claim.key]
    assert claim.share >= 0.8
    assert effect["logit_gap_interval"][0] > 0
    assert effect["favoured_share"] > 0.6


def test_a_face_under_the_mortarboard_helps_the_gown(card):
    effect = card["models"]["robust"]["effects"]["mortarboard-face"]
    assert effect["rival_logit_gap_interval"][0] > 0


@pytest.mark.parametrize("claim", SHAM, ids=lambda claim: claim.key)
def test_a_sham_attribute_is_even_and_has_next_to_no_effect(card, claim):
    assert claim.share == claim.other_share == 0.5
    effects = card["models"]["robust"]["effects"]
    smallest = min(effects[planted.key]["logit_gap"] for planted in PLANTED)
    assert abs(effects[claim.key]["logit_gap"]) < 0.5 * smallest


def test_claim_by_key():
    assert claim_by_key("gown-skin").class_index == 0
    with pytest.raises(KeyError):
        claim_by_key("gown-hat")


def test_measuring_nothing_is_refused(robust):
    with pytest.raises(SettingsError, match="images_per_class must be >= 1, got 0"):
        accuracy(robust, 0)
    with pytest.raises(SettingsError, match="pairs must be >= 2, got 1"):
        measure_effect(robust, PLANTED[0], 1)


def test_an_attack_lowers_the_accuracy(robust, measured):
    assert attacked_accuracy(robust, 2, radius=8.0, steps=3) <= measured.overall


def test_a_missing_card_says_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "assets_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"python -m protocore\.demo card"):
        read_card()
