"""The final layer is found by what it does, not by its name."""

import pytest
import torch
import torchvision

from protocore.compare.head import class_weights, cosine_similarities
from protocore.errors import ModelError
from protocore.models.classifier import Classifier
from tests.compare.makers import colours, headless
from tests.networks import assert_unchanged, fingerprint

ROWS = [[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 2.0], [-1.0, 0.0, 0.0]]


@pytest.mark.parametrize("head", ["linear", "convolution"])
def test_rows_of_the_layer_that_decides_the_logits(head):
    torch.testing.assert_close(class_weights(colours(ROWS, head)), torch.tensor(ROWS))


def test_cosines_by_hand():
    found = cosine_similarities(torch.tensor(ROWS), 0)
    torch.testing.assert_close(found, torch.tensor([1.0, 0.8, 0.0, -1.0]).double())


def test_the_model_is_left_as_it_was():
    classifier = colours(ROWS)
    before = fingerprint(classifier.module)
    class_weights(classifier)
    assert_unchanged(classifier.module, before)


def test_a_model_without_such_a_layer_is_explained():
    with pytest.raises(ModelError) as caught:
        class_weights(headless())
    assert str(caught.value) == (
        "the final layer of headless was not found: no linear map or 1x1 convolution gives its 3 "
        "logits one by one; related classes can be suggested only from what prototypes excite and "
        "from natural images"
    )


@pytest.mark.parametrize(("name", "width"), [("squeezenet1_1", 512), ("vit_b_16", 768)])
def test_torchvision_heads_are_found(name, width):
    options = {"image_size": 32} if name == "vit_b_16" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "vit_b_16":
            network = torchvision.models.VisionTransformer(
                patch_size=16,
                num_layers=1,
                num_heads=2,
                hidden_dim=width,
                mlp_dim=8,
                num_classes=7,
                **options,
            )
            torch.nn.init.normal_(network.heads[0].weight)
            expected = network.heads[0].weight
        else:
            network = torchvision.models.squeezenet1_1(num_classes=7)
            expected = network.classifier[1].weight.flatten(1)
    classifier = Classifier.from_module(network.eval(), name=name, input_size=32)
    weights = class_weights(classifier)
    assert weights.shape == (7, width)
    torch.testing.assert_close(weights, expected.detach())
