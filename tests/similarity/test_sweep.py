import math

import pytest
import torch
from torch import nn

from protocore.errors import LibraryError, SettingsError
from protocore.generation.settings import GenerationSettings
from protocore.models.classifier import Classifier
from protocore.similarity import sweep as sweep_module
from protocore.similarity.statistics import measure_reference
from protocore.similarity.summary import Naturalness
from protocore.similarity.sweep import (
    AffineProtocol,
    Trial,
    protocols,
    rank_protocols,
    read_trials,
    results_csv,
    sweep,
    table3_text,
)

SETTINGS = GenerationSettings(steps=2, baseline_steps=0, hf_weight=1.0, image_size=16)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )
    return Classifier.from_module(module.eval(), input_size=16)


@pytest.fixture(scope="module")
def statistics(classifier, small_reference):
    doubled = type(small_reference)(
        class_index=1,
        same=small_reference.same.repeat(2, 1).repeat(2, 2),
        different=small_reference.different.repeat(2, 1).repeat(2, 2),
    )
    return measure_reference(classifier, doubled)


def trial(similarity: float, seed: int = 0, rotation: float = 0.0) -> Trial:
    badge = Naturalness(
        similarity=similarity, same=0.7, different=0.5, profile=0.4, profile_same=0.6, share=0.5,
        probability=0.9,
    )  # fmt: skip
    protocol = AffineProtocol(scale=(1.0, 1.0), rotation=rotation, translation=(0.1, 0.1))
    return Trial(key=f"{similarity}", protocol=protocol, seed=seed, naturalness=badge)


def test_the_paper_has_125_protocols():
    found = protocols()
    assert len(set(found)) == 125
    assert AffineProtocol(scale=(0.7, 1.3), rotation=180.0, translation=(0.5, 0.5)) in found
    assert found[0].cells == ("None", "None", "None")
    assert found[-1].cells == ("(0.5, 1.5)", "180", "(0.5, 0.5)")
    with pytest.raises(SettingsError):
        protocols(rotations=())


def test_a_protocol_changes_the_transforms_alone():
    protocol = AffineProtocol(scale=(0.9, 1.1), rotation=30.0, translation=(0.2, 0.2))
    assert protocol.apply(SETTINGS) == SETTINGS.replace(
        scale=(0.9, 1.1), rotation=30.0, translation=(0.2, 0.2)
    )


def test_an_interrupted_sweep_goes_on(classifier, statistics, tmp_path, monkeypatch):
    wanted = protocols(scales=[(1.0, 1.0)], rotations=[0.0, 30.0], translations=[(0.0, 0.0)])
    arguments = (classifier, statistics, SETTINGS, wanted, [0, 1], tmp_path)
    whole = list(sweep(*arguments[:-1], tmp_path / "whole"))
    assert [len(found) for found in whole] == [2, 2]

    steps = sweep(*arguments)
    first = next(steps)
    steps.close()
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"key": "half a li')
    made = []
    again = list(sweep(*arguments, lambda protocol, prototypes: made.append(protocol)))
    assert made == [wanted[1]]
    assert again[0] == first
    assert [[t.naturalness for t in found] for found in again] == [
        [t.naturalness for t in found] for found in whole
    ]
    assert len(read_trials(tmp_path)) == 4

    monkeypatch.setattr(sweep_module, "generate_prototypes", None)
    assert list(sweep(*arguments)) == again


def test_more_seeds_and_other_settings_are_made(classifier, statistics, tmp_path):
    wanted = protocols([(1.0, 1.0)], [0.0], [(0.0, 0.0)])
    list(sweep(classifier, statistics, SETTINGS, wanted, [0], tmp_path))
    made = []

    def note(protocol, prototypes):
        made.append([p.record.seed for p in prototypes])

    list(sweep(classifier, statistics, SETTINGS, wanted, [0, 1], tmp_path, note))
    other = SETTINGS.replace(steps=3)
    list(sweep(classifier, statistics, other, wanted, [0], tmp_path, note))
    assert made == [[1], [0]]


def test_a_folder_that_cannot_be_written(classifier, statistics, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError) as error:
        next(sweep(classifier, statistics, SETTINGS, protocols(), [0], tmp_path / "file"))
    assert str(error.value) == (
        f"the results of the sweep cannot be written to {tmp_path / 'file'}: File exists; choose a "
        "folder that can be written and has room, finished protocols are kept"
    )
    with pytest.raises(SettingsError) as error:
        next(sweep(classifier, statistics, SETTINGS, protocols(), [], tmp_path))
    assert str(error.value) == "a sweep needs at least one seed, got none"


def test_ranking_with_spread_over_seeds():
    trials = [trial(0.5), trial(0.7, seed=1), trial(0.61, rotation=30.0), trial(math.nan, 0, 60.0)]
    ranked = rank_protocols(trials)
    assert [result.protocol.rotation for result in ranked] == [30.0, 0.0, 60.0]
    assert ranked[1].similarity == pytest.approx(0.6)
    assert ranked[1].similarity_sd == pytest.approx(math.sqrt(0.02))
    assert ranked[1].seeds == 2
    lines = table3_text(ranked).splitlines()
    assert lines[1].split() == ["None", "30", "(0.1,", "0.1)", "0.610", "0.400", "50%", "0.90"]
    assert "0.600 ± 0.141" in lines[2]
    assert lines[-1] == "± standard deviation over 2 seed(s)"
    assert results_csv(ranked).splitlines()[1].startswith('None,30,"(0.1, 0.1)",0.61,nan,0.4,')
