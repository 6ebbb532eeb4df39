"""What people bring, against the right values: one row each, every input made here."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

from protocore.errors import CheckpointError, ModelError, ProtocoreError, UnknownClassError
from protocore.generation.api import generate_prototype
from protocore.generation.settings import GenerationSettings
from protocore.models import Classifier, ModelSpec, load_classifier
from protocore.models.checkpoint import read_checkpoint
from protocore.models.class_names import interpret_class_names
from protocore.models.loading import networks_in
from protocore.similarity.activations import open_reader

SIZE = 16
LOGITS = torch.tensor([[-2.16, 0.5, 1.0]])


class Answers(nn.Module):
    """Returns `answer(self, logits)`; the logits are LOGITS plus something of the image."""

    def __init__(self, answer, outputs=3):
        super().__init__()
        self.answer, self.outputs = answer, outputs
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("count", torch.zeros(1))

    def forward(self, images):
        seen = self.weight * images.mean(dim=(1, 2, 3))[:, None]
        return self.answer(self, LOGITS[:, : self.outputs] + seen)


class Answer:
    """As Hugging Face's outputs are: an object with logits."""

    def __init__(self, logits):
        self.logits = logits


def count_up(self, logits):
    self.count += 1
    return logits + self.count


def replace_count(self, logits):
    self.count = self.count + 1
    return logits + self.count


def wrap(answer, outputs=3, **about) -> Classifier:
    return Classifier.from_module(Answers(answer, outputs), input_size=SIZE, **about)


def black(classifier) -> torch.Tensor:
    return classifier.logits(torch.zeros(1, 3, SIZE, SIZE))


SOFTMAX = LOGITS.softmax(dim=1)


@pytest.mark.parametrize(
    ("answer", "outputs", "head", "expected"),
    [
        (lambda self, z: z, 3, "softmax", SOFTMAX),
        (lambda self, z: z.softmax(1), 3, "softmax", SOFTMAX),
        (lambda self, z: torch.softmax(z, -1), 3, "softmax", SOFTMAX),
        (lambda self, z: F.log_softmax(z, 1), 3, "softmax", SOFTMAX),
        (lambda self, z: torch.sigmoid(z), 3, "sigmoid", LOGITS.sigmoid()),
        (lambda self, z: (z, 3), 3, "softmax", SOFTMAX),
        (lambda self, z: {"features": z[..., None], "logits": z}, 3, "softmax", SOFTMAX),
        (lambda self, z: Answer(z), 3, "softmax", SOFTMAX),
        (lambda self, z: z, 1, "sigmoid", torch.tensor([[2.16, -2.16]]).sigmoid()),
        (lambda self, z: torch.sigmoid(z), 1, "sigmoid", torch.tensor([[2.16, -2.16]]).sigmoid()),
        (lambda self, z: z[:, 0], 1, "sigmoid", torch.tensor([[2.16, -2.16]]).sigmoid()),
    ],
)
def test_probabilities_are_the_networks_own(answer, outputs, head, expected):
    classifier = wrap(answer, outputs)
    assert classifier.head == head
    found = classifier.probabilities(black(classifier))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    logs = classifier.log_probabilities(black(classifier))
    torch.testing.assert_close(logs.exp(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_a_last_layer_is_taken_off(last):
    network = nn.Sequential(Answers(lambda self, z: z), last)
    classifier = Classifier.from_module(network, input_size=SIZE)
    torch.testing.assert_close(black(classifier), LOGITS)
    assert type(network[1]) is type(last)  # the user's own is left as it was


def test_one_output_is_yes_or_no():
    classifier = wrap(lambda self, z: z, 1)
    assert classifier.class_names == ("no", "yes")
    assert black(classifier).tolist() == [[pytest.approx(2.16), pytest.approx(-2.16)]]
    assert wrap(lambda self, z: z, 1, class_names=["tumour"]).class_names == (
        "not tumour",
        "tumour",
    )
    with pytest.raises(ModelError, match="same for every image"):
        wrap(lambda self, z: z.softmax(1), 1)


def test_a_multi_label_head_can_be_said():
    classifier = wrap(lambda self, z: z, head="sigmoid")
    torch.testing.assert_close(classifier.probabilities(black(classifier)), LOGITS.sigmoid())


RESTLESS = [
    lambda self, z: F.dropout(z, 0.5),
    lambda self, z: z + torch.randn(3),
    lambda self, z: z + float(np.random.rand()),
    lambda self, z: z + random.random(),
    count_up,
    replace_count,
]


@pytest.mark.parametrize("answer", RESTLESS)
def test_a_network_that_is_not_repeatable_disturbs_nothing(answer):
    network = Answers(answer)
    states = (random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state())
    classifier = Classifier.from_module(network, input_size=SIZE)
    settings = GenerationSettings(steps=2, baseline_steps=0, transforms_per_step=1)
    record = generate_prototype(classifier, 0, settings).record
    assert not classifier.repeatable
    assert (record.network_repeatable, record.repeatable) == (False, False)
    assert any("not repeatable" in note for note in record.network_notes)
    assert random.getstate() == states[0]
    assert (np.random.get_state()[1] == states[1]).all()
    assert torch.equal(torch.get_rng_state(), states[2])
    assert network.count.tolist() == [0.0]


@pytest.mark.parametrize(
    ("network", "fact"),
    [
        (nn.Sequential(nn.LazyConv2d(3, 3), nn.Flatten(), nn.LazyLinear(3)), "lazy"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).to("meta"), "meta device"),
        (nn.ReLU(), "at least one parameter"),
        (Answers(lambda self, z: {"a": z, "b": z}), "a, b"),
        (Answers(lambda self, z: z[..., None, None]), "logits of shape"),
    ],
)
def test_what_cannot_be_used_says_the_way_out(network, fact):
    with pytest.raises(ModelError, match=fact):
        Classifier.from_module(network, input_size=SIZE)


def test_a_negative_variance_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.LazyLinear(2))
    network(torch.zeros(2, 3, SIZE, SIZE))
    network[1].running_var[0] = -0.5
    with pytest.raises(ModelError, match=r"negative variance \(least -0.5\)"):
        Classifier.from_module(network, input_size=SIZE)


