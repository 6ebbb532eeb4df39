"""The Library page, driven without a browser."""

import threading
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components.common import resources
from pages.components.library import grid as library_grid
from protocore.library.bundle import export_bundle
from protocore.library.library import Filter, Library
from tests.library.samples import tiny_prototype, tiny_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def library(own_home):
    """The library that the page opens, empty."""
    st.cache_resource.clear()
    library = Library(own_home)
    yield library
    resources.engine().close()
    st.cache_resource.clear()
    library.close()


@pytest.fixture
def open_page():
    def open_page():
        app = AppTest.from_file(ROOT / "app.py", default_timeout=30).run()
        return checked(app.switch_page("pages/5_Library.py").run())

    return open_page


@pytest.fixture
def switches(monkeypatch):
    """Calls of st.switch_page, which then does nothing."""
    calls = []
    monkeypatch.setattr(st, "switch_page", lambda *args, **kwargs: calls.append((args, kwargs)))
    return calls


@pytest.fixture
def filled(library):
    """Tench and golf ball of one run, horn of another model; newest first in the list."""
    library.save_run(tiny_run(tiny_prototype(0), tiny_prototype(1, probability=0.05)))
    library.save_run(tiny_run(tiny_prototype(2, model="other", probability=0.3)))
    return library.prototypes()


def checked(app):
    assert not app.exception, app.exception[0].stack_trace
    return app


def titles(app):
    """Titles of the cards, which are the labels of their checkboxes."""
    return [box.label.replace("\\", "") for box in app.checkbox]


def said(app):
    return [
        box.value.replace("\\", "") for kind in (app.success, app.info, app.error) for box in kind
    ]


def test_an_empty_library_says_what_to_do_next(library, open_page):
    app = open_page()
    (text,) = said(app)
    assert "Generate page" in text and "import a bundle" in text
    assert not app.button(key="library_generate").disabled


def test_each_prototype_has_a_card_with_its_probability(filled, open_page):
    app = open_page()
    assert titles(app) == ["French horn · seed 0", "tench · seed 0", "golf ball · seed 0"]
    badges = [m.value for m in app.markdown if "badge[" in m.value]
    assert badges == [":orange-badge[p 0.30]", ":green-badge[p 0.90]", ":red-badge[p 0.05]"]
    assert len(app.get("image")) == 3
    assert "None" not in "".join(m.value for m in app.markdown)  # no expression shows its value


def test_similarity_stands_beside_the_probability(library, filled, open_page):
    library.set_naturalness(filled[1].id, {"similarity": 0.641})
    app = open_page()
    badges = [m.value for m in app.markdown if "badge[" in m.value]
    assert badges[1] == ":green-badge[p 0.90] :blue-badge[similarity 0.64]"


def test_filters_and_order(library, filled, open_page):
    library.set_tags(filled[0].id, ["brass"])
    app = open_page()
    app.selectbox(key="library_model").select("tiny · TEST_V1").run()
    assert titles(checked(app)) == ["tench · seed 0", "golf ball · seed 0"]
    app.selectbox(key="library_class").select("1 · golf ball").run()
    assert titles(checked(app)) == ["golf ball · seed 0"]
    app.selectbox(key="library_tag").select("brass").run()
    assert said(checked(app)) == ["No prototype fits these filters."]
    app.button(key="library_clear").click().run()
    assert len(titles(checked(app))) == 3
    app.text_input(key="library_text").input("BALL").run()
    assert titles(checked(app)) == ["golf ball · seed 0"]
    app.text_input(key="library_text").input("").run()
    app.selectbox(key="library_sort").select("probability").run()
    assert titles(checked(app)) == ["tench · seed 0", "French horn · seed 0", "golf ball · seed 0"]


def test_the_last_of_a_filtered_model_may_be_deleted(filled, open_page):
    app = open_page()
    app.selectbox(key="library_model").select("other · TEST_V1").run()
    app.checkbox(key=f"pick_{filled[0].id}").check().run()
    app.button(key="library_delete").click().run()
    assert titles(checked(app)) == ["tench · seed 0", "golf ball · seed 0"]
    assert app.selectbox(key="library_model").value == ""


