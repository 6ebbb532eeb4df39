"""An honest bundle passes every check; each kind of change is found by at least one."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from protocore.errors import BundleError, WeightsUnavailableError
from protocore.library import verify_prototypes
from protocore.library.library import Library
from protocore.library.review_bundle import export_review
from protocore.library.verify import verify_bundle
from protocore.models.loading import load_classifier
from protocore.models.spec import ModelSpec
from tests.library.review_samples import (
    TEST,
    contents,
    edited,
    make_review,
    rebuilt,
    recorded,
)
from tests.networks import tiny_classifier

RESULT = f"tests/{TEST}/result.json"


@pytest.fixture(scope="module")
def demo():
    return load_classifier(ModelSpec.demo(device="cpu"))


@pytest.fixture(scope="module")
def made(tmp_path_factory, demo):
    folder = tmp_path_factory.mktemp("made")
    library = Library(folder / "home")
    bundle = export_review(library, make_review(library, demo), folder / "g.protocore-review")
    library.close()
    return bundle


@pytest.fixture
def bundle(made, tmp_path):
    path = tmp_path / "mine.protocore-review"
    path.write_bytes(made.read_bytes())
    return path


def verified(path, demo, **more):
    return verify_bundle(path, lambda _: demo, **more)


def found(verification):
    """What differs: names and details."""
    return {one.name: one.detail for one in verification.checks if one.status == "differs"}


def test_an_honest_bundle_is_ok(bundle, demo):
    said = []
    verification = verified(bundle, demo, progress=lambda *state: said.append(state))
    assert verification.ok, verification.text
    assert [check.name for check in verification.checks] == [
        "files", "events", "contents", "model",
        *(
            f"picture {place} of round 1: {step}"
            for place in (1, 2, 3)
            for step in ("recorded", "what the model sees", "made again")
        ),
        *(
            f"test 1: {step}"
            for step in ("recorded", "analysis", "images", "small copies", "predictions")
        ),
    ]  # fmt: skip
    assert verification.count("ok") == len(verification.checks) == 18
    details = {check.name: check.detail for check in verification.checks}
    size = demo.input_size
    assert details["picture 2 of round 1: made again"] == (
        f"the same in all {3 * size * size} values of its pixels"
    )
    assert details["test 1: images"] == "the demo world renders the same 8 images"
    assert said[0][:2] == (0, 5) and said[-1] == (5, 5, "done")
    assert any("step 6 of 6" in text for _, _, text in said)


def test_the_table(bundle, demo):
    text = verified(bundle, demo).text
    assert text.splitlines()[0].split() == [
        "ok", "files", "17,", "each", "with", "the", "size", "and", "SHA-256", "that", "the",
        "index", "says",
    ]  # fmt: skip
    assert text.splitlines()[-1] == "18 ok, 0 differs, 0 not possible"


# --- changes that somebody did not hide ---


def test_a_changed_file(bundle, demo):
    files = edited(contents(bundle), "decided", decision="supported")
    verification = verified(rebuilt(bundle, files, honest=False), demo)
    assert found(verification) == {
        "file events.jsonl": "it was changed after the export: the index says another size or "
        "SHA-256",
        "contents": "files and index differ; an import refuses that",
    }


def test_a_removed_file(bundle, demo):
    files = contents(bundle)
    del files[RESULT]
    changed = found(verified(rebuilt(bundle, files, honest=False), demo))
    assert changed == {
        f"file {RESULT}": "the index lists it, but it is missing",
        "contents": f"the result of test {TEST} is missing",
        "test 1: recorded": f"the result of test {TEST} is missing",
    }


def test_an_added_file(bundle, demo):
    files = contents(bundle) | {"prototypes/0123456789abcdef.png": b"x"}
    changed = found(verified(rebuilt(bundle, files, honest=False), demo))
    assert changed["file prototypes/0123456789abcdef.png"].startswith("it was added after")
    assert changed["contents"].endswith("belongs to nothing in the session")


def test_a_damaged_file(bundle, demo):
    data = bytearray(bundle.read_bytes())
    with zipfile.ZipFile(bundle) as archive:
        item = next(one for one in archive.infolist() if one.filename.endswith(".png"))
    data[item.header_offset + 300] ^= 0xFF  # pictures are stored as they are
    bundle.write_bytes(data)
    changed = found(verified(bundle, demo))
    assert changed[f"file {item.filename}"].startswith("it is damaged: Bad CRC-32")


# --- changes with index and recorded digests made to fit ---


def pixels_of(content):
    return np.array(Image.open(io.BytesIO(content)))


def png_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def first_picture(files):
    """The file of picture 1 of the round."""
    opened = json.loads(files["events.jsonl"].splitlines()[1])
    return f"prototypes/{opened['data']['items'][0]['prototype_id']}.png"


def with_a_changed_pixel(files, name):
    pixels = pixels_of(files[name])
    pixels[5, 7, 1] ^= 1
    return png_of(pixels)


def test_one_changed_pixel(bundle, demo):
    files = contents(bundle)
    name = first_picture(files)
    changed = {**files, name: with_a_changed_pixel(files, name)}
    assert "picture 1 of round 1: recorded" in found(verified(rebuilt(bundle, changed), demo))
    verification = verified(
        rebuilt(bundle, recorded(files, name, with_a_changed_pixel(files, name))), demo
    )
    assert found(verification) == {
        "picture 1 of round 1: made again": "0.01% of the pixels differ, by up to 1 of 255, on "
        "the same versions and kind of machine"
    }


def test_another_picture(bundle, demo):
    files = contents(bundle)
    name = first_picture(files)
    other = png_of(np.full_like(pixels_of(files[name]), 128))
    changed = found(verified(rebuilt(bundle, recorded(files, name, other)), demo))
    assert set(changed) == {
        "picture 1 of round 1: what the model sees",
        "picture 1 of round 1: made again",
    }


def with_record(files, **changes):
    name = first_picture(files).replace(".png", ".json")
    content = json.loads(files[name])
    return {**files, name: json.dumps(content | changes).encode()}


def test_a_changed_record(bundle, demo):
    files = contents(bundle)
    for changes, check, detail in (
        ({"probability": 0.9}, "what the model sees", "the record says logit"),
        ({"class_index": 3}, "recorded", "the record says class of the record 3, not 0"),
        ({"weight_hash": "0" * 64}, "recorded", "the record says weights 0000"),
    ):
        path = rebuilt(bundle, with_record(files, **changes))
        changed = found(verified(path, demo))
        assert detail in changed[f"picture 1 of round 1: {check}"]


def test_other_versions_are_given_a_tolerance(bundle, demo, monkeypatch):
    files = contents(bundle)
    name = first_picture(files)
    versions = {**json.loads(files[name.replace(".png", ".json")])["versions"], "torch": "2.1.0"}
    files = with_record(files, versions=versions)
    close = rebuilt(bundle, recorded(files, name, with_a_changed_pixel(files, name)))
    check = next(c for c in verified(close, demo).checks if c.name.endswith("1: made again"))
    assert check.status == "ok"
    assert "made with torch 2.1.0 (here " in check.detail
    assert "within the tolerance: 2% on average, 0.05 in p" in check.detail
    monkeypatch.setattr(verify_prototypes, "LOGIT_TOLERANCE", 100.0)
    far = png_of(255 - pixels_of(files[name]))
    changed = found(verified(rebuilt(bundle, recorded(files, name, far)), demo))
    assert list(changed) == ["picture 1 of round 1: made again"]


def test_what_was_tuned_cannot_be_made_again(bundle, demo):
    path = rebuilt(bundle, with_record(contents(bundle), completed=False))
    verification = verified(path, demo)
    assert verification.ok
    check = next(c for c in verification.checks if c.name.endswith("1: made again"))
    assert (check.status, check.detail.split(":")[0]) == (
        "not possible",
        "it was tuned or stopped while running",
    )


def with_result(files, edit):
    content = json.loads(files[RESULT])
    edit(content)
    return recorded(files, RESULT, json.dumps(content).encode())


def test_a_changed_verdict(bundle, demo):
    def edit(content):
        content["b"][1]["logits"][0] -= 3.0

    files = contents(bundle)
    unrecorded = {**files, RESULT: with_result(files, edit)[RESULT]}
    assert "test 1: recorded" in found(verified(rebuilt(bundle, unrecorded), demo))
    changed = found(verified(rebuilt(bundle, with_result(files, edit)), demo))
    assert set(changed) == {"test 1: analysis", "test 1: predictions"}
    assert changed["test 1: predictions"].endswith("its scores are 3.000 off (tolerance 0.01)")


def test_a_changed_analysis(bundle, demo):
    def edit(content):
        content["analysis"]["outcome"]["outcome"] = "supported!"

    changed = found(verified(rebuilt(bundle, with_result(contents(bundle), edit)), demo))
    assert list(changed) == ["test 1: analysis"]
    assert changed["test 1: analysis"].startswith(
        "outcome.outcome is 'supported!', the predictions"
    )


def test_other_images_than_the_recipe_makes(bundle, demo):
    def edit(content):
        content["recipe"]["seed"] = 99

    changed = found(verified(rebuilt(bundle, with_result(contents(bundle), edit)), demo))
    assert changed["test 1: images"] == "4 of 4 images of A are other ones"
    assert "test 1: small copies" in changed and "test 1: predictions" in changed


def test_a_class_that_the_model_has_not(bundle, demo):
    def edit(content):
        content["plan"]["rivals"] = content["analysis"]["plan"]["rivals"] = [999]
        for side in "ab":
            for prediction in content[side]:
                prediction["predicted"] = 0

    files = with_result(contents(bundle), edit)
    plan = json.loads(files[RESULT])["plan"]
    for kind in ("claimed", "test started"):
        files = edited(files, kind, plan=plan)
    changed = found(verified(rebuilt(bundle, files), demo))
    assert "has no class 999" in changed["test 1: predictions"]


def test_small_copies_of_other_images(bundle, demo):
    files = contents(bundle)
    a, b = f"tests/{TEST}/a/0000.jpg", f"tests/{TEST}/b/0000.jpg"  # the skin alone differs
    changed = found(verified(rebuilt(bundle, {**files, a: files[b]}), demo))
    assert changed == {"test 1: small copies": "a/0000.jpg shows another image"}


def test_images_from_files_cannot_be_predicted_again(bundle, demo):
    def edit(content):
        content["recipe"] = {"kind": "files"}

    verification = verified(rebuilt(bundle, with_result(contents(bundle), edit)), demo)
    assert verification.ok
    assert verification.count("not possible") == 3
    assert "not possible  test 1: predictions" in verification.text


def test_a_wrong_weight_hash(bundle, demo):
    files = edited(contents(bundle), "started", weight_hash="0" * 64)
    verification = verified(rebuilt(bundle, files), demo)
    changed = found(verification)
    assert changed["model"] == (
        f"{demo.title} has the weights {demo.weight_hash}, the session says {'0' * 64}"
    )
    assert "is of other weights" in changed["test 1: recorded"]
    assert verification.count("not possible") == 6


def test_events_that_cannot_be(bundle, demo):
    files = contents(bundle)
    lines = files["events.jsonl"].splitlines(keepends=True)
    verification = verified(rebuilt(bundle, {**files, "events.jsonl": b"".join(lines[1:])}), demo)
    assert not verification.ok
    assert verification.title == ""
    assert verification.checks[-1].name == "events"


# --- the model ---


def test_a_model_that_is_not_here(bundle):
    def load(spec):
        raise WeightsUnavailableError("the weights are not on disk")

    verification = verify_bundle(bundle, load)
    assert verification.ok
    check = next(check for check in verification.checks if check.name == "model")
    assert check.status == "not possible"
    assert "the weights are not on disk; give its weights with --model and --weights" in (
        check.detail
    )
    assert verification.count("not possible") == 1 + 6 + 3


def test_a_model_given_by_hand(bundle, demo):
    asked = []
    spec = replace(ModelSpec.demo(device="cpu"), weights="plain")

    def load(wanted):
        asked.append(wanted)
        return tiny_classifier()

    assert "model" in found(verify_bundle(bundle, load, spec=spec))
    assert asked == [spec]


# --- what is no bundle ---


@pytest.mark.parametrize("name", ["../x", "weights.pth", "tests/7e7e7e7e7e7e7e7e/run.pkl"])
def test_a_hostile_bundle_is_not_even_unpacked(bundle, demo, name):
    path = rebuilt(bundle, {**contents(bundle), name: b"x"})
    with pytest.raises(BundleError, match="which Protocore never writes"):
        verified(path, demo)


def test_names_do_not_drive_the_terminal(bundle, demo):
    files = with_record(contents(bundle), class_name="\x1b[2Jgown\nok  all")
    text = verified(rebuilt(bundle, files), demo).text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 19