@pytest.mark.parametrize(
    "answer", [lambda self, z: z.detach(), lambda self, z: torch.tensor(z.tolist())]
)
def test_without_a_gradient_there_is_no_prototype(answer):
    classifier = wrap(answer)
    torch.testing.assert_close(classifier.probabilities(black(classifier)), SOFTMAX)
    with pytest.raises(ModelError, match="no gradient reaches the image"):
        generate_prototype(classifier, 0, GenerationSettings(steps=1))


# --- classes ---

TEXT_ORDER = ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]


@pytest.mark.parametrize(
    ("names", "query", "index"),
    [
        (TEXT_ORDER, "name:10", 2),
        (TEXT_ORDER, "index:10", 10),
        (TEXT_ORDER, 10, 10),
        (TEXT_ORDER, "0", 0),
        (["001.Black_footed_Albatross", "x"], "001.Black_footed_Albatross", 0),
        (["x", "3 wheeler"], "3 wheeler", 1),
        (["7up can", "2CV"], "2cv", 1),
        (["7", "5"], "7", 0),
        (["tench, Tinca tinca", "x"], "tench,Tinca tinca", 0),
        (["tench, Tinca tinca", "x"], "tench", 0),
        (["cafe\u0301", "x"], "caf\u00e9", 0),
        (["caf\u00e9", "x"], "cafe\u0301", 0),
        (["Crane", "crane"], "crane", 1),
        (["index:1", "x"], "index:1", 0),
    ],
)
def test_a_name_wins_over_an_index(names, query, index):
    classifier = wrap(lambda self, z: z.repeat(1, 4)[:, : len(names)], class_names=names)
    assert classifier.find_class(query) == index


