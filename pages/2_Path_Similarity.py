"""Path Similarity: how natural prototypes are inside the network, layer by layer."""

import streamlit as st

from pages.components.common.errors import explained, show_error
from pages.components.common.page import begin_page
from pages.components.common.resources import library
from pages.components.similarity.controls import controls, start
from pages.components.similarity.progress import find_job, show_progress
from pages.components.similarity.results import show_results

begin_page(
    "Path Similarity",
    "Does the network process a prototype like real images of its class?",
)
with explained():
    job = find_job()
    with st.sidebar:
        request = controls()
        st.button(
            "Measure",
            type="primary",
            icon=":material/straighten:",
            key="similarity_measure_button",
            disabled=request is None or bool(job and job.active),
            on_click=start,
            args=(request,),
            width="stretch",
        )
    measured = ()
    if job and job.active:
        show_progress(job)
        measured = job.snapshot or ()
    elif job and job.error:
        show_error(job.error)
        measured = job.snapshot or ()  # the classes before the one that failed
    elif job:
        measured = job.result
    if measured:
        show_results(measured)
    elif job and not job.active and not job.error:
        st.info("Stopped before the first class was measured.", icon=":material/stop_circle:")
    elif not job and not library().count():
        st.info(
            "No prototypes yet: generate one first, then choose it here.",
            icon=":material/auto_awesome:",
        )
        st.page_link("pages/1_Generate.py", label="To Generate", icon=":material/auto_awesome:")
    elif not job:
        st.info(
            "Choose prototypes and natural images on the left, then press **Measure**. Every "
            "layer's activations are compared with the mean over images of the class; results are "
            "cached.",
            icon=":material/arrow_back:",
        )
