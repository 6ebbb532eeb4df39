import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision import models

from protocore.errors import UnknownModelError
from protocore.models.catalog import (
    architectures,
    catalog,
    find_architecture,
    find_entry,
    search_catalog,
    weights_member,
)

ROOT = Path(__file__).parents[2]


def test_lists_every_model_with_every_weights_entry():
    names = models.list_models(module=models)
    entries = sum(len(models.get_model_weights(name)) for name in names)
    assert architectures() == tuple(names)
    assert len(catalog()) == entries
    assert len(names) >= 80


def test_describes_an_entry_as_torchvision_does():
    entry = find_entry("mobilenet_v2", "IMAGENET1K_V1")
    assert entry.parameters == 3_504_872
    assert (entry.acc1, entry.acc5) == (71.878, 90.286)
    assert entry.gflops == 0.301
    assert (entry.input_size, entry.classes) == (224, 1000)
    assert entry.file_size == round(13.555 * 2**20)
    assert entry.file_name == "mobilenet_v2-b0353104.pth"
    assert not entry.is_default
    assert entry.title == "mobilenet_v2 · IMAGENET1K_V1"


@pytest.mark.parametrize(
    ("architecture", "weights", "size"),
    [
        ("inception_v3", None, 299),
        ("efficientnet_b7", None, 600),
        ("vit_h_14", "IMAGENET1K_SWAG_E2E_V1", 518),
    ],
)
def test_input_size_is_the_entrys_own(architecture, weights, size):
    assert find_entry(architecture, weights).input_size == size


def test_features_without_a_classifier_are_marked():
    entry = find_entry("vgg16", "IMAGENET1K_FEATURES")
    assert not entry.classifies
    assert entry.acc1 is None
    assert [e.title for e in catalog() if not e.classifies] == [entry.title]


def test_on_disk_is_looked_up_each_time():
    entry = find_entry("resnet18")
    assert not entry.on_disk
    entry.path.parent.mkdir(parents=True)
    entry.path.touch()
    assert entry.on_disk
    assert search_catalog(on_disk=True) == (entry,)
    entry.path.unlink()
    assert search_catalog(on_disk=True) == ()


def test_file_is_looked_for_in_torchs_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    expected = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    assert find_entry("resnet18").path == Path(expected)


def test_no_network_is_built_for_the_list(monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("a layer was built")

    monkeypatch.setattr(torch.nn.Linear, "__init__", refuse)
    catalog.cache_clear()
    assert len(catalog()) > 100


def test_search_finds_entries_with_every_word():
    found = [entry.title for entry in search_catalog("resnet 50 v2")]
    assert found == ["resnet50 · IMAGENET1K_V2", "wide_resnet50_2 · IMAGENET1K_V2"]
    assert {e.architecture for e in search_catalog("MobileNetV3")} == {
        "mobilenet_v3_large",
        "mobilenet_v3_small",
    }
    assert search_catalog("no such model") == ()
    assert search_catalog("") == catalog()


def test_default_entry_is_torchvisions():
    for name in architectures():
        expected = models.get_model_weights(name).DEFAULT
        assert weights_member(find_entry(name)) == expected
    assert find_entry("ResNet50", "default").weights == "IMAGENET1K_V2"


def test_unknown_names_are_explained():
    with pytest.raises(UnknownModelError) as error:
        find_architecture("resnet19")
    assert str(error.value) == (
        "torchvision has no classification model 'resnet19' (did you mean resnet18, resnet152, "
        "resnet101?); `python -m protocore models` lists the ones it has"
    )
    with pytest.raises(UnknownModelError) as error:
        find_entry("mobilenet_v2", "V9")
    assert str(error.value) == (
        "mobilenet_v2 has no weights entry 'V9'; it has IMAGENET1K_V1, IMAGENET1K_V2"
    )


def test_importing_needs_no_torchvision(tmp_path):
    """It takes two seconds to load, for which the first page need not wait."""
    code = (
        "import sys\n"
        "from protocore.models.catalog import search_catalog\n"
        "import protocore.jobs.generation\n"
        "assert search_catalog(on_disk=True) == ()\n"
        "sys.exit('torchvision' in sys.modules)\n"
    )
    environment = {**os.environ, "TORCH_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
