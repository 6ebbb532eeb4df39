"""The parts of the home page."""

from __future__ import annotations

import sys
import threading

import streamlit as st

from pages.components.common.page import ROOT
from pages.components.common.recent import show_recent
from pages.components.common.resources import demo_sheet, engine, library
from protocore.demo.weights import demo_weights_path
from protocore.models.catalog import search_catalog, torchvision_models
from protocore.models.devices import default_device

TOUR = (
    ("1_Generate", ":material/auto_awesome:", "Generate", "Watch a class's prototype evolve."),
    ("2_Path_Similarity", ":material/show_chart:", "Path Similarity", "Check how natural it is."),
    ("3_Compare", ":material/compare:", "Compare", "Put related classes side by side."),
    ("4_Bias_Review", ":material/fact_check:", "Bias Review", "Test what you believe to see."),
    ("5_Library", ":material/photo_library:", "Library", "Find again all that was made."),
)


def show_tour() -> None:
    """One card per page."""
    pages = [step for step in TOUR if (ROOT / "pages" / f"{step[0]}.py").is_file()]
    for (file, icon, title, text), column in zip(pages, st.columns(len(pages)), strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(f"pages/{file}.py", label=f"**{title}**", icon=icon)
            st.caption(text)


def show_ready() -> None:
    """Model, weights, device and library in figures."""
    columns = st.columns(4)
    ready = demo_weights_path().is_file()
    columns[0].metric("Demo model", "ready" if ready else "missing", border=True)
    on_disk = len(search_catalog("", on_disk=True))
    columns[1].metric("torchvision weights on disk", on_disk, border=True)
    columns[2].metric("Device", default_device(), border=True)
    columns[3].metric("Prototypes in the library", library().count(), border=True)


def show_running() -> None:
    """Active jobs; details are on their pages."""
    for job in engine().views():
        if job.active:
            st.progress(job.fraction, text=f"{job.title}: {job.status}")


def show_work() -> None:
    """The newest prototypes, or what to do first."""
    if not show_recent():
        st.info(
            "Nothing has been made yet. Open **Generate** and press the button: the first "
            "prototype of the demo model moves within seconds, without network.",
            icon=":material/lightbulb:",
        )


def show_demo_world() -> None:
    """What the demo model was trained on."""
    st.markdown("#### The demo world")
    st.caption(
        "Rendered images, twelve classes in related pairs, and biases planted on purpose: "
        "see which of them you find in the prototypes before you read assets/demo/CARD.md."
    )
    st.image(demo_sheet(), width="content", alt="Eight images of each class of the demo world")


def load_ahead() -> None:
    """Load what the other pages need while this one is looked at."""
    if "torchvision.models" not in sys.modules:
        threading.Thread(target=torchvision_models, name="load ahead", daemon=True).start()
