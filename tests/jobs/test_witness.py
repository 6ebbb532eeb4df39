"""Witnesses of a run: those that can be had are on the record, the others are left out."""

import pytest

from protocore.errors import WeightsUnavailableError
from protocore.generation.api import generate_prototypes
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.witness import witnessed
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec
from tests.networks import NAMES, tiny_classifier, tiny_network

SPEC = ModelSpec.demo(device="cpu")


@pytest.fixture(scope="module")
def made():
    settings = GenerationSettings(steps=2, baseline_steps=0)
    return generate_prototypes(tiny_classifier(), [Target.of(1), Target.of(2)], settings)


def test_the_other_network_is_on_the_record(made):
    other = Classifier.from_module(tiny_network(seed=1), class_names=NAMES, input_size=16)
    asked = []
    found = witnessed(made, SPEC, tiny_classifier(), lambda spec: asked.append(spec) or other)
    assert [spec.weights for spec in asked] == ["plain"]
    for before, after in zip(made, found, strict=True):
        (reading,) = after.record.witnesses
        assert reading.weight_hash == other.weight_hash
        assert after.image is before.image and after.record.key == before.record.key


def test_the_maker_itself_and_what_cannot_be_loaded_are_left_out(made):
    def broken(spec):
        raise WeightsUnavailableError("not on disk")

    for load in (broken, lambda spec: tiny_classifier()):
        assert witnessed(made, SPEC, tiny_classifier(), load) == made
