"""A cohort test of an ImageNet classifier on photographs."""

import pytest

from protocore.cli.main import main
from protocore.cohorts.result import TestResult

pytestmark = pytest.mark.real


def test_golf_balls_are_golf_balls_and_horns_are_not(test_data, tmp_path):
    photos = test_data / "images" / "imagenette"
    arguments = [
        "--model", "mobilenet_v2", "--device", "cpu",
        "--weights", str(test_data / "weights" / "mobilenet_v2_imagenet.pth"),
        "--target", "574", "--rivals", "566", "--limit", "20",
        "--a", str(photos / "n03445777"), "--b", str(photos / "n03394916"),
    ]  # fmt: skip
    assert main(["cohort", *arguments, "--out", str(tmp_path)]) == 0
    result = TestResult.from_json((tmp_path / "result.json").read_text(encoding="utf-8"))
    balls, horns = result.analysis.rows
    assert (balls.count, horns.count) == (20, 20)
    assert balls.accuracy.value > 0.6
    assert horns.accuracy.value < 0.1
    assert horns.taken_for[1] > 12
    assert result.analysis.outcome().outcome == "supported"
    assert result.skipped_a[0].name == "100 more"