def test_pages(library, open_page):
    library.save_run(
        tiny_run(*(tiny_prototype(1, seed) for seed in range(30)), frames=(), curves=())
    )
    app = open_page()
    assert titles(app) == [f"golf ball · seed {n}" for n in range(24)]
    app.checkbox(key=f"pick_{library.prototypes()[0].id}").check().run()
    app.pagination(key="library_page").set_value(2).run()
    assert titles(checked(app)) == [f"golf ball · seed {n}" for n in range(24, 30)]
    app.button(key="pick_all").click().run()
    assert any("7 chosen" in m.value for m in checked(app).markdown)
    app.text_input(key="library_text").input("golf").run()
    assert titles(checked(app))[0] == "golf ball · seed 0"
    assert app.checkbox[0].value is True
    app.button(key="pick_none").click().run()
    assert not any(box.value for box in checked(app).checkbox)


def test_delete_and_undo(library, filled, open_page):
    app = open_page()
    app.checkbox(key=f"pick_{filled[1].id}").check().run()
    app.checkbox(key=f"pick_{filled[2].id}").check().run()
    app.button(key="library_delete").click().run()
    assert titles(checked(app)) == ["French horn · seed 0"]
    assert said(app) == ["2 prototypes deleted."]
    app.button(key="library_undo").click().run()
    assert len(titles(checked(app))) == 3
    assert said(app) == ["Restored."]
    assert library.count(Filter(deleted=True)) == 0
    assert said(app.run()) == []


def test_trash_restore_and_empty(library, filled, open_page):
    library.delete([info.id for info in filled])
    app = open_page()
    app.segmented_control(key="library_view").select("Trash").run()
    assert len(titles(checked(app))) == 3
    app.button(key=f"restore_{filled[0].id}").click().run()
    assert titles(checked(app)) == ["tench · seed 0", "golf ball · seed 0"]
    app.checkbox(key=f"pick_{filled[1].id}").check().run()
    app.button(key="trash_restore").click().run()
    assert titles(checked(app)) == ["golf ball · seed 0"]
    assert not library.prototype(filled[1].id).deleted_at
    assert "1 prototype will be deleted for good, with all files." in [
        m.value for m in app.markdown
    ]
    app.button(key="trash_purge").click().run()
    assert said(checked(app)) == ["The trash is empty.", "The trash is empty."]
    assert library.count() == 2
    assert library.count(Filter(deleted=True)) == 0


def test_details_rename_tag_and_delete(library, filled, open_page):
    golf = filled[2].id
    app = open_page()
    app.button(key=f"details_{golf}").click().run()
    facts = next(m.value for m in checked(app).markdown if m.value.startswith("Model: "))
    assert "Class: **1 · golf ball**" in facts
    assert "Preset: **Paper**" in facts
    app.text_input(key=f"item_title_{golf}").input("*my* [ball](http://x)")
    app.multiselect(key=f"item_tags_{golf}").set_value(["sport"])
    app.button(key="item_save").click().run()
    assert titles(checked(app))[2] == "*my* [ball](http://x)"
    assert app.checkbox[2].label == r"\*my\* \[ball\]\(http\:/" + r"/x\)"
    assert library.prototype(golf).tags == ("sport",)
    assert not [b for b in app.button if b.key == "item_save"]  # the dialog is closed
    app.button(key=f"details_{golf}").click().run()
    app.button(key="item_delete").click().run()
    assert len(titles(checked(app))) == 2
    assert said(app) == ["1 prototype deleted."]


def test_an_impossible_name_is_explained_and_the_dialog_stays(library, filled, open_page):
    app = open_page()
    app.button(key=f"details_{filled[0].id}").click().run()
    app.text_input(key=f"item_title_{filled[0].id}").input("   ")
    app.button(key="item_save").click().run()
    assert "A title must have 1 to 200 characters, got 0" in said(checked(app))
    assert app.button(key="item_save")
    assert library.prototype(filled[0].id).title == "French horn · seed 0"


def test_open_leads_to_the_run(library, filled, open_page, switches):
    app = open_page()
    app.button(key=f"open_{filled[2].id}").click().run()
    query = {"run": filled[2].run_id}
    assert switches == [(("pages/1_Generate.py",), {"query_params": query})]


