"""The home page: what is ready, and the work of late."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.common import resources
from tests.library.samples import tiny_prototype, tiny_run

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("clean_app")


def open_home():
    app = AppTest.from_file(ROOT / "app.py", default_timeout=30).run()
    assert not app.exception, app.exception[0].stack_trace
    return {metric.label: metric.value for metric in app.metric}, app


def test_an_empty_home_says_what_to_do_first():
    metrics, app = open_home()
    assert metrics["Demo model"] == "ready"
    assert metrics["Prototypes in the library"] == "0"
    assert app.info[0].value.startswith("Nothing has been made yet. Open **Generate**")


def test_recent_prototypes_are_counted_and_shown():
    resources.library().save_run(tiny_run(tiny_prototype(0), tiny_prototype(1)))
    metrics, app = open_home()
    assert metrics["Prototypes in the library"] == "2"
    assert not app.info
