"""The parts of the home page."""

from __future__ import annotations

import sys
import threading

import streamlit as st

from pages.components.common.links import chosen_device
from pages.components.common.page import ROOT
from pages.components.common.recent import show_recent
from pages.components.common.resources import demo_sheet, library
from pages.components.generate.showing import start_soon
from pages.components.pickers.classes import set_classes
from pages.components.pickers.model import choose_model
from protocore.demo.weights import demo_weights_path
from protocore.models.catalog import search_catalog, torchvision_models
from protocore.models.devices import default_device
from protocore.models.spec import ModelSpec
from protocore.text import plural

GENERATE = "pages/1_Generate.py"
TOUR = (
    ("2_Path_Similarity", ":material/show_chart:", "Path Similarity",
     "Measure how natural it looks to the network."),
    ("3_Compare", ":material/compare:", "Compare", "Put related classes side by side."),
    ("4_Bias_Review", ":material/fact_check:", "Bias Review", "Test what you think you see."),
    ("5_Library", ":material/photo_library:", "Library", "Browse everything you have generated."),
)  # fmt: skip


def show_work() -> None:
    """The newest prototypes; at first start a shipped picture and a button that makes one."""
    if show_recent():
        st.page_link(GENERATE, label="Generate more", icon=":material/auto_awesome:")
        return
    picture, text = st.columns([3, 2], gap="medium", vertical_alignment="center")
    picture.image(
        str(ROOT / "assets" / "demo_prototypes.jpg"),
        width="stretch",
        alt="Prototypes of classes of the demo model",
    )
    with text:
        st.markdown(
            "No prototypes yet. The demo model works offline and starts within seconds; move the "
            "sliders while its prototype takes shape."
        )
        started = st.button(
            "Generate the first prototype",
            key="first_run",
            type="primary",
            icon=":material/play_arrow:",
            disabled=not demo_weights_path().is_file(),
        )
        if started:
            choose_model(ModelSpec.demo(device=chosen_device()))
            set_classes([0])
            start_soon()
            st.switch_page(GENERATE)


def show_tour() -> None:
    """What else there is, one card per page."""
    st.header("And then", anchor=False)
    for (file, icon, title, text), column in zip(TOUR, st.columns(len(TOUR)), strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(f"pages/{file}.py", label=f"**{title}**", icon=icon)
            st.caption(text)


def show_ready() -> None:
    """Model, weights, device and library in one line."""
    demo = "demo model ready" if demo_weights_path().is_file() else "demo model missing"
    on_disk = len(search_catalog("", on_disk=True))
    parts = [
        plural(library().count(), "prototype") + " in the library",
        demo,
        f"{on_disk} torchvision weights on disk",
        f"device {default_device()}",
    ]
    st.caption(" · ".join(parts))


def show_demo_world() -> None:
    """What the demo model was trained on."""
    with st.expander("The demo world", icon=":material/category:"):
        st.markdown(
            "Rendered images, twelve classes in related pairs, and biases planted on purpose: see "
            "which ones you can spot in the prototypes before you open the answer card."
        )
        st.image(demo_sheet(), width="content", alt="Eight images of each class of the demo world")
        st.download_button(
            "Answer card",
            data=(ROOT / "assets" / "demo" / "CARD.md").read_bytes,
            file_name="CARD.md",
            mime="text/markdown",
            icon=":material/key:",
            on_click="ignore",
        )


def load_ahead() -> None:
    """Load what the other pages need while this one is looked at."""
    if "torchvision.models" not in sys.modules:
        threading.Thread(target=torchvision_models, name="load ahead", daemon=True).start()