def test_export_and_import(library, filled, open_page, tmp_path):
    app = open_page()
    app.button(key="pick_all").click().run()
    app.button(key="library_export").click().run()
    assert said(checked(app)) == ["The bundle of 3 prototypes is ready."]
    assert app.download_button(key="library_download").label.startswith("Download (")
    bundle = app.session_state["library_exported"][1]
    app.checkbox(key=f"pick_{filled[0].id}").uncheck().run()
    assert said(checked(app)) == []  # another selection, another bundle

    library.delete([info.id for info in filled])
    library.purge()
    app.run()
    app.file_uploader[0].upload("x.protocore.zip", bundle.read_bytes(), "application/zip").run()
    app.button(key="library_import").click().run()
    assert said(checked(app)) == ["3 prototypes imported."]
    assert len(titles(app)) == 3


def test_a_file_that_is_no_bundle_is_explained(library, filled, open_page):
    app = open_page()
    app.file_uploader[0].upload("x.zip", b"not a zip", "application/zip").run()
    app.button(key="library_import").click().run()
    assert said(checked(app))[0].startswith("This file is not a whole zip archive")
    assert len(titles(app)) == 3


def test_damaged_entries_are_shown_and_can_be_removed(library, filled, open_page):
    filled[0].picture.unlink()
    app = open_page()
    assert [w.value for w in app.warning] == ["Its files are gone."]
    assert app.button(key=f"open_{filled[0].id}").disabled
    app.checkbox(key=f"pick_{filled[0].id}").check().run()
    app.button(key="library_export").click().run()
    assert "cannot be exported: its files are gone" in said(checked(app))[0]
    app.button(key="library_delete").click().run()
    assert len(titles(checked(app))) == 2


def test_running_jobs_are_listed_and_can_be_stopped(library, open_page):
    started, go_on = threading.Event(), threading.Event()

    def work(control):
        control.progress(3, 10, "optimising")
        started.set()
        while not control.stopping:
            go_on.wait(0.01)

    engine = resources.engine()
    running = engine.submit(kind="generation", title="golf ball", device="cpu", work=work)
    waiting = engine.submit(kind="generation", title="tench", device="cpu", work=work)
    assert started.wait(20)
    app = open_page()
    texts = [bar.proto.text.replace("\\", "") for bar in app.get("progress")]
    assert texts[-2:] == [
        "**tench** · Waiting · 1 ahead",
        "**golf ball** · Running · step 3 of 10 · optimising",
    ]
    links = [link.proto.query_string for link in app.get("page_link")]
    assert f"job={running}" in links
    for job_id in (waiting, running):
        app.button(key=f"stop_{job_id}").click().run()
        engine.wait(job_id, 20)
    assert not checked(app.run()).get("progress")


def test_a_library_that_cannot_be_opened_is_explained(library, open_page):
    app = open_page()
    library.close()
    path = library.folder / "library.sqlite"
    path.write_bytes(b"damaged" * 1000)
    path.with_name("library.sqlite-wal").unlink(missing_ok=True)
    st.cache_resource.clear()
    app.run()
    assert "is damaged (file is not a database); rename the file" in said(checked(app))[0]


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(1.0, ":green-badge[p 1.00]"), (0.1, ":orange-badge[p 0.10]"), (0.0, ":red-badge[p 0.00]")],
)
def test_badges(library, probability, expected):
    library.save_run(tiny_run(tiny_prototype(probability=probability)))
    assert library_grid.badges(library.prototypes()[0]) == expected


def test_a_bundle_from_elsewhere_into_an_empty_library(library, open_page, tmp_path):
    other = Library(tmp_path / "other")
    other.save_run(tiny_run())
    path = export_bundle(other, [other.prototypes()[0].id], tmp_path / "x.protocore.zip")
    other.close()
    app = open_page()
    app.file_uploader[0].upload("x.protocore.zip", path.read_bytes(), "application/zip").run()
    app.button(key="library_import").click().run()
    assert titles(checked(app)) == ["golf ball · seed 0"]
