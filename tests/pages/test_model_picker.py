import dataclasses
import http.server
import threading

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torchvision import models

from protocore.models import ModelPool, ModelSpec, find_entry
from protocore.models.files import uploads_folder


def page():
    import streamlit as st

    from pages.components.pickers.model import pick_model

    st.session_state["picked"] = pick_model(
        st.session_state["pool"], disabled=st.session_state.get("frozen", False)
    )


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PROTOCORE_HOME", str(tmp_path / "protocore"))


@pytest.fixture
def weights_file(tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(models.squeezenet1_1(num_classes=3).state_dict(), path)
    return path


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.setattr("protocore.models.loading.demo_variants", lambda: ("robust", "plain"))
    monkeypatch.setattr("pages.components.pickers.model.demo_variants", lambda: ("robust", "plain"))


def opened(link=None, *, source=None):
    app = AppTest.from_function(page, default_timeout=30)
    app.session_state["pool"] = ModelPool()
    if link:
        app.query_params["model"] = link
    app.run()
    if source:
        app.segmented_control(key="model_source").set_value(source).run()
    assert not app.exception
    return app


def picked(app):
    return app.session_state["picked"]


def link_of(app):
    found = app.query_params.get("model")
    return found[0] if isinstance(found, list) else found


def error_of(app):
    """The first error without the backslashes that keep Markdown from reading it."""
    return app.error[0].value.replace("\\", "")


def place(architecture):
    entry = find_entry(architecture)
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    entry.path.write_bytes(b"weights")
    return entry


def test_the_demo_model_is_the_default_and_needs_no_link(demo):
    app = opened()
    assert picked(app) == ModelSpec.demo()
    assert link_of(app) is None
    app.selectbox(key="model_variant").set_value("plain").run()
    assert picked(app) == ModelSpec.demo("plain")
    assert link_of(app) == "demo:plain"


def test_missing_demo_weights_say_what_to_do(monkeypatch):
    monkeypatch.setattr("pages.components.pickers.model.demo_variants", lambda: ())
    app = opened()
    assert picked(app) is None
    assert app.info[0].value == (
        "The demo weights are missing from this copy of Protocore. Restore `assets/demo` from the "
        "repository, or choose another source above."
    )


def test_torchvision_lists_every_classifier_with_its_figures():
    app = opened(source="torchvision")
    box = app.selectbox(key="model_entry")
    assert len(box.options) == 114  # 115 entries, one of which is no classifier
    assert "mobilenet_v2 V2 · 72.2 % · 4 M · 224 px" in box.options
    assert box.label == "Weights (0 of 114 on disk)"
    assert picked(app) is None
    assert app.caption[0].value == (
        "No weights are on disk yet: choose a model to see how to get its weights."
    )


def test_weights_on_disk_are_chosen_first_and_can_be_used():
    entry = place("resnet50")
    app = opened(source="torchvision")
    assert picked(app) == ModelSpec.torchvision("resnet50")
    assert link_of(app) == f"torchvision:resnet50:{entry.weights}"
    assert app.caption[0].value == (
        ":green-badge[:material/check: on disk] 25.6 M parameters · 224 px · 4.09 GFLOPs · "
        "ImageNet top-1 80.9 %, top-5 95.4 %"
    )
    assert not app.info


def test_weights_that_are_not_on_disk_say_how_to_get_them():
    app = opened("torchvision:resnet18:IMAGENET1K_V1")
    entry = find_entry("resnet18")
    assert picked(app) is None
    assert app.info[0].value == (
        "The weights are not on this computer yet. Download them here, or, without a network, put "
        f"[resnet18-f37072fd.pth]({entry.url}) into `{entry.path.parent}`."
    )
    assert app.button(key="model_download").label == "Download 44.7 MB"
    assert link_of(app) == "torchvision:resnet18:IMAGENET1K_V1"
    place("resnet18")  # by hand, as told
    app = opened("torchvision:resnet18:IMAGENET1K_V1")
    assert picked(app) == ModelSpec.torchvision("resnet18")
    assert "✓ resnet18 V1 · 69.8 % · 12 M · 224 px" in app.selectbox(key="model_entry").options


def test_a_failed_download_is_explained(monkeypatch):
    entry = dataclasses.replace(find_entry("resnet18"), url="http://127.0.0.1:9/resnet18-1.pth")
    monkeypatch.setattr("pages.components.pickers.model.find_entry", lambda *names: entry)
    app = opened("torchvision:resnet18:IMAGENET1K_V1")
    app.button(key="model_download").click().run()
    app.session_state["pool"].download_of(entry).wait(10)
    app.run()
    assert not app.exception
    assert "could not be fetched: the server cannot be reached" in error_of(app)
    assert app.button(key="model_download").label == "Download 44.7 MB"


def test_a_download_shows_its_progress_and_then_the_model(monkeypatch):
    gate = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(2**20))
            self.end_headers()
            self.wfile.write(bytes(2**19))
            gate.wait(10)
            self.wfile.write(bytes(2**19))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/weights.pth"  # no hash in the name
    entry = dataclasses.replace(find_entry("resnet18"), url=url)
    monkeypatch.setattr("pages.components.pickers.model.find_entry", lambda *names: entry)
    try:
        app = opened("torchvision:resnet18:IMAGENET1K_V1")
        app.button(key="model_download").click().run()
        assert picked(app) is None
        assert app.button[0].label == "Cancel the download"
        assert app.get("progress")[0].proto.text.endswith("MB")
        gate.set()
        app.session_state["pool"].download_of(entry).wait(10)
        app.run()
        assert picked(app) == ModelSpec.torchvision("resnet18")
    finally:
        gate.set()
        server.shutdown()
        server.server_close()


