"""The Path Similarity page without a browser: choosing, measuring, reading, errors."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.components.common import resources
from protocore.generation.api import generate_prototypes
from protocore.generation.settings import GenerationSettings, Target
from protocore.library.library import SavedRun
from protocore.models.loading import load_classifier

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds
SETTINGS = GenerationSettings(steps=2, baseline_steps=0)

pytestmark = pytest.mark.usefixtures("clean_app")


@pytest.fixture
def prototypes(small_checkpoint):
    """Two prototypes of "cat" and one of "dog" in the library."""
    classifier = load_classifier(small_checkpoint)
    targets = (Target.of(2), Target.of(2, seed=1), Target.of(3))
    made = generate_prototypes(classifier, targets, SETTINGS)
    library = resources.library()
    link = small_checkpoint.to_link()
    run = library.save_run(SavedRun(title="two", prototypes=made, model_link=link))
    return library.run(run).prototypes


@pytest.fixture
def photos(tmp_path):
    """Six noise images in each of three folders, and a broken file."""
    generator = np.random.default_rng(0)
    for name in ("cat", "3 dog", "weeds"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = generator.integers(0, 256, (80, 70, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos/cat/broken.png").write_bytes(b"nothing")
    return tmp_path / "photos"


def open_page(**link):
    app = AppTest.from_file(ROOT / "app.py", default_timeout=PATIENCE)
    app.switch_page("pages/2_Path_Similarity.py")
    for name, value in link.items():
        app.query_params[name] = value
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception[0].stack_trace
    return app


def param(app, name):
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def texts(app):
    kinds = (app.markdown, app.info, app.error, app.caption, app.warning)
    return " ".join(block.value for kind in kinds for block in kind)


def measured(app, photos):
    """The page after a measurement against the folder of photos."""
    app.text_input(key="similarity_folder").set_value(str(photos))
    app.number_input(key="similarity_count").set_value(5)
    app.selectbox(key="similarity_layers").set_value("weighted")
    checked(app.run())
    checked(app.button(key="similarity_measure_button").click().run())
    job = app.session_state["similarity_job"]
    view = resources.engine().wait(job, timeout=PATIENCE)
    assert view.status == "done", view.error
    return checked(app.run())


def test_with_an_empty_library_the_page_says_what_to_do():
    app = open_page()
    assert "No prototypes yet" in texts(app)
    assert app.button(key="similarity_measure_button").disabled


def test_prototypes_come_from_the_link(prototypes):
    app = open_page(prototypes=f"{prototypes[1]},{prototypes[2]},gone")
    assert app.multiselect(key="similarity_prototypes").value == [prototypes[1], prototypes[2]]
    assert app.button(key="similarity_measure_button").disabled  # no images yet
    assert "One subfolder per class" in texts(app)


def test_measuring_two_classes(prototypes, photos):
    app = measured(open_page(prototypes=",".join(prototypes)), photos)
    assert "2 of 3 folders matched: review" in [box.label for box in app.expander]
    assert "1 file skipped" in [box.label for box in app.expander]
    assert "5 images of the class, 5 of other classes" in texts(app)
    assert "the paper used 100 of each" in texts(app)
    first, rows = (table.value for table in app.dataframe if "Same class" in table.value)
    assert {"Similarity", "Other classes", "Equation 1", "Probability"} < set(first.columns)
    assert first["Similarity"][0] == pytest.approx(
        float(rows["Similarity"][0].split()[0]), abs=1e-2
    )
    assert list(rows["Class"]) == ["2 · cat", "2 · cat", "3 · dog"]
    assert rows["Same class"][0].count("[") == 1
    spec = app.get("plotly_chart")[0].proto.spec
    assert "same-class images" in spec
    assert "Conv2d" in spec
    info = resources.library().prototype(prototypes[0])
    assert info.similarity == pytest.approx(float(rows["Similarity"][0].split(" ")[0]), abs=1e-3)
    assert info.naturalness["probability"] == pytest.approx(info.probability, abs=0.01)


def test_measures_views_and_classes_can_be_changed(prototypes, photos):
    app = measured(open_page(prototypes=",".join(prototypes)), photos)
    checked(app.segmented_control(key="similarity_measure").set_value("profile").run())
    assert "rank correlation of channel means" in texts(app)
    checked(app.segmented_control(key="similarity_view").set_value("Normalised").run())
    assert "layers masked" in app.get("plotly_chart")[0].proto.spec
    checked(app.selectbox(key="similarity_class").set_value("3 · dog").run())
    assert "3 \\u00b7 dog" in app.get("plotly_chart")[0].proto.spec
    link = {name: param(app, name) for name in ("job", "measure", "view", "class")}
    colleague = open_page(**link).get("plotly_chart")[0].proto.spec
    assert "3 \\u00b7 dog" in colleague and "layers masked" in colleague


def test_a_click_on_a_layer_shows_its_images(prototypes, photos):
    app = measured(open_page(prototypes=prototypes[0]), photos)
    point = {"curve_number": 4, "point_number": 3, "point_index": 3, "x": 3, "y": 0.5}
    selection = {"points": [point], "point_indices": [3], "box": [], "lasso": []}
    app.session_state["similarity_chart"] = {"selection": selection}
    checked(app.run())
    assert app.selectbox(key="similarity_layer").value == 3
    assert "Most similar images of the class" in texts(app)
    assert "of held-out class images" in texts(app)
    assert (
        open_page(job=param(app, "job"), layer=param(app, "layer"))
        .selectbox(key="similarity_layer")
        .value
        == 3
    )
    assert len(app.get("plotly_chart")) == 2


def test_the_second_time_is_instant(prototypes, photos, monkeypatch):
    app = measured(open_page(prototypes=prototypes[0]), photos)
    monkeypatch.setattr("protocore.similarity.store.measure_reference", None)
    measured(app, photos)


def test_a_folder_without_the_class(prototypes, photos):
    app = open_page(prototypes=prototypes[2])
    for name in ("3 dog", "cat"):
        (photos / name).rename(photos / f"other {name}")
    app.text_input(key="similarity_folder").set_value(str(photos))
    checked(app.run())
    assert "No folder holds images of 3 · dog" in texts(app).replace("\\", "")
    assert app.button(key="similarity_measure_button").disabled


def test_too_few_images_are_explained(prototypes, photos):
    app = open_page(prototypes=prototypes[2])
    for number in range(3):
        (photos / "3 dog" / f"{number}.png").unlink()
    app.text_input(key="similarity_folder").set_value(str(photos))
    checked(app.run())
    checked(app.button(key="similarity_measure_button").click().run())
    resources.engine().wait(app.session_state["similarity_job"], timeout=PATIENCE)
    checked(app.run())
    wanted = "a natural reference needs at least 5 images of the class, got 3"
    assert wanted in texts(app).replace("\\", "").lower()


def test_demo_images_need_a_demo_class(prototypes):
    app = open_page(prototypes=prototypes[0])
    checked(app.segmented_control(key="similarity_source").set_value("demo").run())
    checked(app.button(key="similarity_measure_button").click().run())
    resources.engine().wait(app.session_state["similarity_job"], timeout=PATIENCE)
    checked(app.run())
    assert "demo world does not have the class 2 · cat" in texts(app).replace("\\", "")


def test_a_missing_data_set_is_offered(prototypes, tmp_path):
    app = open_page(prototypes=prototypes[0])
    checked(app.segmented_control(key="similarity_source").set_value("dataset").run())
    app.text_input(key="similarity_root").set_value(str(tmp_path / "data"))
    checked(app.run())
    assert "Imagenette (160px) is not in" in texts(app)
    assert app.button(key="similarity_download")
    checked(app.selectbox(key="similarity_dataset").set_value("ImageNet val").run())
    assert "ILSVRC2012" in texts(app).replace("\\", "")


def test_a_job_that_is_gone(prototypes):
    app = open_page(job="0123456789abcdef", prototypes=prototypes[0])
    assert "job" not in app.query_params
    assert "Choose prototypes and natural images" in texts(app)
