"""Home: what this is, what is ready, and the work of late."""

import platform

import streamlit as st

from pages.components.page import ROOT, begin_page, explained
from pages.components.prototype_grid import Cell, show_grid
from pages.components.shared import engine, library
from protocore.demo.weights import demo_weights_path
from protocore.models.catalog import search_catalog
from protocore.models.devices import default_device

begin_page("Home", ":material/home:", "Find out what an image classifier has learned.")
st.markdown(
    "Protocore makes **prototypes**: images that a classifier finds most typical of a class, "
    "while its layers respond to them as they do to real photographs. What turns up in a "
    "prototype without belonging to the class, such as a hand beside the fish or a face under "
    "the hat, is what the model has learned besides."
)
with st.container(horizontal=True):
    st.page_link("pages/1_Generate.py", label="Make a prototype", icon=":material/auto_awesome:")
    if (ROOT / "pages" / "5_Library.py").is_file():
        st.page_link(
            "pages/5_Library.py", label="Open the library", icon=":material/photo_library:"
        )

with explained():
    columns = st.columns(4)
    ready = demo_weights_path().is_file()
    on_disk = len(search_catalog("", on_disk=True))
    columns[0].metric("Demo model", "ready" if ready else "missing", border=True)
    columns[1].metric("torchvision weights on disk", on_disk, border=True)
    columns[2].metric("Device", default_device(), platform.machine(), "off", border=True)
    columns[3].metric("Prototypes in the library", library().count(), border=True)

    active = [job for job in engine().views() if job.active]
    for job in active:
        st.progress(job.fraction, text=f"{job.title}: {job.status}")
    recent = [info for info in library().prototypes(limit=8) if not info.damaged]
    st.markdown("#### Made lately")
    if not recent:
        st.info(
            "Nothing yet. Open **Generate**, pick a class of the demo model and press the button: "
            "the first prototype moves within seconds, without network.",
            icon=":material/lightbulb:",
        )
    cells = [
        Cell(
            image=library().thumbnail(info.id).read_bytes(),
            title=info.title,
            badge=f"p {info.probability:.2f}",
            class_index=info.class_index,
        )
        for info in recent
    ]
    show_grid(cells, 112)