@pytest.mark.parametrize("query", ["2", "10", "11", "9"])
def test_digits_that_could_be_both_are_asked_about(query):
    classifier = wrap(lambda self, z: z.repeat(1, 4), class_names=TEXT_ORDER)
    with pytest.raises(UnknownClassError) as caught:
        classifier.find_class(query)
    assert f"name:{query}" in str(caught.value)
    assert f"index:{query}" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"{0: 'tench, Tinca tinca',\n 1: 'goldfish'}",
        b'{"architectures": [], "id2label": {"0": "tench, Tinca tinca", "1": "goldfish"}}',
        b'{"label2id": {"goldfish": 1, "tench, Tinca tinca": 0}}',
        b'{"0": ["n01440764", "tench, Tinca tinca"], "1": ["n01443537", "goldfish"]}',
        b"n01440764 tench, Tinca tinca\nn01443537 goldfish\n",
        b"0: tench, Tinca tinca\n1: goldfish",
        b"1\tgoldfish\r\n0\ttench, Tinca tinca\r\n",
        b"1 tench, Tinca tinca\n2 goldfish",
        b'index,name\n1,goldfish\n0,"tench, Tinca tinca"\n',
        b"label;species\n0;tench, Tinca tinca\n1;goldfish\n",
        b"('tench, Tinca tinca', 'goldfish')",
        "tench, Tinca tinca\ngoldfish".encode("utf-16"),
        "tench, Tinca tinca\ngoldfish".encode("utf-16-le"),
    ],
)
def test_files_of_names(content):
    reading = interpret_class_names(content)
    assert reading.names == ("tench, Tinca tinca", "goldfish")
    assert "2 names" in reading.text
    assert "goldfish" in reading.text


def test_names_in_windows_1252_and_names_that_begin_with_digits():
    assert interpret_class_names("Käfer\nHütte".encode("cp1252")).names == ("Käfer", "Hütte")
    names = ("2CV", "3 wheeler", "7up can")
    assert interpret_class_names("\n".join(names).encode()).names == names
    assert interpret_class_names("\n".join(TEXT_ORDER).encode()).names == tuple(TEXT_ORDER)


@pytest.mark.parametrize("content", [b"[" * 200_000, b"{" * 200_000, b'["\\ud800"]', b"[1, 2]"])
def test_files_that_are_no_names_are_explained(content):
    with pytest.raises(ModelError):
        interpret_class_names(content)


# --- weights files ---


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return resnet18(num_classes=3).eval()


