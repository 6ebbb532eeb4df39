"""Related classes, where the answer is known."""

import numpy as np
import pytest
import torch
from PIL import Image

from protocore.compare.related import (
    NATURAL_IMAGES,
    confusion,
    excitation,
    fuse,
    natural_images,
    ordinal,
    suggest,
)
from protocore.demo.network import CLASS_NAMES, build_network
from protocore.errors import NaturalReferenceError, UnknownClassError
from protocore.models.classifier import Classifier
from tests.compare.makers import colours, headless, quadrants

# Class 1 is nearest to class 0 by weights, class 2 is the opposite, class 3 is orthogonal.
ROWS = [[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 5.0]]
TILTED = [[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-1.0, 0.0, 0.0], [3.0, 0.0, 4.0]]


def plain(red, green, blue, count=2):
    image = np.empty((16, 16, 3), dtype=np.uint8)
    image[:] = (red, green, blue)
    return np.repeat(image[None], count, axis=0)


def test_weights_alone_rank_by_cosine_and_say_what_is_missing():
    found = suggest(colours(ROWS), 0)
    assert [item.class_index for item in found.items] == [1], "the others point elsewhere"
    assert found.items[0].label == "1 · class 1"
    assert found.items[0].reason == "final-layer weights: cosine 0.80 (1st)"
    assert found.items[0].score == pytest.approx(1 / 61)
    assert found.notes == ("the anchor has no prototype yet: what it excites is not known",)


def test_evidence_adds_up():
    # A prototype of class 0 that is red and a little blue excites class 3 most of the others.
    found = suggest(colours(TILTED), 0, prototypes=plain(255, 0, 51), natural=plain(255, 0, 0))
    by_class = {item.class_index: item for item in found.items}
    parts = by_class[3].evidence
    assert [part.source for part in parts] == ["weights", "prototype", "confusion"]
    assert [part.rank for part in parts] == [2, 1, 1]  # cosines .8 and .6; logits .8 and 3.8
    assert by_class[3].score == pytest.approx(1 / 62 + 1 / 61 + 1 / 61)
    probability = torch.softmax(torch.tensor([1.0, 0.8, -1.0, 3.0]).double(), 0)[3]
    assert parts[2].value == pytest.approx(float(probability), rel=1e-5)
    assert found.notes == ()


def test_without_a_head_only_entanglement_is_offered_and_said():
    found = suggest(headless(), 0, prototypes=plain(255, 128, 0))
    assert {part.source for item in found.items for part in item.evidence} == {"prototype"}
    assert len(found.notes) == 1
    assert found.notes[0].startswith("the final layer of headless was not found")


def test_excitation_is_the_mean_logit_in_deviations():
    values = excitation(torch.tensor([[1.0, 3.0], [1.0, 5.0]]))
    torch.testing.assert_close(values, torch.tensor([-1.0, 1.0]).double())
    assert excitation(torch.zeros(2, 3)).tolist() == [0, 0, 0]


def test_confusion_is_a_mean_of_probabilities():
    logits = torch.log(torch.tensor([[0.2, 0.8], [0.6, 0.4]]))
    torch.testing.assert_close(
        confusion(logits.double().softmax(dim=1)), torch.tensor([0.4, 0.6]).double()
    )


def test_classes_that_are_hardly_ever_confused_are_no_suggestion():
    found = fuse(quadrants(), 0, {"confusion": torch.tensor([0.9, 0.0995, 0.0005, 0.0])})
    assert [item.class_index for item in found] == [1]
    assert found[0].reason == "natural images: mean probability 10.0% (1st)"


def test_an_unknown_anchor_is_explained():
    with pytest.raises(UnknownClassError, match="class index must be between 0 and 3"):
        suggest(quadrants(), 4)


def test_ordinals():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th",
    ]  # fmt: skip


def test_natural_images_come_from_a_folder_or_the_demo_world(tmp_path):
    classifier = quadrants()
    assert natural_images(classifier, 0) is None
    for name in ("top left", "top right"):
        (tmp_path / name).mkdir()
        for level in range(6):
            flat = np.full((16, 16, 3), 10 * level + 100 * (name == "top left"), dtype=np.uint8)
            Image.fromarray(flat).save(tmp_path / name / f"{level}.png")
    found = natural_images(classifier, 0, tmp_path)
    assert sorted(found[:, 0, 0, 0].tolist()) == [100, 110, 120, 130, 140, 150]
    with pytest.raises(NaturalReferenceError, match="has no images of class 3 · bottom right"):
        natural_images(classifier, 3, tmp_path)
    demo = Classifier.from_module(
        build_network(), class_names=CLASS_NAMES, input_size=96, source="demo"
    )
    assert natural_images(demo, 2).shape == (NATURAL_IMAGES, 96, 96, 3)
