"""The home page: the newest prototypes, or one button that makes the first."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.common import resources
from tests.library.samples import tiny_prototype, tiny_run

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("clean_app")


def open_home():
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def headings(app):
    return [heading.value for heading in (*app.title, *app.header)]


def test_an_empty_home_offers_the_first_prototype_with_one_click():
    app = open_home()
    assert not app.button(key="first_run").disabled
    assert "Recent prototypes" not in headings(app)
    assert any("0 prototypes in the library" in caption.value for caption in app.caption)


def test_recent_prototypes_are_counted_and_shown():
    resources.library().save_run(tiny_run(tiny_prototype(0), tiny_prototype(1)))
    app = open_home()
    assert headings(app)[:2] == ["Home", "Recent prototypes"]
    assert any("2 prototypes in the library" in caption.value for caption in app.caption)
    assert not any(button.key == "first_run" for button in app.button)