def under(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def other(state):
    return {k: v + 1 if v.is_floating_point() else v for k, v in state.items()}


LAYOUTS = {
    "Lightning": lambda s: {
        "state_dict": {**under("model.", s), "criterion.weight": torch.ones(3)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
    },
    "AveragedModel": lambda s: {"n_averaged": torch.tensor(3), **under("module.", s)},
    "a name of one's own": lambda s: {"state_dict": under("classifier.", s)},
    "in a Sequential": lambda s: under("net.0.", s),
    "compiled inside": lambda s: under("model._orig_mod.", s),
    "one extra key": lambda s: {**s, "criterion.pos_weight": torch.ones(3)},
    "an unusual place": lambda s: {"my_best": s, "epoch": 3},
    "student and teacher": lambda s: {**under("student.", s), **under("teacher.", other(s))},
    "averaged beside": lambda s: {"state_dict_ema": other(s), "state_dict": s},
    "NumPy beside": lambda s: {
        "model": s,
        "classes": np.array(["a", "b", "c"]),
        "scalars": [np.int32(1), np.bool_(True), np.float16(2), np.uint8(3), np.str_("x")],
    },
}


LEFT_OUT = {
    "Lightning": "criterion.weight",
    "AveragedModel": "n_averaged",
    "one extra key": "criterion.pos_weight",
    "student and teacher": "teacher",
    "averaged beside": "state_dict_ema",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_network_in_a_weights_file_is_found(tmp_path, resnet, layout):
    path = tmp_path / "mine.pth"
    torch.save(LAYOUTS[layout](resnet.state_dict()), path)
    spec = ModelSpec.checkpoint("resnet18", path, input_size=32, device="cpu")
    classifier = load_classifier(spec)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(classifier.logits(image), resnet(classifier.normalise(image)))
    assert LEFT_OUT.get(layout, "") in " ".join(classifier.notes)


def test_one_of_several_networks_is_chosen(tmp_path, resnet):
    path = tmp_path / "mine.pth"
    torch.save(LAYOUTS["averaged beside"](resnet.state_dict()), path)
    assert networks_in(path, "resnet18") == ("state_dict", "state_dict_ema")
    spec = ModelSpec.checkpoint("resnet18", path, part="state_dict_ema", device="cpu")
    averaged = load_classifier(spec).module.state_dict()
    torch.testing.assert_close(averaged["fc.bias"], resnet.fc.bias + 1)
    assert ModelSpec.from_link(spec.to_link(), device="cpu") == spec
    wrong = ModelSpec.checkpoint("resnet18", path, part="best", device="cpu")
    with pytest.raises(CheckpointError, match="state_dict, state_dict_ema"):
        load_classifier(wrong)


def test_class_names_in_a_numpy_array_are_read(tmp_path, resnet):
    torch.save(LAYOUTS["NumPy beside"](resnet.state_dict()), tmp_path / "mine.pth")
    assert read_checkpoint(tmp_path / "mine.pth").class_names == ("a", "b", "c")


def with_first(resnet, *shape):
    weight = torch.randn(64, *shape, generator=torch.Generator().manual_seed(1)) / 10
    return {**resnet.state_dict(), "conv1.weight": weight}


def test_a_small_stem_is_built_as_for_cifar(tmp_path, resnet):
    state = with_first(resnet, 3, 3, 3)
    torch.save(state, tmp_path / "cifar.pth")
    classifier = load_classifier(
        ModelSpec.checkpoint("resnet18", tmp_path / "cifar.pth", device="cpu")
    )
    with torch.random.fork_rng():
        expected = resnet18(num_classes=3)
    expected.conv1, expected.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    expected.load_state_dict(state)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = expected.eval()(classifier.normalise(image))
    torch.testing.assert_close(classifier.logits(image), wanted)
    assert (classifier.input_size, classifier.preprocessing.resize) == (32, 32)
    assert "without max pooling" in " ".join(classifier.notes)


def test_one_channel_makes_grey_prototypes(tmp_path, resnet):
    torch.save(with_first(resnet, 1, 7, 7), tmp_path / "grey.pth")
    spec = ModelSpec.checkpoint("resnet18", tmp_path / "grey.pth", input_size=32, device="cpu")
    classifier = load_classifier(spec)
    image = generate_prototype(classifier, 1, GenerationSettings(steps=2)).image
    assert (image[..., 0] == image[..., 1]).all()
    assert (image[..., 0] == image[..., 2]).all()
    assert image.std() > 0
    assert classifier.preprocessing.grey


def test_chosen_bands_of_a_network_of_four_channels(tmp_path, resnet):
    state = with_first(resnet, 4, 7, 7)
    torch.save(state, tmp_path / "four.pth")
    how = {"input_size": 32, "device": "cpu"}
    spec = ModelSpec.checkpoint("resnet18", tmp_path / "four.pth", bands=(3, 1, 0), **how)
    classifier = load_classifier(spec)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    red, green, blue = classifier.normalise(image)[0]
    four = torch.stack([blue, green, torch.zeros_like(red), red])[None]
    with torch.random.fork_rng():
        expected = resnet18(num_classes=3)
    expected.conv1 = nn.Conv2d(4, 64, 7, 2, 3, bias=False)
    expected.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(classifier.logits(image), expected.eval()(four))
    with pytest.raises(ProtocoreError, match="from 0 to 3"):
        load_classifier(ModelSpec.checkpoint("resnet18", tmp_path / "four.pth", bands=(4,), **how))


def test_a_torchscript_program_makes_prototypes_but_has_no_layers_to_read():
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    program = torch.jit.trace(nn.Sequential(plain, nn.Linear(4, 3)), torch.zeros(1, 3, SIZE, SIZE))
    classifier = Classifier.from_module(program, input_size=SIZE)
    generate_prototype(classifier, 0, GenerationSettings(steps=1, baseline_steps=0))
    with pytest.raises(ModelError, match="TorchScript"):
        open_reader(classifier)
