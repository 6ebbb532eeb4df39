"""The parts of the home page."""

from __future__ import annotations

import streamlit as st

from pages.components.page import ROOT
from pages.components.prototype_grid import Cell, show_grid
from pages.components.shared import demo_sheet, engine, library
from protocore.demo.network import INPUT_SIZE
from protocore.demo.weights import demo_weights_path
from protocore.models.catalog import search_catalog
from protocore.models.devices import default_device

RECENT = 4
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
        with column.container(border=True):
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


def show_recent() -> None:
    """The newest prototypes, or what to do first."""
    st.markdown("#### Made lately")
    recent = [info for info in library().prototypes(limit=RECENT) if not info.damaged]
    if not recent:
        st.info(
            "Nothing yet. Open **Generate**, pick a class of the demo model and press the button: "
            "the first prototype moves within seconds, without network.",
            icon=":material/lightbulb:",
        )
        return
    cells = [
        Cell(
            image=library().thumbnail(info.id).read_bytes(),
            title=info.title,
            badge=f"p {info.probability:.2f}",
            class_index=info.class_index,
        )
        for info in recent
    ]
    show_grid(cells, INPUT_SIZE)


def show_demo_world() -> None:
    """What the demo model was trained on."""
    st.markdown("#### The demo world")
    st.caption(
        "Rendered images, twelve classes in related pairs, and biases planted on purpose: "
        "see which of them you find in the prototypes before you read assets/demo/CARD.md."
    )
    st.image(demo_sheet(), width="content", alt="Eight images of each class of the demo world")
