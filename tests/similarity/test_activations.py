import pytest
import torch
import torchvision
from torch import nn

from protocore.errors import ModelError, SettingsError
from protocore.models.classifier import Classifier
from protocore.similarity.activations import open_reader


def classifier_of(module: nn.Module, size: int = 4) -> Classifier:
    return Classifier.from_module(module, input_size=size, mean=(0, 0, 0), std=(1, 1, 1))


class Repeating(nn.Module):
    """Convolution, batch norm and one in-place ReLU that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(2, affine=False)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(2, 2)
        self.unused = nn.Linear(1, 1)
        nn.init.constant_(self.conv.weight, 1.0)
        self.norm.running_mean.fill_(1.5)

    def forward(self, x):
        x = self.relu(self.norm(self.conv(x)))
        return self.head(self.relu(x - 1).mean((2, 3)))


def images(value: float, count: int = 1) -> torch.Tensor:
    return torch.full((count, 3, 4, 4), value)


def test_layers_come_in_execution_order_and_once():
    reader = open_reader(classifier_of(Repeating()))
    assert [layer.name for layer in reader.layers] == ["conv", "norm", "relu", "head", "(network)"]
    assert [layer.calls for layer in reader.layers] == [1, 1, 2, 1, 1]
    assert [layer.kind for layer in reader.layers[:2]] == ["Conv2d", "BatchNorm2d"]
    assert reader.layers[0].shape == (2, 4, 4)
    assert reader.layers[0].size == 32
    assert [layer.index for layer in reader.layers] == [0, 1, 2, 3, 4]


def test_in_place_relu_does_not_change_what_was_read_before():
    outputs = open_reader(classifier_of(Repeating())).capture(images(0.25))
    # conv: 3 * 0.25 = 0.75; norm: -0.75 / sqrt(1 + 1e-5); relu of it would be 0
    assert outputs["norm"].flatten()[0].item() == pytest.approx(-0.75, abs=1e-4)
    seen = []
    open_reader(classifier_of(Repeating())).read(
        images(0.25), lambda layer, out: seen.append((layer.name, out.min().item()))
    )
    assert dict(seen)["norm"] == pytest.approx(-0.75, abs=1e-4)


def test_a_repeated_module_counts_with_its_last_output():
    outputs = open_reader(classifier_of(Repeating())).capture(images(1.0))
    # conv 3, norm 1.5, first relu 1.5, second relu 0.5
    assert outputs["relu"].flatten()[0].item() == pytest.approx(0.5, abs=1e-4)


def test_leaf_and_weighted_sets():
    classifier = classifier_of(nn.Sequential(nn.Sequential(nn.Flatten()), nn.Linear(48, 2)))
    assert [x.name for x in open_reader(classifier).layers] == ["0.0", "0", "1", "(network)"]
    assert [x.name for x in open_reader(classifier, "leaf").layers] == ["0.0", "1"]
    assert [x.name for x in open_reader(classifier, "weighted").layers] == ["1"]


def test_unknown_or_empty_set():
    bias = nn.Module()
    bias.register_parameter("shift", nn.Parameter(torch.zeros(())))
    bias.forward = lambda x: x.mean((2, 3)) + bias.shift
    classifier = classifier_of(bias)
    with pytest.raises(SettingsError) as error:
        open_reader(classifier, "some")
    assert str(error.value) == "layers must be one of all, leaf, weighted, got 'some'"
    with pytest.raises(ModelError) as error:
        open_reader(classifier, "weighted")
    assert str(error.value) == (
        "Module has no layers in the set 'weighted'; choose 'all', which takes every module"
    )


class Tuples(nn.Module):
    """Modules that return tuples, dictionaries, numbers and one row for all images."""

    class Part(nn.Module):
        def __init__(self, function) -> None:
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x)

    def __init__(self) -> None:
        super().__init__()
        self.pair = self.Part(_pair)
        self.named = self.Part(_named)
        self.number = self.Part(_number)
        self.shared = self.Part(_shared)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        self.number(x), self.shared(x)
        return self.head(self.named(self.pair(x)[1])["value"])


def _pair(x):
    return 3, x.mean((2, 3)), x


def _named(x):
    return {"count": torch.tensor(2), "value": x + 1}


def _number(x):
    return float(x.sum())


def _shared(x):
    return x.sum(0, keepdim=True)


def test_first_tensor_of_a_collection_counts_and_the_rest_is_left_out():
    outputs = open_reader(classifier_of(Tuples())).capture(images(0.5))
    assert list(outputs) == ["pair", "named", "head", "(network)"]
    assert outputs["pair"].tolist() == [[0.5] * 3]
    assert outputs["named"].tolist() == [[1.5] * 3]


def test_only_limits_the_layers_and_logits_come_back():
    classifier = classifier_of(Repeating())
    reader, seen = open_reader(classifier), []
    logits = reader.read(images(1.0, 2), lambda layer, out: seen.append(layer.name), only={1, 3})
    assert seen == ["norm", "head"]
    assert torch.equal(logits, classifier.logits(images(1.0, 2)))


def test_hooks_are_gone_after_success_and_failure_and_the_model_is_untouched():
    module = Repeating().train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    reader = open_reader(classifier_of(module))
    reader.read(images(0.1), lambda layer, out: None)

    def fail(layer, out):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        reader.read(images(0.1), fail)
    for tree in (module, reader.module):
        assert all(not m._forward_hooks for m in tree.modules())
    assert module.training
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((8, 7, 7), 0), ((7, 7, 8), 2), ((7, 7, 7), 0), ((50, 768), 1), ((10,), 0), ((64, 1, 1), 0)],
)
def test_channel_axis(shape, axis):
    layer = open_reader(classifier_of(Repeating())).layers[0]
    assert type(layer)(index=0, name="", kind="", shape=shape, calls=1).channel_axis == axis


def test_the_papers_layer_counts():
    googlenet = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False)
    assert len(open_reader(classifier_of(googlenet, 64)).layers) == 224
    resnet = open_reader(classifier_of(torchvision.models.resnet18(weights=None), 64)).layers
    assert len(resnet) == 68
    assert len([layer for layer in resnet if layer.name != "(network)"]) == 67
    assert sum(layer.calls for layer in resnet) == 76