def test_own_weights_begin_with_what_to_do():
    app = opened(source="checkpoint")
    assert picked(app) is None
    assert app.info[0].value.startswith("Upload a state dict (.pth, .pt, .safetensors) of a")


def test_own_weights_from_a_path_with_options(weights_file, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\nbird\n")
    app = opened(source="checkpoint")
    app.text_input(key="model_path").set_value(str(weights_file))
    app.selectbox(key="model_architecture").set_value("squeezenet1_1")
    app.text_input(key="model_names").set_value(str(names))
    app.text_input(key="model_mean").set_value("0.5, 0.5, 0.5")
    app.text_input(key="model_std").set_value("0.25, 0.25, 0.25")
    app.number_input(key="model_size").set_value(64).run()
    expected = ModelSpec.checkpoint(
        "squeezenet1_1",
        weights_file,
        class_names=names,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        input_size=64,
    )
    assert picked(app) == expected
    assert ModelSpec.from_link(link_of(app)) == expected
    assert app.session_state["pool"].get(expected).class_names == ("cat", "dog", "bird")


def test_the_architecture_is_detected(weights_file):
    app = opened(source="checkpoint")
    app.text_input(key="model_path").set_value(str(weights_file)).run()
    assert picked(app) == ModelSpec.checkpoint("squeezenet1_1", weights_file)


def test_an_upload_is_kept_by_its_content_and_used(weights_file):
    app = opened(source="checkpoint")
    content = weights_file.read_bytes()
    app.file_uploader(key="model_path_upload").set_value(("mine.pth", content, "")).run()
    assert not app.exception
    kept = list(uploads_folder().iterdir())
    assert len(kept) == 1
    assert kept[0].read_bytes() == content
    assert picked(app) == ModelSpec.checkpoint("squeezenet1_1", kept[0])
    assert link_of(app) == f"checkpoint:squeezenet1_1:{kept[0].name}"


def test_a_wrong_upload_is_refused_and_the_page_stays_usable(weights_file):
    app = opened(source="checkpoint")
    app.file_uploader(key="model_path_upload").set_value(("mine.pth", b"", "")).run()
    assert not app.exception
    assert error_of(app) == "Mine.pth must have 1 to 1073741824 bytes, got 0"
    assert not uploads_folder().exists()
    app.file_uploader(key="model_path_upload").set_value(
        ("mine.pth", weights_file.read_bytes(), "")
    ).run()
    assert picked(app).architecture == "squeezenet1_1"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("model_path", "/nowhere/a.pth", "/nowhere/a.pth cannot be read: No such file"),
        ("model_names", "/nowhere/a.txt", "/nowhere/a.txt cannot be read: No such file"),
        ("model_mean", "a lot", "Mean and std must be three numbers with commas between"),
        ("model_std", "1,0,1", "Std must be three positive numbers, got [1.0, 0.0, 1.0]"),
    ],
)
def test_wrong_entries_are_explained(weights_file, key, value, reason):
    app = opened(f"checkpoint:squeezenet1_1:{weights_file}")
    assert picked(app) is not None
    app.text_input(key=key).set_value(value).run()
    assert not app.exception
    assert picked(app) is None
    assert error_of(app).startswith(reason)


def test_only_two_architectures_ask_about_their_rescaling(weights_file):
    app = opened(f"checkpoint:squeezenet1_1:{weights_file}")
    assert not app.toggle
    app.selectbox(key="model_architecture").set_value("googlenet").run()
    assert picked(app).transform_input is None
    app.toggle(key="model_rescales").set_value(False).run()
    assert picked(app).transform_input is False


def test_a_link_fills_every_control(weights_file):
    spec = ModelSpec.checkpoint(
        "googlenet", weights_file, mean=(0.1, 0.2, 0.3), input_size=96, transform_input=False
    )
    app = opened(spec.to_link())
    assert picked(app) == spec
    assert app.segmented_control(key="model_source").value == "checkpoint"


def test_a_wrong_link_is_explained_and_replaced(demo):
    app = opened("torchvision:resnet19")
    assert error_of(app).startswith(
        "The model in this link cannot be used: torchvision has no classification model 'resnet19'"
    )
    assert picked(app) == ModelSpec.demo()
    assert link_of(app) is None


def test_the_choice_outlives_a_page_without_the_controls(demo, tmp_path):
    other = tmp_path / "pages" / "other.py"
    other.parent.mkdir()
    other.write_text("import streamlit as st\nst.write('nothing to pick here')\n")
    main = tmp_path / "main.py"
    main.write_text(
        "import streamlit as st\n"
        "from pages.components.pickers.model import pick_model\n"
        "st.session_state['picked'] = pick_model(st.session_state['pool'])\n"
    )
    place("resnet50")
    app = AppTest.from_file(main, default_timeout=30)
    app.session_state["pool"] = ModelPool()
    app.run()
    app.segmented_control(key="model_source").set_value("torchvision").run()
    assert picked(app) == ModelSpec.torchvision("resnet50")
    app.switch_page("pages/other.py").run()
    app.switch_page("main.py").run()
    assert not app.exception
    assert picked(app) == ModelSpec.torchvision("resnet50")


def test_controls_can_be_frozen(demo):
    app = opened()
    app.session_state["frozen"] = True
    app.run()
    assert app.segmented_control(key="model_source").disabled
    assert app.selectbox(key="model_variant").disabled
    assert picked(app) == ModelSpec.demo()
